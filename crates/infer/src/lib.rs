//! A loaded pipeline: checked inputs in, predictions in the wire's form out.
//!
//! A [`Pipeline`] replays its model's golden inputs before it answers anything. Nothing that a request can hold makes it panic:
//! inputs and parameters are checked against the task first, and each refusal names its field.

pub mod batcher;
mod error;
mod input;
mod parameters;
mod pipeline;
mod ranking;
mod self_test;

pub use error::{InferError, InputError, ManifestProblem};
pub use input::Input;
pub use pipeline::Pipeline;
