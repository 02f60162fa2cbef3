//! The resources as they are written: one struct a mapping, whose documentation is the schema's, and the validation
//! of each into its domain type.
//!
//! Required fields are options here: that they are there is checked against the schema, and what else is wrong with
//! a resource that lacks one can still be found.

pub(crate) mod checks;
mod columns;
pub(crate) mod dataset;
mod document;
pub(crate) mod endpoint;
pub(crate) mod model;
mod server;
mod source;
pub(crate) mod training;

pub(crate) use document::Document;
