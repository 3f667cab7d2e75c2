//! `infra/aws`: AWS's own judges read the template, and what they cannot know is held here: who may do what, what waits how
//! long, what is watched, and that several stages stand side by side.

mod linters;
mod processors;
mod template;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Configuration;
use template::{Template, listed};

const FUNCTIONS: [&str; 12] = [
    "Backfill",
    "Dispatch",
    "Faces",
    "Http",
    "LabelMessages",
    "Messages",
    "Moderation",
    "Notify",
    "Sweep",
    "Translation",
    "Uploads",
    "WriteBack",
];
/// Those that are there only where there is an account at Twilio.
const FOR_MESSAGES: [&str; 4] = ["Dispatch", "Faces", "LabelMessages", "Messages"];
/// DESIGN's topics, and the one for labels by message.
const TOPICS: [&str; 9] = [
    "add_face_request",
    "create_collection_request",
    "dispatch_response",
    "image_failed",
    "image_labelled",
    "image_moderated",
    "label_request",
    "labels_translated",
    "match_face_request",
];
const LEDGER: &str = "dynamodb:DeleteItem dynamodb:GetItem dynamodb:PutItem dynamodb:Query dynamodb:UpdateItem";
const LOGS: &str = "logs:CreateLogStream logs:PutLogEvents";
const LOOK: &str = "rekognition:DetectFaces rekognition:DetectLabels rekognition:DetectModerationLabels \
                    rekognition:DetectText rekognition:RecognizeCelebrities";
/// What is done with faces in collections of the stage, and what knows no collection.
const OWN_FACES: [&str; 6] = [
    "rekognition:CreateCollection",
    "rekognition:DeleteCollection",
    "rekognition:DeleteFaces",
    "rekognition:IndexFaces",
    "rekognition:ListFaces",
    "rekognition:SearchFacesByImage",
];
const ANY_FACES: [&str; 3] =
    ["rekognition:DetectFaces", "rekognition:ListCollections", "rekognition:RecognizeCelebrities"];
/// What a processor may do in any case.
const PROCESS: &str =
    "dynamodb:DeleteItem dynamodb:GetItem dynamodb:Query dynamodb:UpdateItem s3:GetObject s3:ListBucket";
const QUEUE: &str = "sqs:ChangeMessageVisibility sqs:DeleteMessage sqs:GetQueueAttributes sqs:ReceiveMessage";

#[test]
fn every_function_may_do_what_it_needs_and_nothing_else() {
    let template = Template::expanded(&[]);
    let keep = format!("{} {}", OWN_FACES.join(" "), ANY_FACES.join(" "));
    let needs = [
        (
            "Http",
            format!(
                "{LEDGER} {LOGS} {LOOK} {keep} s3:DeleteObject s3:GetObject s3:ListBucket s3:PutObject sns:Publish"
            ),
        ),
        (
            "Sweep",
            format!(
                "{LEDGER} {LOGS} dynamodb:BatchGetItem rekognition:DeleteFaces rekognition:ListFaces s3:DeleteObject \
                 s3:PutObject sns:Publish"
            ),
        ),
        ("Uploads", pictures()),
        ("Backfill", pictures()),
        ("Moderation", format!("{LOGS} {PROCESS} {QUEUE} s3:GetObjectVersion s3:PutObject sns:Publish")),
        (
            "Translation",
            format!("{LOGS} {PROCESS} {QUEUE} dynamodb:BatchGetItem s3:PutObject sns:Publish translate:TranslateText"),
        ),
        (
            "WriteBack",
            format!(
                "{LOGS} {PROCESS} {QUEUE} s3:GetObjectTagging s3:GetObjectVersionTagging s3:PutObject s3:PutObjectTagging \
                 s3:PutObjectVersionTagging"
            ),
        ),
        ("Notify", format!("{LOGS} {PROCESS} {QUEUE}")),
        (
            "Messages",
            format!(
                "{LOGS} dynamodb:BatchGetItem dynamodb:DeleteItem dynamodb:GetItem dynamodb:Query dynamodb:UpdateItem \
                 sns:Publish"
            ),
        ),
        ("Faces", format!("{LOGS} {PROCESS} {QUEUE} {keep} sns:Publish")),
        (
            "LabelMessages",
            format!(
                "{LEDGER} {LOGS} {LOOK} {QUEUE} s3:DeleteObject s3:GetObject s3:ListBucket s3:PutObject sns:Publish"
            ),
        ),
        ("Dispatch", format!("{LOGS} {PROCESS} {QUEUE} dynamodb:BatchGetItem")),
    ];
    let mut roles = BTreeSet::new();
    for (function, needs) in &needs {
        let wanted: BTreeSet<&str> = needs.split_whitespace().collect();
        let statements = template.statements(function);
        let actions = statements.iter().flat_map(|statement| listed(&statement["Action"]));
        let actions: BTreeSet<&str> = actions.map(|action| action.as_str().unwrap()).collect();
        assert_eq!(actions, wanted, "{function}");
        for statement in statements {
            assert_eq!(statement["Effect"], "Allow", "{function}: {statement}");
            let everywhere = listed(&statement["Resource"]).contains(&&Value::from("*"));
            let actions = listed(&statement["Action"]);
            let looks = actions.iter().all(|action| action.as_str().unwrap().starts_with("rekognition:Detect"));
            let looks = looks || actions.iter().all(|action| LOOK.contains(action.as_str().unwrap()));
            let looks = looks || actions.iter().all(|action| ANY_FACES.contains(&action.as_str().unwrap()));
            if actions.iter().any(|action| OWN_FACES.contains(&action.as_str().unwrap())) {
                let own = "arn:${AWS::Partition}:rekognition:${AWS::Region}:${AWS::AccountId}:collection/crosslens-${Stage}.*";
                assert_eq!(statement["Resource"], json!({ "Fn::Sub": own }), "{function}: {statement}");
            }
            let translates = actions == [&Value::from("translate:TranslateText")];
            assert_eq!(everywhere, looks || translates, "{function}: {statement}");
        }
        let role = template.properties(function)["Role"]["Fn::GetAtt"][0].as_str().unwrap();
        assert!(roles.insert(role), "{function} shares {role}");
        assert_eq!(
            listed(&template.properties(role)["AssumeRolePolicyDocument"]["Statement"])[0]["Principal"],
            json!({"Service": "lambda.amazonaws.com"})
        );
    }
    assert_eq!(template.of("AWS::Lambda::Function").into_keys().collect::<Vec<_>>(), FUNCTIONS);
    let of_functions: BTreeSet<&str> =
        template.of("AWS::IAM::Role").into_keys().filter(|role| *role != "DeploymentRole").collect();
    assert_eq!(of_functions, roles, "a role that nobody needs");
}

fn pictures() -> String {
    format!(
        "{LEDGER} {LOGS} {LOOK} {QUEUE} s3:DeleteObject s3:GetObject s3:GetObjectVersion s3:ListBucket s3:PutObject sns:Publish"
    )
}

#[test]
fn reading_and_writing_is_bound_to_prefixes() {
    let template = Template::expanded(&[]);
    let writes = |function: &str, action: &str| -> BTreeSet<String> {
        let statements = template.statements(function).into_iter();
        let having = statements.filter(|statement| listed(&statement["Action"]).contains(&&Value::from(action)));
        let sub = |resource: &Value| resource["Fn::Sub"].as_str().unwrap().replace("${Bucket.Arn}", "");
        having.flat_map(|statement| listed(&statement["Resource"])).map(sub).collect()
    };
    let set = |prefixes: &[&str]| prefixes.iter().map(|prefix| (*prefix).to_owned()).collect::<BTreeSet<_>>();
    let config = |file: &str| format!("${{ConfigBucket.Arn}}/{file}.toml");
    let (policy, shadow, events) = (config("policy"), config("shadow"), "/derived/events/*");
    assert_eq!(writes("Http", "s3:GetObject"), set(&[&policy, &shadow]), "it shows nobody a picture");
    assert_eq!(writes("Uploads", "s3:GetObject"), set(&[&policy, &shadow, "/*"]));
    assert_eq!(writes("Moderation", "s3:GetObject"), set(&[&policy, &shadow, events, "/*"]));
    assert_eq!(writes("Moderation", "s3:PutObject"), set(&["/derived/*"]));
    assert_eq!(writes("Translation", "s3:GetObject"), set(&[&config("glossary"), events]));
    assert_eq!(writes("Translation", "s3:PutObject"), set(&[events]));
    assert_eq!(writes("WriteBack", "s3:PutObject"), set(&["/derived/*"]));
    assert_eq!(writes("WriteBack", "s3:PutObjectVersionTagging"), set(&["/*"]));
    assert_eq!(writes("Notify", "s3:GetObject"), set(&[&config("webhooks"), events]), "it alone reads secrets");
    assert_eq!(writes("Http", "s3:PutObject"), set(&["/derived/*", "/inbox/*"]));
    assert_eq!(writes("Uploads", "s3:PutObject"), set(&["/derived/*"]));
    assert_eq!(writes("Uploads", "s3:DeleteObject"), set(&["/derived/*", "/inbox/*"]));
    assert_eq!(writes("Backfill", "s3:DeleteObject"), set(&["/derived/*"]));
    assert_eq!(writes("Sweep", "s3:PutObject"), set(&["/derived/events/*"]));
    assert_eq!(writes("Sweep", "s3:DeleteObject"), set(&["/derived/*", "/inbox/*"]));
}

#[test]
fn a_failed_picture_is_held_back_and_never_lost() {
    let template = Template::expanded(&[]);
    let timeouts = template.part("Parameters")["FunctionTimeout"]["AllowedValues"].as_array().unwrap();
    assert!(!timeouts.is_empty());
    for timeout in timeouts {
        let timeout = timeout.as_str().unwrap();
        let held = template.part("Mappings")["Visibility"][timeout]["Seconds"].as_str().unwrap();
        assert_eq!(held.parse::<u64>().unwrap(), 6 * timeout.parse::<u64>().unwrap(), "of {timeout} seconds");
    }
    let sources = template.of("AWS::Lambda::EventSourceMapping");
    for of in sources.keys().map(|source| source.trim_end_matches("Batches")) {
        let (queue, dead) = (template.properties(&format!("{of}Queue")), format!("{of}DeadLetters"));
        assert_eq!(
            queue["VisibilityTimeout"],
            json!({"Fn::FindInMap": ["Visibility", {"Ref": "FunctionTimeout"}, "Seconds"]})
        );
        assert_eq!(queue["RedrivePolicy"]["maxReceiveCount"], 5);
        assert_eq!(queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0], dead.as_str());
        let (kept, given_up) =
            (queue["MessageRetentionPeriod"].as_u64(), &template.properties(&dead)["MessageRetentionPeriod"]);
        // Four days is what SQS takes where nothing is said.
        assert!(given_up.as_u64().unwrap() > kept.unwrap_or(4 * 86_400));
    }
    for function in FUNCTIONS {
        assert_eq!(template.properties(function)["Timeout"], json!({"Ref": "FunctionTimeout"}));
    }
    let at_once = |source: &str| {
        let source = sources[source];
        assert_eq!(source["BatchSize"], 10);
        assert_eq!(source["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
        let parameter = source["ScalingConfig"]["MaximumConcurrency"]["Ref"].as_str().unwrap();
        template.part("Parameters")[parameter]["Default"].as_u64().unwrap()
    };
    assert_eq!(sources.len(), FUNCTIONS.len() - 3, "all but HTTP, messages and the schedule");
    assert!(at_once("BackfillBatches") < at_once("UploadsBatches"), "the backfill yields to live uploads");
}

#[test]
fn a_new_version_takes_a_tenth_first_and_goes_back_by_itself() {
    let (with, without) = (Template::expanded(&[]), Template::expanded(&["Canary=off"]));
    let groups = with.of("AWS::CodeDeploy::DeploymentGroup");
    assert_eq!(groups.len(), FUNCTIONS.len());
    for function in FUNCTIONS {
        let group = groups[format!("{function}DeploymentGroup").as_str()];
        assert_eq!(
            group["DeploymentConfigName"],
            json!({"Fn::Sub": ["CodeDeployDefault.Lambda${ConfigName}", {"ConfigName": "Canary10Percent5Minutes"}]})
        );
        assert_eq!(group["AutoRollbackConfiguration"]["Enabled"], true);
        let events = group["AutoRollbackConfiguration"]["Events"].as_array().unwrap();
        assert!(events.contains(&"DEPLOYMENT_STOP_ON_ALARM".into()));
        let alarms = group["AlarmConfiguration"]["Alarms"].as_array().unwrap();
        assert!(alarms.contains(&json!({"Name": {"Ref": format!("{function}Errors")}})), "{function}: {alarms:?}");
        let alias = with.resources().find(|(name, _)| *name == format!("{function}Aliaslive")).unwrap().1;
        assert!(alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"].is_object());
    }
    for (name, body) in without.resources() {
        assert!(!body["Type"].as_str().unwrap().starts_with("AWS::CodeDeploy::"), "{name}");
        assert!(body.get("UpdatePolicy").is_none(), "{name}");
    }
}

#[test]
fn what_somebody_must_know_sounds_an_alarm() {
    let template = Template::expanded(&[]);
    let alarms = template.of("AWS::CloudWatch::Alarm");
    let mut watched = BTreeMap::new();
    for (name, alarm) in &alarms {
        assert_eq!(alarm["AlarmActions"], json!([{"Ref": "Alarms"}]), "{name}");
        let dimensions = alarm["Dimensions"].as_array().unwrap().iter().map(|dimension| dimension["Value"].to_string());
        let metric = format!("{}/{}", alarm["Namespace"].as_str().unwrap(), alarm["MetricName"].as_str().unwrap());
        watched.insert((metric, dimensions.collect::<Vec<_>>().join(" ")), *name);
    }
    let queue = |name: &str| format!(r#"{{"Fn::GetAtt":["{name}","QueueName"]}}"#);
    for (metric, dimension) in [
        ("AWS/SQS/ApproximateNumberOfMessagesVisible", queue("UploadsDeadLetters")),
        ("AWS/SQS/ApproximateNumberOfMessagesVisible", queue("BackfillDeadLetters")),
        ("AWS/SQS/ApproximateAgeOfOldestMessage", queue("UploadsQueue")),
        ("AWS/SQS/ApproximateAgeOfOldestMessage", queue("BackfillQueue")),
        ("AWS/SQS/ApproximateNumberOfMessagesVisible", queue("ModerationDeadLetters")),
        ("AWS/SQS/ApproximateNumberOfMessagesVisible", queue("TranslationDeadLetters")),
        ("AWS/SQS/ApproximateNumberOfMessagesVisible", queue("WriteBackDeadLetters")),
        ("AWS/SQS/ApproximateNumberOfMessagesVisible", queue("NotifyDeadLetters")),
        ("AWS/SQS/ApproximateNumberOfMessagesVisible", queue("FacesDeadLetters")),
        ("AWS/SQS/ApproximateNumberOfMessagesVisible", queue("LabelMessagesDeadLetters")),
        ("AWS/SQS/ApproximateNumberOfMessagesVisible", queue("DispatchDeadLetters")),
        ("Crosslens/ReviewAgeSeconds", r#"{"Ref":"Stage"}"#.to_owned()),
        ("Crosslens/OutboxAgeSeconds", r#"{"Ref":"Stage"}"#.to_owned()),
        ("Crosslens/EventsGivenUp", r#"{"Ref":"Stage"}"#.to_owned()),
    ] {
        assert!(
            watched.contains_key(&(metric.to_owned(), dimension.clone())),
            "nobody watches {metric} of {dimension}"
        );
    }
    for function in FUNCTIONS {
        for metric in ["Errors", "Throttles"] {
            // By the alias, so that what a canary does is seen.
            let of = format!(r#"{{"Ref":"{function}"}} {{"Fn::Sub":"${{{function}}}:live"}}"#);
            assert!(
                watched.contains_key(&(format!("AWS/Lambda/{metric}"), of)),
                "nobody watches {metric} of {function}"
            );
        }
        let group = template.properties(function)["LoggingConfig"]["LogGroup"]["Ref"].as_str().unwrap();
        assert_eq!(template.properties(group)["RetentionInDays"], json!({"Ref": "LogRetention"}), "{group}");
    }
    // A sweep that does not run says nothing of the outbox's age.
    assert_eq!(alarms["OutboxOld"]["TreatMissingData"], "breaching");
}

#[test]
fn what_is_kept_is_closed_encrypted_and_outlives_the_stack() {
    let template = Template::expanded(&[]);
    let bucket = template.properties("Bucket");
    let block = bucket["PublicAccessBlockConfiguration"].as_object().unwrap();
    assert_eq!(block.len(), 4);
    assert!(block.values().all(|blocked| blocked == true));
    assert!(bucket["BucketEncryption"].is_object());
    let rules = bucket["LifecycleConfiguration"]["Rules"].as_array().unwrap();
    assert!(rules.iter().any(|rule| rule["Prefix"] == "inbox/" && rule["ExpirationInDays"] == 7));
    assert!(rules.iter().any(|rule| rule["AbortIncompleteMultipartUpload"].is_object()));
    let only = &template.properties("BucketPolicy")["PolicyDocument"]["Statement"][0];
    assert_eq!((&only["Effect"], &only["Principal"]), (&"Deny".into(), &"*".into()));
    assert_eq!(only["Condition"], json!({"Bool": {"aws:SecureTransport": "false"}}));
    let told = &bucket["NotificationConfiguration"]["QueueConfigurations"];
    assert_eq!(told[0]["Event"], "s3:ObjectCreated:*");
    assert_eq!(told[1]["Fn::If"][1]["Event"], "s3:ObjectRemoved:*");
    let may_tell = &template.properties("UploadsQueuePolicy")["PolicyDocument"]["Statement"][0];
    assert!(may_tell["Condition"]["StringEquals"]["aws:SourceAccount"].is_object());

    let table = template.properties("Table");
    let keys = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|key| key["AttributeName"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(keys(&table["KeySchema"]), ["pk", "sk"]);
    let indexes = table["GlobalSecondaryIndexes"].as_array().unwrap();
    let indexes: Vec<_> =
        indexes.iter().map(|index| (index["IndexName"].as_str().unwrap(), keys(&index["KeySchema"]))).collect();
    assert_eq!(
        indexes,
        [
            ("outbox", vec!["outbox".to_owned(), "recorded_ms".to_owned()]),
            ("expiring", vec!["expiring".to_owned(), "ttl".to_owned()])
        ]
    );
    assert_eq!(table["TimeToLiveSpecification"], json!({"AttributeName": "ttl", "Enabled": true}));
    assert_eq!(table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true);
    assert_eq!(
        (&table["BillingMode"], &table["SSESpecification"]["SSEEnabled"]),
        (&"PAY_PER_REQUEST".into(), &true.into())
    );
    for kept in ["Bucket", "ConfigBucket", "Table"] {
        let body = template.resources().find(|(name, _)| *name == kept).unwrap().1;
        assert_eq!(body["DeletionPolicy"], "Retain", "{kept}");
    }
    assert_eq!(template.of("AWS::Lambda::Url")["HttpUrl"]["AuthType"], "AWS_IAM");
}

#[test]
fn messages_come_in_by_one_open_url_and_only_where_there_is_an_account() {
    let template = Template::expanded(&[]);
    let conditions = template.part("Conditions");
    let without = json!({ "Fn::Not": [{ "Fn::Equals": [{ "Ref": "TwilioAuthToken" }, ""] }] });
    assert_eq!(conditions["HasMessages"], without);
    for function in FUNCTIONS {
        for (name, body) in template.resources().filter(|(name, _)| {
            let of = name.strip_prefix(function).unwrap_or_default();
            ["", "Aliaslive", "Batches", "DeploymentGroup", "Errors", "Throttles", "Url"].contains(&of)
                && (!of.is_empty() || *name == function)
        }) {
            let wanted = if FOR_MESSAGES.contains(&function) { json!("HasMessages") } else { Value::Null };
            assert_eq!(body["Condition"], wanted, "{name}");
        }
    }
    let urls = template.of("AWS::Lambda::Url");
    assert_eq!(urls.keys().collect::<Vec<_>>(), [&"HttpUrl", &"MessagesUrl"]);
    assert_eq!(urls["MessagesUrl"]["AuthType"], "NONE");
    let token = &template.part("Parameters")["TwilioAuthToken"];
    assert_eq!((&token["NoEcho"], &token["Default"]), (&true.into(), &"".into()));
    for function in FUNCTIONS {
        let settings = template.properties(function)["Environment"]["Variables"].to_string();
        let holds = ["Messages", "Dispatch"].contains(&function);
        assert_eq!(settings.contains("TwilioAuthToken"), holds, "{function}");
        let keeps = ["Faces", "Http", "Sweep"].contains(&function);
        assert_eq!(settings.contains("CROSSLENS_FACES\""), keeps, "{function}");
    }
}

#[test]
fn stages_stand_side_by_side_and_google_knows_their_roles() {
    let template = Template::expanded(&[]);
    let mut topics = BTreeSet::new();
    for (resource, body) in template.resources() {
        let named = body["Properties"].as_object().into_iter().flatten();
        for (property, name) in named.filter(|(property, _)| property.ends_with("Name")) {
            let text = name.to_string();
            if text.contains("crosslens") {
                assert!(text.contains("${Stage}"), "{resource}: {property} is the same in every stage: {text}");
            }
            if property == "TopicName" {
                topics.insert(name["Fn::Sub"].as_str().unwrap().trim_start_matches("crosslens-${Stage}-"));
            }
        }
    }
    let mut wanted: BTreeSet<&str> = TOPICS.into_iter().collect();
    wanted.insert("alarms");
    assert_eq!(topics, wanted);

    let shape = Configuration::read().local("aws_roles").as_str().unwrap().to_owned();
    for (function, word) in
        [("Http", "http"), ("Uploads", "uploads"), ("Backfill", "backfill"), ("LabelMessages", "label-messages")]
    {
        let role = template.properties(function)["Role"]["Fn::GetAtt"][0].as_str().unwrap();
        assert_eq!(
            template.properties(role)["RoleName"],
            json!({"Fn::Sub": format!("crosslens-${{Stage}}-{word}-${{AWS::Region}}")})
        );
        assert_eq!(template.properties(function)["Handler"], word);
        assert!(shape.contains(&format!("\"{word}\"")), "{shape}");
    }
    assert!(shape.contains("crosslens-${var.stage}-${function}-${var.aws_region}"), "{shape}");
}
