//! Settings: flags over environment over `crosslens.toml`, every problem named at once. The only place that reads the
//! environment.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use clap::Parser;
use common::{
    error::Result,
    intake::Limits,
    settings::{Environment, Layers, cache_folder, number},
    source::HostPort,
};
use detector_gcp::{
    id_tokens::Audience,
    vision::{VisionFlags, VisionSettings},
};
use url::Url;

/// The detector service: an image or its URL in, labels out, in Crosslens's words and in Google Vision's.
#[derive(Debug, Default, Parser)]
#[command(name = "detector-gcp", version, max_term_width = 100)]
pub(crate) struct Flags {
    /// Settings file [default: ./crosslens.toml where it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one [default: 0.0.0.0:$PORT, or 127.0.0.1:8080 without it]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Who answers: Google Vision, or the embedded model [default: vision]
    #[arg(long, value_name = "vision|local")]
    detector: Option<String>,
    /// The audience that callers' Google ID tokens must be for: this service's URL; may be repeated
    #[arg(long, value_name = "URL")]
    audience: Vec<String>,
    /// A service account that may call; may be repeated
    #[arg(long, value_name = "EMAIL")]
    allow_caller: Vec<String>,
    /// Serves everybody who reaches the listener, at the operator's cost
    #[arg(long)]
    allow_unauthenticated: bool,
    /// Lets images be fetched from this address although it is a local one or has another port; for development
    #[arg(long, value_name = "HOST:PORT")]
    allow_source: Vec<String>,
    #[command(flatten)]
    vision: VisionFlags,
    /// Requests that work at a time [default: 320]
    #[arg(long, value_name = "N")]
    concurrency: Option<String>,
    /// Requests that wait for a place; more are answered 429 [default: 640]
    #[arg(long, value_name = "N")]
    queue: Option<String>,
    /// The most that one request may take, in seconds [default: 30]
    #[arg(long, value_name = "SECONDS")]
    deadline: Option<String>,
}

/// What the operator decides.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) detector: Detector,
    pub(crate) vision: VisionSettings,
    pub(crate) cache: PathBuf,
    pub(crate) callers: Callers,
    pub(crate) allow_source: Vec<HostPort>,
    pub(crate) limits: Limits,
    pub(crate) concurrency: usize,
    pub(crate) queue: usize,
    pub(crate) deadline: Duration,
    pub(crate) project: Option<String>,
    pub(crate) log_filter: String,
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detector {
    Vision,
    Local,
}

/// Who may call.
#[derive(Debug)]
pub(crate) enum Callers {
    /// The operator said so.
    Anybody,
    /// Holders of a Google ID token.
    IdTokens(Audience),
}

/// The process's environment; variables that are not text are left out.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

impl Settings {
    pub(crate) fn resolve(flags: &Flags, environment: &Environment) -> Result<Self> {
        let mut layers = Layers::new(flags.config.as_deref(), environment)?;
        let seconds = |text: &str| number::<u64>(text).map(Duration::from_secs);
        let settings = Self {
            // Cloud Run names the port and nothing else (https://cloud.google.com/run/docs/container-contract).
            listen: layers.listen(flags.listen.as_deref(), Ipv4Addr::UNSPECIFIED),
            detector: layers.one("detector", flags.detector.as_deref(), detector).unwrap_or(Detector::Vision),
            vision: VisionSettings::read(&mut layers, &flags.vision),
            cache: layers.one("cache", None, str::parse).unwrap_or_else(|| cache_folder(environment)),
            callers: callers(&mut layers, flags),
            allow_source: layers.allow_source(&flags.allow_source),
            limits: layers.limits(),
            concurrency: layers.one("concurrency", flags.concurrency.as_deref(), number).unwrap_or(320),
            queue: layers.one("queue", flags.queue.as_deref(), number).unwrap_or(640),
            deadline: layers.one("deadline", flags.deadline.as_deref(), seconds).unwrap_or(Duration::from_secs(30)),
            project: environment.get("GOOGLE_CLOUD_PROJECT").cloned(),
            log_filter: environment.get("RUST_LOG").cloned().unwrap_or_else(|| "info".to_owned()),
        };
        layers.settle(settings)
    }
}

/// Closed by default, on every listener: whoever gets in spends money.
fn callers(layers: &mut Layers<'_>, flags: &Flags) -> Callers {
    let text = |text: &str| Ok::<_, String>(text.to_owned());
    let open = flags.allow_unauthenticated.then_some("true");
    let open = layers.one("allow_unauthenticated", open, str::parse::<bool>).unwrap_or(false);
    let audiences = layers.many("audience", &flags.audience, text);
    let accounts = layers.many("allow_caller", &flags.allow_caller, text);
    let keys_url = layers.one("google_keys_url", None, str::parse::<Url>);
    match (open, audiences.is_empty(), accounts.is_empty()) {
        (true, true, true) => return Callers::Anybody,
        (true, ..) => layers.problem(
            "--allow-unauthenticated with --audience or --allow-caller: either everybody may call or those named"
                .to_owned(),
        ),
        (false, false, false) => {}
        (false, ..) => layers.problem(
            "say who may call: --audience URL and --allow-caller EMAIL (both), or --allow-unauthenticated".to_owned(),
        ),
    }
    Callers::IdTokens(Audience { audiences, accounts, keys_url })
}

fn detector(text: &str) -> Result<Detector, String> {
    match text {
        "vision" => Ok(Detector::Vision),
        "local" if cfg!(feature = "local") => Ok(Detector::Local),
        "local" => Err("this build has no embedded model; build it with the feature `local`".to_owned()),
        _ => Err("vision or local".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(args: &[&str], environment: &[(&str, &str)]) -> Result<Settings> {
        let flags = Flags::parse_from(["detector-gcp"].iter().chain(args));
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Settings::resolve(&flags, &environment)
    }

    #[test]
    fn nobody_may_call_by_default_not_even_on_loopback() {
        for args in [&[][..], &["--audience", "https://x"], &["--allow-caller", "a@b"]] {
            assert!(resolve(args, &[]).unwrap_err().message().contains("--allow-unauthenticated"), "{args:?}");
        }
        let both = ["--allow-unauthenticated", "--audience", "https://x"];
        assert!(resolve(&both, &[]).is_err());
        let settings = resolve(&["--audience", "https://x", "--allow-caller", "a@b"], &[]).unwrap();
        assert!(matches!(settings.callers, Callers::IdTokens(_)));
    }

    #[test]
    fn the_port_of_cloud_run_is_taken_on_every_address() {
        let settings = resolve(&["--allow-unauthenticated"], &[("PORT", "9090")]).unwrap();
        assert_eq!(settings.listen, "0.0.0.0:9090".parse().unwrap());
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let error = resolve(&["--detector", "rekognition"], &[("CROSSLENS_UNITS_PER_DAY", "0")]).unwrap_err();
        for part in ["--detector", "CROSSLENS_UNITS_PER_DAY", "--audience"] {
            assert!(error.message().contains(part), "{part} in {}", error.message());
        }
    }
}
