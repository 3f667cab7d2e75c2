//! Faces before a stand-in of Amazon Rekognition that remembers collections and vectors: the adapter, what everybody who asks goes
//! through, what people are told by message, the routes of `up`, and the function on AWS.

mod adapter;
mod aws;
mod gallery;
mod http;
mod messages;
mod up;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use common::{
    event::{Event, Payload, Topic},
    faces::{Asked, Collection, Gallery, Mark},
    image::Image,
    intake::{Intake, Limits},
    message::{Owner, PhoneNumber, Reply, Request},
    ports::{Fetch, Publish as _},
    request::{Cloud, ImageId},
    source::{FetchLimits, SourcePolicy, SystemResolver, WebFetcher},
};
use jiff::Timestamp;
use local::{From as Begin, Local};
use processors::{
    Worker,
    faces::{FaceRequests, QUESTION, Wikipedia},
};
use proxy_aws::{clients::Clients, rekognition::RekognitionFaces};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{ACCESS_KEY, Picture, REGION, RekognitionStandIn, SECRET_KEY, WikipediaStandIn, painted, serve_picture};

const ANNA: [u8; 3] = [220, 40, 40];
/// Anna again, in another light.
const ANNA_LATER: [u8; 3] = [212, 46, 44];
const BERTA: [u8; 3] = [40, 60, 220];
const FROM: &str = "+15550100";
const STRANGER: &str = "+15550177";
const NOTHING_TO_ADD: &str = "No faces in given image or invalid image format";
const NOTHING_TO_MATCH: &str = "No faces in given image, invalid image format or no known face detected";

/// A picture of these people, from left to right, each a hundred pixels and a little less for each further one.
fn portrait(people: &[[u8; 3]]) -> Vec<u8> {
    let sized: Vec<_> = (0..).zip(people).map(|(place, colour)| (*colour, 100 - 20 * place)).collect();
    painted(640, 480, &sized)
}

fn image(bytes: Vec<u8>) -> Image {
    Intake::new(Limits::default()).admit(bytes.into()).unwrap()
}

async fn service(rekognition: &RekognitionStandIn) -> RekognitionFaces {
    let clients = Clients::at(&rekognition.url(), REGION, ACCESS_KEY, SECRET_KEY).await;
    RekognitionFaces::new(clients.rekognition, Intake::new(Limits::default()), "dev")
}

/// One deployment: the service, an encyclopaedia, and the memory of one machine.
struct World {
    rekognition: RekognitionStandIn,
    wikipedia: WikipediaStandIn,
    local: Local,
    gallery: Gallery,
    _folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let (rekognition, wikipedia) = (RekognitionStandIn::start().await, WikipediaStandIn::start().await);
        let folder = TempDir::new().unwrap();
        let local = Local::open_shared(folder.path(), &Limits::default()).unwrap();
        let (service, ledger) = (Arc::new(service(&rekognition).await), Arc::new(local.ledger.clone()));
        let biographies = Wikipedia::at(Some(&wikipedia.url().parse().unwrap())).unwrap();
        let gallery = Gallery::new(service, ledger, biographies);
        Self { rekognition, wikipedia, local, gallery, _folder: folder }
    }

    /// The `ExternalImageId`s of a collection, as the service has them.
    fn kept(&self, owner: &Owner, name: &str) -> Vec<String> {
        let id = format!("crosslens-dev.{owner}.{name}");
        let of = |vectors: &tests::Vectors| vectors.iter().map(|(_, external, _)| external.clone()).collect();
        self.rekognition.with(|state| state.collections.get(&id).map(of).unwrap_or_default())
    }

    /// How often this operation was called.
    fn calls(&self, operation: &str) -> usize {
        self.rekognition.asked().iter().filter(|asked| asked.operation == operation).count()
    }

    /// A worker whose pictures may come from these places.
    fn worker(&self, sources: &[&Picture]) -> Worker {
        self.worker_of(Some(self.gallery.clone()), sources)
    }

    fn worker_of(&self, gallery: Option<Gallery>, sources: &[&Picture]) -> Worker {
        let ledger = Arc::new(self.local.ledger.clone());
        let policy = SourcePolicy::new(sources.iter().map(|picture| picture.source().parse().unwrap()).collect());
        let fetch = WebFetcher::new(policy, FetchLimits::default(), Arc::new(SystemResolver)).unwrap();
        let fetch: Arc<dyn Fetch> = Arc::new(fetch);
        let intake = Intake::new(Limits::default());
        let processor = Arc::new(FaceRequests { cloud: Cloud::Local, gallery, fetch, intake });
        Worker { processor, journal: ledger.clone(), outbox: ledger, publish: Arc::new(self.local.topics.clone()) }
    }

    /// Every reply that was published so far.
    async fn replies(&self) -> Vec<Reply> {
        let mut tail = self.local.topics.tail(&[Topic::DispatchResponse.name()], Begin::Start).await.unwrap();
        let mut replies = Vec::new();
        while let Some(message) = tail.try_next().await.unwrap() {
            let Payload::Replied(reply) = message.parse::<Event>().unwrap().data else { panic!("no reply") };
            replies.push(*reply);
        }
        replies
    }

    /// Hands one request over three times at the same time; gives its one reply.
    async fn ask(&self, worker: &Worker, event: &Event) -> Reply {
        let before = self.replies().await.len();
        let handled = tokio::join!(worker.handle(event), worker.handle(event), worker.handle(event));
        for outcome in [handled.0, handled.1, handled.2] {
            // One that comes while another works on it may be sent away to come back.
            if let Err(error) = outcome {
                assert!(!error.is_permanent(), "{error}");
                worker.handle(event).await.unwrap_or_else(|error| assert!(!error.is_permanent(), "{error}"));
            }
        }
        let mut replies = self.replies().await.split_off(before);
        assert_eq!(replies.len(), 1, "one reply, however often it is delivered");
        let reply = replies.pop().unwrap();
        assert_eq!((reply.from_number.expose(), reply.to_number.expose()), (owner_of(event).as_str(), "+15550199"));
        reply
    }

    /// [`Self::ask`] for the message alone.
    async fn told(&self, worker: &Worker, from: &str, words: Value) -> String {
        self.ask(worker, &asked(from, words)).await.message
    }

    async fn agreeing(&self, from: &str) {
        let number: PhoneNumber = from.parse().unwrap();
        self.gallery.agree(&number.owner(), Timestamp::now()).await.unwrap();
    }
}

fn owner_of(event: &Event) -> String {
    let Payload::Requested(request) = &event.data else { panic!("{event:?}") };
    request.from_number.expose().to_owned()
}

/// A message that asks for something; each is another one.
fn asked(from: &str, mut words: Value) -> Event {
    words["from_number"] = from.into();
    words["to_number"] = "+15550199".into();
    let request: Request = serde_json::from_value(words).unwrap();
    let id = ImageId::of_message(Cloud::Local, &uuid::Uuid::new_v4().to_string(), 0);
    Event::requested(Cloud::Local, &id, &request, None)
}

fn addcol(name: &str) -> Value {
    json!({ "operation": "addcol", "collection_name": name })
}

fn addimg(name: &str, person: &str, picture: &Picture) -> Value {
    json!({ "operation": "addimg", "collection_name": name, "label": person, "image_url": picture.url() })
}

fn matching(name: &str, picture: &Picture) -> Value {
    json!({ "operation": "match", "collection_name": name, "image_url": picture.url() })
}

async fn shown(people: &[[u8; 3]]) -> Picture {
    serve_picture(portrait(people), "image/png").await
}

fn owner(from: &str) -> Owner {
    from.parse::<PhoneNumber>().unwrap().owner()
}

fn collection(from: &str, name: &str) -> Collection {
    Collection { owner: owner(from), name: name.parse().unwrap() }
}

/// A request that is delivered for the first time.
fn request() -> Asked {
    Asked { mark: Mark::of(&uuid::Uuid::new_v4().to_string()), at: Timestamp::now() }
}
