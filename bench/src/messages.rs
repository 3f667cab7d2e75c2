//! Messages in `up`: the webhook at a constant rate, signed, with all that a command leads to written down before the answer; and
//! the way of an answer from its topic to a stand-in for Twilio's API.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use common::{
    event::{Event, Payload},
    intake::Limits,
};
use local::{From, Local};
use processors::messages::{AuthToken, SIGNATURE, sign};
use reqwest::Client;
use tests::{DetectorStandIn, Picture, Server, TwilioStandIn, numbered_picture, serve_picture};
use tokio::runtime::Runtime;

const PUBLIC: &str = "https://sms.example.com/messages";
const FORM: &str = "application/x-www-form-urlencoded";
/// Answers whose way is measured, and how many of them a second.
const ANSWERS: (u32, u32) = (200, 20);

/// Prints both.
pub(crate) fn run(rate: u32, seconds: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (twilio, detector, picture) = runtime.block_on(async {
        let picture = serve_picture(numbered_picture(1), "image/bmp").await;
        (TwilioStandIn::start().await, DetectorStandIn::start().await, picture)
    });
    let server = Server::build()
        .without_model()
        .args(["--detector", &detector.url(), "--allow-source", &picture.source()])
        .env("TWILIO_ACCOUNT_SID", TwilioStandIn::ACCOUNT)
        .env("TWILIO_AUTH_TOKEN", TwilioStandIn::TOKEN)
        .env("CROSSLENS_MESSAGES_URL", PUBLIC)
        .env("CROSSLENS_TWILIO_URL", twilio.url())
        .env("RUST_LOG", "warn")
        .start();
    let phone = Phone {
        client: Client::builder().no_proxy().pool_max_idle_per_host(64).build().unwrap(),
        url: server.at("/messages"),
    };
    println!("messages: POST /messages with a command, {rate} a second for {seconds} s");
    // The first ones warm the connections.
    load(&runtime, &phone, 0..200, rate, |n| body(n, "face addcol friends", None));
    let latencies = load(&runtime, &phone, 1000..1000 + rate * seconds, rate, |n| body(n, "face addcol friends", None));
    print_sorted("webhook", latencies);
    let (count, rate) = ANSWERS;
    load(&runtime, &phone, 1_000_000..1_000_000 + count, rate, |n| body(n, "label", Some(&picture)));
    let ways = runtime.block_on(ways(&server, &twilio, count));
    print_sorted("from dispatch_response to Twilio", ways);
}

#[derive(Clone)]
struct Phone {
    client: Client,
    url: String,
}

impl Phone {
    async fn send(self, body: String) {
        let signature = sign(&AuthToken::new(TwilioStandIn::TOKEN).unwrap(), PUBLIC, FORM, body.as_bytes());
        let request = self.client.post(self.url).header("content-type", FORM).header(SIGNATURE, signature);
        let answer = request.body(body).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.text().await.unwrap().contains("All good."));
    }
}

/// The `n`th message, from a number of its own.
fn body(n: u32, text: &str, picture: Option<&Picture>) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("MessageSid", &format!("SM{n}")).append_pair("From", &number(n)).append_pair("To", "+15550199");
    form.append_pair("Body", text);
    if let Some(picture) = picture {
        form.append_pair("NumMedia", "1").append_pair("MediaUrl0", &picture.url());
    }
    form.finish()
}

fn number(n: u32) -> String {
    format!("+1555{n:08}")
}

/// Sends each at its moment on the clock, from which its latency counts.
fn load(
    runtime: &Runtime,
    phone: &Phone,
    numbers: std::ops::Range<u32>,
    rate: u32,
    body: impl Fn(u32) -> String,
) -> Vec<Duration> {
    let started = Instant::now();
    let mut sent = Vec::new();
    for (place, number) in (0..).zip(numbers) {
        let (body, due) = (body(number), started + Duration::from_secs(1) * place / rate);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let work = phone.clone().send(body);
        sent.push(runtime.spawn(async move {
            work.await;
            due.elapsed()
        }));
    }
    runtime.block_on(async {
        let mut latencies = Vec::new();
        for one in sent {
            latencies.push(one.await.unwrap());
        }
        latencies
    })
}

/// How long each answer to the last messages took from its place in the topic to the stand-in.
async fn ways(server: &Server, twilio: &TwilioStandIn, count: u32) -> Vec<Duration> {
    let wanted: Vec<String> = (1_000_000..1_000_000 + count).map(number).collect();
    let topics = Local::open_shared(server.data(), &Limits::default()).unwrap().topics;
    let mut tail = topics.tail(&["dispatch_response"], From::Start).await.unwrap();
    let mut published = HashMap::new();
    while published.len() < wanted.len() {
        let message = tail.next().await.unwrap();
        let event: Event = message.parse().unwrap();
        if let Payload::Replied(reply) = event.data
            && wanted.iter().any(|number| number == reply.from_number.expose())
        {
            published.insert(reply.from_number.expose().to_owned(), message.at);
        }
    }
    let taken = tests::wait_until_async("all answers", || async {
        let taken: Vec<_> = twilio.taken().into_iter().filter(|sms| wanted.contains(&sms.to)).collect();
        (taken.len() == wanted.len()).then_some(taken)
    })
    .await;
    taken.iter().map(|sms| sms.created.duration_since(published[&sms.to]).unsigned_abs()).collect()
}

fn print_sorted(what: &str, mut latencies: Vec<Duration>) {
    latencies.sort();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    println!(
        "{what}: {} of them, p50 {:.2} ms, p99 {:.2} ms, slowest {:.2} ms",
        latencies.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
}
