//! From an event to what is left behind: verdict, pictures, review, audit. Bucket and ledger are kept in memory here.

use std::{
    collections::BTreeMap,
    io::Cursor,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use common::{
    analysis::{Detection, DetectorId, Feature, Features, Label},
    error::Error,
    image::Digest,
    intake::Limits,
    request::{Caller, ImageId, ImageRequest, ImageSource, ObjectRef, Query},
};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use tokio::time::Instant;

use super::*;

const ESPRESSO: &str = "[[rule]]\nname = 'espresso'\naction = 'blur'\nall = [{ label = 'espresso', score = 0.5 }]\n";

/// A bucket and a ledger in memory.
#[derive(Default)]
struct Kept {
    objects: Mutex<BTreeMap<String, Bytes>>,
    states: Mutex<BTreeMap<String, State>>,
    reusable: Mutex<Option<Analysis>>,
    is_away: bool,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Fetch for Kept {
    async fn fetch(&self, source: &ImageSource) -> Result<Bytes> {
        if self.is_away {
            return Err(Error::new(Kind::SourceUnavailable, "not now"));
        }
        let ImageSource::Object(object) = source else { panic!("only objects are opened") };
        let found = locked(&self.objects).get(&object.key).cloned();
        found.ok_or_else(|| Error::new(Kind::SourceNotFound, "there is no such object"))
    }
}

#[async_trait]
impl Store for Kept {
    async fn put(&self, key: &str, bytes: Bytes) -> Result<()> {
        locked(&self.objects).insert(key.to_owned(), bytes);
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<()> {
        locked(&self.objects).remove(key);
        Ok(())
    }
}

#[async_trait]
impl Archive for Kept {
    async fn reusable(&self, _: Digest, _: &Features, _: Option<&DetectorId>) -> Result<Option<Analysis>> {
        Ok(locked(&self.reusable).clone())
    }

    async fn state(&self, id: &ImageId) -> Result<Option<State>> {
        Ok(locked(&self.states).get(id.as_str()).cloned())
    }
}

fn moderator(kept: &Arc<Kept>, policy: &str, shadow: Option<&str>) -> Moderator {
    let policies = Policies::new(Some(policy), shadow).unwrap();
    Moderator::new(Cloud::Local, policies, Intake::new(Limits::default()), kept.clone(), kept.clone(), kept.clone())
}

fn picture(format: ImageFormat) -> Bytes {
    let picture = RgbImage::from_fn(800, 600, |x, y| Rgb([(x / 4) as u8, (y / 4) as u8, ((x ^ y) & 0xFF) as u8]));
    let mut file = Cursor::new(Vec::new());
    DynamicImage::from(picture).write_to(&mut file, format).unwrap();
    file.into_inner().into()
}

fn labels(labels: &[(&str, f32)]) -> Findings {
    let label = |(name, score): &(&str, f32)| Label { description: (*name).to_owned(), score: *score, mid: None };
    Findings { labels: Some(labels.iter().map(label).collect()), ..Findings::default() }
}

/// What a detector said about an object of the bucket that is kept under `key`.
fn analysis(kept: &Kept, key: &str, bytes: &Bytes, findings: Findings) -> Analysis {
    locked(&kept.objects).insert(key.to_owned(), bytes.clone());
    let image = Intake::new(Limits::default()).admit(picture(ImageFormat::Png)).unwrap();
    let object = ObjectRef { bucket: "local".to_owned(), key: key.to_owned(), version: None, etag: "e".to_owned() };
    let request = ImageRequest {
        source: ImageSource::Object(object.clone()),
        query: Query::default(),
        caller: Caller("upload".to_owned()),
        idempotency_key: None,
        request_id: "test".to_owned(),
        traceparent: None,
        deadline: Instant::now(),
        accepted: None,
    };
    let detector = DetectorId { provider: "test".to_owned(), model: "1".to_owned() };
    let id = object.id(Cloud::Local, &request.query);
    let made = Analysis::of((Cloud::Local, id), &request, &image, Detection { detector, findings }, Instant::now());
    Analysis { digest: Digest::of(bytes), ..made }
}

async fn decided(moderator: &Moderator, analysis: &Analysis) -> (Moderation, Settlement) {
    let settlement = moderator.process(&Event::labelled(Cloud::Local, analysis, None)).await.unwrap();
    let [event] = settlement.events.as_slice() else { panic!("one event: {settlement:?}") };
    let Payload::Moderated(moderation) = &event.data else { panic!("another event: {event:?}") };
    assert_eq!(settlement.audit.len(), 1);
    assert_eq!(settlement.audit[0].verdict, moderation.verdict);
    ((**moderation).clone(), settlement.clone())
}

#[tokio::test]
async fn a_label_blurs_its_picture_and_says_where_it_comes_from() {
    let kept = Arc::new(Kept::default());
    let moderator = moderator(&kept, ESPRESSO, None);
    let bytes = picture(ImageFormat::Png);
    let analysis = analysis(&kept, "cup.png", &bytes, labels(&[("espresso", 0.9)]));
    let (moderation, settlement) = decided(&moderator, &analysis).await;
    assert_eq!((moderation.verdict, moderation.rule.as_deref()), (Verdict::Blur, Some("espresso")));
    let key = moderation.blurred.unwrap();
    assert_eq!(key, format!("derived/blurred/{}.png", analysis.id));
    assert!(settlement.review.is_none());
    assert_eq!(settlement.events[0].id, format!("{}:moderated", analysis.id));
    let objects = locked(&kept.objects);
    let blurred = image::load_from_memory(&objects[&key]).unwrap();
    assert_eq!((blurred.width(), blurred.height()), (800, 600));
    let made: serde_json::Value = serde_json::from_slice(&objects[&key.replace(".png", ".json")]).unwrap();
    assert_eq!(made["digest"], Digest::of(&bytes).to_string());
    assert_eq!((made["source"].as_str(), made["rule"].as_str()), (Some("bucket://local/cup.png"), Some("espresso")));
    assert_eq!((made["policy"].as_str(), made["sigma"].as_f64()), (Some(moderation.policy.as_str()), Some(16.0)));
    assert_eq!(objects.len(), 3);
}

#[tokio::test]
async fn what_cannot_be_blurred_is_undecided_and_never_allowed() {
    let kept = Arc::new(Kept::default());
    let moderator = moderator(&kept, &(ESPRESSO.to_owned() + "[undecided]\ndefault = 'open'\nreview = true\n"), None);
    let whole = picture(ImageFormat::Png);
    for bytes in [Bytes::from_static(b"no picture"), whole.slice(..whole.len() / 2)] {
        let analysis = analysis(&kept, "cup.png", &bytes, labels(&[("espresso", 0.9)]));
        let (moderation, settlement) = decided(&moderator, &analysis).await;
        assert_eq!((moderation.verdict, &moderation.blurred), (Verdict::Undecided, &None));
        assert!(moderation.evidence.last().unwrap().because.contains("cannot be blurred"));
        assert!(!moderation.passes("anybody"), "that it should be blurred is certain");
        assert_eq!(settlement.review.unwrap().moderation.verdict, Verdict::Undecided);
        assert_eq!(locked(&kept.objects).len(), 1);
    }
}

#[tokio::test]
async fn an_original_that_was_replaced_is_not_the_one_that_was_judged() {
    let kept = Arc::new(Kept::default());
    let moderator = moderator(&kept, ESPRESSO, None);
    let judged = analysis(&kept, "cup.png", &picture(ImageFormat::Png), labels(&[("espresso", 0.9)]));
    locked(&kept.objects).insert("cup.png".to_owned(), picture(ImageFormat::Bmp));
    let (moderation, _) = decided(&moderator, &judged).await;
    assert_eq!((moderation.verdict, moderation.blurred), (Verdict::Blur, None));
    assert!(moderation.evidence.last().unwrap().because.contains("was replaced"));
    locked(&kept.objects).clear();
    let (moderation, _) = decided(&moderator, &judged).await;
    assert_eq!((moderation.verdict, moderation.blurred), (Verdict::Blur, None));
    assert!(moderation.evidence.last().unwrap().because.contains("is gone"));
}

#[tokio::test]
async fn an_original_that_cannot_be_read_now_brings_the_event_back() {
    let kept = Arc::new(Kept { is_away: true, ..Kept::default() });
    let analysis = analysis(&kept, "cup.png", &picture(ImageFormat::Png), labels(&[("espresso", 0.9)]));
    let event = Event::labelled(Cloud::Local, &analysis, None);
    let error = moderator(&kept, ESPRESSO, None).process(&event).await.unwrap_err();
    assert!(!error.is_permanent());
}

#[tokio::test]
async fn what_a_person_has_to_see_waits_with_a_blurred_preview() {
    let kept = Arc::new(Kept::default());
    let moderator = moderator(&kept, &ESPRESSO.replace("blur", "review"), None);
    let analysis = analysis(&kept, "cup.png", &picture(ImageFormat::Png), labels(&[("espresso", 0.9)]));
    let (moderation, settlement) = decided(&moderator, &analysis).await;
    assert_eq!(settlement.review.unwrap().moderation, moderation);
    let preview = locked(&kept.objects)[&common::derived::preview_key(&analysis.id)].clone();
    let preview = image::load_from_memory_with_format(&preview, ImageFormat::Jpeg).unwrap();
    assert_eq!((preview.width(), preview.height()), (640, 480));
}

#[tokio::test]
async fn a_failure_is_undecided_and_a_denied_picture_rejected() {
    let kept = Arc::new(Kept::default());
    let moderator = moderator(&kept, &(ESPRESSO.to_owned() + "[undecided]\nconsumers = { shop = 'open' }\n"), None);
    let id = analysis(&kept, "cup.png", &Bytes::new(), Findings::default()).id;
    for (kind, verdict) in [
        (Kind::Denied, Verdict::Reject),
        (Kind::UndecodableImage, Verdict::Undecided),
        (Kind::TooLarge, Verdict::Undecided),
    ] {
        let failure = Failure::new(&id, Some("bucket://local/cup.png".to_owned()), &Error::new(kind, "why"));
        let settlement = moderator.process(&Event::failed(Cloud::Local, &failure, None)).await.unwrap();
        let Payload::Moderated(moderation) = &settlement.events[0].data else { panic!("{settlement:?}") };
        assert_eq!(moderation.verdict, verdict);
        assert_eq!(moderation.source, failure.source);
        assert_eq!(moderation.passes("shop"), verdict == Verdict::Undecided);
        assert!(!moderation.passes("anybody"));
        assert!(moderation.evidence[0].because.contains(if verdict == Verdict::Reject {
            "deny-list"
        } else {
            kind.slug()
        }));
    }
}

#[tokio::test]
async fn a_doubt_lets_nothing_pass_that_is_held_for_certain() {
    let kept = Arc::new(Kept::default());
    let faces = "[[rule]]\nname = 'faces'\naction = 'reject'\nall = [{ faces = 1 }]\n[undecided]\ndefault = 'open'\n";
    let moderator = moderator(&kept, &(ESPRESSO.to_owned() + faces), None);
    for (label, passes) in [("espresso", false), ("cup", true)] {
        let analysis = analysis(&kept, "cup.png", &picture(ImageFormat::Png), labels(&[(label, 0.9)]));
        let (moderation, _) = decided(&moderator, &analysis).await;
        assert_eq!((moderation.verdict, moderation.passes("anybody")), (Verdict::Undecided, passes), "{label}");
    }
}

#[tokio::test]
async fn pending_features_decide_anew_about_their_image_whatever_comes_first() {
    let kept = Arc::new(Kept::default());
    let moderator = moderator(&kept, &ESPRESSO.replace("blur", "reject"), None);
    let pending = Findings { pending: vec![Feature::Labels], ..Findings::default() };
    let whole = analysis(&kept, "cup.png", &picture(ImageFormat::Png), pending);
    let (first, _) = decided(&moderator, &whole).await;
    assert_eq!(first.verdict, Verdict::Undecided);
    assert!(first.evidence[0].because.contains("not there yet"));
    let rest = Analysis {
        id: whole.id.rest(),
        part_of: Some(whole.id.clone()),
        findings: labels(&[("espresso", 0.9)]),
        ..whole.clone()
    };
    let none = moderator.process(&Event::labelled(Cloud::Local, &rest, None)).await.unwrap();
    assert_eq!(none, Settlement::default(), "the whole was erased");
    locked(&kept.states).insert(whole.id.to_string(), State::Done(Box::new(whole.clone())));
    let (then, settlement) = decided(&moderator, &rest).await;
    assert_eq!((&then.id, then.verdict), (&whole.id, Verdict::Reject));
    assert_eq!(settlement.events[0].id, format!("{}:moderated-rest", whole.id));
    locked(&kept.states).insert(rest.id.to_string(), State::Done(Box::new(rest)));
    assert_eq!(
        decided(&moderator, &whole).await.0.verdict,
        Verdict::Reject,
        "the first event, delivered after the second"
    );
}

#[tokio::test]
async fn asking_for_one_label_is_no_way_around_a_rule() {
    let kept = Arc::new(Kept::default());
    let moderator = moderator(&kept, &ESPRESSO.replace("blur", "reject"), None);
    let all = analysis(&kept, "cup.png", &picture(ImageFormat::Png), labels(&[("cup", 0.9), ("espresso", 0.8)]));
    *locked(&kept.reusable) = Some(all.clone());
    assert_eq!(decided(&moderator, &all.clone().truncated(1)).await.0.verdict, Verdict::Reject);
    let low = Analysis { findings: labels(&[("cup", 0.3)]), ..all };
    assert_eq!(
        decided(&moderator, &low).await.0.verdict,
        Verdict::Allow,
        "no label that is missing could reach the rule's score"
    );
}

#[tokio::test]
async fn a_policy_on_trial_is_told_and_does_nothing() {
    let kept = Arc::new(Kept::default());
    let moderator = moderator(&kept, &ESPRESSO.replace("espresso", "gun"), Some(ESPRESSO));
    let analysis = analysis(&kept, "cup.png", &picture(ImageFormat::Png), labels(&[("espresso", 0.9)]));
    let (moderation, _) = decided(&moderator, &analysis).await;
    let shadow = moderation.shadow.unwrap();
    assert_eq!(
        (moderation.verdict, shadow.verdict, shadow.rule.as_deref()),
        (Verdict::Allow, Verdict::Blur, Some("espresso"))
    );
    assert_ne!(moderation.policy, shadow.policy);
    assert_eq!(locked(&kept.objects).len(), 1);
}
