//! Encoders as differentiable models: the architectures of `loquat-models` with backward passes, an optimiser, a schedule,
//! batches by length, and checkpoints.
//!
//! Everything is computed by the products and backward passes of `loquat-kernels`, whole rows of a matrix at a time, and the
//! rows are shared out to the threads of the caller's pool. A row's result does not depend on the rows beside it, so a
//! training gives the same weights bit for bit whatever the number of threads, and however often it was interrupted.
//!
//! With the feature `gpu`, the blocks of a model that was brought [onto one](Gpu) are computed there, by `loquat-gpu`; all else
//! stays here, and so does every objective. A GPU adds in another order each time, so there the promise of equal bits ends.

mod adamw;
mod batches;
mod bert;
mod block;
mod classifier;
mod contrast;
mod distillation;
mod dropout;
mod embedder;
mod error;
mod fine_tune;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(not(feature = "gpu"))]
#[path = "gpu_absent.rs"]
mod gpu;
mod learner;
mod linear;
mod loss;
mod masked;
mod norm;
mod parameter;
mod random;
mod rows;
mod schedule;
mod state;

pub use adamw::AdamW;
pub use classifier::{Example, LabelledWord, TextClassifier};
pub use contrast::Contrast;
pub use distillation::Taught;
pub use embedder::{PairedText, TextEmbedder, TextPair};
pub use error::NnError;
pub use fine_tune::{Epoch, FineTune, Interrupt, Outcome, Watch};
pub use gpu::Gpu;
pub use loss::Targets;
pub use masked::{GapFiller, Vocabulary};
pub use schedule::Schedule;
