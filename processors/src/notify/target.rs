//! Who is told of what, and how much of it. Pure.

use std::{collections::BTreeSet, fmt, str::FromStr};

use common::{
    event::{Event, Payload, Topic},
    moderation::Verdict,
    source::SourceUrl,
};

use super::Secret;

/// A target's name: its identity as a consumer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl FromStr for Name {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits = (1..=40).contains(&text.len()) && text.bytes().all(plain);
        if fits { Ok(Self(text.to_owned())) } else { Err("a name is 1 to 40 of a-z, 0-9 and -") }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is told only to targets that were allowed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Private {
    /// Recognised text.
    Text,
    /// Where faces are.
    Faces,
    /// Who was recognised.
    Celebrities,
}

impl Private {
    /// All of it.
    pub const ALL: [Private; 3] = [Private::Text, Private::Faces, Private::Celebrities];

    /// The name in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Private::Text => "text",
            Private::Faces => "faces",
            Private::Celebrities => "celebrities",
        }
    }
}

/// A receiver of events. A filter applies to the events that have what it asks about; all others pass it.
#[derive(Clone)]
pub struct Target {
    /// Its identity.
    pub name: Name,
    /// Where events are posted.
    pub url: SourceUrl,
    /// What signs them; empty for unsigned ones.
    pub secrets: Vec<Secret>,
    /// What it is told of.
    pub topics: Vec<Topic>,
    /// In lower case: events with labels need one of these. `None` for any.
    pub labels: Option<BTreeSet<String>>,
    /// Decisions must be one of these. `None` for any.
    pub verdicts: Option<BTreeSet<Verdict>>,
    /// Analyses must be of one of these. `None` for any.
    pub providers: Option<BTreeSet<String>>,
    /// What it may be told besides.
    pub include: BTreeSet<Private>,
}

/// Neither the secrets nor the URL, whose path or query may be one.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("name", &self.name.0).field("topics", &self.topics).finish_non_exhaustive()
    }
}

impl Target {
    /// One that is told everything of these topics that anybody may be told, unsigned.
    pub fn new(name: Name, url: SourceUrl, topics: Vec<Topic>) -> Self {
        Self {
            name,
            url,
            topics,
            secrets: Vec::new(),
            labels: None,
            verdicts: None,
            providers: None,
            include: BTreeSet::new(),
        }
    }

    /// Whether the filters let the event through. Whoever asks for `allow` also gets undecided images that the policy lets
    /// through to this target.
    pub(super) fn wants(&self, event: &Event) -> bool {
        match &event.data {
            Payload::Labelled(analysis) => {
                let labels = analysis.findings.labels.iter().flatten().map(|label| label.description.as_str());
                let provider = &analysis.detector.provider;
                self.wants_any(labels) && self.providers.as_ref().is_none_or(|wanted| wanted.contains(provider))
            }
            Payload::Translated(translations) => {
                self.wants_any(translations.translated.iter().map(|label| label.label.as_str()))
            }
            Payload::Moderated(moderation) => self.verdicts.as_ref().is_none_or(|wanted| {
                let passes = wanted.contains(&Verdict::Allow) && moderation.passes(&self.name.0);
                passes || wanted.contains(&moderation.verdict)
            }),
            Payload::Failed(_) | Payload::Requested(_) | Payload::Replied(_) => true,
        }
    }

    fn wants_any<'a>(&self, mut labels: impl Iterator<Item = &'a str>) -> bool {
        self.labels.as_ref().is_none_or(|wanted| labels.any(|label| wanted.contains(&label.to_lowercase())))
    }

    /// The event as this target may see it.
    pub(super) fn shown(&self, event: &Event) -> Event {
        let mut event = event.clone();
        if let Payload::Labelled(analysis) = &mut event.data {
            for private in Private::ALL.into_iter().filter(|private| !self.include.contains(private)) {
                match private {
                    Private::Text => analysis.findings.text = None,
                    Private::Faces => analysis.findings.faces = None,
                    Private::Celebrities => analysis.findings.celebrities = None,
                }
            }
        }
        event
    }
}
