//! Uploads, in whichever envelope they are told of.

use serde_json::{Value, json};
use tests::{
    aws_world::{BUCKET, World, delivery, failures, notification},
    numbered_picture, photo,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_labelled_whichever_way_it_is_told() {
    let world = World::new().await;
    let function = world.function(&[]);
    let direct = notification(&[world.put_file("a dir/x+é'.png", photo("coffee.png"))]);
    assert_eq!(function.invoke(&direct).await, Ok(Value::Null));
    let told = world.told();
    assert_eq!(told.len(), 1, "{told:?}");
    let analysis = &told[0]["data"];
    assert_eq!(analysis["source"], "s3://pictures/a dir/x+é'.png");
    assert_eq!(analysis["labels"][0]["description"].as_str().unwrap().to_lowercase(), "espresso");

    // The same upload by every other way is the same request: it is neither looked at nor told again.
    let event = direct["Records"][0].clone();
    let inner = notification(std::slice::from_ref(&event));
    let envelope =
        json!({ "Type": "Notification", "TopicArn": "arn:aws:sns:x:0:uploads", "Message": inner.to_string() });
    let sns = json!({ "Records": [{ "EventSource": "aws:sns", "Sns": { "Message": inner.to_string() } }] });
    let object = json!({ "key": "a dir/x+é'.png", "size": 1, "etag": event["s3"]["object"]["eTag"] });
    let bridge = json!({
        "source": "aws.s3", "detail-type": "Object Created", "detail": { "bucket": { "name": BUCKET }, "object": object },
    });
    for (name, other) in [("direct", &direct), ("SNS", &sns), ("EventBridge", &bridge)] {
        assert_eq!(function.invoke(other).await, Ok(Value::Null), "{name}");
    }
    let queued = function.invoke(&delivery(&[inner, envelope, bridge])).await.unwrap();
    assert_eq!(failures(&queued), Vec::<String>::new());
    assert_eq!((world.detecting.calls("POST /v1/detect"), world.told().len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_upload_is_passed_over() {
    let world = World::new().await;
    let function = world.function(&[]);
    let test = json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET });
    let mut folder = world.put("folder/", b"");
    folder["s3"]["object"]["size"] = json!(0);
    let derived = world.put("derived/blurred.png", &numbered_picture(1));
    let inbox = world.put("inbox/aws-aaaaaaaaaaaaaaaaaaaaaaaaaa", &numbered_picture(2));
    let mut gone = world.put("gone.png", &numbered_picture(3));
    gone["eventName"] = json!("ObjectRemoved:Delete");
    let mut expired = gone.clone();
    expired["eventName"] = json!("LifecycleExpiration:Delete");
    let others = [folder, derived, inbox, gone, expired].map(|record| notification(&[record]));
    let answer = function.invoke(&delivery(&[vec![test], others.to_vec()].concat())).await.unwrap();
    assert_eq!(failures(&answer), Vec::<String>::new());
    assert_eq!((world.detecting.all(), world.told()), (Vec::<String>::new(), Vec::new()));
    let log = function.log();
    for why in ["test-event", "folder-marker", "own-object", "delete", "lifecycle"] {
        assert!(log.contains(why), "{why} is not counted in\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_erases_the_analysis_where_that_is_wanted() {
    let world = World::new().await;
    let function =
        world.function(&[("CROSSLENS_ERASE_ON_DELETE", "true"), ("CROSSLENS_ALLOW_UNAUTHENTICATED", "true")]);
    let created = world.put("cat.png", &numbered_picture(1));
    function.invoke(&notification(std::slice::from_ref(&created))).await.unwrap();
    let id = world.told()[0]["data"]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/images/{id}");
    assert_eq!(super::http::get(&function, &path).await["statusCode"], 200);
    let mut removed = created;
    removed["eventName"] = json!("ObjectRemoved:Delete");
    for key in ["eTag", "size"] {
        removed["s3"]["object"].as_object_mut().unwrap().remove(key);
    }
    function.invoke(&notification(&[removed])).await.unwrap();
    assert_eq!(super::http::get(&function, &path).await["statusCode"], 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_that_is_told_late_erases_nothing_newer() {
    let world = World::new().await;
    let function =
        world.function(&[("CROSSLENS_ERASE_ON_DELETE", "true"), ("CROSSLENS_ALLOW_UNAUTHENTICATED", "true")]);
    let created = world.put("cat.png", &numbered_picture(1));
    let at = |sequencer: &str, name: Option<&str>| {
        let mut record = created.clone();
        record["s3"]["object"]["sequencer"] = json!(sequencer);
        if let Some(name) = name {
            record["eventName"] = json!(name);
        }
        notification(&[record])
    };
    let deleted = |sequencer| at(sequencer, Some("ObjectRemoved:Delete"));
    function.invoke(&at("F0", None)).await.unwrap();
    let path = format!("/v1/images/{}", world.told()[0]["data"]["id"].as_str().unwrap());
    let known = async || super::http::get(&function, &path).await["statusCode"] == 200;

    // The same bytes by the same name again, and only then the word of the delete in between; the numbers get longer.
    function.invoke(&at("101", None)).await.unwrap();
    function.invoke(&at("F0", None)).await.unwrap();
    function.invoke(&deleted("FF")).await.unwrap();
    assert!(known().await, "the newer upload lost its analysis");
    assert_eq!((world.detecting.calls("POST /v1/detect"), world.told().len()), (1, 0));
    function.invoke(&deleted("102")).await.unwrap();
    assert!(!known().await, "it was deleted after it had been uploaded");

    // What cannot be put into order is taken for the last word.
    function.invoke(&at("103", None)).await.unwrap();
    assert!(known().await);
    function.invoke(&deleted("Happy Sequencer")).await.unwrap();
    assert!(!known().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_costs_few_calls() {
    let world = World::new().await;
    let function = world.function(&[]);
    let bodies: Vec<Value> =
        (0..10).map(|n| notification(&[world.put(&format!("{n}.bmp"), &numbered_picture(n))])).collect();
    world.aws.reset();
    let answer = function.invoke(&delivery(&bodies)).await.unwrap();
    assert_eq!(failures(&answer), Vec::<String>::new());
    let (mut reads, mut writes, mut sns) = (0, 0, 0);
    for call in world.aws.all() {
        match call.as_str() {
            call if call.starts_with("GET /pictures/") => reads += 1,
            "DynamoDB_20120810.GetItem" | "DynamoDB_20120810.Query" | "DynamoDB_20120810.BatchGetItem" => {}
            call if call.starts_with("DynamoDB_20120810.") => writes += 1,
            "Publish" | "PublishBatch" => sns += 1,
            other => panic!("nobody has reckoned with {other}"),
        }
    }
    assert!(reads <= 10 && writes <= 30 && sns <= 2, "{reads} GETs, {writes} writes, {sns} calls of SNS for 10 images");
    assert_eq!(world.detecting.calls("POST /v1/detect"), 10);
    let told = world.told();
    assert_eq!(told.len(), 10);
}
