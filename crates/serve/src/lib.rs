//! The HTTP edge of Loquat: hosts the pipelines of a store behind Loquat's own route and the Open Inference Protocol.
//!
//! One process hosts every endpoint of the configuration and, under its own name, every registered model with an
//! alias `champion`. A watcher follows the aliases of the store and swaps a pipeline once the new version has loaded
//! and replayed its golden inputs. This crate trains nothing and reads no environment.

mod body;
mod config;
mod error;
mod exchange;
mod gate;
mod health;
mod host;
mod metrics;
mod open_inference;
mod openapi;
mod openapi_schemas;
mod predict;
mod problem;
mod render;
mod routes;
mod server;
mod tensor_input;
mod tensor_output;
mod watch;

pub use config::ServeConfig;
pub use error::ServeError;
pub use openapi::openapi;
pub use routes::routes;
pub use server::serve;
