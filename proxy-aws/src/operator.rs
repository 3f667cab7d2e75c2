//! What the operator's files say, as it is in force: read at the start, and taken anew before an invocation's work where they have
//! changed. A text that says nothing sensible changes nothing.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use common::error::{Error, Kind, Result};
use futures_util::future::{join_all, try_join_all};
use processors::{
    Worker,
    moderation::{DEFAULT, Policies},
    notify::{Target, targets},
    translation::Glossaries,
};
use tracing::{error, info};

use crate::configuration::{Configuration, GLOSSARY, POLICY, SHADOW, WEBHOOKS};

/// Makes a worker that tells a target.
pub type Telling = Arc<dyn Fn(Target) -> Worker + Send + Sync>;

/// The files that a function goes by. Clones share what is in force.
#[derive(Clone)]
pub struct Operator {
    configuration: Configuration,
    files: Vec<&'static str>,
    policies: Policies,
    glossaries: Glossaries,
    telling: Telling,
    webhooks: Arc<RwLock<Vec<Worker>>>,
    /// The texts that were tried last, whether or not they were of any use.
    tried: Arc<RwLock<HashMap<&'static str, Option<String>>>>,
}

impl Operator {
    /// Reads these files, each by its name in [`crate::configuration`]. Without a policy the default one is in force.
    ///
    /// # Errors
    /// `unavailable` where a file cannot be read, `invalid-request` with all that is wrong with one: nobody decides by half a policy.
    pub async fn read(configuration: Configuration, files: Vec<&'static str>, telling: Telling) -> Result<Self> {
        let operator = Self {
            configuration,
            files,
            policies: Policies::new(None, None)?,
            glossaries: Glossaries::default(),
            telling,
            webhooks: Arc::default(),
            tried: Arc::default(),
        };
        try_join_all(operator.files.iter().copied().map(|file| operator.look(file))).await?;
        Ok(operator)
    }

    /// The policies in force.
    pub fn policies(&self) -> Policies {
        self.policies.clone()
    }

    /// The operator's own translations.
    pub fn glossaries(&self) -> Glossaries {
        self.glossaries.clone()
    }

    /// One worker for each target of the webhooks.
    pub fn webhooks(&self) -> Vec<Worker> {
        self.webhooks.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes up what has changed.
    pub async fn refresh(&self) {
        let looks = self.files.iter().copied().map(|file| self.look(file));
        for (file, changed) in self.files.iter().zip(join_all(looks).await) {
            match changed {
                Ok(true) => info!(file, "a file of the operator is in force as it is now"),
                Ok(false) => {}
                Err(error) => error!(file, %error, "a file of the operator is not usable, what was in force stays"),
            }
        }
    }

    /// Whether the file has changed.
    async fn look(&self, file: &'static str) -> Result<bool> {
        let text = self.configuration.read(file).await?;
        let mut tried = self.tried.write().unwrap_or_else(PoisonError::into_inner);
        if tried.get(file) == Some(&text) {
            return Ok(false);
        }
        tried.insert(file, text.clone());
        self.take(file, text.as_deref())?;
        Ok(true)
    }

    fn take(&self, file: &str, text: Option<&str>) -> Result<()> {
        let named = |error: Error| invalid(format!("{file}: {}", error.message()));
        match file {
            POLICY => self.policies.replace(text.unwrap_or(DEFAULT)).map(drop).map_err(named),
            SHADOW => self.policies.replace_shadow(text).map(drop).map_err(named),
            GLOSSARY => self.glossaries.replace(text.unwrap_or_default()).map(drop).map_err(named),
            WEBHOOKS => {
                let (targets, problems) = targets(text.unwrap_or_default());
                if !problems.is_empty() {
                    return Err(invalid(format!("{file}: {}", problems.join("\n"))));
                }
                let workers = targets.into_iter().map(|target| (self.telling)(target)).collect();
                *self.webhooks.write().unwrap_or_else(PoisonError::into_inner) = workers;
                Ok(())
            }
            other => Err(invalid(format!("there is no file {other}"))),
        }
    }
}

fn invalid(message: String) -> Error {
    Error::new(Kind::InvalidRequest, message)
}
