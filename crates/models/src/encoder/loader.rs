//! Reads an encoder's weights from a checkpoint, tensor by tensor, and knows afterwards which were left unread. Packed ones
//! come from a file where they are kept.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use loquat_kernels::{Frozen, Kernels, LayerNorm, Linear, PackedF32, PackedI8, Plain, Weights};
use safetensors::tensor::Dtype;

use super::Precision;
use super::embedding::Embedding;
use crate::checkpoint::Checkpoint;
use crate::compute::Device;
use crate::error::ModelError;
use crate::packed::{PackedFile, PackedWriter};
use crate::tensor::Tensor;

/// Suffix of the tensor that holds the scale of each row of an `i8` tensor.
pub(super) const SCALE: &str = "_scale";

/// Rows of eight-bit integers, and the scale of each.
type ByteRows = (Vec<i8>, Vec<f32>);

/// What is done with packed weights.
pub(super) enum Packing<'p> {
    /// They are the model's own.
    Own,
    /// They are in this file; those that are not are packed again.
    Kept(&'p PackedFile),
    /// They are the model's own, and are written into this file.
    Keep(Box<RefCell<PackedWriter>>),
}

/// What a load has read so far.
pub(super) struct Loader<'c> {
    pub(super) checkpoint: &'c Checkpoint,
    pub(super) kernels: Kernels,
    pub(super) precision: Precision,
    /// Where blocks are computed.
    pub(super) device: Device,
    packing: Packing<'c>,
    read: RefCell<BTreeSet<String>>,
    shared: Cell<usize>,
}

/// A place in the tree of tensor names.
#[derive(Clone)]
pub(super) struct Scope<'l> {
    loader: &'l Loader<'l>,
    prefix: String,
}

impl<'c> Loader<'c> {
    pub(super) fn new(
        checkpoint: &'c Checkpoint,
        kernels: Kernels,
        (precision, device): (Precision, Device),
        packing: Packing<'c>,
    ) -> Self {
        Self {
            checkpoint,
            kernels,
            precision,
            device,
            packing,
            read: RefCell::default(),
            shared: Cell::new(0),
        }
    }

    /// Bytes read so far that lie in mapped files.
    pub(super) fn shared_bytes(&self) -> usize {
        self.shared.get()
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
    /// would give a plausible wrong number. Gives back what was to be done with packed weights.
    pub(super) fn finish(self, ignored: &[&str]) -> Result<Packing<'c>, ModelError> {
        let read = self.read.borrow();
        let part = |name: &str| ["layer.", "layers.", "embeddings."].iter().any(|part| name.contains(part));
        let left = self.checkpoint.names().find(|name| {
            part(name)
                && !read.contains(*name)
                && !name.ends_with(SCALE)
                && !["position_ids", "inv_freq"].iter().chain(ignored).any(|part| name.contains(part))
        });
        if let Some(name) = left {
            return Err(self.checkpoint.tensor_error(name, "is not part of the architecture in config.json"));
        }
        drop(read);
        Ok(self.packing)
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
        let loader = parts[0].loader;
        let (kernels, rows) = (loader.kernels, parts.len() * outputs);
        let names: Vec<String> = parts.iter().map(|part| part.name("weight")).collect();
        if let Some(weights) = loader.kept(&names, precision, [rows, inputs]) {
            return Ok(Linear::new(weights, bias.then_some(biases)));
        }
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
        if let Packing::Keep(writer) = &loader.packing {
            writer.borrow_mut().push(&key(&names, precision), &weights.parts());
        }
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
        // Not looked through for values that are no numbers, which would read all of it: what is mapped was, when it was made.
        if let Some(values) = self.mapped("weight", Dtype::F32, &[rows, width]) {
            return Ok(self.counted(Embedding::new(values, width)));
        }
        Ok(Embedding::new(self.floats("weight", &[rows, width])?, width))
    }

    /// The table of words, eight-bit where it is stored so or the encoder's precision says so: it is the largest tensor of small
    /// models. Rows times their scales are the same numbers now or later.
    pub(super) fn words(&self, rows: usize, width: usize) -> Result<Embedding, ModelError> {
        let scales = format!("weight{SCALE}");
        if let Some(values) = self.mapped("weight", Dtype::I8, &[rows, width])
            && let Some(scales) = self.mapped(&scales, Dtype::F32, &[rows])
        {
            return Ok(self.counted(Embedding::of_bytes(values, scales, width)));
        }
        if let Some((values, scales)) = self.bytes("weight", [rows, width])? {
            return Ok(Embedding::of_bytes(values, scales, width));
        }
        match self.loader.precision {
            Precision::F32 => self.table(rows, width),
            Precision::Int8 => Ok(Embedding::quantised(&self.floats("weight", &[rows, width])?, width)),
        }
    }

    /// The numbers of a tensor in a mapped file, where it is of this type and shape.
    fn mapped<T: Plain>(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Option<Frozen<T>> {
        let name = self.name(name);
        let values = self.loader.checkpoint.mapped(&name, dtype, shape)?;
        self.loader.read.borrow_mut().insert(name);
        Some(values)
    }

    fn counted(&self, table: Embedding) -> Embedding {
        self.loader.count(table.shared_bytes());
        table
    }
}

impl Loader<'_> {
    /// The packed weights of these tensors, one under the other, from the file that keeps them.
    fn kept(&self, names: &[String], precision: Precision, shape: [usize; 2]) -> Option<Weights> {
        let Packing::Kept(file) = &self.packing else { return None };
        let parts = file.parts(&key(names, precision));
        let weights = match precision {
            Precision::F32 => PackedF32::mapped(self.kernels, shape, &file.mapping, parts).map(Weights::F32),
            Precision::Int8 => PackedI8::mapped(self.kernels, shape, &file.mapping, parts).map(Weights::I8),
        }?;
        self.read.borrow_mut().extend(names.iter().cloned());
        self.count(weights.shared_bytes());
        Some(weights)
    }

    fn count(&self, bytes: usize) {
        self.shared.set(self.shared.get() + bytes);
    }
}

/// What packed weights are kept under: a head's are in full precision whatever the encoder's.
fn key(names: &[String], precision: Precision) -> String {
    format!("{} {}", precision.as_str(), names.join(" "))
}
