//! Who we are to Google's side: a Google ID token for our AWS role, by workload identity federation.
//!
//! The role's signed `GetCallerIdentity` is exchanged for a federated token, and that for an ID token of a service account that
//! may invoke the detector: no key of Google's is kept anywhere. How Google describes it:
//! <https://cloud.google.com/iam/docs/workload-identity-federation-with-other-clouds>.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use common::{
    error::{Error, Kind, Result, internal},
    ports::Identity,
};
use futures_util::FutureExt;
use google_cloud_auth::{
    credentials::idtoken::{IDTokenCredentials, impersonated},
    errors::CredentialsError,
};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    runtime::{Builder, Runtime},
    time::timeout,
};
use url::Url;

/// How long a token may take that is not at hand: two calls to Google.
const PATIENCE: Duration = Duration::from_secs(5);

/// Seconds that a token must still be valid for when it is given out.
const SPARE: i64 = 30;

/// ID tokens for one detector. They are renewed four minutes early, beside the requests, and kept until then.
pub struct GoogleIdentity(Arc<Account>);

struct Account {
    audience: String,
    credentials: Value,
    /// Of its own, for a thread of its own: Google's client reads the machine's root certificates again for every token that it
    /// fetches, and neither a start nor a request waits for that.
    runtime: Option<Runtime>,
    current: Mutex<Option<IDTokenCredentials>>,
}

impl GoogleIdentity {
    /// From the JSON that `gcloud iam workload-identity-pools create-cred-config --aws --service-account=…` writes, for the
    /// detector at `audience`, of which only scheme, host and port count. Builds Google's client and fetches the first token
    /// at once, beside the caller.
    ///
    /// # Errors
    /// `invalid-request` that says what is wrong with the JSON.
    pub fn new(credentials_json: &str, audience: &Url) -> Result<Self> {
        let credentials = impersonating(credentials_json)?;
        let audience = match audience.scheme() {
            "http" | "https" => audience.origin().ascii_serialization(),
            _ => return Err(refused("the detector's url does not begin with https")),
        };
        common::http::use_ring();
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("google").enable_all().build();
        let runtime = runtime.map_err(internal)?;
        let handle = runtime.handle().clone();
        let account = Arc::new(Account { audience, credentials, runtime: Some(runtime), current: Mutex::new(None) });
        let early = account.clone();
        handle.spawn(async move { early.credentials().inspect_err(|error| tracing::error!("{error}")).map(drop) });
        Ok(Self(account))
    }
}

impl Account {
    /// The credentials in use, or new ones after a failure.
    fn credentials(&self) -> Result<IDTokenCredentials> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match &*current {
            Some(credentials) => Ok(credentials.clone()),
            None => {
                let _beside = self.runtime.as_ref().map(Runtime::enter);
                Ok(current.insert(build(&self.audience, &self.credentials)?).clone())
            }
        }
    }

    /// What Google's client remembers of a failure it would repeat to everybody, for good where it takes it for permanent; a
    /// right that is given to the service account would then not be noticed by a running function.
    fn forget(&self) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn fetch(&self) -> Result<String> {
        let credentials = self.credentials()?;
        let token = timeout(PATIENCE, AssertUnwindSafe(credentials.id_token()).catch_unwind()).await;
        let token = match token {
            Ok(Ok(answer)) => answer.map_err(fault),
            Ok(Err(_)) => Err(Error::new(Kind::Unavailable, "Google's answer holds no token that can be read")),
            Err(_) => Err(Error::new(Kind::Unavailable, "Google gave no token in time")),
        };
        token.inspect_err(|_| self.forget())
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[async_trait]
impl Identity for GoogleIdentity {
    async fn token(&self) -> Result<SecretString> {
        let Self(account) = self;
        let token = account.fetch().await?;
        if seconds_left(&token) >= SPARE {
            return Ok(token.into());
        }
        // A function that was frozen may wake up before the timer that should have renewed the token has noticed.
        account.forget();
        let token = account.fetch().await?;
        if seconds_left(&token) > 0 {
            return Ok(token.into());
        }
        account.forget();
        Err(Error::new(Kind::Unavailable, "Google's token is over already; check this machine's clock"))
    }
}

/// The JSON in the form in which Google's client takes it: an external account that impersonates a service account gives access
/// tokens only, and ID tokens are given by an impersonated service account whose source is the bare external account.
fn impersonating(credentials_json: &str) -> Result<Value> {
    let mut source: Value =
        serde_json::from_str(credentials_json).map_err(|cause| refused("it is not JSON").because(cause))?;
    match source.get("type").and_then(Value::as_str) {
        Some("external_account") => {}
        Some("service_account") => {
            return Err(refused(
                "it is a service account's key, a secret that never ends; write a configuration for workload identity \
                 federation with `gcloud iam workload-identity-pools create-cred-config --aws` in its place",
            ));
        }
        _ => return Err(refused("its type is not external_account")),
    }
    if source.pointer("/credential_source/imdsv2_session_token_url").is_some() {
        return Err(refused(
            "it holds imdsv2_session_token_url, which only a virtual machine can answer; create it without \
             --enable-imdsv2",
        ));
    }
    for name in ["audience", "subject_token_type", "token_url"] {
        if !source.get(name).is_some_and(Value::is_string) {
            return Err(refused(&format!("it holds no {name}")));
        }
    }
    let environment = source.pointer("/credential_source/environment_id").and_then(Value::as_str).unwrap_or_default();
    if !environment.starts_with("aws") {
        return Err(refused("its credential_source is not AWS; create it with --aws"));
    }
    let url = source.as_object_mut().and_then(|source| source.remove("service_account_impersonation_url"));
    let Some(Value::String(url)) = url else {
        return Err(refused(
            "it holds no service_account_impersonation_url, and only a service account is given ID tokens; create it \
             with --service-account",
        ));
    };
    Ok(json!({
        "type": "impersonated_service_account",
        "service_account_impersonation_url": url,
        "source_credentials": source,
    }))
}

fn build(audience: &str, credentials: &Value) -> Result<IDTokenCredentials> {
    let builder = impersonated::Builder::new(audience, credentials.clone()).with_include_email();
    builder.build().map_err(|cause| refused("a part of it is missing or wrong; the log says which").because(cause))
}

fn refused(why: &str) -> Error {
    Error::new(Kind::InvalidRequest, format!("the Google credentials are of no use here: {why}"))
}

/// The one place where Google's failures to give a token are classified.
fn fault(error: CredentialsError) -> Error {
    let message = match error.is_transient() {
        true => "Google cannot give a token now",
        false => {
            tracing::error!(
                "Google gives us no token; check that the pool knows this role, and that it may act as the service \
                 account (roles/iam.workloadIdentityUser, roles/iam.serviceAccountOpenIdTokenCreator)"
            );
            "Google gives us no token"
        }
    };
    Error::new(Kind::Unavailable, message).because(error)
}

/// Until the token's end, by the clock on the wall, which goes on while a function is frozen. Nothing is checked here: that is
/// the detector's part.
fn seconds_left(token: &str) -> i64 {
    #[derive(Deserialize)]
    struct Claims {
        exp: i64,
    }
    let payload = token.split('.').nth(1).unwrap_or_default().trim_end_matches('=');
    let claims = data_encoding::BASE64URL_NOPAD.decode(payload.as_bytes()).ok();
    let claims: Option<Claims> = claims.and_then(|json| serde_json::from_slice(&json).ok());
    claims.map_or(0, |claims| claims.exp.saturating_sub(jiff::Timestamp::now().as_second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Value {
        json!({
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/aws",
            "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
            "token_url": "https://sts.googleapis.com/v1/token",
            "service_account_impersonation_url": "https://iam.example/sa:generateAccessToken",
            "credential_source": { "environment_id": "aws1" },
        })
    }

    #[test]
    fn the_service_account_stands_before_the_bare_external_account() {
        let made = impersonating(&account().to_string()).unwrap();
        assert_eq!(made["service_account_impersonation_url"], "https://iam.example/sa:generateAccessToken");
        assert_eq!(made["source_credentials"]["type"], "external_account");
        assert!(made["source_credentials"].get("service_account_impersonation_url").is_none());
    }

    #[test]
    fn what_is_of_no_use_is_refused_and_says_why() {
        let check = |change: &dyn Fn(&mut Value), word: &str| {
            let mut json = account();
            change(&mut json);
            let error = impersonating(&json.to_string()).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidRequest);
            assert!(error.message().contains(word), "{word} is not in {}", error.message());
        };
        check(&|json| json["type"] = "service_account".into(), "never ends");
        check(&|json| json["type"] = "authorized_user".into(), "external_account");
        check(&|json| json["token_url"] = Value::Null, "no token_url");
        check(&|json| json["credential_source"]["imdsv2_session_token_url"] = "http://x".into(), "--enable-imdsv2");
        check(&|json| json["token_url"] = Value::Null, "no token_url");
        check(&|json| json["credential_source"] = json!({ "file": "/x" }), "--aws");
        let unset = |json: &mut Value| {
            json.as_object_mut().unwrap().remove("service_account_impersonation_url");
        };
        check(&unset, "--service-account");
        assert!(impersonating("{").unwrap_err().message().contains("not JSON"));
    }

    #[test]
    fn a_token_that_cannot_be_read_is_over() {
        let token =
            |claims: Value| format!("h.{}.s", data_encoding::BASE64URL_NOPAD.encode(claims.to_string().as_bytes()));
        let now = jiff::Timestamp::now().as_second();
        assert!(seconds_left(&token(json!({ "exp": now + 100 }))) > 90);
        assert!(seconds_left(&token(json!({ "exp": now - 100 }))) < 0);
        for token in ["", "x", "a.b.c", &token(json!({}))] {
            assert_eq!(seconds_left(token), 0, "{token}");
        }
    }
}
