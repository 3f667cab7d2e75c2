//! `crosslens dlq` on real queues: a message is never lost on its way back, and what a list looks at stays. Which queues give
//! their messages up to another one, moto knows and ministack does not.

use serde_json::{Value, json};
use tests::{Boto, Cli, Ended, KEY, Ministack, Moto, REGION, SECRET, wait_until};

fn queue(boto: &Boto, name: &str, attributes: Value) -> String {
    let made = boto.call("sqs", "create_queue", json!({"QueueName": name, "Attributes": attributes}));
    made["QueueUrl"].as_str().unwrap().to_owned()
}

fn arn(boto: &Boto, url: &str) -> String {
    let asked = json!({"QueueUrl": url, "AttributeNames": ["QueueArn"]});
    boto.call("sqs", "get_queue_attributes", asked)["Attributes"]["QueueArn"].as_str().unwrap().to_owned()
}

fn depth(boto: &Boto, url: &str) -> u64 {
    let asked = json!({"QueueUrl": url, "AttributeNames": ["ApproximateNumberOfMessages"]});
    let told = boto.call("sqs", "get_queue_attributes", asked);
    told["Attributes"]["ApproximateNumberOfMessages"].as_str().unwrap().parse().unwrap()
}

/// Everything that can be received now, with its attributes; it stays hidden for a while.
fn received(boto: &Boto, url: &str) -> Vec<Value> {
    let asked = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"]});
    let mut all = Vec::new();
    loop {
        let told = boto.call("sqs", "receive_message", asked.clone());
        match told["Messages"].as_array() {
            Some(messages) if !messages.is_empty() => all.extend(messages.clone()),
            _ => return all,
        }
    }
}

fn notification(key: &str) -> String {
    json!({"Records": [{"s3": {"bucket": {"name": "photos"}, "object": {"key": key}}}]}).to_string()
}

pub(crate) fn dlq(url: &str, args: &[&str], dead: &str) -> Ended {
    let cli = Cli::new([&["dlq"], args].concat()).env("AWS_ENDPOINT_URL", url).env("AWS_REGION", REGION);
    let cli = cli.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET);
    cli.env("CROSSLENS_DEAD_LETTERS", dead).run()
}

/// A queue that gives up after one receive, its dead letters, and these messages among them.
fn given_up(boto: &Boto, bodies: &[String]) -> (String, String) {
    let dead = queue(boto, "uploads-dead", json!({}));
    let redrive = json!({"deadLetterTargetArn": arn(boto, &dead), "maxReceiveCount": "1"}).to_string();
    let uploads = queue(boto, "uploads", json!({"RedrivePolicy": redrive, "VisibilityTimeout": "0"}));
    for body in bodies {
        let attributes = json!({"traceparent": {"DataType": "String", "StringValue": "00-1-2-01"}});
        let message = json!({"QueueUrl": uploads, "MessageBody": body, "MessageAttributes": attributes});
        boto.call("sqs", "send_message", message);
    }
    wait_until("the queue to give its messages up", || {
        boto.call("sqs", "receive_message", json!({"QueueUrl": uploads, "MaxNumberOfMessages": 10}));
        (depth(boto, &dead) == bodies.len() as u64).then_some(())
    });
    boto.call("sqs", "set_queue_attributes", json!({"QueueUrl": uploads, "Attributes": {"VisibilityTimeout": "30"}}));
    (uploads, dead)
}

#[test]
fn what_was_given_up_is_listed_and_stays() {
    let server = Ministack::start();
    let bodies: Vec<String> = (0..12).map(|n| notification(&format!("a+dir/{n}%2B%1B.jpg"))).collect();
    let (_, dead) = given_up(server.boto(), &[bodies, vec!["a secret text".to_owned()]].concat());
    for _ in 0..2 {
        let ended = dlq(server.url(), &["list"], &dead);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert_eq!(ended.stdout.lines().count(), 13, "{}", ended.stdout);
        for n in 0..12 {
            let shown = format!("s3://photos/a dir/{n}+\u{fffd}.jpg");
            assert!(ended.stdout.contains(&shown), "{shown} in {}", ended.stdout);
        }
        assert!(!ended.stdout.contains("secret"), "bodies are not shown");
    }
    let ended = dlq(server.url(), &["list", "--json", "--limit", "5"], &dead);
    let letters: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(letters.len(), 5);
    assert!(letters[0]["receives"].as_u64().unwrap() >= 1 && letters[0]["sent"].is_string(), "{letters:?}");
    assert_eq!(depth(server.boto(), &dead), 13);
}

#[test]
fn messages_go_back_to_their_queue_whole() {
    let server = Moto::start();
    let bodies: Vec<String> = (0..4).map(|n| notification(&format!("{}/{n}.jpg", ["old", "new"][n % 2]))).collect();
    let (uploads, dead) = given_up(server.boto(), &bodies);
    let ended = dlq(server.url(), &["replay", "--key", "new/", "--limit", "1"], &dead);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.contains("s3://photos/new/"), "{}", ended.stdout);
    assert_eq!((depth(server.boto(), &uploads), depth(server.boto(), &dead)), (1, 3));
    let ended = dlq(server.url(), &["replay", "--key", "new/"], &dead);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!((depth(server.boto(), &uploads), depth(server.boto(), &dead)), (2, 2));
    let ended = dlq(server.url(), &["replay"], &dead);
    assert!(ended.stdout.contains("2 sent"), "{}", ended.stdout);
    assert_eq!(depth(server.boto(), &dead), 0);
    let back = received(server.boto(), &uploads);
    let mut found: Vec<String> = back.iter().map(|message| message["Body"].as_str().unwrap().to_owned()).collect();
    found.sort();
    let mut expected = bodies;
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(back[0]["MessageAttributes"]["traceparent"]["StringValue"], "00-1-2-01");
}

#[test]
fn another_queue_may_be_named() {
    let server = Ministack::start();
    let bodies: Vec<String> = (0..11).map(|n| notification(&format!("{n}.jpg"))).collect();
    let (uploads, dead) = given_up(server.boto(), &bodies);
    let other = queue(server.boto(), "other", json!({}));
    let ended = dlq(server.url(), &["replay", "--queue", &other], &dead);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let found: std::collections::BTreeSet<String> =
        received(server.boto(), &other).iter().map(|message| message["Body"].as_str().unwrap().to_owned()).collect();
    assert_eq!(found, bodies.into_iter().collect());
    assert_eq!((depth(server.boto(), &uploads), depth(server.boto(), &dead)), (0, 0));
}

#[test]
fn nothing_is_taken_out_that_could_not_be_sent() {
    let server = Moto::start();
    let dead = queue(server.boto(), "dead", json!({}));
    server.boto().call("sqs", "send_message", json!({"QueueUrl": dead, "MessageBody": notification("a.jpg")}));
    // Nobody gives anything up to this queue, so that nobody knows where its messages belong.
    let ended = dlq(server.url(), &["replay"], &dead);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("--queue"), "{}", ended.stderr);
    let gone = dead.replace("/dead", "/nowhere");
    let ended = dlq(server.url(), &["replay", "--queue", &gone], &dead);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let ended = dlq(server.url(), &["list"], &dead);
    assert!(ended.stdout.contains("s3://photos/a.jpg"), "{}", ended.stdout);
    let ended = dlq(server.url(), &["list"], &gone);
    assert_eq!(ended.code, 1, "a queue that is not there is not an empty one: {}", ended.stdout);
}

#[test]
fn queues_have_to_be_named() {
    let ended = Cli::new(["dlq", "list"]).run();
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("CROSSLENS_DEAD_LETTERS"), "{}", ended.stderr);
}
