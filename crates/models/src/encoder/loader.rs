//! Reads an encoder's weights from a checkpoint, tensor by tensor, and knows afterwards which were left unread.

use std::cell::RefCell;
use std::collections::BTreeSet;

use loquat_kernels::{Kernels, LayerNorm, Linear, PackedF32, PackedI8, Weights};

use super::Precision;
use super::embedding::Embedding;
use crate::checkpoint::Checkpoint;
use crate::error::ModelError;
use crate::tensor::Tensor;

/// Suffix of the tensor that holds the scale of each row of an `i8` tensor.
pub(super) const SCALE: &str = "_scale";

/// Rows of eight-bit integers, and the scale of each.
type ByteRows = (Vec<i8>, Vec<f32>);

/// What a load has read so far.
pub(super) struct Loader<'c> {
    pub(super) checkpoint: &'c Checkpoint,
    pub(super) kernels: Kernels,
    pub(super) precision: Precision,
    read: RefCell<BTreeSet<String>>,
}

/// A place in the tree of tensor names.
#[derive(Clone)]
pub(super) struct Scope<'l> {
    loader: &'l Loader<'l>,
    prefix: String,
}

impl<'c> Loader<'c> {
    pub(super) fn new(checkpoint: &'c Checkpoint, kernels: Kernels, precision: Precision) -> Self {
        Self { checkpoint, kernels, precision, read: RefCell::default() }
    }

    /// The place whose names have `prefix`; the root for an empty one.
    pub(super) fn scope(&self, prefix: &str) -> Scope<'_> {
        Scope { loader: self, prefix: prefix.to_owned() }
    }

    /// The trunk of a model: under `base` in a checkpoint with a head, at the root in one without.
    pub(super) fn trunk(&self, base: &str) -> Scope<'_> {
        let under = format!("{base}.");
        let headed = self.checkpoint.names().any(|name| name.starts_with(&under));
        self.scope(if headed { base } else { "" })
    }

    /// Refuses weights of layers and embeddings that the architecture did not ask for: reading a model without them
    /// would give a plausible wrong number.
    pub(super) fn finish(self, ignored: &[&str]) -> Result<(), ModelError> {
        let read = self.read.borrow();
        let part = |name: &str| ["layer.", "layers.", "embeddings."].iter().any(|part| name.contains(part));
        let left = self.checkpoint.names().find(|name| {
            part(name)
                && !read.contains(*name)
                && !name.ends_with(SCALE)
                && !["position_ids", "inv_freq"].iter().chain(ignored).any(|part| name.contains(part))
        });
        match left {
            None => Ok(()),
            Some(name) => {
                Err(self.checkpoint.tensor_error(name, "is not part of the architecture in config.json"))
            }
        }
    }
}

impl Scope<'_> {
    /// A place below this one.
    pub(super) fn at(&self, name: &str) -> Self {
        Self { loader: self.loader, prefix: self.name(name) }
    }

    fn name(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}.{name}", self.prefix) }
    }

    /// The kernels that weights are packed for.
    pub(super) fn kernels(&self) -> Kernels {
        self.loader.kernels
    }

    /// Whether there is such a tensor here.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.loader.checkpoint.contains(&self.name(name))
    }

    /// The number of rows of a tensor.
    pub(super) fn rows(&self, name: &str) -> Result<usize, ModelError> {
        Ok(self.read(name)?.shape().first().copied().unwrap_or(0))
    }

    fn read(&self, name: &str) -> Result<Tensor, ModelError> {
        let name = self.name(name);
        let missing = || self.loader.checkpoint.tensor_error(&name, "is missing");
        let tensor = self.loader.checkpoint.tensor(&name)?.ok_or_else(missing)?;
        self.loader.read.borrow_mut().insert(name);
        Ok(tensor)
    }

    /// The values of a tensor of this shape; eight-bit rows are multiplied by their scales.
    pub(super) fn floats(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let problem = |problem| self.loader.checkpoint.tensor_error(&self.name(name), problem);
        let tensor = self.read(name)?;
        if tensor.shape() != shape {
            return Err(problem("has another shape than config.json asks for"));
        }
        let values = match tensor.to_i8() {
            Some(values) => {
                let scales = self.floats(&format!("{name}{SCALE}"), &shape[..1])?;
                let width = values.len() / scales.len().max(1);
                let rows = values.chunks_exact(width.max(1)).zip(&scales);
                rows.flat_map(|(row, scale)| row.iter().map(move |v| f32::from(*v) * scale)).collect()
            }
            None => tensor.to_f32().ok_or_else(|| problem("is not of type f32, bf16, f16 or i8"))?,
        };
        if values.iter().all(|v| v.is_finite()) {
            Ok(values)
        } else {
            Err(problem("holds a value that is not finite"))
        }
    }

    /// The bytes and row scales of a tensor that is stored in eight bits; `None` for another.
    fn bytes(&self, name: &str, shape: [usize; 2]) -> Result<Option<ByteRows>, ModelError> {
        if !self.loader.checkpoint.is_int8(&self.name(name)) {
            return Ok(None);
        }
        let problem = |problem| self.loader.checkpoint.tensor_error(&self.name(name), problem);
        let tensor = self.read(name)?;
        if tensor.shape() != shape {
            return Err(problem("has another shape than config.json asks for"));
        }
        let bytes = tensor.to_i8().unwrap_or_default();
        if bytes.contains(&i8::MIN) {
            return Err(problem("holds -128, where eight-bit weights go from -127 to 127"));
        }
        Ok(Some((bytes, self.floats(&format!("{name}{SCALE}"), &shape[..1])?)))
    }

    /// A product with `outputs` rows, whose weights are eight-bit where the encoder's precision says so.
    pub(super) fn linear(&self, outputs: usize, inputs: usize, bias: bool) -> Result<Linear, ModelError> {
        Self::stacked(std::slice::from_ref(self), outputs, inputs, bias)
    }

    /// Several products of the same input as one: their rows stand one under the other, `outputs` each.
    pub(super) fn stacked(
        parts: &[Self],
        outputs: usize,
        inputs: usize,
        bias: bool,
    ) -> Result<Linear, ModelError> {
        Self::pack(parts, parts[0].loader.precision, [outputs, inputs], bias)
    }

    /// A product of a head, always in `f32`: it is small, and what it answers is what users see.
    pub(super) fn head(&self, outputs: usize, inputs: usize, bias: bool) -> Result<Linear, ModelError> {
        Self::pack(std::slice::from_ref(self), Precision::F32, [outputs, inputs], bias)
    }

    fn pack(
        parts: &[Self],
        precision: Precision,
        [outputs, inputs]: [usize; 2],
        bias: bool,
    ) -> Result<Linear, ModelError> {
        let mut biases = Vec::new();
        if bias {
            for part in parts {
                biases.extend(part.floats("bias", &[outputs])?);
            }
        }
        let kernels = parts[0].loader.kernels;
        let rows = parts.len() * outputs;
        let floats = || -> Result<Vec<f32>, ModelError> {
            let mut weights = Vec::with_capacity(rows * inputs);
            for part in parts {
                weights.extend(part.floats("weight", &[outputs, inputs])?);
            }
            Ok(weights)
        };
        let weights = match precision {
            Precision::F32 => Weights::F32(PackedF32::new(kernels, &floats()?, rows, inputs)),
            Precision::Int8 => Weights::I8(match Self::stored_bytes(parts, [outputs, inputs])? {
                Some((bytes, scales)) => PackedI8::new(kernels, &bytes, &scales, rows, inputs),
                None => PackedI8::quantise(kernels, &floats()?, rows, inputs),
            }),
        };
        Ok(Linear::new(weights, bias.then_some(biases)))
    }

    /// The rows of several products, one under the other, where all are stored in eight bits.
    fn stored_bytes(parts: &[Self], shape: [usize; 2]) -> Result<Option<ByteRows>, ModelError> {
        let (mut bytes, mut scales) = (Vec::new(), Vec::new());
        for part in parts {
            let Some((own, own_scales)) = part.bytes("weight", shape)? else { return Ok(None) };
            bytes.extend(own);
            scales.extend(own_scales);
        }
        Ok(Some((bytes, scales)))
    }

    /// A layer norm, whose bias may be missing. Checkpoints of TensorFlow's time call the two `gamma` and `beta`.
    pub(super) fn layer_norm(&self, size: usize, epsilon: f32) -> Result<LayerNorm, ModelError> {
        let (weight, bias) = if self.contains("gamma") { ("gamma", "beta") } else { ("weight", "bias") };
        let weight = self.floats(weight, &[size])?;
        let bias = self.contains(bias).then(|| self.floats(bias, &[size])).transpose()?;
        Ok(LayerNorm { weight, bias, epsilon })
    }

    /// A table of `rows` vectors.
    pub(super) fn table(&self, rows: usize, width: usize) -> Result<Embedding, ModelError> {
        Ok(Embedding::new(self.floats("weight", &[rows, width])?, width, Precision::F32))
    }

    /// The table of words, eight-bit where the encoder's precision says so: it is the largest tensor of small models.
    pub(super) fn words(&self, rows: usize, width: usize) -> Result<Embedding, ModelError> {
        if self.loader.precision == Precision::Int8
            && let Some((values, scales)) = self.bytes("weight", [rows, width])?
        {
            return Ok(Embedding::of_bytes(values, scales, width));
        }
        Ok(Embedding::new(self.floats("weight", &[rows, width])?, width, self.loader.precision))
    }
}
