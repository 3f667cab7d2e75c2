//! The webhook for messages as a function of its own, and the functions that label what it asks for and send the answers.

use processors::messages::{AuthToken, SIGNATURE, sign};
use serde_json::{Value, json};
use tests::{
    Mood, TwilioStandIn,
    aws_world::{World, delivery, failures},
    numbered_picture, serve_picture,
};

use super::http::request;

const PUBLIC: &str = "https://messages.lambda-url.example/messages";
const FORM: &str = "application/x-www-form-urlencoded";

/// A message as a function URL hands it over that anybody may call.
fn message(sid: &str, text: &str, picture: Option<&str>) -> Value {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("MessageSid", sid)
        .append_pair("From", "+15550100")
        .append_pair("To", "+15550199")
        .append_pair("Body", text);
    if let Some(picture) = picture {
        form.append_pair("NumMedia", "1").append_pair("MediaUrl0", picture);
    }
    let body = form.finish();
    let signature = sign(&AuthToken::new(TwilioStandIn::TOKEN).unwrap(), PUBLIC, FORM, body.as_bytes());
    let mut post = request("POST", "/messages", "", "another.example");
    post["requestContext"].as_object_mut().unwrap().remove("authorizer");
    post["headers"]["content-type"] = json!(FORM);
    post["headers"][SIGNATURE] = json!(signature);
    post["isBase64Encoded"] = json!(true);
    post["body"] = json!(data_encoding::BASE64.encode(body.as_bytes()));
    post
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_goes_all_the_way_once() {
    let (world, twilio) = (World::new().await, TwilioStandIn::start().await);
    let picture = serve_picture(numbered_picture(1), "image/bmp").await;
    let token = ("TWILIO_AUTH_TOKEN", TwilioStandIn::TOKEN);
    let door = world.function(&[token, ("CROSSLENS_MESSAGES_URL", PUBLIC)]);
    let source = picture.source();
    let labels = world.function(&[("CROSSLENS_PROCESSORS", "label-messages"), ("CROSSLENS_ALLOW_SOURCE", &source)]);
    let (base, account) = (twilio.url(), ("TWILIO_ACCOUNT_SID", TwilioStandIn::ACCOUNT));
    let settles = ("CROSSLENS_MESSAGE_SETTLES_MS", "0");
    let sends = world.function(&[
        token,
        account,
        settles,
        ("CROSSLENS_TWILIO_URL", &base),
        ("CROSSLENS_PROCESSORS", "dispatch"),
    ]);

    let mut forged = message("MM1", "label", Some(&picture.url()));
    forged["headers"][SIGNATURE] = json!("AAAA");
    assert_eq!(door.invoke(&forged).await.unwrap()["statusCode"], 403);
    let mut said = Vec::new();
    for _ in 0..3 {
        let answer = door.invoke(&message("MM1", "label", Some(&picture.url()))).await.unwrap();
        assert_eq!(
            (&answer["statusCode"], &answer["headers"]["content-type"]),
            (&json!(200), &json!("application/xml"))
        );
        said.push(answer["body"].as_str().unwrap().to_owned());
    }
    assert!(said[0].contains("All good."), "{said:?}");
    assert_eq!(said[1..], ["<Response></Response>", "<Response></Response>"]);
    door.invoke(&message("MM2", "face addcol friends", None)).await.unwrap();

    let asked = world.told();
    let kinds: Vec<&str> = asked.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["dev.crosslens.image.label-requested.v1", "dev.crosslens.face.collection-requested.v1"]);
    assert_eq!(
        asked[1]["data"],
        json!({
            "operation": "addcol", "collection_name": "friends", "from_number": "+15550100", "to_number": "+15550199",
        })
    );
    for _ in 0..3 {
        assert_eq!(failures(&labels.invoke(&delivery(&asked)).await.unwrap()), Vec::<String>::new());
    }
    assert_eq!(picture.requests(), 1);
    let answers: Vec<Value> =
        world.told().into_iter().filter(|event| event["type"] == "dev.crosslens.message.reply.v1").collect();
    assert_eq!(answers.len(), 1, "{answers:#?}");

    twilio.is(Mood::TakesAndBreaks);
    assert_eq!(failures(&sends.invoke(&delivery(&answers)).await.unwrap()), ["0"]);
    twilio.is(Mood::Fine);
    for _ in 0..3 {
        assert_eq!(failures(&sends.invoke(&delivery(&answers)).await.unwrap()), Vec::<String>::new());
    }
    let taken = twilio.taken();
    assert_eq!((taken.len(), twilio.tries(), twilio.looks()), (1, 1, 1));
    assert!(taken[0].body.starts_with("Image Results: ") && taken[0].to == "+15550100", "{taken:?}");
    for function in [&door, &labels, &sends] {
        assert!(!function.log().contains("15550100"), "a number in the log");
    }
}
