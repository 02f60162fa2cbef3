//! What the tests of several crates share: servers that they talk to, certificates, and tiny models. A dev-dependency only.

mod authority;
mod inference_server;
mod object_server;
mod request;
mod tiny_model;

pub use authority::Authority;
pub use inference_server::InferenceServer;
pub use object_server::{Asked, ObjectServer, ObjectState};
pub use tiny_model::tiny_model;
