//! Requests through API Gateway, function URLs and load balancers.

use serde_json::{Value, json};
use tests::{
    Function,
    aws_world::{BUCKET, World, notification, record},
    photo, serve_picture,
};

/// A request as a function URL hands it over, by somebody whom IAM knows.
pub(super) fn request(method: &str, path: &str, query: &str, host: &str) -> Value {
    let iam = json!({ "userArn": "arn:aws:iam::111122223333:user/example" });
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query,
        "headers": { "host": host, "x-forwarded-proto": "https" },
        "requestContext": {
            "stage": "$default", "requestId": "r", "domainName": host, "authorizer": { "iam": iam },
            "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "t" },
        },
        "isBase64Encoded": false,
    })
}

/// A picture as the body of `POST /v1/images`.
pub(super) fn picture(query: &str, bytes: &[u8]) -> Value {
    let mut post = request("POST", "/v1/images", query, "front.example");
    post["headers"]["content-type"] = json!("application/octet-stream");
    post["isBase64Encoded"] = json!(true);
    post["body"] = json!(data_encoding::BASE64.encode(bytes));
    post
}

/// The answer to a `GET` by somebody whom IAM knows.
pub(super) async fn get(function: &Function, path: &str) -> Value {
    function.invoke(&request("GET", path, "", "front.example")).await.unwrap()
}

/// The JSON of an answer.
pub(super) fn body(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap_or_else(|| panic!("{answer}"))).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_is_labelled_and_looked_up() {
    let world = World::new().await;
    let picture = serve_picture(std::fs::read(photo("coffee.png")).unwrap(), "image/png").await;
    let function = world.function(&[("CROSSLENS_ALLOW_SOURCE", &picture.source())]);
    let asked = request("GET", "/detect", &format!("imageUri={}", picture.url()), "front.example");
    let answer = function.invoke(&asked).await.unwrap();
    assert_eq!(answer["statusCode"], 200, "{answer}");
    assert_eq!(answer["headers"]["x-crosslens-cloud"], "aws");
    let detected = body(&answer);
    assert!(detected["message"].as_str().unwrap().starts_with("Image Results: espresso"), "{detected}");
    let id = detected["analysis"]["id"].as_str().unwrap();
    assert!(id.starts_with("aws-"), "{id}");
    assert_eq!(body(&get(&function, &format!("/v1/images/{id}")).await)["id"], id);
    assert_eq!(world.told().len(), 1);

    let listed = get(&function, "/v1/images").await;
    assert_eq!(
        (listed["statusCode"].clone(), body(&listed)["type"].clone()),
        (json!(501), body(&listed)["type"].clone())
    );

    let mut stranger = asked;
    stranger["requestContext"].as_object_mut().unwrap().remove("authorizer");
    assert_eq!(function.invoke(&stranger).await.unwrap()["statusCode"], 401, "nobody has signed it");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_front_is_understood() {
    let world = World::new().await;
    let function = world.function(&[("CROSSLENS_ALLOW_UNAUTHENTICATED", "true")]);
    let v1 = json!({
        "resource": "/{proxy+}", "path": "/health/live", "httpMethod": "GET", "headers": { "Host": "x.example" },
        "multiValueHeaders": { "Host": ["x.example"] }, "queryStringParameters": null,
        "multiValueQueryStringParameters": null, "pathParameters": null, "stageVariables": null,
        "requestContext": {
            "resourcePath": "/{proxy+}", "httpMethod": "GET", "path": "/dev/health/live", "stage": "dev",
            "requestId": "r", "apiId": "a", "accountId": "1", "resourceId": "x", "protocol": "HTTP/1.1",
            "identity": { "sourceIp": "127.0.0.1" },
        },
        "body": null, "isBase64Encoded": false,
    });
    let mut v2 = request("GET", "/dev/health/live", "", "x.example");
    v2["requestContext"]["stage"] = json!("dev");
    let alb = json!({
        "requestContext": { "elb": { "targetGroupArn": "arn:aws:elasticloadbalancing:x" } }, "httpMethod": "GET",
        "path": "/health/live", "queryStringParameters": {}, "headers": { "host": "x.example" }, "body": "",
        "isBase64Encoded": false,
    });
    for (name, event) in [("API Gateway v1", v1), ("API Gateway v2", v2), ("ALB", alb)] {
        let answer = function.invoke(&event).await.unwrap();
        assert_eq!(answer["statusCode"], 200, "{name}: {answer}");
    }
}

/// lambda_http makes a URL of the host, and panics where that is none.
#[tokio::test(flavor = "multi_thread")]
async fn no_host_name_ends_the_function() {
    let world = World::new().await;
    let function = world.function(&[]);
    for host in ["abc.execute-api.127.0.0.1", "", "a b", "[::1", "x:99999", "é", "a/b?c#d", "%00", "1.2.3.4.5"] {
        let answer = function.invoke(&request("GET", "/health/live", "", host)).await;
        if let Err(failed) = answer {
            assert_eq!(failed.kind, "invalid-request", "{host}: {failed:?}");
        }
    }
    let long = request("GET", "/detect", &"a".repeat(70_000), "front.example");
    if let Err(failed) = function.invoke(&long).await {
        assert_eq!(failed.kind, "invalid-request", "{failed:?}");
    }
    assert_eq!(get(&function, "/health/live").await["statusCode"], 200, "it lives");
    let starts = function.log().matches("INIT START").count();
    assert!(starts <= 1, "it was started {starts} times");
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_promised_when_no_detector_answers_and_done_when_one_does() {
    let world = World::new().await;
    let away = world.function(&[("CROSSLENS_DETECTORS", "http://127.0.0.1:9")]);
    let answer = away.invoke(&picture("", &std::fs::read(photo("coffee.png")).unwrap())).await.unwrap();
    assert_eq!(answer["statusCode"], 202, "{answer}");
    let location = answer["headers"]["location"].as_str().unwrap().to_owned();
    assert_eq!(body(&get(&away, &location).await)["state"], "pending");

    // The ordinary upload event does the work.
    let key = location.replace("/v1/images/", "inbox/");
    let head = world.ministack.boto().call("s3", "head_object", json!({ "Bucket": BUCKET, "Key": key }));
    let upload = record(BUCKET, &key, head["ETag"].as_str().unwrap().trim_matches('"'), 1);
    let back = world.function(&[]);
    assert_eq!(back.invoke(&notification(&[upload])).await, Ok(Value::Null));
    let done = body(&get(&back, &location).await);
    assert_eq!(done["labels"][0]["description"].as_str().unwrap().to_lowercase(), "espresso");
    assert_eq!(world.told().len(), 1);
    let gone = world.ministack.boto().try_call("s3", "head_object", json!({ "Bucket": BUCKET, "Key": key }));
    assert!(gone.is_err(), "the bytes are still kept");
}
