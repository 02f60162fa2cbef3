//! `cargo xtask check`: what every change must pass.

mod allowed_edges;
mod crate_edges;
mod generated;
mod licences;
mod stages;
mod unsafe_code;

pub(crate) use generated::generate;
pub(crate) use stages::{Stage, run, serve_only};
