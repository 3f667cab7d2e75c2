//! The processors of `up`: which there are, how each is fed from the topics of this machine, and the files that say what they do.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use common::{
    analysis::Features,
    error::{Error, Kind, Result},
    event::Event,
    image::Digest,
    ports::{Reviews, Screen},
    request::Cloud,
};
use jiff::Timestamp;
use local::{From, Handle, Local, Message, Retries, Subscription};
use metrics::gauge;
use processors::{
    Processor, Worker, WriteBack,
    moderation::{Moderator, Policies, PolicyFile},
    translation::{Glossaries, Translator},
};
use tracing::{error, info, warn};

use crate::{
    compose::Composed,
    config::{Settings, Translating},
};

/// Events that one processor works on at a time.
const AT_A_TIME: usize = 16;
/// Events that one webhook is told at a time.
const TOLD_AT_A_TIME: usize = 4;

/// What the operator's files say, read again when they change.
pub(crate) struct Files {
    pub(crate) policies: Policies,
    policy_files: Vec<PolicyFile>,
    glossaries: Glossaries,
    glossary: Option<PathBuf>,
    seen: Option<Digest>,
}

impl Files {
    /// All of them; `invalid-request` where one cannot be read or says nothing sensible.
    pub(crate) fn read(settings: &Settings, translating: &Translating) -> Result<Self> {
        let (policies, policy_files) =
            Policies::of_files(settings.policy.as_deref(), settings.shadow_policy.as_deref())?;
        let glossary = translating.glossary.clone();
        let mut files = Self { policies, policy_files, glossaries: Glossaries::default(), glossary, seen: None };
        files.read_glossary()?;
        Ok(files)
    }

    /// Reads what has changed; what is not sensible is logged, and what was in force stays.
    pub(crate) fn refresh(&mut self) {
        for file in &mut self.policy_files {
            file.refresh();
        }
        match self.read_glossary() {
            Ok(true) => info!("the glossary was read again"),
            Ok(false) => {}
            Err(error) => error!(%error, "the glossary is not usable, the running one stays"),
        }
    }

    fn read_glossary(&mut self) -> Result<bool> {
        let Some(path) = &self.glossary else { return Ok(false) };
        let refused = |cause: String| Error::new(Kind::InvalidRequest, format!("{}: {cause}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|cause| refused(cause.to_string()))?;
        let digest = Some(Digest::of(text.as_bytes()));
        if digest == self.seen {
            return Ok(false);
        }
        self.seen = digest;
        self.glossaries.replace(&text).map_err(|error| refused(error.message().to_owned()))
    }
}

/// The policies in force, as far as the detector can tell what they ask about: the embedded model knows labels and nothing else,
/// and what it is not asked is as undecided as what it cannot tell.
pub(crate) struct Askable {
    pub(crate) policies: Policies,
    /// All the detector can tell; `None` where that is not known.
    pub(crate) tells: Option<Features>,
}

impl Screen for Askable {
    fn features(&self) -> Option<Features> {
        let wanted = self.policies.features()?;
        let Some(tells) = &self.tells else { return Some(wanted) };
        Features::new(wanted.iter().filter(|feature| tells.contains(*feature))).ok()
    }

    fn denies(&self, digest: Digest) -> bool {
        self.policies.denies(digest)
    }

    fn tells_all(&self) -> bool {
        self.policies.tells_all()
    }
}

/// Those that every machine has.
pub(crate) fn built_in(composed: &Composed, files: &Files, translating: &Translating) -> Vec<Arc<dyn Processor>> {
    let (ledger, bucket) = (Arc::new(composed.local.ledger.clone()), Arc::new(composed.local.bucket.clone()));
    let (intake, policies) = (composed.pipeline.look.intake.clone(), files.policies.clone());
    let moderator = Moderator::new(Cloud::Local, policies, intake, bucket.clone(), bucket.clone(), ledger.clone());
    let languages = translating.languages.clone();
    let translator = Translator::new(Cloud::Local, languages, files.glossaries.clone(), None, ledger.clone());
    let write_back = WriteBack {
        archive: ledger.clone(),
        dossiers: ledger,
        fetch: bucket.clone(),
        store: bucket.clone(),
        originals: bucket,
    };
    vec![Arc::new(moderator), Arc::new(translator), Arc::new(write_back)]
}

/// Feeds each with all events of its topics, and remembers what it has settled.
pub(crate) async fn attach(
    composed: &Composed,
    processors: Vec<Arc<dyn Processor>>,
    retries: Retries,
) -> Result<Vec<Subscription>> {
    let ledger = Arc::new(composed.local.ledger.clone());
    let journal = Arc::new(composed.local.journal());
    let mut attached = Vec::new();
    for processor in processors {
        let worker = Worker {
            processor: processor.clone(),
            journal: journal.clone(),
            outbox: ledger.clone(),
            publish: Arc::new(composed.local.topics.clone()),
        };
        attached.push(subscribe(composed, &*processor, AT_A_TIME, retries, Arc::new(Feed(worker))).await?);
    }
    Ok(attached)
}

/// Feeds those that tell somebody else. The topics remember what was told; nothing else does, so that a replay tells again.
pub(crate) async fn tell(
    composed: &Composed,
    processors: Vec<Arc<dyn Processor>>,
    retries: Retries,
) -> Result<Vec<Subscription>> {
    let mut attached = Vec::new();
    for processor in processors {
        let handler = Arc::new(Tell(processor.clone()));
        attached.push(subscribe(composed, &*processor, TOLD_AT_A_TIME, retries, handler).await?);
    }
    Ok(attached)
}

async fn subscribe(
    composed: &Composed,
    processor: &dyn Processor,
    at_a_time: usize,
    retries: Retries,
    handler: Arc<dyn Handle>,
) -> Result<Subscription> {
    let topics: Vec<&str> = processor.consumes().iter().map(|topic| topic.name()).collect();
    composed.local.topics.subscribe(processor.name(), &topics, From::Start, at_a_time, retries, handler).await
}

/// For an alarm: how long the oldest image has waited for a person.
pub(crate) async fn tell_waiting(local: &Local) {
    match local.ledger.waiting(1).await {
        Ok(waiting) => {
            let since = waiting.first().map_or_else(Timestamp::now, |item| item.since);
            gauge!("crosslens_review_oldest_seconds")
                .set(Timestamp::now().duration_since(since).as_secs_f64().max(0.0));
        }
        Err(error) => warn!(%error, cause = error.causes(), "cannot look at the review list"),
    }
}

struct Feed(Worker);

#[async_trait]
impl Handle for Feed {
    async fn handle(&self, message: &Message) -> Result<()> {
        let event: Event = message.parse()?;
        self.0.handle(&event).await
    }
}

struct Tell(Arc<dyn Processor>);

#[async_trait]
impl Handle for Tell {
    async fn handle(&self, message: &Message) -> Result<()> {
        let event: Event = message.parse()?;
        self.0.process(&event).await.map(drop)
    }
}
