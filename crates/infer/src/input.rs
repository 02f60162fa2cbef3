//! Inputs as they come over the wire, held against the task.

use serde_json::{Map, Value};

use crate::error::InputError;

const TEXT: &str = "text";

/// One input of a task that reads a single text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The text as it was sent; offsets of answers count its Unicode scalar values.
    pub text: String,
}

impl Input {
    /// An input of one text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }
}

/// Reads one input or a list of inputs.
pub(crate) fn parse(inputs: &Value) -> Result<Vec<Input>, InputError> {
    match inputs {
        Value::Array(list) if list.is_empty() => {
            Err(error("inputs".to_owned(), "is an empty list", "send at least one input"))
        }
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(index, value)| parse_one(value, format!("inputs[{index}]")))
            .collect(),
        value => Ok(vec![parse_one(value, "inputs".to_owned())?]),
    }
}

fn parse_one(value: &Value, field: String) -> Result<Input, InputError> {
    match value {
        Value::String(text) => Ok(Input::new(text)),
        Value::Object(object) => parse_object(object, field),
        other => {
            let reason = format!("is {}, not a text", kind(other));
            Err(error(field, &reason, "send a string, or an object with \"text\""))
        }
    }
}

fn parse_object(object: &Map<String, Value>, field: String) -> Result<Input, InputError> {
    let Some(value) = object.get(TEXT) else {
        let found = found_keys(object);
        return Err(error(
            format!("{field}.{TEXT}"),
            &format!("is missing{found}"),
            "send the text as \"text\"",
        ));
    };
    let Value::String(text) = value else {
        let reason = format!("is {}, not a string", kind(value));
        return Err(error(format!("{field}.{TEXT}"), &reason, "send the text as a string"));
    };
    if let Some(key) = object.keys().find(|key| *key != TEXT) {
        let reason = "is not a column of this task";
        return Err(error(
            format!("{field}.{}", shortened(key)),
            reason,
            "leave it out; this task reads \"text\" alone",
        ));
    }
    Ok(Input::new(text))
}

fn error(field: String, reason: &str, remedy: &str) -> InputError {
    InputError { field, reason: reason.to_owned(), remedy: remedy.to_owned() }
}

fn found_keys(object: &Map<String, Value>) -> String {
    let keys: Vec<String> = object.keys().take(5).map(|key| format!("{:?}", shortened(key))).collect();
    if keys.is_empty() { String::new() } else { format!(" (found {})", keys.join(", ")) }
}

/// A key that a stranger chose, short enough for a message.
fn shortened(key: &str) -> String {
    const LONGEST: usize = 40;
    if key.chars().nth(LONGEST).is_none() {
        return key.to_owned();
    }
    format!("{}…", key.chars().take(LONGEST).collect::<String>())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
