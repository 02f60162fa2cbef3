//! Tensors of the Open Inference Protocol v2 as JSON
//! (<https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md>).

use serde::Deserialize;
use serde_json::Value;

/// A tensor that a server gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// What it holds, row by row.
    pub values: Values,
}

/// What a tensor holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Numbers of any type.
    Numbers(Vec<f32>),
    /// Texts.
    Texts(Vec<String>),
}

/// A tensor as it is sent; `data` may be nested as the shape is, or flat.
#[derive(Debug, Deserialize)]
pub(super) struct Sent {
    name: String,
    shape: Vec<usize>,
    datatype: String,
    #[serde(default)]
    data: Value,
}

impl Sent {
    /// The tensor, or what is wrong with it.
    pub(super) fn read(self) -> Result<Tensor, String> {
        let mut flat = Vec::new();
        flatten(self.data, &mut flat);
        let size = self.shape.iter().try_fold(1_usize, |size, side| size.checked_mul(*side));
        if size != Some(flat.len()) {
            return Err(format!(
                "output {:?} of shape {:?} holds {} values",
                self.name,
                self.shape,
                flat.len()
            ));
        }
        let wrong =
            || format!("output {:?} does not hold the {} that it announces", self.name, self.datatype);
        let values = if self.datatype == "BYTES" {
            let texts: Option<Vec<String>> =
                flat.iter().map(|value| value.as_str().map(str::to_owned)).collect();
            Values::Texts(texts.ok_or_else(wrong)?)
        } else {
            let number = |value: &Value| match value {
                Value::Bool(value) => Some(f32::from(u8::from(*value))),
                value => value.as_f64().map(|number| number as f32),
            };
            let numbers: Option<Vec<f32>> = flat.iter().map(number).collect();
            Values::Numbers(numbers.ok_or_else(wrong)?)
        };
        Ok(Tensor { name: self.name, shape: self.shape, values })
    }
}

fn flatten(value: Value, flat: &mut Vec<Value>) {
    match value {
        Value::Array(inside) => inside.into_iter().for_each(|value| flatten(value, flat)),
        Value::Null => {}
        value => flat.push(value),
    }
}
