//! The JSON Schema of each kind, generated from the raw structs: what editors read and what files are checked against.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use crate::raw::Document;
use crate::raw::dataset::DatasetSpec;
use crate::raw::endpoint::EndpointSpec;
use crate::raw::model::ModelSpec;
use crate::raw::training::TrainingSpec;

/// The version of the resource format, written in every resource.
pub const API_VERSION: &str = "loquat.dev/v1alpha1";

/// The kinds that can be written, in the order in which a folder usually has them.
pub const KINDS: &[&str] = &["Dataset", "Training", "Model", "Endpoint"];

/// The kinds that are planned and refused until their part exists.
pub const LATER_KINDS: &[&str] = &["Batch", "Stream", "Enrichment", "Monitor", "Tenant"];

/// The JSON Schema (2020-12) of `kind`, whose name may be written in any case; `None` for kinds not in [`KINDS`].
///
/// Descriptions are the documentation of the fields. Keywords are those that any editor knows.
pub fn schema(kind: &str) -> Option<Value> {
    let kind = KINDS.iter().find(|known| known.eq_ignore_ascii_case(kind))?;
    Some(match *kind {
        "Dataset" => schema_of::<DatasetSpec>(kind),
        "Training" => schema_of::<TrainingSpec>(kind),
        "Model" => schema_of::<ModelSpec>(kind),
        _ => schema_of::<EndpointSpec>(kind),
    })
}

/// One JSON Schema for files that hold resources of any kind, chosen by `kind`.
pub fn combined_schema() -> Value {
    let branches: Vec<Value> = KINDS.iter().filter_map(|kind| schema(kind)).collect();
    let mut definitions = Map::new();
    let mut conditions = Vec::new();
    for mut branch in branches {
        if let Some(Value::Object(own)) = branch.as_object_mut().and_then(|map| map.remove("$defs")) {
            definitions.extend(own);
        }
        if let Some(map) = branch.as_object_mut() {
            map.remove("$schema");
        }
        let kind = branch["properties"]["kind"]["const"].clone();
        conditions.push(
            json!({"if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]}, "then": branch}),
        );
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Loquat resource",
        "type": "object",
        "required": ["apiVersion", "kind"],
        "properties": {"kind": {"enum": KINDS}},
        "allOf": conditions,
        "$defs": definitions,
    })
}

fn schema_of<S: JsonSchema>(kind: &str) -> Value {
    let generator = SchemaSettings::draft2020_12().for_deserialize().into_generator();
    let mut value = Schema::to_value(generator.into_root_schema_for::<Document<S>>());
    tidy(&mut value);
    if let Some(root) = value.as_object_mut() {
        root.insert("title".to_owned(), json!(kind));
    }
    value["properties"]["kind"]["const"] = json!(kind);
    value["properties"]["apiVersion"]["const"] = json!(API_VERSION);
    value
}

/// A field is left out or has a value: nulls, which `Option` brings along, are no values. Descriptions lose the line
/// breaks of the source.
fn tidy(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(map) => {
            if map.get("default") == Some(&Value::Null) {
                map.remove("default");
            }
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    map.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::String(text)) = map.get_mut("description") {
                let paragraphs: Vec<String> =
                    text.split("\n\n").map(|part| part.replace('\n', " ")).collect();
                *text = paragraphs.join("\n\n");
            }
            unwrap_nullable(map);
            map.values_mut().for_each(tidy);
        }
        _ => {}
    }
}

/// `anyOf: [X, null]` becomes `X`.
fn unwrap_nullable(map: &mut Map<String, Value>) {
    let Some(Value::Array(branches)) = map.get_mut("anyOf") else { return };
    branches.retain(|branch| branch.get("type") != Some(&json!("null")));
    if branches.len() == 1
        && let Some(Value::Object(only)) = branches.pop()
    {
        map.remove("anyOf");
        for (key, value) in only {
            map.entry(key).or_insert(value);
        }
    }
}
