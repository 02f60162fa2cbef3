//! The OpenAPI 3.1 document of every route.

mod answers;
mod document;
mod operations;
mod requests;
mod schemas;

pub use document::openapi;
