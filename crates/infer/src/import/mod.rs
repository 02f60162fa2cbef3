//! Importing a model made elsewhere: its folder becomes an artifact, with golden examples recorded from the pipeline that
//! will serve it, and a card that says what was measured.

mod agreement;
mod card;
mod error;
mod files;
mod request;
mod samples;
mod server;

pub use error::ImportError;
pub use files::{SourceFiles, source_files};
pub use request::{Import, Imported, import};
pub use server::import_server;
