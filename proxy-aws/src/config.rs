//! Settings of the functions: the environment over `crosslens.toml`, every problem named at once. The only place that reads
//! the environment, but for the standard variables that AWS's own libraries read.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use common::{
    endpoints::Patience,
    error::Result,
    event::Topic,
    http::Callers,
    intake::Limits,
    settings::{Environment, Layers, number},
    source::HostPort,
    translation::Language,
};
use processors::{faces::WIKIPEDIA, messages};
use proxy_aws::configuration::{GLOSSARY, POLICY, SHADOW, WEBHOOKS};
use url::Url;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Days that a vector of a face stays unless it is said otherwise.
const FACES_DAYS: u32 = 365;

/// What the operator decides.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) buckets: Arc<[String]>,
    pub(crate) table: String,
    pub(crate) topics: BTreeMap<Topic, String>,
    pub(crate) queues: Vec<String>,
    pub(crate) detectors: Vec<Detector>,
    /// The configuration of workload identity federation; it holds no secret.
    pub(crate) google_credentials: Option<String>,
    pub(crate) retention: Option<Duration>,
    pub(crate) erase_on_delete: bool,
    pub(crate) pay_elsewhere: bool,
    pub(crate) retry_delay: Duration,
    pub(crate) patience: Patience,
    pub(crate) sweep_age: Duration,
    pub(crate) callers: Callers,
    pub(crate) allow_source: Vec<HostPort>,
    /// Inner addresses that webhooks may have.
    pub(crate) allow_target: Vec<HostPort>,
    pub(crate) limits: Limits,
    /// The processors that this function runs.
    pub(crate) processors: Vec<ProcessorName>,
    /// What labels are translated into.
    pub(crate) languages: Vec<Language>,
    /// How long a vector of a face stays; `None` where no service keeps faces.
    pub(crate) faces: Option<Duration>,
    /// Where it is looked up who a matched person is; `None` where nowhere.
    pub(crate) wikipedia: Option<Url>,
    /// Where the operator's files lie.
    pub(crate) config_bucket: Option<String>,
    /// Who messages come from and go to.
    pub(crate) messages: messages::Settings,
    pub(crate) stage: String,
    pub(crate) log_filter: String,
}

/// Who is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Detector {
    /// A detector service.
    At(Url),
    /// Amazon's own.
    Rekognition,
}

/// A processor, by its name among all consumers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProcessorName {
    Moderation,
    Translation,
    WriteBack,
    Notify,
    Faces,
    LabelMessages,
    Dispatch,
}

impl ProcessorName {
    const ALL: [Self; 7] = [
        Self::Moderation,
        Self::Translation,
        Self::WriteBack,
        Self::Notify,
        Self::Faces,
        Self::LabelMessages,
        Self::Dispatch,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Moderation => "moderation",
            Self::Translation => "translation",
            Self::WriteBack => "write-back",
            Self::Notify => "notify",
            Self::Faces => "faces",
            Self::LabelMessages => "label-messages",
            Self::Dispatch => "dispatch",
        }
    }

    /// The topic that it publishes on.
    const fn tells(self) -> Option<Topic> {
        match self {
            Self::Moderation => Some(Topic::ImageModerated),
            Self::Translation => Some(Topic::LabelsTranslated),
            Self::Faces | Self::LabelMessages => Some(Topic::DispatchResponse),
            Self::WriteBack | Self::Notify | Self::Dispatch => None,
        }
    }

    /// The operator's files that say what it does.
    pub(crate) const fn files(self) -> &'static [&'static str] {
        match self {
            Self::Moderation => &[POLICY, SHADOW],
            Self::Translation => &[GLOSSARY],
            Self::Notify => &[WEBHOOKS],
            Self::WriteBack | Self::Faces | Self::LabelMessages | Self::Dispatch => &[],
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
    pub(crate) fn resolve(environment: &Environment) -> Result<Self> {
        let mut layers = Layers::new(None, environment)?;
        let text = |text: &str| Ok::<_, String>(text.to_owned());
        let seconds = |text: &str| text.parse::<u64>().map(Duration::from_secs);
        let patience = Patience::default();
        let processors = processors(&mut layers);
        let messages = messages(&mut layers, &processors);
        let settings = Self {
            buckets: required(&mut layers, "buckets", "the bucket whose uploads are labelled").into(),
            table: required(&mut layers, "table", "the ledger's table").pop().unwrap_or_default(),
            topics: topics(&mut layers, &processors, messages.verifier.is_some()),
            queues: layers.many("queues", &[], text),
            detectors: detectors(&mut layers),
            google_credentials: google_credentials(&mut layers),
            retention: layers.one("retention", None, number::<u32>).map(|days| DAY * days),
            erase_on_delete: layers.one("erase_on_delete", None, str::parse).unwrap_or(false),
            pay_elsewhere: layers.one("pay_elsewhere", None, str::parse).unwrap_or(false),
            retry_delay: layers.one("retry_delay", None, seconds).unwrap_or(Duration::from_secs(30)),
            patience: Patience {
                failures: layers.one("breaker_failures", None, number).unwrap_or(patience.failures),
                first_rest: layers.one("breaker_rest", None, seconds).unwrap_or(patience.first_rest),
                ..patience
            },
            sweep_age: layers.one("sweep_age", None, seconds).unwrap_or(Duration::from_secs(60)),
            callers: callers(&mut layers),
            allow_source: layers.allow_source(&[]),
            allow_target: layers
                .many("allow_target", &[], |text| text.parse::<HostPort>().map_err(|error| error.message().to_owned())),
            limits: layers.limits(),
            languages: languages(&mut layers, &processors),
            faces: faces(&mut layers),
            wikipedia: wikipedia(&mut layers),
            config_bucket: config_bucket(&mut layers, &processors),
            processors,
            messages,
            stage: layers.one("stage", None, text).unwrap_or_else(|| "dev".to_owned()),
            log_filter: log_filter(environment),
        };
        layers.settle(settings)
    }
}

fn required(layers: &mut Layers<'_>, name: &str, what: &str) -> Vec<String> {
    let values = layers.many(name, &[], |text| Ok::<_, String>(text.to_owned()));
    if values.is_empty() {
        layers.problem(format!("CROSSLENS_{} is missing: {what}", name.to_uppercase()));
    }
    values
}

fn processors(layers: &mut Layers<'_>) -> Vec<ProcessorName> {
    layers.many("processors", &[], |text| {
        let found = ProcessorName::ALL.into_iter().find(|processor| processor.name() == text);
        found.ok_or_else(|| format!("{text} is none of {}", ProcessorName::ALL.map(ProcessorName::name).join(", ")))
    })
}

fn languages(layers: &mut Layers<'_>, processors: &[ProcessorName]) -> Vec<Language> {
    let parse = |text: &str| text.parse::<Language>().map_err(|error| error.message().to_owned());
    let languages = layers.many("languages", &[], parse);
    if languages.is_empty() && processors.contains(&ProcessorName::Translation) {
        layers.problem("CROSSLENS_LANGUAGES is missing: what labels are translated into, as in es,fr".to_owned());
    }
    languages
}

fn config_bucket(layers: &mut Layers<'_>, processors: &[ProcessorName]) -> Option<String> {
    let bucket = layers.one("config_bucket", None, |text| Ok::<_, String>(text.to_owned()));
    if let (None, Some(asks)) = (&bucket, processors.iter().find(|processor| !processor.files().is_empty())) {
        layers.problem(format!("CROSSLENS_CONFIG_BUCKET is missing: where {}'s file lies", asks.name()));
    }
    bucket
}

/// Those that this function publishes on: the pipeline's, its processors', and the front door's where it is that.
fn topics(layers: &mut Layers<'_>, processors: &[ProcessorName], door: bool) -> BTreeMap<Topic, String> {
    let topic = |text: &str| {
        let (name, arn) = text.split_once('=').ok_or("as in image_labelled=arn:aws:sns:…")?;
        let topic = Topic::from_name(name).ok_or_else(|| format!("{name} is no topic that this function publishes"))?;
        Ok::<_, String>((topic, arn.to_owned()))
    };
    let topics: BTreeMap<Topic, String> = layers.many("topics", &[], topic).into_iter().collect();
    let told = processors.iter().filter_map(|processor| processor.tells());
    let asked = if door { &ASKED[..] } else { &[] };
    let needed = [Topic::ImageLabelled, Topic::ImageFailed].into_iter().chain(told).chain(asked.iter().copied());
    for topic in needed.filter(|topic| !topics.contains_key(topic)) {
        layers.problem(format!("CROSSLENS_TOPICS does not name {0}: {0}=ARN", topic.name()));
    }
    topics
}

/// What the front door for messages publishes on.
const ASKED: [Topic; 5] = [
    Topic::CreateCollectionRequest,
    Topic::AddFaceRequest,
    Topic::MatchFaceRequest,
    Topic::LabelRequest,
    Topic::DispatchResponse,
];

fn messages(layers: &mut Layers<'_>, processors: &[ProcessorName]) -> messages::Settings {
    let settings = messages::Settings::read(layers);
    if settings.account.is_none() && processors.contains(&ProcessorName::Dispatch) {
        layers.problem("TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN are missing: who sends answers".to_owned());
    }
    settings
}

fn detectors(layers: &mut Layers<'_>) -> Vec<Detector> {
    let detector = |text: &str| match text {
        "rekognition" => Ok(Detector::Rekognition),
        url => url.parse::<Url>().map(Detector::At).map_err(|error| format!("a URL or rekognition: {error}")),
    };
    let detectors = layers.many("detectors", &[], detector);
    if detectors.is_empty() {
        layers.problem("CROSSLENS_DETECTORS is missing: URLs of detectors, or rekognition, in order".to_owned());
    }
    detectors
}

/// Who keeps faces, and for how many days.
fn faces(layers: &mut Layers<'_>) -> Option<Duration> {
    let keeps = |text: &str| match text {
        "rekognition" => Ok(true),
        "none" => Ok(false),
        _ => Err("rekognition or none"),
    };
    let keeps = layers.one("faces", None, keeps).unwrap_or(false);
    let days = layers.one("faces_retention", None, number::<u32>).unwrap_or(FACES_DAYS);
    keeps.then(|| DAY * days)
}

fn wikipedia(layers: &mut Layers<'_>) -> Option<Url> {
    let url = |text: &str| match text {
        "none" => Ok(None),
        url => url.parse::<Url>().map(Some).map_err(|error| format!("a URL or none: {error}")),
    };
    layers.one("wikipedia_url", None, url).unwrap_or_else(|| WIKIPEDIA.parse().ok())
}

/// The configuration itself, or the file that the standard variable names.
fn google_credentials(layers: &mut Layers<'_>) -> Option<String> {
    // Taken whole: it is JSON, and its commas separate nothing.
    let given = layers.environment.get("CROSSLENS_GOOGLE_CREDENTIALS").filter(|json| !json.is_empty()).cloned();
    let file = layers.environment.get("GOOGLE_APPLICATION_CREDENTIALS").filter(|path| !path.is_empty()).cloned();
    layers.known(&["google_credentials"]);
    given.or_else(|| {
        let read = |path: &str| std::fs::read_to_string(Path::new(path)).map_err(|error| format!("{path}: {error}"));
        layers.parsed("GOOGLE_APPLICATION_CREDENTIALS", &file?, read)
    })
}

/// Whoever AWS has authenticated, unless it is said otherwise.
fn callers(layers: &mut Layers<'_>) -> Callers {
    let keys = layers.api_keys();
    let open = layers.one("allow_unauthenticated", None, str::parse::<bool>).unwrap_or(false);
    match (open, keys.is_empty()) {
        (true, false) => {
            layers.problem("CROSSLENS_ALLOW_UNAUTHENTICATED with CROSSLENS_API_KEYS: one or the other".to_owned());
            Callers::Vouched
        }
        (true, true) => Callers::Anybody,
        (false, false) => Callers::Keys(keys.into()),
        (false, true) => Callers::Vouched,
    }
}

/// `RUST_LOG`, else the level that the function's logging configuration sets
/// (<https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-advanced.html>).
fn log_filter(environment: &Environment) -> String {
    let level = environment.get("AWS_LAMBDA_LOG_LEVEL").map(|level| match level.to_lowercase().as_str() {
        "fatal" => "error".to_owned(),
        level => level.to_owned(),
    });
    environment.get("RUST_LOG").cloned().or(level).unwrap_or_else(|| "info".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    const LEAST: [(&str, &str); 4] = [
        ("CROSSLENS_BUCKETS", "pictures,more"),
        ("CROSSLENS_TABLE", "ledger"),
        ("CROSSLENS_TOPICS", "image_labelled=arn:a,image_failed=arn:b"),
        ("CROSSLENS_DETECTORS", "https://detector.example,rekognition"),
    ];

    #[test]
    fn everything_that_is_missing_is_named_at_once() {
        let message =
            Settings::resolve(&environment(&[("CROSSLENS_RETENTION", "0")])).unwrap_err().message().to_owned();
        for part in ["BUCKETS", "TABLE", "image_labelled", "image_failed", "DETECTORS", "RETENTION"] {
            assert!(message.contains(part), "{part} in {message}");
        }
    }

    #[test]
    fn processors_need_their_topics_languages_and_files() {
        let with = [&LEAST[..], &[("CROSSLENS_PROCESSORS", "moderation,translation,notify,faces,blurring")]].concat();
        let message = Settings::resolve(&environment(&with)).unwrap_err().message().to_owned();
        for part in [
            "blurring is none of",
            "dispatch_response",
            "image_moderated",
            "labels_translated",
            "LANGUAGES",
            "CONFIG_BUCKET",
        ] {
            assert!(message.contains(part), "{part} in {message}");
        }
        let with =
            [&LEAST[..], &[("CROSSLENS_PROCESSORS", "write-back"), ("CROSSLENS_LANGUAGES", "es, pt-BR")]].concat();
        let settings = Settings::resolve(&environment(&with)).unwrap();
        assert_eq!((settings.processors, settings.config_bucket), (vec![ProcessorName::WriteBack], None));
        assert_eq!(settings.languages.iter().map(Language::tag).collect::<Vec<_>>(), ["es", "pt-BR"]);
    }

    #[test]
    fn by_default_callers_are_whom_aws_has_authenticated() {
        let settings = Settings::resolve(&environment(&LEAST)).unwrap();
        assert!(matches!(settings.callers, Callers::Vouched));
        assert_eq!(settings.buckets.as_ref(), ["pictures", "more"]);
        assert_eq!(settings.detectors.last(), Some(&Detector::Rekognition));
        assert_eq!(settings.retention, None);
    }

    #[test]
    fn faces_are_kept_where_it_is_said_and_for_a_year() {
        let faces =
            |pairs: &[(&str, &str)]| Settings::resolve(&environment(&[&LEAST[..], pairs].concat())).unwrap().faces;
        assert_eq!(faces(&[]), None);
        assert_eq!(faces(&[("CROSSLENS_FACES", "none"), ("CROSSLENS_FACES_RETENTION", "7")]), None);
        assert_eq!(faces(&[("CROSSLENS_FACES", "rekognition")]), Some(DAY * 365));
        assert_eq!(faces(&[("CROSSLENS_FACES", "rekognition"), ("CROSSLENS_FACES_RETENTION", "7")]), Some(DAY * 7));
    }

    #[test]
    fn the_federation_is_json_with_commas() {
        let json = r#"{"type":"external_account","audience":"//iam"}"#;
        let with = [&LEAST[..], &[("CROSSLENS_GOOGLE_CREDENTIALS", json)]].concat();
        assert_eq!(Settings::resolve(&environment(&with)).unwrap().google_credentials.as_deref(), Some(json));
    }
}
