//! A loaded pipeline: checked inputs in, predictions in the wire's form out.
//!
//! A [`Pipeline`] replays its model's golden inputs before it answers anything. Nothing that a request can hold makes it panic:
//! inputs and parameters are checked against the task first, and each refusal names its field. [`import()`] makes an artifact
//! of a model made elsewhere.

pub mod batcher;
mod cascade;
mod compute;
mod encoder;
mod engine;
mod error;
mod import;
mod input;
mod network;
mod parameters;
mod pipeline;
mod ranking;
mod remote;
mod self_test;
mod tags;
mod windows;
mod zero_shot;

pub use cascade::{CascadeError, Relay, agree, answer_in_turn, check_cascade};
pub use compute::{Compute, Device, Kernels, KernelsError, OnnxRuntime};
pub use error::{InferError, InputError, ManifestProblem};
pub use import::{Import, ImportError, Imported, SourceFiles, import, import_server, source_files};
pub use input::{Input, columns};
pub use loquat_connect::servers::{ModelServers, ServerConfig, ServerError};
pub use pipeline::Pipeline;
pub use tags::{TagSpan, Tags, first_tokens};
