//! Inputs as they come over the wire, held against the task.

use loquat_spec::Task;
use serde_json::{Map, Value};

use crate::error::InputError;

const TEXT: &str = "text";
const PAIR: [&str; 2] = ["premise", "hypothesis"];
const COMPARED: [&str; 2] = ["text_a", "text_b"];

/// One input: a text, or two texts where the task reads pairs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The text as it was sent; offsets of answers count its Unicode scalar values.
    pub text: String,
    /// The second text of a pair.
    pub second: Option<String>,
}

impl Input {
    /// An input of one text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), second: None }
    }

    /// Its texts.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.text.as_str()).chain(self.second.as_deref())
    }

    /// An input of two texts.
    pub fn pair(text: impl Into<String>, second: impl Into<String>) -> Self {
        Self { text: text.into(), second: Some(second.into()) }
    }
}

/// The sets of columns that inputs of a task may have, the first of which a string alone stands for when it is one column.
pub fn columns(task: Task) -> &'static [&'static [&'static str]] {
    match task {
        Task::TextPairClassification => &[&PAIR],
        Task::Embedding => &[&[TEXT], &COMPARED],
        _ => &[&[TEXT]],
    }
}

/// Reads one input or a list of inputs.
pub(crate) fn parse(inputs: &Value, task: Task) -> Result<Vec<Input>, InputError> {
    match inputs {
        Value::Array(list) if list.is_empty() => {
            Err(error("inputs".to_owned(), "is an empty list", "send at least one input"))
        }
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(index, value)| parse_one(value, format!("inputs[{index}]"), task))
            .collect(),
        value => Ok(vec![parse_one(value, "inputs".to_owned(), task)?]),
    }
}

fn parse_one(value: &Value, field: String, task: Task) -> Result<Input, InputError> {
    let alone = columns(task)[0].len() == 1;
    match value {
        Value::String(text) if alone => Ok(Input::new(text)),
        Value::Object(object) => parse_object(object, field, task),
        other if alone => {
            let reason = format!("is {}, not a text", kind(other));
            Err(error(field, &reason, "send a string, or an object with \"text\""))
        }
        other => {
            let reason = format!("is {}, not a pair of texts", kind(other));
            let remedy = format!("send an object with {}", quoted(columns(task)[0]));
            Err(error(field, &reason, &remedy))
        }
    }
}

fn parse_object(object: &Map<String, Value>, field: String, task: Task) -> Result<Input, InputError> {
    let sets = columns(task);
    // The set that is meant is the one of which the most is there; of equals the first.
    let there = |set: &&&[&str]| set.iter().filter(|column| object.contains_key(**column)).count();
    let set = sets.iter().rev().max_by_key(there).copied().unwrap_or(sets[0]);
    let mut texts = Vec::with_capacity(set.len());
    for column in set {
        texts.push(text_of(object, column, &field)?);
    }
    if let Some(key) = object.keys().find(|key| !set.contains(&key.as_str())) {
        let reads = if set.len() == 1 { format!("{} alone", quoted(set)) } else { quoted(set) };
        return Err(error(
            format!("{field}.{}", shortened(key)),
            "is not a column of this task",
            &format!("leave it out; this task reads {reads}"),
        ));
    }
    let mut texts = texts.into_iter();
    Ok(Input { text: texts.next().unwrap_or_default(), second: texts.next() })
}

fn text_of(object: &Map<String, Value>, column: &str, field: &str) -> Result<String, InputError> {
    let field = format!("{field}.{column}");
    match object.get(column) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => {
            let reason = format!("is {}, not a string", kind(other));
            Err(error(field, &reason, "send the text as a string"))
        }
        None => {
            let reason = format!("is missing{}", found_keys(object));
            Err(error(field, &reason, &format!("send the text as {column:?}")))
        }
    }
}

fn quoted(columns: &[&str]) -> String {
    columns.iter().map(|column| format!("{column:?}")).collect::<Vec<_>>().join(" and ")
}

fn error(field: String, reason: &str, remedy: &str) -> InputError {
    InputError { field, reason: reason.to_owned(), remedy: remedy.to_owned() }
}

fn found_keys(object: &Map<String, Value>) -> String {
    let keys: Vec<String> = object.keys().take(5).map(|key| format!("{:?}", shortened(key))).collect();
    if keys.is_empty() { String::new() } else { format!(" (found {})", keys.join(", ")) }
}

/// A key that a stranger chose, short enough for a message.
pub(crate) fn shortened(key: &str) -> String {
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
