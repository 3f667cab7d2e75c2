//! `infra/aws/template.yaml` as CloudFormation makes it: expanded by AWS's own translator, with the parameters of a test.

use std::{collections::BTreeMap, process::Command};

use serde_json::Value;
use tests::{sam_python, workspace_root};

pub(super) const TEMPLATE: &str = "infra/aws/template.yaml";

/// Expands the template with the values that it is given, as NAME=VALUE.
const EXPAND: &str = "
import json, sys
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse
template = yaml_parse(open(sys.argv[1]).read())
template['Globals']['Function']['CodeUri'] = 's3://code/bootstrap.zip'
values = {name: of['Default'] for name, of in template['Parameters'].items()}
values.update(argument.split('=', 1) for argument in sys.argv[2:])
class NoPolicies:
    def load(self):
        return {}
json.dump(transform(template, values, NoPolicies()), sys.stdout)";

/// The template's parameters, mappings and resources after its transform.
pub(super) struct Template(Value);

impl Template {
    /// With the parameters that are not to be their defaults, as `NAME=VALUE`.
    pub(super) fn expanded(parameters: &[&str]) -> Self {
        let mut expand = Command::new(sam_python());
        expand.args(["-c", EXPAND, TEMPLATE]).args(parameters);
        let output = expand.env("AWS_DEFAULT_REGION", "eu-central-1").current_dir(workspace_root()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self(serde_json::from_slice(&output.stdout).unwrap())
    }

    pub(super) fn part(&self, name: &str) -> &Value {
        &self.0[name]
    }

    /// Name and body of every resource.
    pub(super) fn resources(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0["Resources"].as_object().unwrap().iter().map(|(name, body)| (name.as_str(), body))
    }

    /// The properties of the resources of a type, by name.
    pub(super) fn of(&self, kind: &str) -> BTreeMap<&str, &Value> {
        self.resources()
            .filter(|(_, body)| body["Type"] == kind)
            .map(|(name, body)| (name, &body["Properties"]))
            .collect()
    }

    pub(super) fn properties(&self, name: &str) -> &Value {
        let found = self.resources().find(|(other, _)| *other == name);
        &found.unwrap_or_else(|| panic!("there is no resource {name}")).1["Properties"]
    }

    /// What a function may do: the statements of its role and of the policies of this template that hang on it.
    pub(super) fn statements(&self, function: &str) -> Vec<&Value> {
        let role = self.properties(function)["Role"]["Fn::GetAtt"][0].as_str().unwrap();
        let role = self.properties(role);
        let attached = role["ManagedPolicyArns"].as_array().into_iter().flatten();
        let attached = attached.map(|policy| &self.properties(policy["Ref"].as_str().unwrap())["PolicyDocument"]);
        let own = role["Policies"].as_array().into_iter().flatten().map(|policy| &policy["PolicyDocument"]);
        own.chain(attached).flat_map(|document| document["Statement"].as_array().unwrap()).collect()
    }
}

/// One text or several.
pub(super) fn listed(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())
}
