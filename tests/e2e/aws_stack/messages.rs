//! A conversation with the deployed stack, from `addcol` to `match`: Twilio's webhook at the function URL that anybody may call, the
//! topics, Rekognition's and Wikipedia's stand-ins, and the answers at Twilio's.

use processors::messages::{AuthToken, SIGNATURE, sign};
use tests::{
    Detector, Ministack, Picture, RekognitionStandIn, Stack, TwilioStandIn, WikipediaStandIn, function_zip, painted,
    photo, serve_picture, wait_until,
};

use super::waiting;

/// What the deployment tells Twilio to call; who calls comes in by another name, as behind a name of one's own.
const PUBLIC: &str = "https://sms.example.com/messages";
const FORM: &str = "application/x-www-form-urlencoded";
const PERSON: &str = "+15550100";
const OURS: &str = "+15550199";

struct Line<'a> {
    stack: &'a Stack<'a>,
    twilio: &'a TwilioStandIn,
    said: usize,
}

impl Line<'_> {
    /// Says something; the answer at once, and the one that follows where one is promised. Twilio delivers everything twice.
    fn say(&mut self, text: &str, picture: Option<&Picture>) -> String {
        self.said += 1;
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("MessageSid", &format!("MM{}", self.said)).append_pair("From", PERSON);
        form.append_pair("To", OURS).append_pair("Body", text);
        if let Some(picture) = picture {
            form.append_pair("NumMedia", "1").append_pair("MediaUrl0", &picture.url());
        }
        let body = form.finish();
        let token = AuthToken::new(TwilioStandIn::TOKEN).unwrap();
        let signature = sign(&token, PUBLIC, FORM, body.as_bytes());
        let headers = [("content-type", FORM), (SIGNATURE, signature.as_str())];
        let before = self.twilio.taken().len();
        let post = || self.stack.ask_at("MessagesUrl", "POST", "/messages", &headers, body.as_bytes());
        let (first, again) = (post(), post());
        assert_eq!((first.status, again.status), (200, 200), "{first:?}");
        let text = String::from_utf8_lossy(&first.body).into_owned();
        assert!(String::from_utf8_lossy(&again.body).contains("<Response></Response>"), "{again:?}");
        if !text.contains("All good.") {
            return text;
        }
        wait_until("the answer", || self.twilio.taken().get(before).map(|sms| sms.body.clone()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_goes_from_addcol_to_match() {
    let (rekognition, twilio) = (RekognitionStandIn::start().await, TwilioStandIn::start().await);
    let wikipedia = WikipediaStandIn::start().await;
    wikipedia.entry("Anna_A", "standard", "Singer", "Anna A is a singer.");
    let anna = serve_picture(painted(640, 480, &[([220, 40, 40], 100)]), "image/png").await;
    let coffee = serve_picture(std::fs::read(photo("coffee.png")).unwrap(), "image/png").await;
    tokio::task::block_in_place(|| converse(&rekognition, &wikipedia, &twilio, &anna, &coffee));
    assert_eq!((rekognition.faults(), wikipedia.faults()), (Vec::new(), Vec::new()));
}

fn converse(
    rekognition: &RekognitionStandIn,
    wikipedia: &WikipediaStandIn,
    twilio: &TwilioStandIn,
    anna: &Picture,
    coffee: &Picture,
) {
    let (detector, ministack) = (Detector::local().start(), Ministack::start());
    let sources = format!("{},{}", anna.source(), coffee.source());
    let settings = [
        ("AWS_ENDPOINT_URL_REKOGNITION", &*rekognition.url()),
        ("CROSSLENS_WIKIPEDIA_URL", &wikipedia.url()),
        ("CROSSLENS_TWILIO_URL", &twilio.url()),
        ("CROSSLENS_ALLOW_SOURCE", &sources),
        ("CROSSLENS_MESSAGE_SETTLES_MS", "0"),
    ];
    let parameters = [
        ("Detectors", detector.url()),
        ("FaceService", "rekognition"),
        ("TwilioAccountSid", TwilioStandIn::ACCOUNT),
        ("TwilioAuthToken", TwilioStandIn::TOKEN),
        ("TwilioWebhook", PUBLIC),
    ];
    let stack = Stack::deploy(&ministack, function_zip(), &parameters, &settings);
    let mut line = Line { stack: &stack, twilio, said: 0 };

    assert!(line.say("what is this?", None).contains("I only understand service"));
    assert_eq!(line.say("face addcol friends", None), "Collection friends was created successfully");
    assert_eq!(line.say("Face AddCol Friends", None), "Collection friends already exists!");
    assert!(line.say("face addimg friends anna_a", Some(anna)).starts_with("Before faces are kept or compared"));
    assert_eq!(line.say("yes", None), "Thank you, your consent is noted. Send your picture again.");
    assert_eq!(line.say("face addimg friends anna_a", Some(anna)), "Picture of anna_a added to Collection friends");
    let matched = line.say("face match friends", Some(anna));
    assert!(matched.starts_with("Face matched Anna A with 100.0 similarity and 99.9 confidence"), "{matched}");
    assert!(matched.contains("Source: https://en.wikipedia.org/wiki/Anna_A"), "{matched}");
    let labels = line.say("label", Some(coffee));
    assert!(labels.starts_with("Image Results: espresso"), "{labels}");
    assert_eq!(line.say("face delcol friends", None), "Collection friends was deleted successfully");

    let forged = [("content-type", FORM), (SIGNATURE, "AAAA")];
    assert_eq!(stack.ask_at("MessagesUrl", "POST", "/messages", &forged, b"Body=help").status, 403);
    assert_eq!(twilio.taken().len(), 8, "one message for each answer: {:#?}", twilio.taken());
    for queue in
        ["FacesQueue", "FacesDeadLetters", "LabelMessagesQueue", "LabelMessagesDeadLetters", "DispatchDeadLetters"]
    {
        wait_until("the queues to be empty", || (waiting(&ministack, stack.output(queue)) == 0).then_some(()));
    }
}
