//! API keys: the file that holds their hashes, the secrets themselves, rate limits, and the check of a request.

mod bucket;
mod doorman;
mod error;
mod file;
mod secret;

pub(crate) use doorman::{Caller, Doorman};
pub use error::KeyError;
pub use file::{Grant, KeyEntry, KeyFile, Scope};
