//! What everybody goes through who asks for faces: once for each request, with consent, and for a time.

use common::{
    error::Kind,
    faces::{Added, Found, Reason},
};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_a_killed_try_and_a_late_delivery_leave_one_vector() {
    let world = World::new().await;
    let (gallery, friends) = (&world.gallery, collection(FROM, "friends"));
    let (anna, person) = (image(portrait(&[ANNA])), "anna_a".parse().unwrap());
    gallery.create(&friends, &request()).await.unwrap();
    let agreed = gallery.agree(&friends.owner, Timestamp::now()).await.unwrap();

    // The vector was made and the answer lost: it is looked for before it is tried again.
    world.rekognition.lose("IndexFaces");
    let once = request();
    let added = gallery.add(&agreed, &friends.name, &anna, &person, &once).await.unwrap();
    assert_eq!((added, world.kept(&friends.owner, "friends").len()), (Added::Yes { others: 0 }, 1));
    assert_eq!((world.calls("IndexFaces"), world.calls("ListFaces")), (1, 1));
    // A late delivery of what is done asks nobody.
    gallery.add(&agreed, &friends.name, &anna, &person, &once).await.unwrap();
    assert_eq!((world.calls("IndexFaces"), world.kept(&friends.owner, "friends").len()), (1, 1));

    // Killed after the vector was made: whoever comes when the lease is over finds it.
    let killed = request();
    let vector = common::faces::Vector { collection: friends.clone(), mark: killed.mark.clone(), added_at: killed.at };
    gallery.vectors.begin(&vector, Duration::ZERO).await.unwrap();
    gallery.faces.add(&friends, &anna, &person, &killed.mark).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    gallery.add(&agreed, &friends.name, &anna, &person, &killed).await.unwrap();
    assert_eq!(world.kept(&friends.owner, "friends").len(), 2);
    // Another request is another vector, of the same person.
    gallery.add(&agreed, &friends.name, &anna, &person, &request()).await.unwrap();
    let people = gallery.people(&friends).await.unwrap();
    assert_eq!(people.into_iter().collect::<Vec<_>>(), [(person, 3)]);
    assert_eq!(world.rekognition.faults(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_is_waited_for_and_what_does_not_is_an_error() {
    let world = World::new().await;
    let (gallery, friends) = (&world.gallery, collection(FROM, "friends"));
    let (anna, person) = (image(portrait(&[ANNA])), "anna_a".parse().unwrap());
    let throttle = |operation: &str, times| {
        for _ in 0..times {
            let said = json!({ "__type": "ThrottlingException", "Message": "played" });
            world.rekognition.next(operation, 400, said);
        }
    };
    throttle("CreateCollection", 2);
    assert!(gallery.create(&friends, &request()).await.unwrap());
    let agreed = gallery.agree(&friends.owner, Timestamp::now()).await.unwrap();
    throttle("IndexFaces", 2);
    let once = request();
    gallery.add(&agreed, &friends.name, &anna, &person, &once).await.unwrap();
    throttle("SearchFacesByImage", 4);
    let error = gallery.find(&agreed, &friends.name, &anna).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (Kind::RateLimited, common::error::Retry::Exhausted));
    let Found::Match(likeness) = gallery.find(&agreed, &friends.name, &anna).await.unwrap() else { panic!("no match") };
    assert_eq!(likeness.person, person);
    assert_eq!(world.kept(&friends.owner, "friends").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn forgetting_and_deleting_are_for_good_and_leave_a_line() {
    let world = World::new().await;
    let (gallery, friends) = (&world.gallery, collection(FROM, "friends"));
    let agreed = gallery.agree(&friends.owner, Timestamp::now()).await.unwrap();
    gallery.create(&friends, &request()).await.unwrap();
    let (anna, berta): (common::message::PersonName, common::message::PersonName) =
        ("anna_a".parse().unwrap(), "berta_b".parse().unwrap());
    for (person, colour) in [(&anna, ANNA), (&anna, ANNA_LATER), (&berta, BERTA)] {
        gallery.add(&agreed, &friends.name, &image(portrait(&[colour])), person, &request()).await.unwrap();
    }
    let once = request();
    // Interrupted after the deed, it is said again what was deleted.
    for _ in 0..3 {
        assert_eq!(gallery.forget(&friends, &anna, &once).await.unwrap(), 2);
    }
    assert_eq!(gallery.forget(&friends, &anna, &request()).await.unwrap(), 0, "another request finds nothing");
    assert!(world.kept(&friends.owner, "friends").iter().all(|external| external.starts_with("berta_b:")));
    let once = request();
    for _ in 0..3 {
        assert!(gallery.delete(&friends, &once).await.unwrap());
    }
    assert!(!gallery.delete(&friends, &request()).await.unwrap());
    let lines = gallery.notes.erasures(&friends.owner, 10).await.unwrap();
    let lines: Vec<_> = lines.iter().map(|line| (line.reason, line.vectors)).collect();
    let expected = [(Reason::CollectionDeleted, 1), (Reason::Forgotten, 0), (Reason::Forgotten, 2)];
    assert_eq!(lines, expected);
    let line = gallery.notes.erasures(&friends.owner, 1).await.unwrap();
    let line = serde_json::to_string(&line).unwrap();
    assert!(!line.contains("5550100") && !line.contains("berta") && !line.contains("friends"), "{line}");
    assert_eq!(gallery.vectors.older(Timestamp::MAX, 10).await.unwrap(), [], "nothing of it is remembered");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_had_its_time_goes_and_the_rest_stays() {
    let world = World::new().await;
    let (gallery, friends) = (&world.gallery, collection(FROM, "friends"));
    let agreed = gallery.agree(&friends.owner, Timestamp::now()).await.unwrap();
    gallery.create(&friends, &request()).await.unwrap();
    let hours_ago = |hours| Timestamp::now() - jiff::SignedDuration::from_hours(hours);
    for (person, hours) in [("anna_a", 30), ("anna_b", 25), ("berta_b", 1)] {
        let asked = Asked { at: hours_ago(hours), ..request() };
        let person = person.parse().unwrap();
        gallery.add(&agreed, &friends.name, &image(portrait(&[ANNA])), &person, &asked).await.unwrap();
    }
    // One whose collection is gone, and one of which nobody knows how it ended.
    for (name, made) in [("gone", false), ("friends", true)] {
        let vector =
            common::faces::Vector { collection: collection(FROM, name), mark: request().mark, added_at: hours_ago(40) };
        gallery.vectors.begin(&vector, Duration::ZERO).await.unwrap();
        if made {
            let picture = image(portrait(&[BERTA]));
            gallery.faces.add(&friends, &picture, &"unsure".parse().unwrap(), &vector.mark).await.unwrap();
        }
    }
    let day = Duration::from_secs(24 * 3600);
    assert_eq!(gallery.expire(day, 100).await.unwrap(), 3);
    assert_eq!(gallery.expire(day, 100).await.unwrap(), 0);
    let kept = world.kept(&friends.owner, "friends");
    assert!(kept.len() == 1 && kept[0].starts_with("berta_b:"), "{kept:?}");
    let lines = gallery.notes.erasures(&friends.owner, 10).await.unwrap();
    assert_eq!((lines.len(), lines[0].reason, lines[0].vectors), (1, Reason::Retention, 3));
    assert_eq!(gallery.vectors.older(Timestamp::MAX, 10).await.unwrap().len(), 1);
}
