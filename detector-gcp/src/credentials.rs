//! Which Google credentials this machine has, read off the file that they stand in; nothing is sent anywhere.
//!
//! The order is that of application-default credentials
//! (<https://cloud.google.com/docs/authentication/application-default-credentials>). Using them is the official crate's.

use std::path::{Path, PathBuf};

use common::{
    error::{Error, Kind, Result, Retry},
    settings::Environment,
};
use serde::Deserialize;

/// What a credentials file says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// As in `service_account`, `authorized_user` or `external_account`.
    pub kind: String,
    /// The service account, where the file names one.
    pub account: Option<String>,
    /// The project that pays, where the file names one.
    pub project: Option<String>,
    /// Where the file lies.
    pub path: PathBuf,
}

#[derive(Deserialize)]
struct File {
    r#type: String,
    client_email: Option<String>,
    service_account_impersonation_url: Option<String>,
    quota_project_id: Option<String>,
    project_id: Option<String>,
}

/// The credentials file of this machine; `None` where there is none, which on Google's own machines is as it should be.
///
/// # Errors
/// A file that is named and cannot be read.
pub fn identity(environment: &Environment) -> Result<Option<Identity>> {
    let named = environment.get("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from);
    let path = match (&named, environment.get("HOME")) {
        (Some(path), _) => path.clone(),
        (None, Some(home)) => Path::new(home).join(".config/gcloud/application_default_credentials.json"),
        (None, None) => return Ok(None),
    };
    let unreadable = |cause: String| {
        let message = format!("the credentials file {} cannot be read", path.display());
        Error::new(Kind::Unavailable, message).with_retry(Retry::Never).because(cause)
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error.to_string())),
    };
    // The parser's own words may hold a piece of the file.
    let file: File = serde_json::from_str(&text).map_err(|_| unreadable("it is no credentials file".to_owned()))?;
    let impersonated = file.service_account_impersonation_url.as_deref().and_then(impersonated);
    let account = file.client_email.or(impersonated);
    Ok(Some(Identity { kind: file.r#type, account, project: file.quota_project_id.or(file.project_id), path }))
}

/// The account in `…/serviceAccounts/ACCOUNT:generateAccessToken`.
fn impersonated(url: &str) -> Option<String> {
    let (_, rest) = url.rsplit_once("/serviceAccounts/")?;
    rest.split(':').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str) -> Result<Option<Identity>> {
        let folder = std::env::temp_dir().join(format!("crosslens-identity-{}", fastrand::u64(..)));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("file.json");
        std::fs::write(&path, json).unwrap();
        let environment =
            [("GOOGLE_APPLICATION_CREDENTIALS".to_owned(), path.to_string_lossy().into_owned())].into_iter().collect();
        let found = identity(&environment);
        std::fs::remove_dir_all(folder).unwrap();
        found
    }

    #[test]
    fn a_file_says_whose_it_is_and_its_secrets_stay_in_it() {
        let json =
            r#"{"type": "service_account", "client_email": "a@p.iam", "project_id": "p", "private_key": "hunter2"}"#;
        let found = check(json).unwrap().unwrap();
        assert_eq!((found.kind.as_str(), found.account.as_deref()), ("service_account", Some("a@p.iam")));
        assert!(!format!("{found:?}").contains("hunter2"));
        let json = r#"{"type": "external_account", "service_account_impersonation_url": "https://x/v1/projects/-/serviceAccounts/b@p.iam:generateAccessToken"}"#;
        assert_eq!(check(json).unwrap().unwrap().account.as_deref(), Some("b@p.iam"));
    }

    #[test]
    fn a_damaged_file_is_an_error_and_a_missing_default_is_none() {
        let error = check(r#"{"type": 7, "private_key": "hunter2""#).unwrap_err();
        assert!(!format!("{error} {}", error.causes()).contains("hunter2"));
        let nowhere = [("HOME".to_owned(), "/nonexistent".to_owned())].into_iter().collect();
        assert_eq!(identity(&nowhere).unwrap(), None);
    }
}
