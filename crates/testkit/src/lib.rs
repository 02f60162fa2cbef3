//! Servers that the tests of several crates talk to. A dev-dependency only.

mod object_server;
mod request;

pub use object_server::{Asked, ObjectServer, ObjectState};
