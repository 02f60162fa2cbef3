//! Checkpoints with eight-bit weights: a quarter of the size, for this engine alone.
//!
//! A quantised tensor is stored as `i8` with a scale for each row beside it, in a file of another name than
//! `model.safetensors`, so that a program that does not know the form finds no weights instead of wrong ones.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Precision;
use super::embedding::quantise_rows;
use super::loader::SCALE;
use super::settings::Settings;
use crate::checkpoint::Checkpoint;
use crate::error::ModelError;
use crate::tensor::Tensor;

const FIELD: &str = "quantization_config";
/// The name of the form in [`FIELD`].
const METHOD: &str = "loquat-int8";
/// The tables of words, by the ends of their names.
const WORDS: [&str; 3] = ["word_embeddings.weight", "tok_embeddings.weight", "shared.weight"];

impl Checkpoint {
    /// The same model with the products of its layers and its table of words in eight bits.
    ///
    /// # Errors
    /// When a tensor can't be read.
    pub fn quantised(&self) -> Result<Self, ModelError> {
        let mut tensors = BTreeMap::new();
        for name in self.names() {
            let Some(tensor) = self.tensor(name)? else { continue };
            let values = if is_quantised(name, tensor.shape()) { tensor.to_f32() } else { None };
            let Some(values) = values else {
                tensors.insert(name.to_owned(), tensor);
                continue;
            };
            let (rows, width) = (tensor.shape()[0], tensor.shape()[1]);
            let (values, scales) = quantise_rows(&values, width);
            tensors.insert(name.to_owned(), Tensor::from_i8(vec![rows, width], &values));
            tensors.insert(format!("{name}{SCALE}"), Tensor::from_f32(vec![rows], &scales));
        }
        let mut config = self.config().clone();
        config.insert(FIELD.to_owned(), json!({"quant_method": METHOD}));
        Ok(Self::new(self.folder().to_owned(), config, tensors))
    }

    /// The precision that the weights are stored in.
    pub fn precision(&self) -> Precision {
        if self.config().contains_key(FIELD) { Precision::Int8 } else { Precision::F32 }
    }
}

fn is_quantised(name: &str, shape: &[usize]) -> bool {
    let layer = (name.contains("layer.") || name.contains("layers.")) && name.ends_with(".weight");
    shape.len() == 2 && shape[0] > 0 && shape[1] > 0 && (layer || WORDS.iter().any(|end| name.ends_with(end)))
}

/// Refuses weights that another program quantised.
pub(super) fn check_method(settings: Settings<'_>) -> Result<(), ModelError> {
    match settings.get(FIELD) {
        None => Ok(()),
        Some(config) if config.get("quant_method").and_then(Value::as_str) == Some(METHOD) => Ok(()),
        Some(config) => {
            let found = config.get("quant_method").unwrap_or(config).to_string();
            Err(settings.unsupported(FIELD, found, "the unquantised model, and int8 made by loquat"))
        }
    }
}
