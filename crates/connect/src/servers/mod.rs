//! Servers of any framework that answer for models over the Open Inference Protocol v2: started where there is a command,
//! watched, started again when they end, and asked.
//!
//! A command comes from a resource that the user wrote, never from an artifact, which may have been imported from
//! elsewhere: whoever asks for a model's server finds it here by the model's name, or not at all.

mod client;
mod error;
mod process;
mod registry;
mod supervisor;
mod tensor;

pub use error::ServerError;
pub use registry::{ModelServers, ServerConfig};
pub use tensor::{Tensor, Values};
