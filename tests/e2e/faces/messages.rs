//! What people are told by message, word for word, each request delivered three times at the same time.

use axum::{Router, body::Body, routing::get};
use futures_util::stream;

use super::*;

const ADDED: &str = "Picture of anna_a added to Collection friends";

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_reads_as_in_the_original_and_asks_for_consent_once() {
    let world = World::new().await;
    let (anna, later, berta) = (shown(&[ANNA]).await, shown(&[ANNA_LATER]).await, shown(&[BERTA]).await);
    let worker = world.worker(&[&anna, &later, &berta]);
    let told = async |words: Value| world.told(&worker, FROM, words).await;
    world.wikipedia.entry("Anna_A", "standard", "Singer", "Anna A is a singer.");

    assert_eq!(told(json!({ "operation": "list" })).await, "You have no collections");
    assert_eq!(told(addcol("friends")).await, "Collection friends was created successfully");
    assert_eq!(told(addcol("friends")).await, "Collection friends already exists!");
    assert_eq!(told(addcol("Family")).await, "Collection family was created successfully");
    assert_eq!(told(json!({ "operation": "list" })).await, "Your collections: family, friends");
    assert_eq!(told(addimg("friends", "anna_a", &anna)).await, QUESTION);
    assert_eq!(told(matching("friends", &anna)).await, QUESTION);
    assert_eq!((anna.requests(), world.kept(&owner(FROM), "friends").len()), (0, 0), "nothing is even fetched before");
    told(json!({ "operation": "consent" })).await;

    let event = asked(FROM, addimg("friends", "Anna_A", &anna));
    assert_eq!(world.ask(&worker, &event).await.message, ADDED);
    worker.handle(&event).await.unwrap();
    assert_eq!(world.kept(&owner(FROM), "friends").len(), 1, "one vector, however often it is delivered");

    let reply = world.ask(&worker, &asked(FROM, matching("friends", &later))).await;
    assert!(
        reply.message.starts_with("Face matched Anna A with 9") && reply.message.ends_with("99.9 confidence"),
        "{}",
        reply.message
    );
    let biography = "Wikipedia on the name Anna A, which others may bear as well:\nAbout: Singer\nAnna A is a singer.\n\
                     Source: https://en.wikipedia.org/wiki/Anna_A";
    assert_eq!(reply.biography.as_deref(), Some(biography));
    assert_eq!(told(matching("friends", &berta)).await, "Face detected, but not a known face");
    let forget = json!({ "operation": "forget", "collection_name": "friends", "label": "anna_a" });
    assert_eq!(told(forget.clone()).await, "1 picture of anna_a was deleted from Collection friends");
    assert_eq!(told(forget).await, "There is no picture of anna_a in Collection friends");
    assert_eq!(told(matching("friends", &anna)).await, "Face detected, but not a known face");
    let delcol = |name: &str| json!({ "operation": "delcol", "collection_name": name });
    assert_eq!(told(delcol("friends")).await, "Collection friends was deleted successfully");
    assert_eq!(told(delcol("friends")).await, "Collection friends does not exist");
    assert_eq!(world.rekognition.faults(), Vec::<String>::new());
    assert_eq!(world.wikipedia.faults(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_can_add_to_match_in_list_or_delete_a_collection() {
    let world = World::new().await;
    let anna = shown(&[ANNA]).await;
    let worker = world.worker(&[&anna]);
    for from in [FROM, STRANGER] {
        world.agreeing(from).await;
    }
    world.told(&worker, FROM, addcol("friends")).await;
    assert_eq!(world.told(&worker, FROM, addimg("friends", "anna_a", &anna)).await, ADDED);
    let stranger = async |words: Value| world.told(&worker, STRANGER, words).await;
    let missing = "Given collection friends does not exist in your account";
    assert_eq!(stranger(addimg("friends", "berta_b", &anna)).await, missing);
    assert_eq!(stranger(matching("friends", &anna)).await, missing);
    assert_eq!(stranger(json!({ "operation": "list" })).await, "You have no collections");
    let forget = json!({ "operation": "forget", "collection_name": "friends", "label": "anna_a" });
    assert_eq!(stranger(forget).await, missing);
    let delcol = json!({ "operation": "delcol", "collection_name": "friends" });
    assert_eq!(stranger(delcol).await, "Collection friends does not exist");
    // One of the same name is another one.
    assert_eq!(stranger(addcol("friends")).await, "Collection friends was created successfully");
    assert_eq!(stranger(matching("friends", &anna)).await, "Face detected, but not a known face");
    assert_eq!(world.kept(&owner(FROM), "friends").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_picture_gets_the_sentence_of_the_original() {
    let world = World::new().await;
    world.agreeing(FROM).await;
    let small = serve_picture(painted(640, 480, &[(ANNA, 12)]), "image/png").await;
    let html = serve_picture("<html><img src=x></html>", "text/html").await;
    let cut = serve_picture(portrait(&[ANNA])[..60].to_vec(), "image/png").await;
    let tiny = serve_picture(painted(40, 40, &[]), "image/png").await;
    let (nobody, both) = (shown(&[]).await, shown(&[BERTA, ANNA]).await);
    let worker = world.worker(&[&small, &html, &cut, &tiny, &nobody, &both]);
    world.told(&worker, FROM, addcol("friends")).await;
    for picture in [&small, &html, &cut, &tiny, &nobody] {
        assert_eq!(world.told(&worker, FROM, addimg("friends", "anna_a", picture)).await, NOTHING_TO_ADD);
        assert_eq!(world.told(&worker, FROM, matching("friends", picture)).await, NOTHING_TO_MATCH);
        let missing = "No faces in given image and given collection foes does not exist in your account";
        assert_eq!(world.told(&worker, FROM, addimg("foes", "anna_a", picture)).await, missing);
    }
    let missing = "Given collection foes does not exist in your account";
    assert_eq!(world.told(&worker, FROM, addimg("foes", "anna_a", &both)).await, missing);
    assert_eq!(world.told(&worker, FROM, matching("foes", &both)).await, missing);
    assert_eq!(world.kept(&owner(FROM), "friends"), Vec::<String>::new());
    // Of two faces the more prominent one is added, and no other under its name.
    assert_eq!(
        world.told(&worker, FROM, addimg("friends", "berta_b", &both)).await,
        "Picture of berta_b added to Collection friends"
    );
    assert_eq!(world.kept(&owner(FROM), "friends").len(), 1);
    let only_cut = world.rekognition.faults().iter().all(|fault| fault == "unexpected end of file");
    assert!(only_cut, "{:?}", world.rekognition.faults());
}

/// Pictures that are no pictures for us: pointing inside, not there, and without an end.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_refused_is_answered_as_well() {
    let world = World::new().await;
    world.agreeing(FROM).await;
    let (inside, anna) = (shown(&[ANNA]).await, shown(&[ANNA]).await);
    let megabyte = Bytes::from(vec![7; 1 << 20]);
    let long = move || {
        let chunks = stream::iter(std::iter::repeat_n(megabyte.clone(), 200).map(Ok::<_, std::io::Error>));
        std::future::ready(Body::from_stream(chunks))
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/picture", get(long))).await });
    let ledger = Arc::new(world.local.ledger.clone());
    let policy = SourcePolicy::new(vec![address.to_string().parse().unwrap(), anna.source().parse().unwrap()]);
    let fetch = Arc::new(WebFetcher::new(policy, FetchLimits::default(), Arc::new(SystemResolver)).unwrap());
    let (gallery, intake) = (Some(world.gallery.clone()), Intake::new(Limits::default()));
    let processor = Arc::new(FaceRequests { cloud: Cloud::Local, gallery, fetch, intake });
    let publish = Arc::new(world.local.topics.clone());
    let worker = Worker { processor, journal: ledger.clone(), outbox: ledger, publish };
    world.told(&worker, FROM, addcol("friends")).await;
    for url in [
        inside.url(),
        format!("http://{address}/picture"),
        format!("http://{address}/nothing"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "file:///etc/passwd".to_owned(),
        "not a url".to_owned(),
    ] {
        let mut words = addimg("friends", "anna_a", &anna);
        words["image_url"] = url.as_str().into();
        assert_eq!(world.told(&worker, FROM, words.clone()).await, NOTHING_TO_ADD, "{url}");
        words["operation"] = "match".into();
        assert_eq!(world.told(&worker, FROM, words).await, NOTHING_TO_MATCH, "{url}");
    }
    assert_eq!((inside.requests(), anna.requests()), (0, 0));
    assert_eq!(
        world.told(&worker, FROM, json!({ "operation": "addcol" })).await,
        "Something is missing in what you asked for. Send \"help\" to see how to ask."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_fetched_once_and_a_service_that_is_away_is_said() {
    let world = World::new().await;
    world.agreeing(FROM).await;
    let anna = shown(&[ANNA]).await;
    let worker = world.worker(&[&anna]);
    world.told(&worker, FROM, addcol("friends")).await;
    let before = anna.requests();
    let event = asked(FROM, addimg("friends", "anna_a", &anna));
    worker.handle(&event).await.unwrap();
    worker.handle(&event).await.unwrap();
    assert_eq!(anna.requests(), before + 1);

    let away = |operation: &str| {
        let said = json!({ "__type": "AccessDeniedException", "Message": "played" });
        world.rekognition.next(operation, 400, said);
    };
    away("SearchFacesByImage");
    let sentence = "Matching in Collection friends failed! Please send the picture again later";
    worker.handle(&asked(FROM, matching("friends", &anna))).await.unwrap();
    assert_eq!(world.replies().await.last().unwrap().message, sentence);
    away("CreateCollection");
    worker.handle(&asked(FROM, addcol("others"))).await.unwrap();
    assert_eq!(world.replies().await.last().unwrap().message, "Creation of collection others failed!");
    away("ListCollections");
    worker.handle(&asked(FROM, json!({ "operation": "list" }))).await.unwrap();
    assert_eq!(world.replies().await.last().unwrap().message, "Listing of collections failed!");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_service_that_is_said() {
    let world = World::new().await;
    let worker = world.worker_of(None, &[]);
    for operation in ["addcol", "delcol", "list", "addimg", "forget", "consent", "match"] {
        let words = json!({ "operation": operation, "collection_name": "friends", "label": "anna_a" });
        let told = world.told(&worker, FROM, words).await;
        assert_eq!(told, "This Crosslens has no face service, so that it keeps and matches no faces.", "{operation}");
    }
    assert_eq!(world.rekognition.asked().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_person_is_told_as_one_and_no_entry_is_said() {
    let world = World::new().await;
    world.agreeing(FROM).await;
    let (anna, berta, carla) = (shown(&[ANNA]).await, shown(&[BERTA]).await, shown(&[[40, 220, 40]]).await);
    let worker = world.worker(&[&anna, &berta, &carla]);
    world.told(&worker, FROM, addcol("friends")).await;
    world.told(&worker, FROM, addimg("friends", "tom_cruise", &anna)).await;
    world.told(&worker, FROM, addimg("friends", "berta_b", &berta)).await;
    let links = vec!["www.wikidata.org/wiki/Q37079".to_owned(), "www.imdb.com/name/nm0000129".to_owned()];
    world.rekognition.with(|state| state.celebrities.push((ANNA.map(f64::from), "Tom Cruise".to_owned(), links)));
    world.wikipedia.entry("Tom_Cruise", "standard", "American actor (born 1962)", "Thomas Cruise is an actor.");
    world.wikipedia.entry("Berta_B", "disambiguation", "Topics referred to by the same term", "Berta B may refer to:");

    let biography = async |picture: &Picture| {
        world.ask(&worker, &asked(FROM, matching("friends", picture))).await.biography.unwrap()
    };
    let expected = "Person\n=====\nName: Tom Cruise\nAbout: American actor (born 1962)\nThomas Cruise is an actor.\n\
                    Source: https://en.wikipedia.org/wiki/Tom_Cruise\n\
                    Links: www.wikidata.org/wiki/Q37079 www.imdb.com/name/nm0000129";
    assert_eq!(biography(&anna).await, expected);
    assert_eq!(biography(&berta).await, "Wikipedia has no entry under the name Berta B.");
    assert_eq!(biography(&anna).await, expected);
    let asked_for = world.wikipedia.asked();
    assert_eq!(asked_for.iter().filter(|title| *title == "Tom_Cruise").count(), 1, "it is remembered: {asked_for:?}");
    // An encyclopaedia that is away is no failure of the match.
    world.told(&worker, FROM, addimg("friends", "carla_c", &carla)).await;
    world.wikipedia.answer("Carla_C", 503, json!({}));
    assert_eq!(biography(&carla).await, "Wikipedia could not be asked about the name Carla C.");
    world.wikipedia.entry("Carla_C", "standard", "", "Carla C is a painter.");
    assert!(biography(&carla).await.contains("Carla C is a painter."), "a failure is not remembered");
    assert_eq!(world.wikipedia.faults(), Vec::<String>::new());
}
