//! The dense module of sentence-transformers: a product of the pooled vector, and an activation.

use std::path::Path;

use loquat_kernels::{Activation, Epilogue, Kernels, Linear, Matrix, Scratch};

use super::Precision;
use super::loader::{Loader, Packing};
use super::settings::Settings;
use crate::checkpoint::Checkpoint;
use crate::compute::Device;
use crate::error::ModelError;

/// A product in `f32` of every vector, and an activation.
#[derive(Debug, Clone)]
pub(super) struct Dense {
    product: Linear,
    activation: Activation,
}

impl Dense {
    /// Reads the module's own folder, which holds a configuration and weights as a model's does.
    pub(super) fn read(folder: &Path, kernels: Kernels) -> Result<Self, ModelError> {
        let checkpoint = Checkpoint::open(folder)?;
        let settings = Settings::new(&checkpoint);
        let (inputs, outputs) = (settings.size("in_features")?, settings.size("out_features")?);
        let bias = settings.flag("bias", true)?;
        let class = settings.text("activation_function", "torch.nn.modules.activation.Tanh")?;
        let activation = match class.rsplit('.').next().unwrap_or_default() {
            "Tanh" => Activation::Tanh,
            "Identity" => Activation::None,
            "ReLU" => Activation::Relu,
            "GELU" => Activation::Gelu,
            "SiLU" => Activation::Silu,
            _ => {
                let supported = "the classes Tanh, Identity, ReLU, GELU and SiLU of torch.nn";
                return Err(settings.unsupported("activation_function", class, supported));
            }
        };
        let loader = Loader::new(&checkpoint, kernels, (Precision::F32, Device::Processor), Packing::Own);
        Ok(Self { product: loader.scope("linear").head(outputs, inputs, bias)?, activation })
    }

    /// Width of the vectors that it takes.
    pub(super) fn inputs(&self) -> usize {
        self.product.weights().inputs()
    }

    /// Width of the vectors that it gives.
    pub(super) fn outputs(&self) -> usize {
        self.product.weights().outputs()
    }

    /// Writes what becomes of `vectors`, `[sequences, inputs]`, to `out`, `[sequences, outputs]`.
    pub(super) fn forward(&self, kernels: Kernels, vectors: &[f32], out: &mut [f32], scratch: &mut Scratch) {
        let vectors = Matrix::new(vectors, self.inputs());
        kernels.linear(vectors, &self.product, Epilogue::activation(self.activation), out, scratch);
    }
}
