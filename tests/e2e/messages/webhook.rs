//! The webhook: who is let in, what is said at once, and one effect of each message.

use futures_util::future::join_all;
use processors::messages::{SIGNATURE, hashed, sign};
use serde_json::json;
use tests::{Server, client, numbered_picture, photo, serve_picture};

use super::{FORM, Line, OURS, PERSON, PUBLIC, SILENCE, form, signed, token, twiml};

const ALL_GOOD: &str = "All good. You should receive your response momentarily!";
const USAGE: &str = "Usage: face match (collection-name)| face addimg (collection-name) (first-name)_(last-name) | addcol (collection-name). For match|addimg include an image attachment.";

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_let_in_without_the_right_signature() {
    let line = Line::start(|builder| builder).await;
    let body = form("SM1", PERSON, "help", &[]);
    for signature in
        ["", "AAAA", &signed("another"), &sign(&token(), &line.server.at("/messages"), FORM, body.as_bytes())]
    {
        assert_eq!(line.post(&body, signature).await.status(), 403, "{signature}");
    }
    assert_eq!(line.post(&form("SM2", PERSON, "help", &[]), &signed(&body)).await.status(), 403);
    let get = |query: &str| client().get(format!("{}?{query}", line.server.at("/messages")));
    assert_eq!(get(&body).send().await.unwrap().status(), 403);
    let head = client().head(line.server.at("/messages")).send().await.unwrap();
    assert_eq!(head.status(), 405);
    assert_eq!(client().put(line.server.at("/messages/pictures")).send().await.unwrap().status(), 404);

    // Each way that Twilio has, under whatever name a proxy calls us by.
    let signature = sign(&token(), &format!("{PUBLIC}?{body}"), "", b"");
    let answer = get(&body).header("host", "10.0.0.7:99").header(SIGNATURE, signature).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.unwrap().starts_with("<Response><Message><Body>Send a picture with"));
    let json = json!({ "MessageSid": "SM3", "From": PERSON, "To": OURS, "Body": "nonsense" }).to_string();
    let query = hashed(json.as_bytes());
    let post =
        client().post(format!("{}?{query}", line.server.at("/messages"))).header("content-type", "application/json");
    let signature = sign(&token(), &format!("{PUBLIC}?{query}"), "application/json", json.as_bytes());
    let answer = post.header(SIGNATURE, signature).body(json).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap()), (200, twiml(USAGE)));
    for secret in ["5550100", "5550199", "nonsense", "SM1&"] {
        assert!(!line.server.stderr().contains(secret), "{secret} in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_no_message_is_refused() {
    let line = Line::start(|builder| builder).await;
    for body in
        ["", "MessageSid=SM1", "MessageSid=a%2Fb&From=%2B15550100&To=%2B15550199", "MessageSid=SM1&From=me&To=you"]
    {
        let answer = line.post(body, &signed(body)).await;
        assert_eq!(answer.status(), 400, "{body}");
        assert!(!answer.text().await.unwrap().contains("5550"));
    }
    let status = format!("{}&MessageStatus=delivered", form("SM1", PERSON, "", &[]).replace("&SmsStatus=received", ""));
    let answer = line.post(&status, &signed(&status)).await;
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap()), (200, SILENCE.to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_check_has_its_words() {
    let line = Line::start(|builder| builder).await;
    line.says("SMhelp", "help", &[]).await;
    let status = line.says("SMstatus", "status", &[]).await;
    assert_eq!(status, twiml("Messages to you today: 1 of 100 at the most."));
    for (sid, (text, said)) in (0..).zip([
        ("hi", USAGE),
        ("who are you", "I only understand service 'face' right now."),
        ("face dance friends", "Valid operators for service 'face' is 'match|addcol|addimg'."),
        (
            "FACE addimg friends",
            "Syntax for adding an image to a collection is: face addimg (collection-name) (first-name)_(last-name)",
        ),
        ("face match friends", "Attach an image to 'match' or 'addimg' operations"),
        ("face addcol <script>\"x\"&'y'", "A collection's name is 1 to 100 of a-z, 0-9, _, - and ."),
        ("face addcol friends", ALL_GOOD),
        ("more", "There is nothing more."),
        (&"\u{5e9}\u{1f98a}<".repeat(530), USAGE),
    ]) {
        assert_eq!(line.says(&format!("SM{sid}"), text, &[]).await, twiml(said), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_three_times_is_answered_once() {
    let picture = serve_picture(numbered_picture(1), "image/bmp").await;
    let line = Line::start(|builder| builder.args(["--allow-source", &picture.source()])).await;
    let url = picture.url();
    let pictures = [url.as_str()];
    let said = join_all((0..3).map(|_| line.says("MM1", "label", &pictures))).await;
    assert_eq!(said.iter().filter(|said| **said == twiml(ALL_GOOD)).count(), 1, "{said:?}");
    assert_eq!(said.iter().filter(|said| *said == SILENCE).count(), 2, "{said:?}");
    assert_eq!(line.texts(1).await, ["Image Results: stand-in"]);
    assert_eq!(line.says("MM1", "label", &[&url]).await, SILENCE);

    // What is asked next is answered after whatever a delivery too many might have led to.
    line.says("MM2", "label", &[&url]).await;
    assert_eq!(line.texts(2).await.len(), 2);
    assert_eq!(picture.requests(), 2, "once for each message");
    assert_eq!(line.twilio.tries(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_picture_of_a_message_is_answered() {
    let pictures = join_all([1, 2, 3].map(|n| serve_picture(numbered_picture(n), "image/bmp"))).await;
    let line = Line::start(|builder| {
        pictures.iter().fold(builder, |builder, picture| builder.args(["--allow-source", &picture.source()]))
    })
    .await;
    let urls: Vec<String> = pictures.iter().map(tests::Picture::url).collect();
    let text = format!("LABEL {}", urls[2]);
    assert_eq!(line.says("MM1", &text, &[&urls[0], &urls[1]]).await, twiml(ALL_GOOD));
    assert_eq!(line.texts(3).await, ["Image Results: stand-in"; 3]);
    assert!(pictures.iter().all(|picture| picture.requests() == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_is_none_is_said_so() {
    let (page, picture) =
        (serve_picture("<html></html>", "text/html").await, serve_picture(numbered_picture(1), "image/bmp").await);
    let line = Line::start(|builder| builder.args(["--allow-source", &page.source()])).await;
    let urls = [
        page.url(),
        picture.url(),
        "http://169.254.169.254/latest".to_owned(),
        "http://user:pass@h.example/".to_owned(),
    ];
    for (n, url) in urls.iter().enumerate() {
        line.says(&format!("MM{n}"), "label", &[url]).await;
        let said = line.texts(n + 1).await.pop().unwrap();
        assert!(said.starts_with("The picture cannot be labelled: "), "{said}");
        assert!(!said.contains("pass"), "{said}");
    }
    assert_eq!(picture.requests(), 0, "nobody opened that address by name");
    assert!(line.detector.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_stop_hears_nothing_until_start() {
    let line = Line::start(|builder| builder).await;
    assert_eq!(line.says("SM1", "Stop", &[]).await, SILENCE);
    for (sid, text) in [("SM2", "help"), ("SM3", "face addcol friends"), ("SM4", "nonsense"), ("SM5", "UNSUBSCRIBE")] {
        assert_eq!(line.says(sid, text, &[]).await, SILENCE, "{text}");
    }
    line.answer(&[(1, "too late")]).await;
    line.until_sent("stopped", 1).await;
    assert_eq!(line.twilio.tries(), 0);
    // Another number has said nothing of the kind.
    let other = form("SM6", "+15550100999", "help", &[]);
    assert_ne!(line.post(&other, &signed(&other)).await.text().await.unwrap(), SILENCE);

    let said = line.says("SM7", "START", &[]).await;
    assert!(said.contains("You will get answers again."), "{said}");
    // The old word, delivered once more, does not take the new one back.
    assert_eq!(line.says("SM1", "Stop", &[]).await, SILENCE);
    assert_ne!(line.says("SM8", "help", &[]).await, SILENCE);
    line.answer(&[(2, "in time")]).await;
    assert_eq!(line.texts(1).await, ["in time"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_has_its_cap() {
    let line = Line::start(|builder| builder.env("CROSSLENS_MESSAGES_PER_DAY", "3")).await;
    assert_ne!(line.says("SM1", "help", &[]).await, SILENCE);
    line.answer(&[(1, "one"), (2, "two")]).await;
    line.texts(2).await;
    line.answer(&[(3, "three")]).await;
    line.until_sent("capped", 1).await;
    assert_eq!(line.says("SM2", "help", &[]).await, SILENCE);
    assert_eq!(line.twilio.tries(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_account_the_door_is_closed_to_all_but_this_user() {
    let server = Server::build().args(["--detector", "http://127.0.0.1:9"]).without_model().start();
    let body = form("SM1", PERSON, "help", &[]);
    let post = |signature: String| {
        let request = client().post(server.at("/messages")).header("content-type", FORM);
        request.header(SIGNATURE, signature).body(body.clone()).send()
    };
    for signature in [String::new(), signed(&body)] {
        assert_eq!(post(signature).await.unwrap().status(), 403);
    }
    let picture = std::fs::read(photo("rocket.jpg")).unwrap();
    let put = client().put(server.at(&format!("/messages/pictures?{}", hashed(&picture)))).body(picture);
    assert_eq!(put.send().await.unwrap().status(), 403);
    #[cfg(unix)]
    {
        let key = std::fs::metadata(server.data().join("messages.json")).unwrap();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&key.permissions()) & 0o777, 0o600);
    }
}
