//! The JSON Schemas: stable, documented, and within what the checker knows.

use std::collections::BTreeSet;

use loquat_spec::{CHECKS, KINDS, combined_schema, schema};
use serde_json::Value;

fn golden(kind: &str) -> String {
    format!("{}/../../docs/schema/{}.json", env!("CARGO_MANIFEST_DIR"), kind.to_lowercase())
}

fn printed(schema: &Value) -> String {
    let mut text = serde_json::to_string_pretty(schema).expect("JSON prints");
    text.push('\n');
    text
}

/// Calls `visit` with every schema inside of `schema` and its path.
fn walk(schema: &Value, path: &str, visit: &mut impl FnMut(&str, &serde_json::Map<String, Value>)) {
    let Value::Object(map) = schema else { return };
    visit(path, map);
    for group in ["properties", "$defs"] {
        for (name, inner) in map.get(group).and_then(Value::as_object).into_iter().flatten() {
            walk(inner, &format!("{path}.{name}"), visit);
        }
    }
    for list in ["anyOf", "oneOf"] {
        for (index, inner) in map.get(list).and_then(Value::as_array).into_iter().flatten().enumerate() {
            walk(inner, &format!("{path}.{list}[{index}]"), visit);
        }
    }
    for single in ["items", "additionalProperties"] {
        if let Some(inner) = map.get(single) {
            walk(inner, &format!("{path}[]"), visit);
        }
    }
}

#[test]
fn schemas_are_those_of_the_documentation() {
    for kind in KINDS {
        let expected = std::fs::read_to_string(golden(kind)).unwrap_or_default();
        let found = printed(&schema(kind).unwrap());
        assert!(
            found == expected,
            "the schema of {kind} changed: write docs/schema again and review the difference"
        );
    }
}

#[test]
#[ignore = "writes docs/schema; run it after a wanted change and review the difference"]
fn writes_the_schemas_of_the_documentation() {
    for kind in KINDS {
        let path = golden(kind);
        std::fs::create_dir_all(std::path::Path::new(&path).parent().unwrap()).unwrap();
        std::fs::write(path, printed(&schema(kind).unwrap())).unwrap();
    }
}

#[test]
fn only_keywords_that_the_checker_knows_are_used() {
    let checked = [
        "$ref",
        "$defs",
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "const",
        "oneOf",
        "anyOf",
        "minimum",
        "maximum",
        "minLength",
        "minItems",
    ];
    // Notes for people and editors; patterns repeat what reading the quantity checks with a better message.
    let notes = ["$schema", "title", "description", "default", "examples", "format", "pattern"];
    for kind in KINDS {
        walk(&schema(kind).unwrap(), kind, &mut |path, map| {
            for keyword in map.keys() {
                assert!(
                    checked.contains(&keyword.as_str()) || notes.contains(&keyword.as_str()),
                    "{path}: {keyword}"
                );
            }
            // An enumeration is `oneOf` with a `const` each.
            for branch in map.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
                assert!(branch.get("const").is_some(), "{path}");
            }
        });
    }
}

#[test]
fn every_field_is_documented_and_none_takes_null_or_unknown_fields() {
    for kind in KINDS {
        let schema = schema(kind).unwrap();
        walk(&schema, kind, &mut |path, map| {
            for (name, property) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
                let described = property.get("description").is_some();
                assert!(described, "{path}.{name} has no description");
            }
            if map.contains_key("properties") {
                assert_eq!(map.get("additionalProperties"), Some(&Value::Bool(false)), "{path}");
            }
        });
        assert!(!printed(&schema).contains("null"), "{kind} takes null");
        assert_eq!(schema["properties"]["kind"]["const"], *kind);
        assert_eq!(schema["properties"]["apiVersion"]["const"], "loquat.dev/v1alpha1");
        assert_eq!(schema["required"], serde_json::json!(["apiVersion", "kind", "metadata", "spec"]));
    }
}

#[test]
fn kinds_are_found_in_any_case_and_others_are_not() {
    assert_eq!(schema("dataset"), schema("Dataset"));
    assert!(schema("Stream").is_none() && schema("").is_none());
}

#[test]
fn checks_are_the_fields_of_the_dataset_schema() {
    let schema = schema("Dataset").unwrap();
    let fields: BTreeSet<&str> =
        schema["$defs"]["Checks"]["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, CHECKS.iter().copied().collect());
    assert!(
        CHECKS
            .iter()
            .all(|name| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'))
    );
}

#[test]
fn one_schema_covers_all_kinds() {
    let combined = combined_schema();
    let text = combined.to_string();
    for reference in text.split("\"$ref\":\"#/$defs/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(combined["$defs"].get(name).is_some(), "{name} is not defined");
    }
    assert_eq!(combined["allOf"].as_array().unwrap().len(), KINDS.len());
    for kind in KINDS {
        for (name, definition) in schema(kind).unwrap()["$defs"].as_object().unwrap() {
            assert_eq!(&combined["$defs"][name], definition, "{name} means two things");
        }
    }
}
