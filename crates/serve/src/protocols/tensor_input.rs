//! Request bodies of the Open Inference Protocol: tensors as JSON, flat or nested, or as raw bytes behind it.

use std::time::Duration;

use loquat_spec::{ErrorCode, Task};
use serde_json::{Map, Value};

use crate::body::{Members, join, unknown, wrong_type};
use crate::predict::parse_threshold;
use crate::problem::Problem;

/// The name of the one input tensor.
pub(crate) const INPUT: &str = "text";
/// Names that clients of other servers give the one input tensor.
const INPUT_ALIASES: [&str; 4] = [INPUT, "input-0", "input_0", "inputs"];
/// Request parameters that change nothing here and that clients send unasked.
const IGNORED: [&str; 2] = ["headers", "content_type"];
/// The place of a request that names none: 1 is the first.
const USUAL_PRIORITY: u32 = 1 << 16;
/// Parameters that ask for state between requests, which no model here has.
const STATEFUL: [&str; 3] = ["sequence_id", "sequence_start", "sequence_end"];

/// A request, taken apart and checked against the shape of a text model.
pub(crate) struct InferRequest {
    /// The texts, row-major.
    pub(crate) texts: Vec<String>,
    /// Time that the client allows.
    pub(crate) timeout: Option<Duration>,
    /// Threshold that replaces the model's own.
    pub(crate) threshold: Option<f32>,
    /// Place among the requests of one client, the lowest first.
    pub(crate) priority: u32,
    reply: Reply,
}

/// What the response must look like.
pub(crate) struct Reply {
    /// The client's id, echoed.
    pub(crate) id: Option<String>,
    /// Shape of the input, which the outputs take over.
    pub(crate) shape: Vec<usize>,
    /// Output tensors in the order asked for.
    pub(crate) outputs: Vec<Output>,
}

/// One output tensor asked for.
pub(crate) struct Output {
    /// Which.
    pub(crate) kind: OutputKind,
    /// How many of the best labels to answer instead of all scores.
    pub(crate) classification: Option<usize>,
    /// Whether as raw bytes.
    pub(crate) binary: bool,
}

/// The output tensors that exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputKind {
    /// The best label.
    Label,
    /// The labels over the threshold.
    Labels,
    /// Probability of the best label.
    Score,
    /// Probability of every label.
    Scores,
    /// The spans found, as JSON.
    Entities,
    /// The vector.
    Embedding,
}

fn invalid(field: impl Into<String>, detail: impl Into<String>, remedy: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::Invalid, detail).field(field).remedy(remedy)
}

impl InferRequest {
    /// Takes a body apart; `tail` holds the binary tensors behind its JSON.
    pub(crate) fn parse(members: Members, tail: &[u8], task: Task) -> Result<Self, Problem> {
        if OutputKind::of(task).is_empty() {
            let detail = format!("{} over this protocol is not yet supported", task.as_str());
            let remedy = "send the request to POST /models/{endpoint}/predict";
            return Err(Problem::new(ErrorCode::Unsupported, detail).remedy(remedy));
        }
        // KServe's client repeats in the body what the path says.
        let [id, parameters, inputs, outputs, _model_name, _model_version] =
            members.take("", ["id", "parameters", "inputs", "outputs", "model_name", "model_version"])?;
        let id = match id {
            None | Some(Value::Null) => None,
            Some(Value::String(id)) => Some(id),
            Some(other) => return Err(wrong_type("id", &other, "a string")),
        };
        let parameters = RequestParameters::parse(parameters)?;
        let (texts, shape) = parse_inputs(inputs, tail)?;
        let outputs = parse_outputs(outputs, task, parameters.binary)?;
        let RequestParameters { timeout, threshold, priority, .. } = parameters;
        Ok(Self { texts, timeout, threshold, priority, reply: Reply { id, shape, outputs } })
    }

    /// Whether the probability of every label is asked for.
    pub(crate) fn wants_scores(&self) -> bool {
        self.reply.outputs.iter().any(|output| output.kind == OutputKind::Scores)
    }

    /// The texts, and what the response must look like.
    pub(crate) fn into_parts(self) -> (Vec<String>, Reply) {
        (self.texts, self.reply)
    }
}

#[derive(Default)]
struct RequestParameters {
    timeout: Option<Duration>,
    threshold: Option<f32>,
    priority: u32,
    binary: bool,
}

impl RequestParameters {
    fn parse(value: Option<Value>) -> Result<Self, Problem> {
        let mut parsed = Self { priority: USUAL_PRIORITY, ..Self::default() };
        for (name, value) in parse_map("parameters", value)? {
            let field = join("parameters", &name);
            match name.as_str() {
                "timeout" => parsed.timeout = parse_timeout(&field, &value)?,
                "priority" => parsed.priority = parse_priority(&field, &value)?,
                "threshold" => parsed.threshold = Some(parse_threshold(&value)?),
                "binary_data_output" => parsed.binary = parse_flag(&field, &value)?,
                known if IGNORED.contains(&known) || known.starts_with("triton_") => {}
                known if STATEFUL.contains(&known) => refuse_state(&field, &value)?,
                _ => {
                    return Err(unknown(
                        "parameters",
                        &name,
                        &["timeout", "threshold", "binary_data_output", "priority"],
                    ));
                }
            }
        }
        Ok(parsed)
    }
}

/// An optional `parameters` object, whose values are strings, numbers and booleans.
fn parse_map(field: &str, value: Option<Value>) -> Result<Map<String, Value>, Problem> {
    let map = match value {
        None | Some(Value::Null) => return Ok(Map::new()),
        Some(Value::Object(map)) => map,
        Some(other) => return Err(wrong_type(field, &other, "an object")),
    };
    for (name, value) in &map {
        if matches!(value, Value::Null | Value::Array(_) | Value::Object(_)) {
            return Err(wrong_type(&join(field, name), value, "a string, a number or a boolean"));
        }
    }
    Ok(map)
}

/// Microseconds; 0 means no limit of the client's own.
fn parse_timeout(field: &str, value: &Value) -> Result<Option<Duration>, Problem> {
    let microseconds = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let microseconds =
        microseconds.ok_or_else(|| wrong_type(field, value, "a whole number of microseconds"))?;
    Ok((microseconds > 0).then(|| Duration::from_micros(microseconds)))
}

/// 1 comes first; 0 is the usual place, between what is urgent and what can wait.
fn parse_priority(field: &str, value: &Value) -> Result<u32, Problem> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let number = number.and_then(|number| u32::try_from(number).ok());
    let number = number.ok_or_else(|| wrong_type(field, value, "a whole number from 0"))?;
    Ok(if number == 0 { USUAL_PRIORITY } else { number })
}

fn parse_flag(field: &str, value: &Value) -> Result<bool, Problem> {
    value.as_bool().ok_or_else(|| wrong_type(field, value, "a boolean"))
}

fn refuse_state(field: &str, value: &Value) -> Result<(), Problem> {
    let off = match value {
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_u64() == Some(0),
        Value::String(text) => text.is_empty(),
        _ => false,
    };
    if off {
        return Ok(());
    }
    Err(invalid(field, "sequences are not supported: no model here keeps state", "leave the parameter out"))
}

fn parse_inputs(value: Option<Value>, tail: &[u8]) -> Result<(Vec<String>, Vec<usize>), Problem> {
    let list = match value {
        None => {
            return Err(invalid(
                "inputs",
                "member \"inputs\" is missing",
                "send one BYTES tensor called text",
            ));
        }
        Some(Value::Array(list)) => list,
        Some(other) => return Err(wrong_type("inputs", &other, "a list of tensors")),
    };
    let count = list.len();
    let Ok([tensor]) = <[Value; 1]>::try_from(list) else {
        return Err(invalid(
            "inputs",
            format!("{count} tensors where one is expected"),
            "send one BYTES tensor called text",
        ));
    };
    let Value::Object(tensor) = tensor else {
        return Err(wrong_type("inputs[0]", &tensor, "a tensor object"));
    };
    let known = ["name", "shape", "datatype", "parameters", "data"];
    let [name, shape, datatype, parameters, data] = Members::of(tensor).take("inputs[0]", known)?;
    check_name(name)?;
    check_datatype(datatype)?;
    let shape = parse_shape(shape)?;
    let texts = match (binary_size(parameters)?, data) {
        (Some(size), None) => parse_binary(tail, size)?,
        (Some(_), Some(_)) => {
            let remedy = "send data or binary_data_size, not both";
            return Err(invalid("inputs[0].data", "the tensor has both JSON and binary data", remedy));
        }
        (None, Some(data)) => parse_data(data)?,
        (None, None) => {
            return Err(invalid("inputs[0].data", "member \"data\" is missing", "send a list of strings"));
        }
    };
    check_shape(&shape, texts.len())?;
    Ok((texts, shape))
}

fn check_name(name: Option<Value>) -> Result<(), Problem> {
    match name {
        Some(Value::String(name)) if INPUT_ALIASES.contains(&name.as_str()) => Ok(()),
        Some(Value::String(name)) => {
            let shown: String = name.chars().take(80).collect();
            Err(invalid("inputs[0].name", format!("no input is called {shown:?}"), "call it text or input-0"))
        }
        Some(other) => Err(wrong_type("inputs[0].name", &other, "a string")),
        None => Err(invalid("inputs[0].name", "member \"name\" is missing", "call the tensor text")),
    }
}

fn check_datatype(datatype: Option<Value>) -> Result<(), Problem> {
    match datatype {
        Some(Value::String(datatype)) if datatype == "BYTES" => Ok(()),
        Some(Value::String(datatype)) => {
            let shown: String = datatype.chars().take(80).collect();
            Err(invalid(
                "inputs[0].datatype",
                format!("datatype {shown:?} where BYTES is expected"),
                "send texts as BYTES",
            ))
        }
        Some(other) => Err(wrong_type("inputs[0].datatype", &other, "a string")),
        None => Err(invalid("inputs[0].datatype", "member \"datatype\" is missing", "send BYTES")),
    }
}

fn parse_shape(shape: Option<Value>) -> Result<Vec<usize>, Problem> {
    let list = match shape {
        None => {
            return Err(invalid("inputs[0].shape", "member \"shape\" is missing", "send [n] for n texts"));
        }
        Some(Value::Array(list)) => list,
        Some(other) => return Err(wrong_type("inputs[0].shape", &other, "a list of whole numbers")),
    };
    if list.is_empty() {
        return Err(invalid("inputs[0].shape", "the shape is empty", "send [n] for n texts"));
    }
    let mut sizes = Vec::with_capacity(list.len());
    for (place, size) in list.iter().enumerate() {
        let field = || format!("inputs[0].shape[{place}]");
        let size = size.as_u64().and_then(|size| usize::try_from(size).ok());
        sizes.push(size.ok_or_else(|| {
            invalid(
                field(),
                format!("{} where a whole number from 0 is expected", list[place]),
                "send [n] for n texts",
            )
        })?);
    }
    Ok(sizes)
}

fn check_shape(shape: &[usize], texts: usize) -> Result<(), Problem> {
    let product = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    if product != Some(texts) {
        let detail = format!("the shape {shape:?} does not hold the {texts} elements of the data");
        return Err(invalid("inputs[0].shape", detail, format!("send [{texts}]")));
    }
    if texts == 0 {
        return Err(invalid("inputs[0].data", "the tensor holds no text", "send at least one"));
    }
    Ok(())
}

/// Flat or nested data, row-major.
fn parse_data(data: Value) -> Result<Vec<String>, Problem> {
    fn flatten(value: Value, field: &str, texts: &mut Vec<String>) -> Result<(), Problem> {
        match value {
            Value::String(text) => texts.push(text),
            Value::Array(list) => {
                for (place, value) in list.into_iter().enumerate() {
                    if let Value::String(text) = value {
                        texts.push(text);
                    } else {
                        flatten(value, &format!("{field}[{place}]"), texts)?;
                    }
                }
            }
            other => return Err(wrong_type(field, &other, "a string")),
        }
        Ok(())
    }
    if !data.is_array() {
        return Err(wrong_type("inputs[0].data", &data, "a list of strings"));
    }
    let mut texts = Vec::new();
    flatten(data, "inputs[0].data", &mut texts)?;
    Ok(texts)
}

fn binary_size(parameters: Option<Value>) -> Result<Option<usize>, Problem> {
    let mut size = None;
    for (name, value) in parse_map("inputs[0].parameters", parameters)? {
        match name.as_str() {
            "binary_data_size" => {
                let field = "inputs[0].parameters.binary_data_size";
                let found = value.as_u64().and_then(|size| usize::try_from(size).ok());
                size = Some(found.ok_or_else(|| wrong_type(field, &value, "a whole number of bytes"))?);
            }
            "content_type" => {}
            _ => return Err(unknown("inputs[0].parameters", &name, &["binary_data_size", "content_type"])),
        }
    }
    Ok(size)
}

/// BYTES elements as raw bytes: each its length (4 bytes, little-endian), then itself.
fn parse_binary(tail: &[u8], size: usize) -> Result<Vec<String>, Problem> {
    let field = "inputs[0].parameters.binary_data_size";
    if tail.len() != size {
        let detail = format!("{} bytes follow the JSON where {size} are announced", tail.len());
        return Err(invalid(
            field,
            detail,
            "send header inference-header-content-length and exactly the bytes announced",
        ));
    }
    let mut rest = tail;
    let mut texts = Vec::new();
    while !rest.is_empty() {
        let element = rest.split_first_chunk().and_then(|(length, after)| {
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            after.split_at_checked(length)
        });
        let place = texts.len();
        let Some((element, after)) = element else {
            let detail = format!("element {place} is longer than the bytes left");
            return Err(invalid(
                field,
                detail,
                "prefix each element with its length in 4 bytes, little-endian",
            ));
        };
        let text = std::str::from_utf8(element).map_err(|error| {
            let detail = format!("not UTF-8: invalid byte at position {}", error.valid_up_to());
            invalid(format!("inputs[0].data[{place}]"), detail, "encode the text as UTF-8")
        })?;
        texts.push(text.to_owned());
        rest = after;
    }
    Ok(texts)
}

impl OutputKind {
    /// Its name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Labels => "labels",
            Self::Score => "score",
            Self::Scores => "scores",
            Self::Entities => "entities",
            Self::Embedding => "embedding",
        }
    }

    /// The outputs of a task, at most two of which are usual; none for a task whose inputs are no single tensor.
    pub(crate) fn of(task: Task) -> &'static [Self] {
        match task {
            Task::TextClassification | Task::LanguageIdentification => {
                &[Self::Label, Self::Score, Self::Scores]
            }
            Task::MultiLabelClassification => &[Self::Labels, Self::Scores],
            Task::TokenClassification => &[Self::Entities],
            Task::ZeroShotClassification => &[Self::Labels, Self::Score],
            Task::Embedding => &[Self::Embedding],
            Task::TextPairClassification | Task::Translation => &[],
        }
    }
}

fn parse_outputs(value: Option<Value>, task: Task, binary: bool) -> Result<Vec<Output>, Problem> {
    let all = OutputKind::of(task);
    let list = match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list,
        Some(other) => return Err(wrong_type("outputs", &other, "a list of outputs")),
    };
    if list.is_empty() {
        let usual = &all[..all.len().min(2)];
        return Ok(usual.iter().map(|kind| Output { kind: *kind, classification: None, binary }).collect());
    }
    let mut outputs: Vec<Output> = Vec::with_capacity(list.len());
    for (place, value) in list.into_iter().enumerate() {
        let path = format!("outputs[{place}]");
        let output = parse_output(&path, value, all, binary)?;
        if outputs.iter().any(|earlier| earlier.kind == output.kind) {
            let detail = format!("output {:?} is asked for twice", output.kind.name());
            return Err(invalid(join(&path, "name"), detail, "name it once"));
        }
        outputs.push(output);
    }
    Ok(outputs)
}

fn parse_output(path: &str, value: Value, all: &[OutputKind], binary: bool) -> Result<Output, Problem> {
    let Value::Object(object) = value else { return Err(wrong_type(path, &value, "an output object")) };
    let [name, parameters] = Members::of(object).take(path, ["name", "parameters"])?;
    let field = join(path, "name");
    let name = match name {
        Some(Value::String(name)) => name,
        Some(other) => return Err(wrong_type(&field, &other, "a string")),
        None => return Err(invalid(field, "member \"name\" is missing", "name the output")),
    };
    let Some(kind) = all.iter().copied().find(|kind| kind.name() == name) else {
        let shown: String = name.chars().take(80).collect();
        let names: Vec<&str> = all.iter().map(|kind| kind.name()).collect();
        return Err(invalid(
            field,
            format!("no output is called {shown:?}"),
            format!("outputs are {}", names.join(", ")),
        ));
    };
    let mut output = Output { kind, classification: None, binary };
    let path = join(path, "parameters");
    for (name, value) in parse_map(&path, parameters)? {
        let field = join(&path, &name);
        match name.as_str() {
            "binary_data" => output.binary = parse_flag(&field, &value)?,
            "classification" if kind == OutputKind::Scores => {
                let count =
                    value.as_u64().and_then(|count| usize::try_from(count).ok()).filter(|count| *count > 0);
                output.classification = Some(count.ok_or_else(|| {
                    invalid(
                        &field,
                        format!("{value} where a whole number from 1 is expected"),
                        "send how many labels to return",
                    )
                })?);
            }
            "classification" => {
                return Err(invalid(
                    field,
                    "only output scores can be classified",
                    "ask for it on output scores",
                ));
            }
            _ => return Err(unknown(&path, &name, &["binary_data", "classification"])),
        }
    }
    Ok(output)
}
