//! Which CPU kernels encoders compute with.

pub use loquat_kernels::{Kernels, KernelsError};
