//! Settings: flags over environment over `crosslens.toml`, every problem named at once. The only place that reads the
//! environment.

mod faces;
mod notify;
mod processing;
mod values;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use clap::Args;
use common::{
    error::Result,
    http::{Callers, Guard},
    intake::Limits,
    settings::{Environment, Layers, cache_folder, number, user_folder},
    source::HostPort,
};
use detector_local::ModelConfig;
use local::Retries;
use processors::messages;
use reqwest::Url;

pub(crate) use faces::{FaceService, Faces};
pub(crate) use notify::{Sns, Webhooks};
pub(crate) use processing::Translating;
#[cfg(feature = "aws")]
use values::text;
use values::{SECOND, days, duration, http_url, log_format};

/// What every command understands. Each may stand in the environment as `CROSSLENS_NAME`, or in `crosslens.toml`.
#[derive(Debug, Default, Clone, Args)]
pub(crate) struct Flags {
    /// Settings file [default: ./crosslens.toml where it exists]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where everything is kept [default: the user's data folder]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<String>,
    /// Who answers: `local` (the embedded model), `vision` (Google's, with your own credentials; builds with the feature
    /// `gcp`), or the URL of another Crosslens detector [default: local]
    #[arg(long, global = true, value_name = "local|vision|URL")]
    detector: Option<String>,
    /// Lets images be fetched from this address although it is a local one or has another port; for development
    #[arg(long, global = true, value_name = "HOST:PORT")]
    allow_source: Vec<String>,
    /// An ONNX classifier to use instead of the embedded one
    #[arg(long, global = true, value_name = "FILE")]
    model: Option<String>,
    /// The class names of --model, one a line
    #[arg(long, global = true, value_name = "FILE")]
    labels: Option<String>,
    /// The moderation policy [default: a built-in one, which blurs what is very likely adult or violent]
    #[arg(long, global = true, value_name = "FILE")]
    policy: Option<String>,
    /// A moderation policy on trial, beside the one in force
    #[arg(long, global = true, value_name = "FILE")]
    shadow_policy: Option<String>,
}

/// What only `up` understands.
#[derive(Debug, Default, Clone, Args)]
pub(crate) struct UpFlags {
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:8080, or $PORT]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Serves everybody who reaches a listener that is not loopback
    #[arg(long)]
    allow_unauthenticated: bool,
    /// Requests that work at a time [default: 32]
    #[arg(long, value_name = "N")]
    concurrency: Option<String>,
    /// Requests that wait for a place; more are answered 429 [default: 256]
    #[arg(long, value_name = "N")]
    queue: Option<String>,
    /// The most that one request may take, in seconds or as in 500ms [default: 30]
    #[arg(long, value_name = "TIME")]
    deadline: Option<String>,
    /// Cuts clients that take longer for a request's head or stay idle longer, in seconds or as in 500ms [default: 30]
    #[arg(long, value_name = "TIME")]
    head_timeout: Option<String>,
    /// Forgets analyses and events that are older, in days or as in 36h [default: never]
    #[arg(long, value_name = "TIME")]
    retention: Option<String>,
    #[command(flatten)]
    processing: processing::ProcessingFlags,
    #[command(flatten)]
    notify: notify::NotifyFlags,
    #[command(flatten)]
    faces: faces::FaceFlags,
}

/// Settings of every command.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) data: PathBuf,
    pub(crate) cache: PathBuf,
    pub(crate) detector: Detector,
    pub(crate) allow_source: Vec<HostPort>,
    pub(crate) model: ModelConfig,
    pub(crate) limits: Limits,
    /// The moderation policy; the built-in one where there is none.
    pub(crate) policy: Option<PathBuf>,
    /// What [`Self::policy`] is where no flag says otherwise: the policy that is in force.
    pub(crate) standing_policy: Option<PathBuf>,
    pub(crate) shadow_policy: Option<PathBuf>,
    #[cfg(feature = "gcp")]
    pub(crate) vision: detector_gcp::vision::VisionSettings,
    #[cfg(feature = "aws")]
    pub(crate) stack: Stack,
    /// How long what is recorded is kept; `None` for good.
    pub(crate) retention: Option<Duration>,
    pub(crate) log_filter: String,
    pub(crate) log_format: common::log::Format,
}

/// Settings of `up`.
#[derive(Debug, Clone)]
pub(crate) struct UpSettings {
    pub(crate) common: Settings,
    pub(crate) listen: SocketAddr,
    pub(crate) guard: Guard,
    pub(crate) callers: Callers,
    pub(crate) concurrency: usize,
    pub(crate) queue: usize,
    pub(crate) deadline: Duration,
    pub(crate) head_timeout: Duration,
    pub(crate) retention: Option<Duration>,
    pub(crate) translating: Translating,
    pub(crate) webhooks: Webhooks,
    pub(crate) faces: Faces,
    /// The events of a stack on AWS that are taken in by `POST /sns`; `None` where none are.
    pub(crate) sns: Option<Sns>,
    /// Who messages come from and go to.
    pub(crate) messages: messages::Settings,
    /// How often and when a failed delivery is tried again.
    pub(crate) retries: Retries,
}

/// The parts of a stack on AWS that an operator's commands work on, by their names.
#[cfg(feature = "aws")]
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    /// The ledger's table.
    pub(crate) table: Option<String>,
    /// The URL of the queue that the backfill function reads.
    pub(crate) backfill_queue: Option<String>,
    /// The URLs of the dead-letter queues.
    pub(crate) dead_letters: Vec<String>,
}

/// Who answers.
#[derive(Debug, Clone)]
pub(crate) enum Detector {
    /// The embedded model, or the user's own.
    Local,
    /// Google Vision, asked by this process.
    #[cfg(feature = "gcp")]
    Vision,
    /// Another Crosslens detector.
    Remote(Url),
}

impl FromStr for Detector {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "local" => Ok(Detector::Local),
            #[cfg(feature = "gcp")]
            "vision" => Ok(Detector::Vision),
            #[cfg(not(feature = "gcp"))]
            "vision" => {
                Err("this build knows no cloud; build it with `cargo build --release --features gcp`".to_owned())
            }
            url => {
                http_url(url).map(Detector::Remote).map_err(|problem| format!("`local`, `vision` or a URL: {problem}"))
            }
        }
    }
}

/// The process's environment; variables that are not text are left out.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

impl Settings {
    /// Settings of a command other than `up`.
    pub(crate) fn resolve(flags: &Flags, environment: &Environment) -> Result<Self> {
        let mut layers = Layers::new(flags.config.as_deref(), environment)?;
        let settings = Self::read(&mut layers, flags);
        layers.known(&[
            "listen",
            "allow_unauthenticated",
            "concurrency",
            "queue",
            "deadline",
            "head_timeout",
            "retention",
            "retry_first_ms",
            "api_keys",
        ]);
        layers.known(&notify::NAMES);
        layers.known(&faces::NAMES);
        layers.known(&processing::NAMES);
        layers.known(&messages::NAMES);
        layers.settle(settings)
    }

    fn read(layers: &mut Layers<'_>, flags: &Flags) -> Self {
        let environment = layers.environment;
        let data = || user_folder(environment, "XDG_DATA_HOME", ".local/share");
        let path = |text: &str| Ok::<_, String>(PathBuf::from(text));
        // One settings file serves every build.
        #[cfg(not(feature = "gcp"))]
        layers.known(&["vision_endpoint", "vision_credentials", "quota_per_minute", "units_per_day"]);
        #[cfg(not(feature = "aws"))]
        layers.known(&["table", "backfill_queue", "dead_letters"]);
        let standing_policy = layers.one("policy", None, path);
        Self {
            data: layers.one("data", flags.data.as_deref(), path).unwrap_or_else(data),
            cache: layers.one("cache", None, path).unwrap_or_else(|| cache_folder(environment)),
            detector: layers.one("detector", flags.detector.as_deref(), str::parse).unwrap_or(Detector::Local),
            allow_source: layers.allow_source(&flags.allow_source),
            model: ModelConfig {
                model: layers.one("model", flags.model.as_deref(), path),
                labels: layers.one("labels", flags.labels.as_deref(), path),
                onnxruntime: layers.one("onnxruntime", None, path),
                side: layers.one("model_side", None, number),
                shorter: layers.one("model_shorter", None, number),
                mean: layers.one("model_mean", None, str::parse),
                std: layers.one("model_std", None, str::parse),
                layout: layers.one("model_layout", None, str::parse),
                softmax: layers.one("model_softmax", None, str::parse::<bool>),
            },
            limits: layers.limits(),
            policy: flags.policy.as_ref().map(PathBuf::from).or_else(|| standing_policy.clone()),
            standing_policy,
            shadow_policy: layers.one("shadow_policy", flags.shadow_policy.as_deref(), path),
            #[cfg(feature = "gcp")]
            vision: detector_gcp::vision::VisionSettings::read(layers, &Default::default()),
            #[cfg(feature = "aws")]
            stack: Stack {
                table: layers.one("table", None, text),
                backfill_queue: layers.one("backfill_queue", None, text),
                dead_letters: layers.many("dead_letters", &[], text),
            },
            retention: layers.one("retention", None, days),
            log_filter: layers.environment.get("RUST_LOG").cloned().unwrap_or_else(|| "info".to_owned()),
            log_format: layers.one("log", None, log_format).unwrap_or_default(),
        }
    }
}

impl UpSettings {
    /// Settings of `up`.
    pub(crate) fn resolve(flags: &Flags, up: &UpFlags, environment: &Environment) -> Result<Self> {
        let mut layers = Layers::new(flags.config.as_deref(), environment)?;
        let common = Settings::read(&mut layers, flags);
        let listen = layers.listen(up.listen.as_deref(), Ipv4Addr::LOCALHOST);
        let open = layers.one("allow_unauthenticated", up.allow_unauthenticated.then_some("true"), str::parse::<bool>);
        let keys = layers.api_keys();
        let loopback = listen.ip().is_loopback();
        let callers = if keys.is_empty() { Callers::Anybody } else { Callers::Keys(keys.into()) };
        if !loopback && matches!(callers, Callers::Anybody) && open != Some(true) {
            layers.problem(format!(
                "{listen} is not a loopback address: set CROSSLENS_API_KEYS so that callers authenticate, or say --allow-unauthenticated"
            ));
        }
        let guarded = loopback && matches!(callers, Callers::Anybody);
        let seconds = |text: &str| duration(text, SECOND);
        let milliseconds = |text: &str| number::<u64>(text).map(Duration::from_millis);
        let settings = Self {
            listen,
            guard: if guarded { Guard::Loopback } else { Guard::Off },
            callers,
            concurrency: layers.one("concurrency", up.concurrency.as_deref(), number).unwrap_or(32),
            queue: layers.one("queue", up.queue.as_deref(), number).unwrap_or(256),
            deadline: layers.one("deadline", up.deadline.as_deref(), seconds).unwrap_or(SECOND * 30),
            head_timeout: layers.one("head_timeout", up.head_timeout.as_deref(), seconds).unwrap_or(SECOND * 30),
            retention: match &up.retention {
                Some(flag) => layers.one("retention", Some(flag), days),
                None => common.retention,
            },
            translating: Translating::read(&mut layers, &up.processing),
            webhooks: Webhooks::read(&mut layers, &up.notify),
            faces: Faces::read(&mut layers, &up.faces),
            sns: Sns::read(&mut layers, &up.notify),
            messages: twilio(&mut layers),
            retries: Retries {
                first: layers.one("retry_first_ms", None, milliseconds).unwrap_or(Retries::default().first),
                ..Retries::default()
            },
            common,
        };
        layers.settle(settings)
    }
}

/// All of Twilio's or nothing: what comes in by it goes out by it.
fn twilio(layers: &mut Layers<'_>) -> messages::Settings {
    let settings = messages::Settings::read(layers);
    if settings.verifier.is_some() != settings.account.is_some() {
        let needed = "TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and CROSSLENS_MESSAGES_URL";
        layers.problem(format!("messages need all of {needed}"));
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn flags_win_over_the_environment() {
        let up = UpFlags { listen: Some("127.0.0.1:1".into()), ..UpFlags::default() };
        let environment = environment(&[("CROSSLENS_LISTEN", "127.0.0.1:2"), ("CROSSLENS_QUEUE", "7")]);
        let settings = UpSettings::resolve(&Flags::default(), &up, &environment).unwrap();
        assert_eq!((settings.listen.port(), settings.queue), (1, 7));
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let flags = Flags { detector: Some("ftp://x".into()), ..Flags::default() };
        let environment = environment(&[("CROSSLENS_LISTEN", "0.0.0.0:80"), ("CROSSLENS_QUEUE", "0")]);
        let error = UpSettings::resolve(&flags, &UpFlags::default(), &environment).unwrap_err();
        for part in ["--detector", "CROSSLENS_QUEUE", "--allow-unauthenticated"] {
            assert!(error.message().contains(part), "{part} in {}", error.message());
        }
    }

    #[test]
    fn a_policy_on_the_command_line_is_not_the_one_in_force() {
        let environment = environment(&[("CROSSLENS_POLICY", "standing.toml")]);
        let resolve = |flags: &Flags| Settings::resolve(flags, &environment).unwrap();
        let standing = resolve(&Flags::default());
        assert_eq!(standing.policy, Some(PathBuf::from("standing.toml")));
        let tried = resolve(&Flags { policy: Some("tried.toml".into()), ..Flags::default() });
        assert_eq!((tried.policy, tried.standing_policy), (Some("tried.toml".into()), standing.policy));
    }

    #[test]
    fn keys_open_a_listener_and_are_never_shown() {
        let keys = environment(&[("CROSSLENS_LISTEN", "0.0.0.0:80"), ("CROSSLENS_API_KEYS", "0123456789abcdef")]);
        let settings = UpSettings::resolve(&Flags::default(), &UpFlags::default(), &keys).unwrap();
        assert_eq!(settings.guard, Guard::Off);
        assert!(!format!("{settings:?}").contains("0123456789abcdef"));
    }
}
