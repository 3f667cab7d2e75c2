//! Rekognition's adapter alone.

use common::{
    error::{Kind, Retry},
    ports::{Collections as _, Faces as _, Portraits as _, suites},
};
use tests::painted;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn it_behaves_as_every_service_for_faces() {
    let rekognition = RekognitionStandIn::start().await;
    let sitters = suites::Sitters {
        anna: image(portrait(&[ANNA])),
        anna_again: image(portrait(&[ANNA_LATER])),
        berta: image(portrait(&[BERTA])),
        both: image(portrait(&[ANNA, BERTA])),
        nobody: image(portrait(&[])),
        too_small: image(painted(640, 480, &[(ANNA, 12)])),
    };
    suites::faces(&service(&rekognition).await, &sitters).await;
    assert_eq!(rekognition.faults(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn long_lists_are_read_to_their_end_and_stages_have_nothing_in_common() {
    let rekognition = RekognitionStandIn::start().await;
    let dev = service(&rekognition).await;
    let clients = Clients::at(&rekognition.url(), REGION, ACCESS_KEY, SECRET_KEY).await;
    let prod = RekognitionFaces::new(clients.rekognition, Intake::new(Limits::default()), "prod");
    let names: Vec<String> = (0..8).map(|n| format!("c{n}")).collect();
    for name in &names {
        assert!(dev.create(&collection(FROM, name)).await.unwrap());
    }
    let listed = dev.of(&owner(FROM)).await.unwrap();
    assert_eq!(listed.iter().map(|name| name.as_str()).collect::<Vec<_>>(), names);
    assert_eq!(prod.of(&owner(FROM)).await.unwrap(), []);
    let (anna, person) = (image(portrait(&[ANNA])), "anna_a".parse().unwrap());
    for n in 0..7 {
        dev.add(&collection(FROM, "c0"), &anna, &person, &Mark::of(&n.to_string())).await.unwrap();
    }
    let kept = dev.kept(&collection(FROM, "c0")).await.unwrap();
    assert_eq!(kept.len(), 7);
    dev.remove(&collection(FROM, "c0"), &kept[..5]).await.unwrap();
    assert_eq!(dev.kept(&collection(FROM, "c0")).await.unwrap(), kept[5..]);
    // What somebody else has put there under a name of another form is nobody whom we know.
    rekognition.with(|state| {
        let id = format!("crosslens-dev.{}.c1", owner(FROM));
        let stray = ("1".to_owned(), "just a name".to_owned(), [220.0, 40.0, 40.0]);
        state.collections.get_mut(&id).unwrap().push(stray);
    });
    assert_eq!(dev.kept(&collection(FROM, "c1")).await.unwrap(), []);
    assert_eq!(dev.find(&collection(FROM, "c1"), &anna).await.unwrap(), common::faces::Found::Unknown);
    assert_eq!(rekognition.faults(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_classified_and_nothing_is_repeated() {
    let rekognition = RekognitionStandIn::start().await;
    let service = service(&rekognition).await;
    let (anna, friends) = (image(portrait(&[ANNA])), collection(FROM, "friends"));
    service.create(&friends).await.unwrap();
    let check = async |code: &str, status, expected: (Kind, Retry)| {
        let before = rekognition.asked().len();
        rekognition.next("SearchFacesByImage", status, json!({ "__type": code, "Message": "played" }));
        let error = service.find(&friends, &anna).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), expected, "{code}");
        assert_eq!(rekognition.asked().len(), before + 1, "{code}");
    };
    check("ThrottlingException", 400, (Kind::RateLimited, Retry::Later)).await;
    check("ProvisionedThroughputExceededException", 400, (Kind::RateLimited, Retry::Later)).await;
    check("ResourceNotFoundException", 400, (Kind::NotFound, Retry::Never)).await;
    check("InvalidImageFormatException", 400, (Kind::UndecodableImage, Retry::Never)).await;
    check("AccessDeniedException", 400, (Kind::Unavailable, Retry::Exhausted)).await;
    check("InternalServerError", 500, (Kind::DetectorFailed, Retry::Later)).await;
    // A rejected parameter of a picture that shows a face is no missing face.
    rekognition.next("SearchFacesByImage", 400, json!({ "__type": "InvalidParameterException", "Message": "played" }));
    assert_eq!(service.find(&friends, &anna).await.unwrap_err().retry(), Retry::Exhausted);
    let small = image(painted(70, 400, &[]));
    assert_eq!(service.unfit(&small).await.unwrap_err().kind(), Kind::Unprocessable, "nobody else is asked");
}
