//! What of Google this machine can use.

use common::{intake::Intake, settings::Environment};
use detector_gcp::{
    credentials::identity,
    vision::{Credentials, Vision},
};

use super::{Check, PATIENCE};
use crate::config::{Detector, Settings};

const LOGIN: &str =
    "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a credentials file";
const ENABLE: &str = "enable the API with `gcloud services enable vision.googleapis.com`, and let the account above use it \
                      (`gcloud auth application-default set-quota-project PROJECT` for a person's)";

/// Credentials, identity, the API and the quota. What nothing configured needs is told, and not tried over the network.
pub(super) async fn checks(settings: &Settings, environment: &Environment) -> Vec<Check> {
    let needed = matches!(settings.detector, Detector::Vision);
    let mut checks = vec![credentials(settings, environment, needed)];
    if needed {
        checks.push(api(settings).await);
    } else {
        let todo = "try it with `crosslens --detector vision doctor`";
        checks.push(Check::unused("vision", "not asked, because another detector is configured", todo));
    }
    let vision = &settings.vision;
    let quota =
        format!("{} images a minute and {} units a day at the most", vision.images_per_minute, vision.units_per_day);
    checks.push(Check::ok("quota", quota));
    checks
}

fn credentials(settings: &Settings, environment: &Environment, needed: bool) -> Check {
    let name = "credentials";
    if settings.vision.credentials == Credentials::Anonymous {
        return Check::ok(name, "none, as configured");
    }
    match identity(environment) {
        Ok(Some(found)) => {
            let account = found.account.unwrap_or_else(|| "a person".to_owned());
            let project = found.project.map(|project| format!(", paid by {project}")).unwrap_or_default();
            Check::ok(name, format!("{account} ({}){project}, from {}", found.kind, found.path.display()))
        }
        Ok(None) if needed => Check {
            todo: Some(LOGIN.to_owned()),
            ..Check::ok(name, "no file; only a machine of Google's has an identity without one")
        },
        Ok(None) => Check::unused(name, "no file", LOGIN),
        Err(error) if needed => Check::failed(name, &error, LOGIN),
        Err(error) => Check::unused(name, error.message().to_owned(), LOGIN),
    }
}

async fn api(settings: &Settings) -> Check {
    let asked = async {
        let vision = Vision::new(&settings.vision, Intake::new(settings.limits)).await?;
        vision.reachable(PATIENCE).await
    };
    let at = settings.vision.endpoint.as_ref().map_or("vision.googleapis.com", |url| url.as_str());
    match asked.await {
        Ok(()) => Check::ok("vision", format!("{at} takes our calls")),
        Err(error) => Check::failed("vision", &error, ENABLE),
    }
}
