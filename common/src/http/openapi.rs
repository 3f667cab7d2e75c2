//! The API's description and the events' JSON Schemas, both generated from the types.

use std::collections::BTreeMap;

use axum::Json;
use serde_json::{Value, json};
use utoipa::{OpenApi, openapi::OpenApi as Document};

use super::{collections, detect, detector, health, images, problem};
use crate::{
    analysis::Analysis,
    event::{Event, Failure, Topic},
    moderation::Moderation,
    translation::Translations,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Crosslens",
        description = "Labels for images from the best vision service of any cloud.",
        license(name = "Apache-2.0"),
    ),
    paths(
        detect::detect,
        images::create,
        images::list,
        images::show,
        images::erase,
        detector::detect,
        collections::list,
        collections::create,
        collections::remove,
        collections::people,
        collections::add,
        collections::forget,
        collections::find,
        health::live,
        health::ready
    ),
    components(schemas(Analysis, Event, Failure, Moderation, Translations, problem::Problem))
)]
struct Api;

/// The OpenAPI 3.1 document.
pub fn document() -> Document {
    Api::openapi()
}

pub(super) async fn serve() -> Json<Document> {
    Json(document())
}

/// One JSON Schema (2020-12) per topic, by the topic's name.
pub fn event_schemas() -> BTreeMap<&'static str, Value> {
    let components = serde_json::to_value(document()).unwrap_or_default();
    let schemas = components.pointer("/components/schemas").cloned().unwrap_or_default();
    Topic::ALL.into_iter().map(|topic| (topic.name(), event_schema(topic, &schemas))).collect()
}

fn event_schema(topic: Topic, schemas: &Value) -> Value {
    let data = match topic {
        Topic::ImageLabelled => "Analysis",
        Topic::ImageFailed => "Failure",
        Topic::ImageModerated => "Moderation",
        Topic::LabelsTranslated => "Translations",
        Topic::CreateCollectionRequest | Topic::AddFaceRequest | Topic::MatchFaceRequest | Topic::LabelRequest => {
            "Request"
        }
        Topic::DispatchResponse => "Reply",
    };
    let mut definitions = BTreeMap::new();
    collect(data, schemas, &mut definitions);
    let mut event = schemas.get("Event").cloned().unwrap_or_default();
    if let Some(properties) = event.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("type".to_owned(), json!({ "const": topic.event_type() }));
        properties.insert("specversion".to_owned(), json!({ "const": "1.0" }));
        properties.insert("data".to_owned(), json!({ "$ref": format!("#/$defs/{data}") }));
    }
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("https://crosslens.dev/events/{}.json", topic.name()),
        "title": topic.event_type(),
        "$defs": definitions,
    });
    if let (Some(schema), Value::Object(event)) = (schema.as_object_mut(), event) {
        schema.extend(event);
    }
    schema
}

/// The named schema and all that it refers to, with references that hold inside one file.
fn collect(name: &str, schemas: &Value, into: &mut BTreeMap<String, Value>) {
    let Some(schema) = schemas.get(name) else { return };
    if into.contains_key(name) {
        return;
    }
    let text = schema.to_string().replace("#/components/schemas/", "#/$defs/");
    let references: Vec<String> =
        text.split("#/$defs/").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect();
    into.insert(name.to_owned(), serde_json::from_str(&text).unwrap_or_default());
    for reference in references {
        collect(&reference, schemas, into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_of_an_event_schema_holds() {
        for (topic, schema) in event_schemas() {
            let text = schema.to_string();
            assert!(!text.contains("components"), "{topic}");
            for reference in text.split("#/$defs/").skip(1).filter_map(|rest| rest.split('"').next()) {
                assert!(schema["$defs"].get(reference).is_some(), "{topic}: {reference}");
            }
        }
    }
}
