//! What encoders compute with.

pub use loquat_kernels::{Kernels, KernelsError};
pub use loquat_models::{Compute, Device, OnnxRuntime};
