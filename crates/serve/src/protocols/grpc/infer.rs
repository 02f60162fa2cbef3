//! `ModelInfer`: the message is read as the JSON body of the same protocol, so that both are checked in one place.

use std::collections::HashMap;

use loquat_spec::ErrorCode;
use serde_json::{Map, Value, json};

use crate::body::Members;
use crate::problem::Problem;
use crate::protocols::grpc::call::Context;
use crate::protocols::grpc::messages::{
    InferTensor, InferTensorContents, ModelInferRequest, ModelInferResponse, ParameterChoice, Parameters,
};
use crate::protocols::grpc::service::named;
use crate::protocols::open_inference::{compute, place};
use crate::protocols::tensor_input::InferRequest;
use crate::protocols::tensor_output::{Data, Tensor};

/// Answers `ModelInfer`; with raw contents where the request has them.
pub(crate) async fn infer(
    context: Context,
    mut message: ModelInferRequest,
) -> Result<ModelInferResponse, Problem> {
    let path = named(std::mem::take(&mut message.model_name), std::mem::take(&mut message.model_version));
    let (host, version) = place(&context.app, path)?;
    let pipeline = context.app.version(&host, version).await?;
    let raw = !message.raw_input_contents.is_empty();
    let id = message.id.clone();
    let (members, tail) = body(message)?;
    let mut request = InferRequest::parse(members, &tail, pipeline.task())?;
    request.timeout = match (request.timeout, context.timeout) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    let (reply, rows) = compute(&host, &pipeline, request, &context.exchange).await?;
    let mut response = ModelInferResponse {
        model_name: host.name.clone(),
        model_version: pipeline.version().to_string(),
        id,
        parameters: HashMap::new(),
        outputs: Vec::new(),
        raw_output_contents: Vec::new(),
    };
    for tensor in reply.tensors(pipeline.labels(), &rows) {
        let contents = if raw {
            let mut bytes = Vec::new();
            tensor.data.write_binary(&mut bytes);
            response.raw_output_contents.push(bytes);
            None
        } else {
            Some(contents(&tensor.data))
        };
        response.outputs.push(output(tensor, contents));
    }
    Ok(response)
}

fn output(tensor: Tensor<'_>, contents: Option<InferTensorContents>) -> InferTensor {
    InferTensor {
        name: tensor.name.to_owned(),
        datatype: tensor.datatype.to_owned(),
        shape: tensor.shape.iter().map(|size| *size as i64).collect(),
        parameters: HashMap::new(),
        contents,
    }
}

fn contents(data: &Data<'_>) -> InferTensorContents {
    let mut contents = InferTensorContents::default();
    match data {
        Data::Bytes(texts) => {
            contents.bytes_contents = texts.iter().map(|text| text.as_bytes().to_vec()).collect()
        }
        Data::Owned(texts) => {
            contents.bytes_contents = texts.iter().map(|text| text.as_bytes().to_vec()).collect()
        }
        Data::Floats(values) => contents.fp32_contents = values.clone(),
    }
    contents
}

/// The members of the JSON body that says the same, and the binary tensor behind it.
fn body(message: ModelInferRequest) -> Result<(Members, Vec<u8>), Problem> {
    let ModelInferRequest { id, parameters, inputs, outputs, mut raw_input_contents, .. } = message;
    if !raw_input_contents.is_empty() && raw_input_contents.len() != inputs.len() {
        let detail = format!("{} raw contents for {} inputs", raw_input_contents.len(), inputs.len());
        return Err(Problem::new(ErrorCode::Invalid, detail)
            .field("raw_input_contents")
            .remedy("send one for each input, or contents in every input"));
    }
    let binary_size = raw_input_contents.first().map(Vec::len);
    let mut tensors = Vec::with_capacity(inputs.len());
    for (place, tensor) in inputs.into_iter().enumerate() {
        tensors.push(input(place, tensor, binary_size)?);
    }
    let mut requested = Vec::with_capacity(outputs.len());
    for output in outputs {
        requested.push(json!({ "name": output.name, "parameters": parameters_of(output.parameters) }));
    }
    let mut members = vec![
        ("parameters".to_owned(), Value::Object(parameters_of(parameters))),
        ("inputs".to_owned(), Value::Array(tensors)),
        ("outputs".to_owned(), Value::Array(requested)),
    ];
    if !id.is_empty() {
        members.push(("id".to_owned(), Value::String(id)));
    }
    let tail = if raw_input_contents.is_empty() { Vec::new() } else { raw_input_contents.swap_remove(0) };
    Ok((Members(members), tail))
}

fn input(place: usize, tensor: InferTensor, binary_size: Option<usize>) -> Result<Value, Problem> {
    let mut parameters = parameters_of(tensor.parameters);
    let mut object = Map::new();
    if let Some(size) = binary_size {
        parameters.insert("binary_data_size".to_owned(), json!(size));
    }
    if let Some(contents) = tensor.contents {
        let mut texts = Vec::with_capacity(contents.bytes_contents.len());
        for (element, bytes) in contents.bytes_contents.into_iter().enumerate() {
            let text = String::from_utf8(bytes).map_err(|_| {
                Problem::new(ErrorCode::Invalid, "not UTF-8")
                    .field(format!("inputs[{place}].contents.bytes_contents[{element}]"))
                    .remedy("encode the text as UTF-8")
            })?;
            texts.push(Value::String(text));
        }
        object.insert("data".to_owned(), Value::Array(texts));
    }
    object.insert("name".to_owned(), Value::String(tensor.name));
    object.insert("datatype".to_owned(), Value::String(tensor.datatype));
    object.insert("shape".to_owned(), json!(tensor.shape));
    object.insert("parameters".to_owned(), Value::Object(parameters));
    Ok(Value::Object(object))
}

/// A parameter without a value becomes null, and a number that JSON has none for too: both are refused at their place.
fn parameters_of(parameters: Parameters) -> Map<String, Value> {
    let value = |choice: Option<ParameterChoice>| match choice {
        Some(ParameterChoice::Bool(value)) => json!(value),
        Some(ParameterChoice::Int64(value)) => json!(value),
        Some(ParameterChoice::String(value)) => json!(value),
        Some(ParameterChoice::Double(value)) => json!(value),
        Some(ParameterChoice::Uint64(value)) => json!(value),
        None => Value::Null,
    };
    parameters.into_iter().map(|(name, parameter)| (name, value(parameter.parameter_choice))).collect()
}
