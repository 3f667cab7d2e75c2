//! Features that may come later: what nobody can tell now is kept as work of its own, and published when it is there.

use crate::{
    analysis::{Analysis, Feature, Features},
    error::{Error, Kind, Result},
    image::Image,
    pipeline::Pipeline,
    ports::State,
    request::{Accepted, ImageRequest, Query},
    upload::inbox_key,
};

impl Pipeline {
    /// Keeps the bytes for what was asked as `later` and could not be told; those features are pending from now on.
    pub(crate) async fn put_off(
        &self,
        image: &Image,
        request: &ImageRequest,
        analysis: &Analysis,
    ) -> Result<Vec<Feature>> {
        let lacking = |feature: &Feature| analysis.findings.unsupported.contains(feature);
        let pending: Vec<Feature> = request.query.later.iter().copied().filter(lacking).collect();
        if pending.is_empty() {
            return Ok(pending);
        }
        let features = Features::new(pending.iter().copied())?;
        let promise = Accepted {
            id: analysis.id.rest(),
            source: request.shown_source(self.look.cloud),
            query: Query { features, later: Vec::new(), ..request.query.clone() },
            caller: request.caller.clone(),
            request_id: request.request_id.clone(),
            traceparent: request.traceparent.clone(),
            part_of: Some(analysis.id.clone()),
        };
        self.inbox.accept(&promise).await?;
        if self.archive.state(&promise.id).await? == Some(State::Pending) {
            self.store.put(&inbox_key(&promise.id), image.bytes().clone()).await?;
        }
        Ok(pending)
    }

    /// The analysis with what has come since it was made, and with what is still pending. What is kept for reuse by others
    /// says only what its detector cannot tell, because only this request was promised more.
    pub(crate) async fn complete(&self, mut analysis: Analysis) -> Result<Analysis> {
        if analysis.findings.unsupported.is_empty() {
            return Ok(analysis);
        }
        let rest = analysis.id.rest();
        match self.archive.state(&rest).await? {
            Some(State::Done(more)) => analysis.findings.complete(more.findings),
            Some(State::Pending) => {
                let promise = self.inbox.accepted(&rest).await?;
                analysis.findings.put_off(promise.into_iter().flat_map(|promise| Vec::from(promise.query.features)));
            }
            Some(State::Failed(_)) | None => {}
        }
        Ok(analysis)
    }
}

/// Whether this is an answer to the request: for the features of another one that were put off, "cannot tell" is none. What
/// the policy asks besides does not count.
pub(crate) fn answers(analysis: &Analysis, request: &ImageRequest) -> bool {
    let put_off = request.accepted.as_ref().filter(|accepted| accepted.part_of.is_some());
    let cannot = |accepted: &Accepted| {
        analysis.findings.unsupported.iter().any(|feature| accepted.query.features.contains(*feature))
    };
    !put_off.is_some_and(cannot)
}

pub(crate) fn nobody_can_tell() -> Error {
    Error::new(Kind::Unavailable, "no detector that is there now can tell what was asked for later")
}
