//! Models in an ONNX file, from any framework, run by `rten`, or by an ONNX Runtime of the user's own.
//!
//! Graphs work on rectangles, so texts are padded, each to the next multiple of eight tokens whatever stands beside it: the
//! others of its batch change the rounding of its answer and no more. Graphs without a mask get texts of one length at
//! a time, and graphs that quantise what they compute, over the whole of a batch, get one text at a time.
//!
//! Without the feature `onnx` there is no engine, and loading such a model says so.

#[cfg(not(feature = "onnx"))]
mod absent;
#[cfg(feature = "onnx")]
mod graph;
#[cfg(feature = "onnx")]
mod library;
#[cfg(feature = "onnx")]
mod model;
#[cfg(feature = "onnx")]
mod own;
mod problem;
mod runtime;

use std::path::Path;

#[cfg(not(feature = "onnx"))]
pub use absent::{OnnxModel, OnnxScratch};
#[cfg(feature = "onnx")]
pub use model::{OnnxModel, OnnxScratch};
pub use problem::OnnxProblem;
pub use runtime::OnnxRuntime;

impl OnnxModel {
    /// Name of the file in a folder.
    pub const FILE: &'static str = "model.onnx";

    /// Whether the artifact in `folder` is an ONNX file.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(Self::FILE).is_file()
    }
}
