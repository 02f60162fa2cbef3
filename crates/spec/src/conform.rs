//! Checks a marked YAML tree against the JSON Schema of its kind and turns it into JSON, reporting every problem.
//!
//! Knows the part of JSON Schema that the generated schemas use; a test fails when they use more. What is wrong is
//! left out of the JSON, so that the rest can still be validated.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::finding::CheckName;
use crate::problem::{
    INVALID_VALUE, MISSING_FIELD, Problem, UNKNOWN_FIELD, WRONG_TYPE, nearest, shortened, suggestion,
};
use crate::yaml::{Content, Entry, Node, Place};

/// A place and the path of the field that stands there.
#[derive(Debug, Clone, Copy)]
struct Spot<'p> {
    place: Place,
    field: &'p str,
}

impl<'p> Spot<'p> {
    /// The value at the same field.
    fn value(self, node: &Node) -> Self {
        Self { place: node.place, field: self.field }
    }
}

/// The walk over one document.
#[derive(Debug)]
pub(crate) struct Conformance<'s> {
    schema: &'s Value,
    problems: Vec<Problem>,
}

/// Checks `node` against `schema`; gives what conforms as JSON, and the problems.
pub(crate) fn conform(node: &Node, schema: &Value) -> (Option<Value>, Vec<Problem>) {
    let mut walk = Conformance { schema, problems: Vec::new() };
    let value = walk.check(node, schema, Spot { place: node.place, field: "" });
    (value, walk.problems)
}

impl<'s> Conformance<'s> {
    /// `None` when the value itself is wrong; `key` is where its key stands.
    fn check(&mut self, node: &Node, schema: &'s Value, key: Spot<'_>) -> Option<Value> {
        let schema = self.resolve(schema);
        let spot = key.value(node);
        if matches!(node.content, Content::Scalar(Value::Null)) {
            let remedy = "write a value, or remove the line for the default";
            return self.refuse(key, WRONG_TYPE, "no value is given", remedy);
        }
        if let Some(words) = words(schema) {
            return self.check_word(node, &words, spot);
        }
        if let Some(Value::Array(branches)) = schema.get("anyOf") {
            let branches: Vec<&Value> = branches.iter().map(|branch| self.resolve(branch)).collect();
            return match branches.iter().find(|branch| fits(node, branch)) {
                Some(branch) => self.check(node, branch, key),
                None => self.wrong_type(node, &branches, spot),
            };
        }
        let expected = schema.get("type").and_then(Value::as_str).unwrap_or("any");
        match (&node.content, expected) {
            (Content::Map(entries), "object") => Some(self.check_map(entries, schema, key)),
            (Content::List(items), "array") => self.check_list(items, schema, spot),
            (Content::Scalar(Value::String(text)), "string") => self.check_text(text, schema, spot),
            (Content::Scalar(Value::Bool(truth)), "boolean") => Some(Value::Bool(*truth)),
            (Content::Scalar(value @ Value::Number(number)), "integer") if !number.is_f64() => {
                self.check_range(value, schema, spot)
            }
            (Content::Scalar(value @ Value::Number(_)), "number") => self.check_range(value, schema, spot),
            _ => self.wrong_type(node, &[schema], spot),
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

    fn check_word(&mut self, node: &Node, words: &[&str], spot: Spot<'_>) -> Option<Value> {
        let allowed = words.join(", ");
        let Content::Scalar(Value::String(text)) = &node.content else {
            let message = format!("found {}; allowed: {allowed}", found(node));
            return self.refuse(spot, WRONG_TYPE, message, "write one of the allowed values");
        };
        if words.contains(&text.as_str()) {
            return Some(Value::String(text.clone()));
        }
        let message = format!("found {}; allowed: {allowed}", node.shown());
        self.refuse(spot, INVALID_VALUE, message, suggestion(text, words))
    }

    fn check_map(&mut self, entries: &[Entry], schema: &'s Value, key: Spot<'_>) -> Value {
        let properties = schema.get("properties").and_then(Value::as_object);
        let names: Vec<&str> = properties.into_iter().flat_map(Map::keys).map(String::as_str).collect();
        let free: Vec<&str> =
            names.iter().copied().filter(|name| entries.iter().all(|entry| entry.key != *name)).collect();
        let other = schema.get("additionalProperties").filter(|other| other.is_object());
        let mut result = Map::new();
        let mut meant = BTreeSet::new();
        for entry in entries {
            let path = join(key.field, &entry.key);
            let spot = Spot { place: entry.place, field: &path };
            if let Some(known) = properties.and_then(|all| all.get(&entry.key)).or(other) {
                if let Some(value) = self.check(&entry.value, known, spot) {
                    result.insert(entry.key.clone(), value);
                }
                continue;
            }
            let near = nearest(&entry.key, free.iter().copied());
            meant.extend(near);
            let parent = shown_field(key.field);
            let message =
                format!("{parent} has no field {:?}; allowed: {}", shortened(&entry.key), names.join(", "));
            let remedy = near.map_or("remove it".to_owned(), |name| format!("did you mean {name:?}?"));
            self.refuse(spot, UNKNOWN_FIELD, message, remedy);
        }
        for name in free.iter().filter(|name| !meant.contains(*name)) {
            self.check_missing(name, schema, key);
        }
        Value::Object(result)
    }

    fn check_missing(&mut self, name: &str, schema: &'s Value, key: Spot<'_>) {
        let required = schema.get("required").and_then(Value::as_array);
        if !required.into_iter().flatten().any(|required| required == name) {
            return;
        }
        let property = &schema["properties"][name];
        let description = property.get("description").or_else(|| self.resolve(property).get("description"));
        let remedy = match description.and_then(Value::as_str) {
            Some(text) => format!("add {name}: {}", first_sentence(text)),
            None => format!("add {name}"),
        };
        let message = format!("{} lacks {name}", shown_field(key.field));
        let path = join(key.field, name);
        self.refuse(Spot { place: key.place, field: &path }, MISSING_FIELD, message, remedy);
    }

    /// A list with a wrong item is left out whole, so that the places of the others stay true.
    fn check_list(&mut self, items: &[Node], schema: &'s Value, spot: Spot<'_>) -> Option<Value> {
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        if (items.len() as u64) < least {
            let remedy = "give at least one value, or remove the field";
            return self.refuse(spot, INVALID_VALUE, "the list is empty", remedy);
        }
        let mut values = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let path = format!("{}[{index}]", spot.field);
            values.push(match schema.get("items") {
                Some(inner) => self.check(item, inner, Spot { place: item.place, field: &path }),
                None => None,
            });
        }
        values.into_iter().collect::<Option<Vec<Value>>>().map(Value::Array)
    }

    fn check_text(&mut self, text: &str, schema: &Value, spot: Spot<'_>) -> Option<Value> {
        let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0);
        if least > 0 && text.trim().is_empty() {
            return self.refuse(
                spot,
                INVALID_VALUE,
                "the text is empty",
                "write a value, or remove the field",
            );
        }
        if text.contains('\0') {
            return self.refuse(
                spot,
                INVALID_VALUE,
                "the text holds a NUL character",
                "remove the character",
            );
        }
        Some(Value::String(text.to_owned()))
    }

    fn check_range(&mut self, value: &Value, schema: &Value, spot: Spot<'_>) -> Option<Value> {
        let number = value.as_f64().unwrap_or(f64::NAN);
        let least = schema.get("minimum").filter(|least| least.as_f64().is_some_and(|least| number < least));
        let most = schema.get("maximum").filter(|most| most.as_f64().is_some_and(|most| number > most));
        let bound = least.map(|least| (least, "at least")).or(most.map(|most| (most, "at most")));
        let Some((bound, word)) = bound else { return Some(value.clone()) };
        let message = format!("found {value}; allowed: {word} {bound}");
        self.refuse(spot, INVALID_VALUE, message, format!("write {word} {bound}"))
    }

    fn wrong_type(&mut self, node: &Node, shapes: &[&Value], spot: Spot<'_>) -> Option<Value> {
        let expected: Vec<&str> = shapes.iter().map(|shape| expected_name(shape)).collect();
        let expected = expected.join(" or ");
        let example = shapes.iter().find_map(|shape| shape.get("examples")?.get(0));
        let plain_text = shapes.iter().any(|shape| {
            shape.get("type").is_some_and(|kind| kind == "string") && shape.get("pattern").is_none()
        });
        let remedy = match (&node.content, example) {
            (Content::Scalar(value), _) if plain_text => format!("put it in quotes: \"{value}\""),
            (_, Some(example)) => format!("write for example {}", flow(example)),
            _ => format!("write {expected}"),
        };
        let message = format!("found {}; allowed: {expected}", found(node));
        self.refuse(spot, WRONG_TYPE, message, remedy)
    }

    /// Notes a problem; the value is left out.
    fn refuse(
        &mut self,
        spot: Spot<'_>,
        check: CheckName,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Option<Value> {
        let field = (!spot.field.is_empty()).then(|| spot.field.to_owned());
        self.problems.push(Problem {
            place: spot.place,
            field,
            check,
            message: message.into(),
            remedy: remedy.into(),
        });
        None
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
            let entries: Vec<String> =
                map.iter().map(|(key, value)| format!("{key}: {}", flow(value))).collect();
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
