//! The kinds of resource, one file each.

pub(crate) mod dataset;
pub(crate) mod endpoint;
pub(crate) mod model;
pub(crate) mod training;
