//! A conversation from `addcol` to `match` on one machine: signed webhooks in, the face service's and Wikipedia's stand-ins, and the
//! answers as they go out. Twilio delivers everything three times.

use tests::{ACCESS_KEY, REGION, RekognitionStandIn, SECRET_KEY, WikipediaStandIn, painted, serve_picture};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_goes_from_addcol_to_match() {
    let (rekognition, wikipedia) = (RekognitionStandIn::start().await, WikipediaStandIn::start().await);
    wikipedia.entry("Anna_A", "standard", "Singer", "Anna A is a singer.");
    let anna = serve_picture(painted(640, 480, &[([220, 40, 40], 100)]), "image/png").await;
    let line = Line::start(|up| {
        let up = up.args(["--faces", "rekognition", "--allow-source", &anna.source()]);
        let up = up.env("AWS_ENDPOINT_URL", rekognition.url()).env("AWS_REGION", REGION);
        let up = up.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        up.env("CROSSLENS_WIKIPEDIA_URL", wikipedia.url())
    })
    .await;
    let mut answers = 0;
    let mut say = async |text: &str, picture: Option<&str>| {
        answers += 1;
        let sid = format!("MM{answers}");
        let pictures: Vec<&str> = picture.into_iter().collect();
        assert_eq!(
            line.says(&sid, text, &pictures).await,
            twiml("All good. You should receive your response momentarily!")
        );
        for _ in 0..2 {
            assert_eq!(line.says(&sid, text, &pictures).await, "<Response></Response>");
        }
        line.texts(answers).await.pop().unwrap()
    };
    let picture = anna.url();
    assert_eq!(say("face addcol friends", None).await, "Collection friends was created successfully");
    assert_eq!(say("Face AddCol Friends", None).await, "Collection friends already exists!");
    let asked = say("face addimg friends anna_a", Some(&picture)).await;
    assert!(asked.starts_with("Before faces are kept or compared"), "{asked}");
    assert_eq!(say("yes", None).await, "Thank you, your consent is noted. Send your picture again.");
    let added = say("face addimg friends anna_a", Some(&picture)).await;
    assert_eq!(added, "Picture of anna_a added to Collection friends");
    let before = anna.requests();
    assert_eq!(
        say("face match friends", Some(&picture)).await,
        "Face matched Anna A with 100.0 similarity and 99.9 confidence Wikipedia on the name Anna A, which others may bear as \
         well:\nAbout: Singer\nAnna A is a singer.\nSource: https://en.wikipedia.org/wiki/Anna_A"
    );
    assert_eq!(anna.requests(), before + 1, "a picture is fetched once for a message");
    assert_eq!(
        say("face forget friends anna_a", None).await,
        "1 picture of anna_a was deleted from Collection friends"
    );
    assert_eq!(say("face match friends", Some(&picture)).await, "Face detected, but not a known face");
    assert_eq!(say("face delcol friends", None).await, "Collection friends was deleted successfully");
    assert_eq!((rekognition.faults(), wikipedia.faults()), (Vec::new(), Vec::new()));
    assert_eq!(line.twilio.taken().len(), answers, "each message is answered once");
}
