//! The policy in force and the one on trial, replaced while everything runs. A text that is no policy changes nothing.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use common::{
    analysis::Features,
    error::{Error, Kind, Result},
    image::Digest,
    ports::Screen,
};
use tracing::{error, info};

use super::{
    policy::{DEFAULT, Policy},
    read::{MOST_BYTES, version},
};

/// What is in force. Clones share it.
#[derive(Debug, Clone)]
pub struct Policies(Arc<RwLock<InForce>>);

#[derive(Debug, Clone)]
struct InForce {
    active: Arc<Policy>,
    shadow: Option<Arc<Policy>>,
}

impl Policies {
    /// The policy in force (without one, [`DEFAULT`]) and, where there is one, a policy on trial.
    ///
    /// # Errors
    /// As [`Policy::parse`].
    pub fn new(active: Option<&str>, shadow: Option<&str>) -> Result<Self> {
        let active = Arc::new(Policy::parse(active.unwrap_or(DEFAULT))?);
        let shadow = shadow.map(Policy::parse).transpose()?.map(Arc::new);
        Ok(Self(Arc::new(RwLock::new(InForce { active, shadow }))))
    }

    /// The policies of these files, and the files, to be read again every few seconds.
    ///
    /// # Errors
    /// `invalid-request` where a file cannot be read or is no policy.
    pub fn of_files(active: Option<&Path>, shadow: Option<&Path>) -> Result<(Self, Vec<PolicyFile>)> {
        let texts = (active.map(usable).transpose()?, shadow.map(usable).transpose()?);
        let policies = Self::new(texts.0.as_deref(), texts.1.as_deref())?;
        let file = |path: &Path, text: &Option<String>, is_shadow| PolicyFile {
            path: path.to_owned(),
            is_shadow,
            policies: policies.clone(),
            seen: text.as_ref().map(|text| Digest::of(text.as_bytes())),
        };
        let files = [active.map(|path| file(path, &texts.0, false)), shadow.map(|path| file(path, &texts.1, true))];
        let files = files.into_iter().flatten().collect();
        Ok((policies, files))
    }

    /// The policy in force.
    pub fn active(&self) -> Arc<Policy> {
        self.now().active
    }

    /// The policy on trial.
    pub fn shadow(&self) -> Option<Arc<Policy>> {
        self.now().shadow
    }

    /// Puts another policy in force; `false` where it is the one that is.
    ///
    /// # Errors
    /// As [`Policy::parse`]; the policy in force stays.
    pub fn replace(&self, text: &str) -> Result<bool> {
        let policy = Arc::new(Policy::parse(text)?);
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let changes = held.active.version != policy.version;
        held.active = policy;
        Ok(changes)
    }

    /// Puts another policy on trial, or none; `false` where nothing changes.
    ///
    /// # Errors
    /// As [`Policy::parse`]; the policy on trial stays.
    pub fn replace_shadow(&self, text: Option<&str>) -> Result<bool> {
        let policy = text.map(Policy::parse).transpose()?.map(Arc::new);
        let version = |policy: &Option<Arc<Policy>>| policy.as_ref().map(|policy| policy.version.clone());
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let changes = version(&held.shadow) != version(&policy);
        held.shadow = policy;
        Ok(changes)
    }

    fn now(&self) -> InForce {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Screen for Policies {
    fn features(&self) -> Option<Features> {
        let InForce { active, shadow } = self.now();
        let features = active.features().clone();
        Some(shadow.map_or_else(|| features.clone(), |shadow| features.with(shadow.features())))
    }

    fn denies(&self, digest: Digest) -> bool {
        self.active().denies(digest)
    }

    /// Where the operator has a policy. The built-in one leaves a caller's `publish=false` alone: what comes with such a
    /// request is not kept, so that nothing is to be held back.
    fn tells_all(&self) -> bool {
        self.active().version != version(DEFAULT) || self.shadow().is_some()
    }
}

/// A file that a policy comes from.
#[derive(Debug)]
pub struct PolicyFile {
    path: PathBuf,
    is_shadow: bool,
    policies: Policies,
    /// Of the text that was read last; `None` where it could not be read.
    seen: Option<Digest>,
}

impl PolicyFile {
    /// Reads the file again, and puts it in force where it has changed; says whether it did. A text that is no policy, and a file
    /// that cannot be read, are logged once, and what is in force stays.
    pub fn refresh(&mut self) -> bool {
        let (read, role) = (text(&self.path), if self.is_shadow { "shadow" } else { "active" });
        let digest = read.as_ref().ok().map(|text| Digest::of(text.as_bytes()));
        if digest == self.seen {
            return false;
        }
        self.seen = digest;
        let replaced = read.and_then(|text| {
            if self.is_shadow { self.policies.replace_shadow(Some(&text)) } else { self.policies.replace(&text) }
        });
        let path = self.path.display();
        match &replaced {
            Ok(_) => {
                let version =
                    digest.map(|digest| digest.hex().chars().take(12).collect::<String>()).unwrap_or_default();
                info!(%path, role, policy.version = version, "the policy was read again");
            }
            Err(error) => error!(%path, role, %error, "the policy file is not usable, the running policy stays"),
        }
        replaced.unwrap_or(false)
    }
}

/// At most what a policy may have; more is refused by its reader.
fn text(path: &Path) -> Result<String> {
    let refused = |cause: std::io::Error| Error::new(Kind::InvalidRequest, format!("{}: {cause}", path.display()));
    let mut text = String::new();
    let file = File::open(path).map_err(refused)?;
    file.take(MOST_BYTES as u64 + 1).read_to_string(&mut text).map_err(refused)?;
    Ok(text)
}

/// The text of a file that is a policy.
fn usable(path: &Path) -> Result<String> {
    let text = text(path)?;
    let named = |error: Error| Error::new(Kind::InvalidRequest, format!("{}: {}", path.display(), error.message()));
    Policy::parse(&text).map_err(named)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "[[rule]]\nname = 'one'\naction = 'reject'\nall = [{ faces = 1 }]\n";
    const TWO: &str = "[[rule]]\nname = 'two'\naction = 'review'\nall = [{ text_matches = 'a' }]\n";

    #[test]
    fn what_both_policies_need_is_asked() {
        let policies = Policies::new(Some(ONE), Some(TWO)).unwrap();
        assert_eq!(policies.features().unwrap().to_string(), "faces,text");
        policies.replace_shadow(None).unwrap();
        assert_eq!(policies.features().unwrap().to_string(), "faces");
        assert!(policies.tells_all());
        assert!(!Policies::new(None, None).unwrap().tells_all());
        assert_eq!(Policies::new(None, None).unwrap().features().unwrap().to_string(), "safe_search");
    }

    #[test]
    fn the_deny_list_is_that_of_the_policy_in_force() {
        let digest = Digest::of(b"a picture");
        let denying = format!("{ONE}[deny]\ndigests = ['{digest}']\n");
        let policies = Policies::new(Some(ONE), Some(&denying)).unwrap();
        assert!(!policies.denies(digest));
        assert!(policies.replace(&denying).unwrap());
        assert!(policies.denies(digest) && !policies.denies(Digest::of(b"another")));
    }

    #[test]
    fn a_text_that_is_no_policy_changes_nothing() {
        let policies = Policies::new(Some(ONE), None).unwrap();
        let version = policies.active().version().to_owned();
        assert!(policies.replace("[[rule]]").is_err());
        assert!(policies.replace_shadow(Some("nonsense")).is_err());
        assert_eq!((policies.active().version(), policies.shadow().is_none()), (version.as_str(), true));
        assert!(!policies.replace(ONE).unwrap());
        assert!(policies.replace(TWO).unwrap());
    }

    #[test]
    fn a_file_is_read_again_when_it_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.toml");
        std::fs::write(&path, ONE).unwrap();
        let (policies, mut files) = Policies::of_files(Some(&path), None).unwrap();
        let [file] = files.as_mut_slice() else { panic!("one file") };
        assert!(!file.refresh());
        std::fs::write(&path, TWO).unwrap();
        assert!(file.refresh());
        assert!(!file.refresh());
        let two = policies.active().version().to_owned();
        std::fs::write(&path, "[[rule]]\n").unwrap();
        assert!(!file.refresh());
        std::fs::remove_file(&path).unwrap();
        assert!(!file.refresh());
        assert_eq!(policies.active().version(), two);
        std::fs::write(&path, ONE).unwrap();
        assert!(file.refresh());
        let error = Policies::of_files(Some(&folder.path().join("none")), None).unwrap_err();
        assert!(error.message().contains("none"), "{error}");
    }
}
