//! Many images in one call, but only when calls are scarce: nobody ever waits for company.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use common::error::{Result, internal};
use google_cloud_vision_v1::model::{AnnotateImageRequest, AnnotateImageResponse};
use metrics::{gauge, histogram};
use tokio::{sync::oneshot, time::Instant};

use super::client::Client;

/// Calls at a time. With fewer under way an image goes at once, and alone.
const CALLS: usize = 16;
/// Images in one call (<https://cloud.google.com/vision/quotas>).
const IMAGES: usize = 16;
/// Bytes of one call as JSON, in which three bytes of a picture take four. Google takes 10 MB.
const BYTES: usize = 8 * 1024 * 1024;

/// Joins what waits while all calls are busy.
pub(super) struct Batches {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    calls: usize,
    waiting: VecDeque<Item>,
}

/// An image that waits for its call, and whoever waits for the answer.
struct Item {
    request: AnnotateImageRequest,
    deadline: Instant,
    answer: oneshot::Sender<Result<AnnotateImageResponse>>,
}

impl Batches {
    pub(super) fn new(client: Client) -> Self {
        Self { shared: Arc::new(Shared { client, state: Mutex::default() }) }
    }

    /// For calls that are about no image.
    pub(super) fn client(&self) -> &Client {
        &self.shared.client
    }

    /// Vision's answer about one image. A caller that goes away before its call is made is left out of it.
    pub(super) async fn ask(&self, request: AnnotateImageRequest, deadline: Instant) -> Result<AnnotateImageResponse> {
        self.shared.client.admit()?;
        let (answer, answered) = oneshot::channel();
        let free = {
            let mut state = self.shared.state();
            state.waiting.push_back(Item { request, deadline, answer });
            show(&state);
            let free = state.calls < CALLS;
            state.calls += usize::from(free);
            free
        };
        if free {
            tokio::spawn(work(Place(Some(Arc::clone(&self.shared)))));
        }
        answered.await.map_err(internal)?
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn show(state: &State) {
    gauge!("crosslens_provider_waiting_images", "provider" => "google-vision").set(state.waiting.len() as f64);
}

/// One of the calls, given back however the work ends.
struct Place(Option<Arc<Shared>>);

impl Place {
    /// What to do next; gives the place back where nothing waits. Both under one lock: an image that comes in between must
    /// find a free place, or be found itself.
    fn next(&mut self) -> Option<(Arc<Shared>, Vec<Item>)> {
        let shared = self.0.take()?;
        let mut state = shared.state();
        let batch = next(&mut state.waiting);
        show(&state);
        if batch.is_empty() {
            state.calls -= 1;
            return None;
        }
        drop(state);
        self.0 = Some(Arc::clone(&shared));
        Some((shared, batch))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(shared) = &self.0 {
            shared.state().calls -= 1;
        }
    }
}

/// Makes calls as long as something waits.
async fn work(mut place: Place) {
    while let Some((shared, batch)) = place.next() {
        histogram!("crosslens_provider_call_images").record(batch.len() as f64);
        // Whoever has less time stops waiting by itself.
        let Some(deadline) = batch.iter().map(|item| item.deadline).max() else { continue };
        let (requests, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|item| (item.request, item.answer)).unzip();
        // Nobody listening any more is no failure.
        match shared.client.annotate(requests, deadline).await {
            Ok(responses) => answers.into_iter().zip(responses).for_each(|(answer, response)| {
                let _ = answer.send(Ok(response));
            }),
            Err(error) => answers.into_iter().for_each(|answer| {
                let _ = answer.send(Err(error.clone()));
            }),
        }
    }
}

/// The next batch: oldest first, as many as fit into one call, without those that nobody waits for any more.
fn next(waiting: &mut VecDeque<Item>) -> Vec<Item> {
    let (mut batch, mut bytes) = (Vec::new(), 0_usize);
    while let Some(item) = waiting.front() {
        let size = item.request.image.as_ref().map_or(0, |image| image.content.len()).div_ceil(3).saturating_mul(4);
        let wanted = !item.answer.is_closed();
        if wanted && (batch.len() == IMAGES || (!batch.is_empty() && bytes.saturating_add(size) > BYTES)) {
            break;
        }
        let item = waiting.pop_front();
        if wanted {
            batch.extend(item);
            bytes = bytes.saturating_add(size);
        }
    }
    batch
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use google_cloud_vision_v1::model::Image;

    use super::*;

    type Answer = oneshot::Receiver<Result<AnnotateImageResponse>>;

    fn waiting(sizes: &[usize]) -> (VecDeque<Item>, Vec<Answer>) {
        let item = |size: &usize| {
            let (answer, answered) = oneshot::channel();
            let image = Image::new().set_content(Bytes::from(vec![0; *size]));
            let request = AnnotateImageRequest::new().set_image(image);
            (Item { request, deadline: Instant::now(), answer }, answered)
        };
        sizes.iter().map(item).unzip()
    }

    #[test]
    fn a_call_takes_sixteen_images_or_eight_megabytes() {
        let check = |sizes: &[usize], expected: usize| {
            let (mut items, _answers) = waiting(sizes);
            assert_eq!(next(&mut items).len(), expected);
        };
        check(&[], 0);
        check(&[10; 20], 16);
        check(&[1 << 20; 20], 5);
        check(&[100 << 20, 1], 1);
    }

    #[test]
    fn whoever_has_gone_is_left_out() {
        let (mut items, mut answers) = waiting(&[1; 20]);
        answers.drain(0..10);
        assert_eq!(next(&mut items).len(), 10);
        assert!(items.is_empty());
    }
}
