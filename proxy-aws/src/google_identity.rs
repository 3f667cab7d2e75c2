//! Who we are to Google's side: a Google ID token for our AWS role, by workload identity federation.
