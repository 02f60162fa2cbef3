//! Checks a marked YAML tree against the JSON Schema of its kind and turns it into JSON, reporting every problem.
//!
//! Knows the part of JSON Schema that the generated schemas use; a test fails when they use more. What is wrong is
//! left out of the JSON, so that the rest can still be validated.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::problem::{
    DUPLICATE_KEY, INVALID_VALUE, MISSING_FIELD, Problem, UNKNOWN_FIELD, WRONG_TYPE, nearest, suggestion,
};
use crate::yaml::{Content, Entry, Node, Place};

/// The walk over one document.
#[derive(Debug)]
pub(crate) struct Conformance<'s> {
    schema: &'s Value,
    problems: Vec<Problem>,
}

/// Checks `node` against `schema`; gives what conforms as JSON, and the problems.
pub(crate) fn conform(node: &Node, schema: &Value) -> (Option<Value>, Vec<Problem>) {
    let mut walk = Conformance { schema, problems: Vec::new() };
    let value = walk.check(node, schema, "", node.place);
    (value, walk.problems)
}

impl<'s> Conformance<'s> {
    /// `None` when the value itself is wrong; `key` is where the value's key stands.
    fn check(&mut self, node: &Node, schema: &'s Value, field: &str, key: Place) -> Option<Value> {
        let schema = self.resolve(schema);
        if matches!(node.content, Content::Scalar(Value::Null)) {
            let message = format!("{} has no value", shown_field(field));
            self.report(key, field, WRONG_TYPE, message, "write a value, or remove the line for the default".into());
            return None;
        }
        if let Some(words) = words(schema) {
            return self.check_word(node, &words, field);
        }
        if let Some(Value::Array(branches)) = schema.get("anyOf") {
            return self.check_shapes(node, branches, schema, field, key);
        }
        let expected = schema.get("type").and_then(Value::as_str).unwrap_or("any");
        match (&node.content, expected) {
            (Content::Map(entries), "object") => Some(self.check_map(entries, schema, field, key)),
            (Content::List(items), "array") => self.check_list(node, items, schema, field),
            (Content::Scalar(value), "string") if value.is_string() => {
                self.check_text(node, value, schema, field)
            }
            (Content::Scalar(value), "boolean") if value.is_boolean() => Some(value.clone()),
            (Content::Scalar(value), "integer") if value.is_i64() || value.is_u64() => {
                self.check_range(node, value, schema, field)
            }
            (Content::Scalar(value), "number") if value.is_number() => {
                self.check_range(node, value, schema, field)
            }
            _ => {
                self.wrong_type(node, &[schema], schema, field);
                None
            }
        }
    }

    fn resolve(&self, schema: &'s Value) -> &'s Value {
        let mut schema = schema;
        // Definitions name each other at most a few times; the bound keeps a circle from turning for ever.
        for _ in 0..8 {
            let Some(pointer) = schema.get("$ref").and_then(Value::as_str) else { break };
            match self.schema.pointer(pointer.trim_start_matches('#')) {
                Some(target) => schema = target,
                None => break,
            }
        }
        schema
    }

    fn check_word(&mut self, node: &Node, words: &[&str], field: &str) -> Option<Value> {
        if let Content::Scalar(Value::String(text)) = &node.content {
            if words.contains(&text.as_str()) {
                return Some(Value::String(text.clone()));
            }
            let message = format!(
                "{} is {}; allowed: {}",
                shown_field(field),
                node.shown(),
                words.join(", ")
            );
            self.report(node.place, field, INVALID_VALUE, message, suggestion(text, words));
        } else {
            let message =
                format!("{} is {}, not one of: {}", shown_field(field), found(node), words.join(", "));
            self.report(node.place, field, WRONG_TYPE, message, format!("use one of: {}", words.join(", ")));
        }
        None
    }

    fn check_shapes(
        &mut self,
        node: &Node,
        branches: &'s [Value],
        schema: &'s Value,
        field: &str,
        key: Place,
    ) -> Option<Value> {
        let resolved: Vec<&Value> = branches.iter().map(|branch| self.resolve(branch)).collect();
        match resolved.iter().find(|branch| fits(node, branch)) {
            Some(branch) => self.check(node, branch, field, key),
            None => {
                self.wrong_type(node, &resolved, schema, field);
                None
            }
        }
    }

    fn check_map(&mut self, entries: &[Entry], schema: &'s Value, field: &str, key: Place) -> Value {
        let empty = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let names: Vec<&str> = properties.keys().map(String::as_str).collect();
        let mut result = Map::new();
        let mut meant = BTreeSet::new();
        for entry in entries {
            let path = join(field, &entry.key);
            // `properties` may be the local empty map, whose values do not outlive this call.
            let known = schema.get("properties").and_then(|all| all.get(&entry.key));
            let other = schema.get("additionalProperties").filter(|other| other.is_object());
            if let Some(known) = known.or(other) {
                if let Some(value) = self.check(&entry.value, known, &path, entry.place) {
                    result.insert(entry.key.clone(), value);
                }
            } else {
                meant.extend(nearest(&entry.key, names.iter().copied()));
                self.unknown(entry, &names, field, &path, entries);
            }
        }
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            let Some(name) = name.as_str() else { continue };
            if !meant.contains(name) && !entries.iter().any(|entry| entry.key == name) {
                let description = self.resolve(&schema["properties"][name]).get("description");
                let remedy = match schema["properties"][name].get("description").or(description) {
                    Some(Value::String(text)) => format!("add {name}: {}", first_sentence(text)),
                    _ => format!("add {name}"),
                };
                let message = format!("{} lacks {name}", shown_field(field));
                self.report(key, &join(field, name), MISSING_FIELD, message, remedy);
            }
        }
        Value::Object(result)
    }

    fn unknown(&mut self, entry: &Entry, names: &[&str], field: &str, path: &str, siblings: &[Entry]) {
        let free: Vec<&str> =
            names.iter().copied().filter(|name| !siblings.iter().any(|sibling| sibling.key == *name)).collect();
        let message = format!(
            "{} has no field {:?}; its fields: {}",
            shown_field(field),
            crate::problem::shortened(&entry.key),
            names.join(", ")
        );
        let remedy = match nearest(&entry.key, free.iter().copied()) {
            Some(name) => format!("did you mean {name:?}?"),
            None => "remove it".to_owned(),
        };
        self.report(entry.place, path, UNKNOWN_FIELD, message, remedy);
    }

    /// A list with a wrong item is left out whole, so that the places of the others stay true.
    fn check_list(&mut self, node: &Node, items: &[Node], schema: &'s Value, field: &str) -> Option<Value> {
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        if (items.len() as u64) < least {
            let message = format!("{} is an empty list", shown_field(field));
            self.report(node.place, field, INVALID_VALUE, message, "give at least one value, or remove the field".into());
            return None;
        }
        let mut values = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let path = format!("{field}[{index}]");
            let value = match schema.get("items") {
                Some(inner) => self.check(item, inner, &path, item.place),
                None => None,
            };
            if schema.get("uniqueItems") == Some(&Value::Bool(true))
                && value.as_ref().is_some_and(|value| values.contains(&Some(value.clone())))
            {
                let message = format!("{} is listed twice", item.shown());
                self.report(item.place, &path, DUPLICATE_KEY, message, "keep one of the two".into());
            }
            values.push(value);
        }
        values.into_iter().collect::<Option<Vec<Value>>>().map(Value::Array)
    }

    fn check_text(&mut self, node: &Node, value: &Value, schema: &Value, field: &str) -> Option<Value> {
        let text = value.as_str().unwrap_or_default();
        let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0);
        if least > 0 && text.trim().is_empty() {
            let message = format!("{} is empty text", shown_field(field));
            self.report(node.place, field, INVALID_VALUE, message, "write a value, or remove the field".into());
            return None;
        }
        if text.contains('\0') {
            let message = format!("{} holds a NUL character", shown_field(field));
            self.report(node.place, field, INVALID_VALUE, message, "remove the character".into());
            return None;
        }
        Some(value.clone())
    }

    fn check_range(&mut self, node: &Node, value: &Value, schema: &Value, field: &str) -> Option<Value> {
        let number = value.as_f64().unwrap_or(f64::NAN);
        let least = schema.get("minimum").filter(|least| least.as_f64().is_some_and(|least| number < least));
        let most = schema.get("maximum").filter(|most| most.as_f64().is_some_and(|most| number > most));
        let Some((bound, word)) = least.map(|least| (least, "at least")).or(most.map(|most| (most, "at most")))
        else {
            return Some(value.clone());
        };
        let message = format!("{} is {value}; allowed: {word} {bound}", shown_field(field));
        self.report(node.place, field, INVALID_VALUE, message, format!("write {word} {bound}"));
        None
    }

    fn wrong_type(&mut self, node: &Node, branches: &[&Value], schema: &Value, field: &str) {
        let expected: Vec<&str> = branches.iter().map(|branch| expected_name(branch)).collect();
        let message = format!("{} is {}, not {}", shown_field(field), found(node), expected.join(" or "));
        let example = branches
            .iter()
            .chain([&schema])
            .find_map(|branch| branch.get("examples").and_then(|examples| examples.get(0)));
        let takes_text = branches.iter().any(|branch| branch.get("type").is_some_and(|kind| kind == "string"));
        let remedy = match (example, &node.content) {
            (Some(example), _) => format!("write for example {}", flow(example)),
            (None, Content::Scalar(value)) if takes_text => format!("put it in quotes: \"{value}\""),
            (None, Content::Scalar(Value::String(_))) if !expected.contains(&"a mapping") => {
                format!("write {} without quotes", expected.join(" or "))
            }
            _ => format!("write {}", expected.join(" or ")),
        };
        self.report(node.place, field, WRONG_TYPE, message, remedy);
    }

    fn report(&mut self, place: Place, field: &str, check: &'static str, message: String, remedy: String) {
        let field = (!field.is_empty()).then(|| field.to_owned());
        self.problems.push(Problem { place, field, check, message, remedy });
    }
}

/// The words of an enumeration, whichever way the schema writes it.
fn words(schema: &Value) -> Option<Vec<&str>> {
    if let Some(word) = schema.get("const") {
        return word.as_str().map(|word| vec![word]);
    }
    if let Some(Value::Array(words)) = schema.get("enum") {
        return words.iter().map(Value::as_str).collect();
    }
    let branches = schema.get("oneOf")?.as_array()?;
    let mut all = Vec::new();
    for branch in branches {
        all.extend(words(branch)?);
    }
    Some(all)
}

fn fits(node: &Node, schema: &Value) -> bool {
    let kind = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    match &node.content {
        Content::Map(_) => kind == "object",
        Content::List(_) => kind == "array",
        Content::Scalar(Value::String(_)) => kind == "string",
        Content::Scalar(Value::Bool(_)) => kind == "boolean",
        Content::Scalar(Value::Number(number)) => kind == "number" || (kind == "integer" && !number.is_f64()),
        Content::Scalar(_) => false,
    }
}

fn expected_name(schema: &Value) -> &'static str {
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => "text",
        Some("boolean") => "true or false",
        Some("integer") => "a whole number",
        Some("number") => "a number",
        Some("array") => "a list",
        _ => "a mapping",
    }
}

fn found(node: &Node) -> String {
    match &node.content {
        Content::Scalar(_) => format!("{} ({})", node.kind(), node.shown()),
        Content::List(_) | Content::Map(_) => node.kind().to_owned(),
    }
}

/// JSON as a person writes it in YAML on one line.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(key, value)| format!("{key}: {}", flow(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

fn join(field: &str, key: &str) -> String {
    if field.is_empty() { key.to_owned() } else { format!("{field}.{key}") }
}

fn shown_field(field: &str) -> &str {
    if field.is_empty() { "the resource" } else { field }
}

fn first_sentence(text: &str) -> String {
    let line = text.split("\n\n").next().unwrap_or(text).replace('\n', " ");
    let end = line.find(". ").unwrap_or(line.len());
    line[..end].trim_end_matches('.').to_owned()
}
