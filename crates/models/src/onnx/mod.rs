//! Models in an ONNX file, from any framework, run by `rten`.
//!
//! Graphs work on rectangles, so texts are padded, each to the next multiple of eight tokens whatever stands beside it: the
//! others of its batch change the rounding of its answer and no more. Graphs without a mask get texts of one length at
//! a time, and graphs that quantise what they compute, over the whole of a batch, get one text at a time.

mod graph;
mod model;
mod problem;

pub use model::{OnnxModel, OnnxScratch};
pub use problem::OnnxProblem;
