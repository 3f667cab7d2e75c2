//! The stack of `infra/aws` on ministack, deployed by CloudFormation from the template that is deployed for real.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::{
    aws_servers::Ministack,
    boto::{KEY, REGION, SECRET},
    files::workspace_root,
    process::wait_until,
    python::aws_python,
};

const CODE: &str = "code-of-the-functions";

/// A deployed stack. It ends with its ministack.
#[derive(Debug)]
pub struct Stack<'a> {
    ministack: &'a Ministack,
    outputs: BTreeMap<String, String>,
}

/// What a function URL has answered.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct UrlAnswer {
    pub status: u64,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl UrlAnswer {
    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl<'a> Stack<'a> {
    /// Deploys the template with this zip for all functions, the parameters of the template that are not to be their defaults
    /// (`Detectors`, `Retention`, …) and settings that every function gets besides. Panics with CloudFormation's events when
    /// that fails.
    pub fn deploy(
        ministack: &'a Ministack,
        zip: &Path,
        parameters: &[(&str, &str)],
        settings: &[(&str, &str)],
    ) -> Self {
        let boto = ministack.boto();
        let place = json!({"LocationConstraint": REGION});
        boto.call("s3", "create_bucket", json!({"Bucket": CODE, "CreateBucketConfiguration": place}));
        let zip = zip.to_str().expect("the path of the zip is text");
        boto.call("s3", "put_object", json!({"Bucket": CODE, "Key": "bootstrap.zip", "Body": {"$file": zip}}));

        // This machine's processor, and no CodeDeploy, which ministack does not have.
        let mut given: BTreeMap<&str, &str> = [("Architecture", "x86_64"), ("Canary", "off"), ("Stage", "test")].into();
        given.extend(parameters.iter().copied());
        let template = package(&given, ministack.url(), settings);
        // CloudFormation takes 51,200 bytes by themselves; what is longer lies in a bucket, as `sam deploy` has it.
        let bytes = json!({"$bytes": BASE64.encode(template.as_bytes())});
        boto.call("s3", "put_object", json!({"Bucket": CODE, "Key": "template.json", "Body": bytes}));
        let template = format!("{}/{CODE}/template.json", ministack.url());
        let given = given.iter().map(|(name, value)| json!({"ParameterKey": name, "ParameterValue": value}));
        let stack = json!({
            "StackName": "crosslens-test", "TemplateURL": template, "Parameters": given.collect::<Vec<_>>(),
            "Capabilities": ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        });
        boto.call("cloudformation", "create_stack", stack);
        let name = json!({"StackName": "crosslens-test"});
        let made = wait_until("CloudFormation to deploy the stack", || {
            let stack = boto.call("cloudformation", "describe_stacks", name.clone())["Stacks"][0].take();
            let status = stack["StackStatus"].as_str().unwrap_or_default();
            (!status.is_empty() && !status.ends_with("IN_PROGRESS")).then_some(stack)
        });
        if made["StackStatus"] != "CREATE_COMPLETE" {
            let events = boto.call("cloudformation", "describe_stack_events", name);
            panic!("the stack is not deployed: {events:#}");
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let outputs = made["Outputs"].as_array().into_iter().flatten();
        let outputs = outputs.map(|output| (text(&output["OutputKey"]), text(&output["OutputValue"])));
        Self { ministack, outputs: outputs.collect() }
    }

    /// One of the template's outputs.
    pub fn output(&self, name: &str) -> &str {
        self.outputs.get(name).unwrap_or_else(|| panic!("the stack has no output {name}: {:#?}", self.outputs))
    }

    /// Asks the function URL, signed as AWS's clients sign. `path` begins with a slash and may have a query.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> UrlAnswer {
        self.ask_at("Url", method, path, headers, body)
    }

    /// Asks the function URL of this output.
    pub fn ask_at(&self, output: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> UrlAnswer {
        let host = self.output(output).trim_start_matches("https://");
        let id = host.split('.').next().unwrap_or_default();
        let headers: BTreeMap<&str, &str> = headers.iter().copied().collect();
        let asked = json!({
            // Where ministack answers for a function URL whose name nobody resolves.
            "url": format!("{}/_aws/lambda-url/{id}{path}", self.ministack.url()),
            "method": method, "headers": headers, "body": BASE64.encode(body),
            "region": REGION, "key": KEY, "secret": SECRET,
        });
        let answer = python("aws_ask.py", &[], asked.to_string().as_bytes());
        let answer: Value = serde_json::from_str(&answer).expect("the script answers in JSON");
        let body = answer["body"].as_str().unwrap_or_default();
        UrlAnswer {
            status: answer["status"].as_u64().unwrap_or_default(),
            headers: serde_json::from_value(answer["headers"].clone()).expect("headers are texts"),
            body: BASE64.decode(body.as_bytes()).expect("the script answers in Base64"),
        }
    }
}

/// The template as it is handed to CloudFormation.
fn package(parameters: &BTreeMap<&str, &str>, endpoint: &str, settings: &[(&str, &str)]) -> String {
    let template = workspace_root().join("infra/aws/template.yaml");
    let mut arguments = vec![template.display().to_string(), format!("s3://{CODE}/bootstrap.zip")];
    arguments.extend(parameters.iter().map(|(name, value)| format!("{name}={value}")));
    // The functions' clients must talk to ministack and to nobody else.
    let settings = [("AWS_ENDPOINT_URL", endpoint)].into_iter().chain(settings.iter().copied());
    arguments.extend(settings.map(|(name, value)| format!("env:{name}={value}")));
    python("aws_package.py", &arguments, b"")
}

/// What one of the scripts beside this file says.
fn python(script: &str, arguments: &[String], stdin: &[u8]) -> String {
    let mut command = Command::new(aws_python());
    command.arg(workspace_root().join("tests/src").join(script)).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    child.stdin.take().expect("stdin was piped").write_all(stdin).unwrap_or_default();
    let output = child.wait_with_output().expect("a started program can be waited for");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
