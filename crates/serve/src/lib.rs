//! The HTTP edge of Loquat: hosts the pipelines of a store behind Loquat's own route and the Open Inference Protocol.
//!
//! One process hosts every endpoint of the configuration and, under its own name, every registered model with an
//! alias `champion`. A watcher follows the aliases of the store and swaps a pipeline once the new version has loaded
//! and replayed its golden inputs. This crate trains nothing and reads no environment.

mod ask;
mod body;
mod cascade;
mod choose;
mod config;
mod cors;
mod error;
mod exchange;
mod form;
mod gate;
mod health;
mod host;
mod keys;
mod metrics;
mod note;
mod openapi;
mod patience;
mod predict;
mod problem;
mod protocols;
mod recent;
mod render;
mod resources;
mod route;
mod routes;
mod server;
mod shadow;
mod stamp;
mod tls;
mod traces;
mod wake;
mod watch;
mod why;

pub use config::ServeConfig;
pub use error::ServeError;
pub use keys::{Grant, KeyEntry, KeyError, KeyFile, Scope};
pub use openapi::openapi;
pub use resources::Importer;
pub use routes::routes;
pub use server::serve;
pub use tls::{TlsError, TlsFiles};
