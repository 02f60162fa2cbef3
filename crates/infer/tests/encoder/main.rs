//! Pipelines over encoders, and imports, with the tiny random models of `crates/models/tests/reference`.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod answers;
mod fixture;
mod imports;
#[cfg(feature = "onnx")]
mod onnx;
mod shared;
