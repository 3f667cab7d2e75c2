//! Settings of what goes out by webhook and what comes in from SNS.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use clap::Args;
use common::{
    event::Topic,
    settings::Layers,
    source::{HostPort, SourcePolicy, SourceUrl},
};
use processors::{
    notify::{Name, Target, targets},
    sns::MAX_AGE,
};
use reqwest::Url;

use super::values::{SECOND, duration, http_url};

/// All names, for commands that have no use for them.
pub(super) const NAMES: [&str; 6] =
    ["webhook", "webhooks", "allow_target", "sns_topic", "sns_max_age", "sns_certificates"];

/// What `up` understands of them.
#[derive(Debug, Default, Clone, Args)]
pub(crate) struct NotifyFlags {
    /// Posts every event of a topic to this URL until it is taken, unsigned: NAME=TOPIC=URL; may be repeated. --webhooks has
    /// signatures and filters
    #[arg(long, value_name = "NAME=TOPIC=URL")]
    webhook: Vec<String>,
    /// Who is told of events by webhook, of which, and with which signature; a TOML file of `[[webhook]]` tables
    #[arg(long, value_name = "FILE")]
    webhooks: Option<String>,
    /// Lets webhooks be posted to this address although it is a private one or has another port
    #[arg(long, value_name = "HOST:PORT")]
    allow_target: Vec<String>,
    /// Takes events of this SNS topic in, by `POST /sns`; may be repeated
    #[arg(long, value_name = "ARN")]
    sns_topic: Vec<String>,
}

/// Who is told of events, and the address rule for them.
#[derive(Debug, Clone)]
pub(crate) struct Webhooks {
    pub(crate) targets: Vec<Target>,
    pub(crate) policy: SourcePolicy,
}

impl Webhooks {
    pub(super) fn read(layers: &mut Layers<'_>, flags: &NotifyFlags) -> Self {
        let host_port = |text: &str| text.parse::<HostPort>().map_err(|error| error.message().to_owned());
        let policy = SourcePolicy::for_targets(layers.many("allow_target", &flags.allow_target, host_port));
        let mut all = layers.many("webhook", &flags.webhook, short);
        let short: BTreeSet<Name> = all.iter().map(|target| target.name.clone()).collect();
        if short.len() < all.len() {
            layers.problem("webhook: a name is given twice".to_owned());
        }
        let path = |text: &str| Ok::<_, String>(PathBuf::from(text));
        if let Some(file) = layers.one("webhooks", flags.webhooks.as_deref(), path) {
            let text = std::fs::read_to_string(&file);
            let (more, problems) = match &text {
                Ok(text) => targets(text),
                Err(error) => (Vec::new(), vec![error.to_string()]),
            };
            let again = more.iter().filter(|target| short.contains(&target.name));
            let again = again.map(|target| format!("webhook {}: --webhook has this name too", target.name));
            for problem in problems.into_iter().chain(again) {
                layers.problem(format!("{}: {problem}", file.display()));
            }
            all.extend(more);
        }
        for target in &all {
            // What the URL itself tells; a name's addresses are checked when it is connected to.
            if let Err(error) = policy.check_url(&target.url) {
                layers.problem(format!("webhook {}: {}", target.name, error.message()));
            }
        }
        Self { targets: all, policy }
    }
}

/// `NAME=TOPIC=URL`.
fn short(text: &str) -> Result<Target, String> {
    let form = "write NAME=TOPIC=URL, as in shop=image_labelled=https://shop.example/hook";
    let (name, rest) = text.split_once('=').ok_or(form)?;
    let (topic, url) = rest.split_once('=').ok_or(form)?;
    let name: Name = name.parse()?;
    let topic = Topic::from_name(topic).ok_or_else(|| format!("there is no topic {topic}"))?;
    let url = SourceUrl::parse(url).map_err(|error| error.message().to_owned())?;
    Ok(Target::new(name, url, vec![topic]))
}

/// Which topics of SNS are taken in.
#[derive(Debug, Clone)]
pub(crate) struct Sns {
    pub(crate) topics: BTreeSet<String>,
    pub(crate) max_age: Duration,
    /// Where AWS's URLs are opened instead; for tests and emulators only.
    pub(crate) instead: Option<Url>,
}

impl Sns {
    pub(super) fn read(layers: &mut Layers<'_>, flags: &NotifyFlags) -> Option<Self> {
        let topics: BTreeSet<String> = layers.many("sns_topic", &flags.sns_topic, arn).into_iter().collect();
        let max_age = layers.one("sns_max_age", None, |text| duration(text, SECOND)).unwrap_or(MAX_AGE);
        let instead = layers.one("sns_certificates", None, http_url);
        (!topics.is_empty()).then_some(Self { topics, max_age, instead })
    }
}

fn arn(text: &str) -> Result<String, &'static str> {
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        ["arn", partition, "sns", region, account, name]
            if partition.starts_with("aws") && [region, account, name].iter().all(|part| !part.is_empty()) =>
        {
            Ok(text.to_owned())
        }
        _ => Err("write a topic's ARN, as in arn:aws:sns:eu-central-1:123456789012:image_labelled"),
    }
}

#[cfg(test)]
mod tests {
    use common::settings::Environment;

    use super::*;

    fn webhooks(flags: &NotifyFlags) -> Result<Webhooks, String> {
        let environment = Environment::new();
        let mut layers = Layers::new(None, &environment).unwrap();
        let webhooks = Webhooks::read(&mut layers, flags);
        layers.settle(webhooks).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_private_target_has_to_be_opened_by_name() {
        let mut flags = NotifyFlags {
            webhook: vec!["a=image_labelled=http://127.0.0.1:9000/?t=hunter2".into()],
            ..Default::default()
        };
        let problem = webhooks(&flags).unwrap_err();
        assert!(problem.contains("webhook a:") && problem.contains("--allow-target 127.0.0.1:9000"), "{problem}");
        assert!(!problem.contains("hunter2"), "{problem}");
        flags.allow_target.push("127.0.0.1:9000".into());
        assert_eq!(webhooks(&flags).unwrap().targets.len(), 1);
        flags.webhook.push("a=image_failed=https://shop.example/".into());
        assert!(webhooks(&flags).unwrap_err().contains("twice"));
    }

    #[test]
    fn a_short_form_has_three_parts() {
        for wrong in [
            "a",
            "a=b",
            "a=nothing=https://x.example/",
            "A=image_labelled=https://x.example/",
            "a=image_labelled=ftp://x/",
        ] {
            assert!(short(wrong).is_err(), "{wrong}");
        }
        assert_eq!(short("a=image_failed=https://x.example/?a=b").unwrap().topics, [Topic::ImageFailed]);
    }

    #[test]
    fn a_topic_is_an_arn() {
        assert!(arn("arn:aws-cn:sns:cn-north-1:123456789012:t").is_ok());
        for wrong in [
            "t",
            "arn:aws:sqs:eu-central-1:1:t",
            "arn:aws:sns:eu-central-1:1:",
            "arn:aws:sns:eu-central-1:1:t:subscription",
        ] {
            assert!(arn(wrong).is_err(), "{wrong}");
        }
    }
}
