//! What the template promises about the processors: which topics they are fed from, whose word counts for who may see a picture, and
//! that the operator's files are nobody else's to write.

use serde_json::{Value, json};

use super::template::{Template, listed};

/// Each processor, its setting, and the topics that it takes.
const PROCESSORS: [(&str, &str, &[&str]); 7] = [
    ("Moderation", "moderation", &["ImageFailed", "ImageLabelled"]),
    ("Translation", "translation", &["ImageLabelled"]),
    ("WriteBack", "write-back", &["ImageFailed", "ImageLabelled", "ImageModerated", "LabelsTranslated"]),
    ("Notify", "notify", &["ImageFailed", "ImageLabelled", "ImageModerated", "LabelsTranslated"]),
    ("Faces", "faces", &["AddFaceRequest", "CreateCollectionRequest", "MatchFaceRequest"]),
    ("LabelMessages", "label-messages", &["LabelRequest"]),
    ("Dispatch", "dispatch", &["DispatchResponse"]),
];
const READER: &str = "PublicReader=arn:aws:iam::123456789012:role/website";

#[test]
fn every_processor_takes_its_topics_as_they_were_published() {
    let template = Template::expanded(&[]);
    let subscriptions = template.of("AWS::SNS::Subscription");
    for (function, name, topics) in PROCESSORS {
        let queue = json!({ "Fn::GetAtt": [format!("{function}Queue"), "Arn"] });
        let mut taken: Vec<&str> = Vec::new();
        for subscription in subscriptions.values().filter(|subscription| subscription["Endpoint"] == queue) {
            assert_eq!((&subscription["Protocol"], &subscription["RawMessageDelivery"]), (&json!("sqs"), &json!(true)));
            taken.push(subscription["TopicArn"]["Ref"].as_str().unwrap());
        }
        taken.sort_unstable();
        assert_eq!(taken, topics, "{function}");

        let statement = &template.properties(&format!("{function}QueuePolicy"))["PolicyDocument"]["Statement"][0];
        assert_eq!(statement["Principal"], json!({ "Service": "sns.amazonaws.com" }));
        let may = listed(&statement["Condition"]["ArnEquals"]["aws:SourceArn"]).into_iter();
        let mut may: Vec<&str> = may.map(|topic| topic["Ref"].as_str().unwrap()).collect();
        may.sort_unstable();
        assert_eq!(may, topics, "{function}");

        let settings = &template.properties(function)["Environment"]["Variables"];
        assert_eq!(settings["CROSSLENS_PROCESSORS"], name);
        assert_eq!(settings["CROSSLENS_QUEUES"], json!({ "Ref": format!("{function}Queue") }));
        assert_eq!(settings["CROSSLENS_LANGUAGES"], json!({ "Ref": "Languages" }));
        let configured = !["write-back", "faces", "dispatch"].contains(&name);
        assert_eq!(settings.get("CROSSLENS_CONFIG_BUCKET").is_some(), configured, "{function}");
        let named = settings["CROSSLENS_TOPICS"]["Fn::Sub"].as_str().unwrap();
        for topic in common::event::Topic::ALL {
            assert!(named.contains(&format!("{}=${{", topic.name())), "{named} does not name {topic:?}");
        }
    }
    for function in ["Http", "Uploads", "Backfill", "Sweep", "Messages"] {
        let settings = &template.properties(function)["Environment"]["Variables"];
        assert_eq!(settings.get("CROSSLENS_PROCESSORS"), None, "{function}");
        let labels = !["Sweep", "Messages"].contains(&function);
        assert_eq!(settings.get("CROSSLENS_CONFIG_BUCKET").is_some(), labels, "{function}");
    }
}

#[test]
fn each_publishes_on_its_own_topic_and_the_sweep_on_all() {
    let template = Template::expanded(&[]);
    let tells = |function: &str| -> Vec<String> {
        let statements = template.statements(function).into_iter();
        let publish = statements.filter(|statement| statement["Action"] == "sns:Publish");
        let topics = publish.flat_map(|statement| listed(&statement["Resource"]));
        topics.map(|topic| topic["Ref"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(tells("Moderation"), ["ImageModerated"]);
    assert_eq!(tells("Translation"), ["LabelsTranslated"]);
    assert_eq!(tells("WriteBack"), Vec::<String>::new());
    assert_eq!(tells("Notify"), Vec::<String>::new());
    assert_eq!(tells("Faces"), ["DispatchResponse"]);
    assert_eq!(tells("LabelMessages"), ["DispatchResponse", "ImageLabelled", "ImageFailed"]);
    assert_eq!(tells("Dispatch"), Vec::<String>::new());
    let asked = ["CreateCollectionRequest", "AddFaceRequest", "MatchFaceRequest", "LabelRequest", "DispatchResponse"];
    assert_eq!(tells("Messages"), asked);
    let all = [&["ImageLabelled", "ImageFailed", "ImageModerated", "LabelsTranslated"][..], &asked].concat();
    assert_eq!(tells("Sweep"), all);
}

/// The statements of the bucket's policy, with its conditions as CloudFormation would decide them.
fn statements(template: &Template, with_reader: bool) -> Vec<Value> {
    let all = template.properties("BucketPolicy")["PolicyDocument"]["Statement"].as_array().unwrap();
    let decided = all.iter().filter_map(|statement| match statement.get("Fn::If") {
        None => Some(statement.clone()),
        Some(choice) => {
            assert_eq!(choice[0], "HasPublicReader");
            assert_eq!(choice[2], json!({ "Ref": "AWS::NoValue" }));
            with_reader.then(|| choice[1].clone())
        }
    });
    decided.collect()
}

/// Whether somebody may do this to an object, by this policy alone, in the way of IAM: a denial ends it, else one permission is
/// enough. `tag` is the object's verdict.
fn may(statements: &[Value], who: &str, action: &str, key: &str, tag: Option<&str>) -> bool {
    let applies = |statement: &&Value| {
        let principal = &statement["Principal"];
        let whom =
            principal == "*" || (who == "the reader" && principal == &json!({ "AWS": { "Ref": "PublicReader" } }));
        let matches = |list: &Value, what: &str| {
            listed(list).into_iter().any(|pattern| {
                let pattern = pattern.as_str().or_else(|| pattern["Fn::Sub"].as_str());
                let Some(pattern) = pattern.map(|text| text.replace("${Bucket.Arn}/", "")) else { return false };
                match pattern.split_once('*') {
                    None => pattern == what,
                    Some((begin, end)) => what.starts_with(begin) && what.ends_with(end),
                }
            })
        };
        let does = match statement.get("NotAction") {
            Some(others) => !matches(others, action),
            None => matches(&statement["Action"], action),
        };
        let there = match statement.get("NotResource") {
            Some(others) => !matches(others, key),
            None => matches(&statement["Resource"], key),
        };
        let holds =
            statement["Condition"].as_object().into_iter().flatten().all(|(operator, test)| match operator.as_str() {
                "StringEquals" => tag == test["s3:ExistingObjectTag/crosslens-verdict"].as_str(),
                "StringNotEquals" => tag != test["s3:ExistingObjectTag/crosslens-verdict"].as_str(),
                // Everything goes over TLS here, and brings no tag.
                "Bool" | "Null" => false,
                "ArnNotEquals" => true,
                other => panic!("{other} is not known here"),
            });
        whom && does && there && holds
    };
    let deciding: Vec<&Value> = statements.iter().filter(applies).collect();
    !deciding.iter().any(|statement| statement["Effect"] == "Deny")
        && deciding.iter().any(|statement| statement["Effect"] == "Allow")
}

#[test]
fn the_public_reader_sees_what_is_allowed_or_blurred_and_nothing_else() {
    let with = statements(&Template::expanded(&[READER]), true);
    let reads = |key: &str, tag: Option<&str>| may(&with, "the reader", "s3:GetObject", key, tag);
    assert!(reads("pets/cat.jpg", Some("allow")));
    assert!(reads("derived/blurred/aws-x.jpg", None));
    for verdict in common::moderation::Verdict::ALL {
        let allowed = verdict == common::moderation::Verdict::Allow;
        assert_eq!(reads("pets/cat.jpg", Some(verdict.name())), allowed, "{verdict:?}");
    }
    for (key, tag) in [
        ("pets/cat.jpg", None),
        ("inbox/aws-x", None),
        ("derived/sidecars/pets/cat.jpg.json", None),
        ("derived/previews/aws-x.jpg", None),
        ("derived/events/x.json", None),
        ("derived/blurred/aws-x.json", None),
    ] {
        assert!(!reads(key, tag), "{key}");
    }
    for action in
        ["s3:GetObjectVersion", "s3:PutObject", "s3:PutObjectTagging", "s3:DeleteObject", "s3:GetObjectTagging"]
    {
        assert!(!may(&with, "the reader", action, "pets/cat.jpg", Some("allow")), "{action}");
    }
    assert!(!may(&with, "somebody", "s3:GetObject", "pets/cat.jpg", Some("allow")), "by this policy alone");
    let only_reads = with.iter().find(|statement| statement["Sid"] == "TheReaderOnlyReads").unwrap();
    assert_eq!((&only_reads["Effect"], &only_reads["NotAction"]), (&json!("Deny"), &json!("s3:GetObject")));
    assert_eq!(listed(&only_reads["Resource"])[0], &json!({ "Fn::GetAtt": ["Bucket", "Arn"] }), "it lists nothing");

    let without = statements(&Template::expanded(&[]), false);
    assert_eq!(without.len(), 1, "by default nobody is a reader");
    assert_eq!(without[0]["Sid"], "OnlyOverTls");
}

#[test]
fn nobody_but_write_back_gives_a_picture_its_verdict() {
    let template = Template::expanded(&[READER]);
    let with = statements(&template, true);
    let only = with.iter().find(|statement| statement["Sid"] == "OnlyModerationGivesVerdicts").unwrap();
    assert_eq!((&only["Effect"], &only["Principal"]), (&json!("Deny"), &json!("*")));
    assert_eq!(only["Action"], json!(["s3:PutObject", "s3:PutObjectTagging", "s3:PutObjectVersionTagging"]));
    let role = template.properties("WriteBack")["Role"].clone();
    let condition = json!({
        "Null": { "s3:RequestObjectTag/crosslens-verdict": "false" }, "ArnNotEquals": { "aws:PrincipalArn": role },
    });
    assert_eq!(only["Condition"], condition);
    // A tag without a version could land on a picture that was put in the place of another.
    let rule = &template.part("Rules")["PublicPicturesHaveVersions"];
    assert_eq!(rule["Assertions"][0]["Assert"], json!({ "Fn::Equals": [{ "Ref": "Versioning" }, "on"] }));
}

#[test]
fn the_operators_files_are_closed_and_no_function_writes_them() {
    let template = Template::expanded(&[]);
    let bucket = template.properties("ConfigBucket");
    assert!(bucket["PublicAccessBlockConfiguration"].as_object().unwrap().values().all(|blocked| blocked == true));
    assert_eq!(bucket["VersioningConfiguration"]["Status"], "Enabled");
    assert_eq!(bucket.get("NotificationConfiguration"), None, "nothing there is an upload");
    let only = &template.properties("ConfigBucketPolicy")["PolicyDocument"]["Statement"];
    assert_eq!((&only[0]["Effect"], &only[0]["Sid"]), (&json!("Deny"), &json!("OnlyOverTls")));
    for function in super::FUNCTIONS {
        for statement in template.statements(function) {
            if statement["Resource"].to_string().contains("ConfigBucket") {
                let actions = listed(&statement["Action"]).into_iter();
                let reads = actions
                    .map(|action| action.as_str().unwrap())
                    .all(|action| ["s3:GetObject", "s3:ListBucket"].contains(&action));
                assert!(reads, "{function}: {statement}");
            }
        }
    }
}

#[test]
fn an_image_that_waits_too_long_for_a_person_sounds_an_alarm() {
    let template = Template::expanded(&[]);
    let alarm = template.properties("ReviewOld");
    assert_eq!((&alarm["Namespace"], &alarm["MetricName"]), (&json!("Crosslens"), &json!("ReviewAgeSeconds")));
    assert_eq!(alarm["Threshold"], json!({ "Ref": "ReviewOldSeconds" }));
    assert_eq!(template.part("Parameters")["ReviewOldSeconds"]["Default"], 24 * 60 * 60);
}
