//! What can stop a training of an encoder.

use std::path::PathBuf;

/// A model that can't be trained, or a training that can't go on.
#[derive(Debug, thiserror::Error)]
pub enum NnError {
    /// The architecture has no backward pass yet.
    #[error(
        "fine-tuning {architecture} is not yet supported; what is: bert, roberta, xlm-roberta and distilbert"
    )]
    Architecture {
        /// Its name in `config.json`.
        architecture: String,
    },
    /// The backbone pools in a way that has no backward pass yet.
    #[error(
        "fine-tuning with this pooling is not yet supported; use a backbone that pools by mean or by its first token"
    )]
    Pooling,
    /// A tensor of the backbone is missing or of another shape.
    #[error("tensor {tensor:?} {problem}")]
    Tensor {
        /// Its name.
        tensor: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The backbone can't be read.
    #[error(transparent)]
    Model(#[from] loquat_models::ModelError),
    /// The loss or the gradient is not a number any more.
    #[error("the training diverged in step {step}: its {what} is not finite; lower the learning rate")]
    Diverged {
        /// The step.
        step: usize,
        /// `loss`, `gradient` or `answer`.
        what: &'static str,
    },
    /// This build computes on no GPU.
    #[error(
        "this loquat was built without GPU support; build it with `cargo install --features gpu`, or write gpu: 0 to train on the \
         processor"
    )]
    GpuNotBuilt,
    /// The GPU is not there, or failed.
    #[cfg(feature = "gpu")]
    #[error(transparent)]
    Gpu(#[from] loquat_gpu::GpuError),
    /// A checkpoint can't be written or read.
    #[error("can't {action} {path}: {source}", path = path.display())]
    File {
        /// What was attempted.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}
