//! The resources of a running server: what is declared, who declared it, how it fares, and the routes that change it.

mod condition;
mod declared;
mod manifest;
mod routes;

pub(crate) use condition::{Condition, timestamp};
pub(crate) use declared::{Declaration, Declared};
pub(crate) use routes::{delete, get, list, put};
