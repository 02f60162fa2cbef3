//! Response bodies of the Open Inference Protocol: tensors as JSON or as raw bytes behind it.

use std::collections::HashMap;

use loquat_infer::Pipeline;
use loquat_spec::{ErrorCode, LabelScore, Prediction, Task};
use serde::{Serialize, Serializer};

use crate::ask::in_words;
use crate::problem::Problem;
use crate::protocols::tensor_input::{Output, OutputKind, Reply};

/// What was predicted for one text.
pub(crate) struct Row {
    /// The label; a JSON list of labels or of spans for tasks that answer several.
    pub(crate) label: String,
    /// Its probability.
    pub(crate) score: f32,
    /// The probability of every label, when asked for; the vector of an embedding.
    pub(crate) scores: Vec<f32>,
}

impl Row {
    /// The row of a prediction, which scores every label where the output `scores` was asked for.
    pub(crate) fn new(prediction: Prediction, pipeline: &Pipeline, threshold: Option<f32>) -> Self {
        let scores = in_label_order(&prediction, pipeline.labels());
        match prediction {
            Prediction::Label { label, score, .. } => Self { label, score, scores },
            Prediction::Labels { mut labels } if pipeline.task() == Task::MultiLabelClassification => {
                let thresholds = pipeline.manifest().thresholds.as_deref().unwrap_or_default();
                let reaches = |scored: &LabelScore| {
                    let place = pipeline.labels().iter().position(|label| *label == scored.label);
                    let own = place.and_then(|place| thresholds.get(place).copied());
                    threshold.or(own).is_some_and(|threshold| scored.score >= threshold)
                };
                labels.retain(reaches);
                let score = labels.first().map_or(0.0, |scored| scored.score);
                Self { label: in_words(&Prediction::Labels { labels }), score, scores }
            }
            Prediction::Labels { ref labels } => {
                let score = labels.first().map_or(0.0, |scored| scored.score);
                Self { label: in_words(&prediction), score, scores }
            }
            Prediction::Embedding { embedding } => {
                Self { label: String::new(), score: 0.0, scores: embedding }
            }
            Prediction::Similarity { score } => Self { label: String::new(), score, scores },
            Prediction::Entities { .. } => Self { label: in_words(&prediction), score: 0.0, scores },
        }
    }
}

fn in_label_order(prediction: &Prediction, labels: &[String]) -> Vec<f32> {
    let scored = match prediction {
        Prediction::Label { scores, .. } => scores.as_deref().unwrap_or_default(),
        Prediction::Labels { labels } => labels,
        _ => return Vec::new(),
    };
    if scored.len() != labels.len() {
        return Vec::new();
    }
    let by_label: HashMap<&str, f32> =
        scored.iter().map(|scored| (scored.label.as_str(), scored.score)).collect();
    labels.iter().map(|label| by_label.get(label.as_str()).copied().unwrap_or_default()).collect()
}

/// A response body; with binary tensors, the length of the JSON before them.
pub(crate) struct Rendered {
    /// The body.
    pub(crate) bytes: Vec<u8>,
    /// Length of its JSON part.
    pub(crate) json_length: Option<usize>,
}

/// The data of an output tensor.
pub(crate) enum Data<'a> {
    /// BYTES that a prediction holds.
    Bytes(Vec<&'a str>),
    /// BYTES made for the answer.
    Owned(Vec<String>),
    /// FP32.
    Floats(Vec<f32>),
}

/// An output tensor, in whichever encoding it goes out.
pub(crate) struct Tensor<'a> {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its shape.
    pub(crate) shape: Vec<usize>,
    /// Type of its elements.
    pub(crate) datatype: &'static str,
    /// Its elements, row-major.
    pub(crate) data: Data<'a>,
    binary: bool,
}

#[derive(Serialize)]
struct OutputTensor<'a> {
    name: &'static str,
    shape: Vec<usize>,
    datatype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<BinarySize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data<'a>>,
}

#[derive(Serialize)]
struct BinarySize {
    binary_data_size: usize,
}

#[derive(Serialize)]
struct InferResponse<'a> {
    model_name: &'a str,
    model_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    outputs: Vec<OutputTensor<'a>>,
}

impl Reply {
    /// The output tensors, in the order asked for.
    pub(crate) fn tensors<'a>(&self, labels: &[String], rows: &'a [Row]) -> Vec<Tensor<'a>> {
        let tensor = |output: &Output| {
            let (columns, datatype, data) = output.data(labels, rows);
            let mut shape = self.shape.clone();
            shape.extend(columns);
            Tensor { name: output.kind.name(), shape, datatype, data, binary: output.binary }
        };
        self.outputs.iter().map(tensor).collect()
    }

    /// The response body.
    pub(crate) fn render(
        &self,
        model: &str,
        version: u32,
        labels: &[String],
        rows: &[Row],
    ) -> Result<Rendered, Problem> {
        let mut tail = Vec::new();
        let mut binary = false;
        let mut outputs = Vec::with_capacity(self.outputs.len());
        for tensor in self.tensors(labels, rows) {
            let Tensor { name, shape, datatype, data, .. } = tensor;
            if tensor.binary {
                binary = true;
                let before = tail.len();
                data.write_binary(&mut tail);
                let parameters = Some(BinarySize { binary_data_size: tail.len() - before });
                outputs.push(OutputTensor { name, shape, datatype, parameters, data: None });
            } else {
                outputs.push(OutputTensor { name, shape, datatype, parameters: None, data: Some(data) });
            }
        }
        let response = InferResponse {
            model_name: model,
            model_version: version.to_string(),
            id: self.id.as_deref(),
            outputs,
        };
        let mut bytes = Vec::with_capacity(192 + rows.len() * 32 + tail.len());
        serde_json::to_writer(&mut bytes, &response).map_err(|error| {
            Problem::new(ErrorCode::Internal, format!("the response can't be written: {error}"))
        })?;
        let json_length = binary.then_some(bytes.len());
        bytes.extend_from_slice(&tail);
        Ok(Rendered { bytes, json_length })
    }
}

impl Output {
    /// Columns beyond the shape of the input, datatype and data.
    fn data<'a>(&self, labels: &[String], rows: &'a [Row]) -> (Option<usize>, &'static str, Data<'a>) {
        match (self.kind, self.classification) {
            (OutputKind::Label | OutputKind::Labels | OutputKind::Entities, _) => {
                (None, "BYTES", Data::Bytes(rows.iter().map(|row| row.label.as_str()).collect()))
            }
            (OutputKind::Score, _) => {
                (None, "FP32", Data::Floats(rows.iter().map(|row| row.score).collect()))
            }
            (OutputKind::Embedding, _) => {
                let width = rows.first().map_or(0, |row| row.scores.len());
                let all = rows.iter().flat_map(|row| row.scores.iter().copied()).collect();
                (Some(width), "FP32", Data::Floats(all))
            }
            (OutputKind::Scores, None) => {
                let all = rows.iter().flat_map(|row| row.scores.iter().copied()).collect();
                (Some(labels.len()), "FP32", Data::Floats(all))
            }
            (OutputKind::Scores, Some(count)) => {
                let count = count.min(labels.len());
                let best = rows.iter().flat_map(|row| classify(&row.scores, labels, count)).collect();
                (Some(count), "BYTES", Data::Owned(best))
            }
        }
    }
}

/// The best `count` labels as `value:index:label`.
fn classify(scores: &[f32], labels: &[String], count: usize) -> Vec<String> {
    let mut order: Vec<usize> = (0..scores.len().min(labels.len())).collect();
    order.sort_by(|left, right| scores[*right].total_cmp(&scores[*left]).then(left.cmp(right)));
    order.truncate(count);
    order.into_iter().map(|index| format!("{}:{index}:{}", scores[index], labels[index])).collect()
}

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bytes(texts) => texts.serialize(serializer),
            Self::Owned(texts) => texts.serialize(serializer),
            Self::Floats(values) => values.serialize(serializer),
        }
    }
}

impl Data<'_> {
    /// Appends the elements as raw bytes.
    pub(crate) fn write_binary(&self, out: &mut Vec<u8>) {
        match self {
            Self::Bytes(texts) => texts.iter().for_each(|text| write_element(out, text)),
            Self::Owned(texts) => texts.iter().for_each(|text| write_element(out, text)),
            Self::Floats(values) => {
                values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()))
            }
        }
    }
}

fn write_element(out: &mut Vec<u8>, text: &str) {
    // A label longer than 4 GiB can't exist: bodies and artifacts are smaller.
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}
