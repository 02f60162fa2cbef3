//! The resources of a running server: what is declared, who declared it, how it fares, and the routes that change it.

mod condition;
mod declaration;
mod declared;
mod importing;
mod item;
mod manifest;
mod refusal;
mod routes;
mod serving;
mod standing;

pub(crate) use condition::{Condition, timestamp};
pub(crate) use declaration::DeclaredEndpoint;
pub(crate) use declared::Declared;
pub use importing::Importer;
pub(crate) use importing::{Importing, Imports};
pub(crate) use routes::{apply, delete, get, list, put};
pub(crate) use serving::Serving;
pub(crate) use standing::Standings;
