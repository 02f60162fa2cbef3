//! Reads `config.json` field by field, with the defaults of transformers.

use loquat_kernels::Activation;
use serde_json::{Map, Value};

use crate::checkpoint::Checkpoint;
use crate::error::ModelError;

/// The fields of a configuration.
#[derive(Clone, Copy)]
pub(crate) struct Settings<'c> {
    checkpoint: &'c Checkpoint,
    fields: &'c Map<String, Value>,
}

impl<'c> Settings<'c> {
    pub(crate) fn new(checkpoint: &'c Checkpoint) -> Self {
        Self { checkpoint, fields: checkpoint.config() }
    }

    /// A field that is present and not null.
    pub(super) fn get(self, field: &str) -> Option<&'c Value> {
        self.fields.get(field).filter(|value| !value.is_null())
    }

    fn problem(self, field: &'static str, problem: &'static str) -> ModelError {
        ModelError::Config { path: self.checkpoint.config_path(), field, problem }
    }

    /// A count of at least one that has no default.
    pub(super) fn size(self, field: &'static str) -> Result<usize, ModelError> {
        match self.count(field, 0)? {
            0 => Err(self.problem(field, "must be a positive whole number")),
            size => Ok(size),
        }
    }

    /// A whole number; -1, which some fields use for "none", is read as zero.
    pub(crate) fn count(self, field: &'static str, default: usize) -> Result<usize, ModelError> {
        let Some(value) = self.get(field) else { return Ok(default) };
        let number = value.as_i64().filter(|number| (-1..1 << 31).contains(number));
        let number = number.ok_or_else(|| self.problem(field, "must be a whole number"))?;
        Ok(usize::try_from(number).unwrap_or(0))
    }

    pub(crate) fn id(self, field: &'static str, default: u32) -> Result<u32, ModelError> {
        Ok(self.count(field, default as usize)? as u32)
    }

    pub(super) fn float(self, field: &'static str, default: f32) -> Result<f32, ModelError> {
        let Some(value) = self.get(field) else { return Ok(default) };
        let number = value.as_f64().map(|number| number as f32).filter(|number| number.is_finite());
        number.ok_or_else(|| self.problem(field, "must be a number"))
    }

    pub(super) fn flag(self, field: &'static str, default: bool) -> Result<bool, ModelError> {
        let Some(value) = self.get(field) else { return Ok(default) };
        value.as_bool().ok_or_else(|| self.problem(field, "must be true or false"))
    }

    pub(crate) fn text(self, field: &'static str, default: &'c str) -> Result<&'c str, ModelError> {
        let Some(value) = self.get(field) else { return Ok(default) };
        value.as_str().ok_or_else(|| self.problem(field, "must be a text"))
    }

    /// An activation by the name that transformers gives it.
    pub(super) fn activation(self, field: &'static str, default: &'c str) -> Result<Activation, ModelError> {
        match self.text(field, default)? {
            "gelu" | "gelu_python" => Ok(Activation::Gelu),
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Ok(Activation::GeluTanh),
            "relu" => Ok(Activation::Relu),
            "tanh" => Ok(Activation::Tanh),
            "silu" | "swish" => Ok(Activation::Silu),
            other => {
                Err(self.unsupported(field, other, "gelu, gelu_new, gelu_pytorch_tanh, relu, tanh and silu"))
            }
        }
    }

    /// Refuses a field whose value is none of `supported`.
    pub(super) fn only(
        self,
        field: &'static str,
        supported: Value,
        words: &'static str,
    ) -> Result<(), ModelError> {
        match self.get(field) {
            Some(value) if *value != supported => Err(self.unsupported(field, value.to_string(), words)),
            _ => Ok(()),
        }
    }

    pub(super) fn unsupported(
        self,
        field: &'static str,
        found: impl Into<String>,
        supported: &'static str,
    ) -> ModelError {
        self.checkpoint.unsupported(field, found, supported)
    }

    /// Heads of equal size.
    pub(super) fn heads(self, field: &'static str, hidden: usize) -> Result<usize, ModelError> {
        let heads = self.size(field)?;
        if hidden.is_multiple_of(heads) {
            Ok(heads)
        } else {
            Err(self.problem(field, "must divide the hidden size"))
        }
    }

    /// Labels in the order of the logits; `None` where the configuration does not name them.
    pub(crate) fn labels(self) -> Result<Option<Vec<String>>, ModelError> {
        let Some(value) = self.get("id2label") else { return Ok(None) };
        let problem = || self.problem("id2label", "must map every number from 0 to a label");
        let labels = value.as_object().ok_or_else(problem)?;
        let label = |number: usize| labels.get(&number.to_string())?.as_str().map(str::to_owned);
        (0..labels.len()).map(|number| label(number).ok_or_else(problem)).collect::<Result<_, _>>().map(Some)
    }
}
