//! Transformer encoders: BERT and its relatives, DeBERTa, ModernBERT and BART, with heads for sequences, pairs, tokens and embeddings.
//!
//! A model is a folder in the Hugging Face layout. There is no padding: the sequences of a batch are laid end to end.

mod architecture;
mod bart;
mod batch;
mod bert;
mod block;
mod classifier;
mod convolution;
mod deberta;
mod dense;
mod embedder;
mod embedding;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(not(feature = "gpu"))]
#[path = "gpu_absent.rs"]
mod gpu;
mod head;
mod loader;
mod model;
mod modernbert;
mod pooling;
mod problem;
mod prompts;
mod quantise;
mod scratch;
mod settings;
mod tokens;

pub use architecture::Architecture;
pub use batch::PackedBatch;
pub use classifier::PooledClassifier;
pub use head::Head;
pub use loquat_spec::Precision;
pub use model::Encoder;
#[cfg(feature = "onnx")]
pub(crate) use pooling::Pooled;
pub use problem::Problem;
pub use prompts::Prompts;
pub use scratch::EncoderScratch;
#[cfg(feature = "onnx")]
pub(crate) use scratch::sized;
#[cfg(feature = "onnx")]
pub(crate) use settings::Settings;
pub use tokens::TokenClassifier;
