//! Faces on one machine: who keeps them, as the settings say, and the memory of this machine beside it.

use common::{error::Result, faces::Gallery, http::FaceFront, request::Cloud};
use processors::faces::FaceRequests;

use crate::{
    compose::Composed,
    config::{FaceService, Faces},
};

/// Vectors that are looked at between two other things to do.
const STEP: usize = 100;

/// What stands behind `/v1/collections` and behind what is asked by message.
pub(crate) async fn front(settings: &Faces, composed: &Composed) -> Result<FaceFront> {
    let look = &composed.pipeline.look;
    let gallery = match settings.service {
        FaceService::None => None,
        #[cfg(feature = "aws")]
        FaceService::Rekognition => Some(rekognition(settings, composed).await?),
    };
    Ok(FaceFront { gallery, fetch: look.fetch.clone(), intake: look.intake.clone() })
}

/// Who answers what is asked by message.
pub(crate) fn processor(front: &FaceFront) -> FaceRequests {
    let FaceFront { gallery, fetch, intake } = front.clone();
    FaceRequests { cloud: Cloud::Local, gallery, fetch, intake }
}

/// Forgets what has been kept for long enough, a little at a time; returns how many vectors.
pub(crate) async fn expire(settings: &Faces, gallery: &Gallery) -> Result<usize> {
    gallery.expire(settings.retention, STEP).await
}

/// With region, credentials and endpoint as AWS's standard variables say.
#[cfg(feature = "aws")]
async fn rekognition(settings: &Faces, composed: &Composed) -> Result<Gallery> {
    use std::sync::Arc;

    use processors::faces::Wikipedia;
    use proxy_aws::{clients::Clients, rekognition::RekognitionFaces};

    let client = Clients::from_environment().await.rekognition;
    let service = Arc::new(RekognitionFaces::new(client, composed.pipeline.look.intake.clone(), Cloud::Local.name()));
    let ledger = Arc::new(composed.local.ledger.clone());
    Ok(Gallery::new(service, ledger, Wikipedia::at(settings.wikipedia.as_ref())?))
}
