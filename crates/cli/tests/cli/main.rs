//! Runs the real binary in temporary folders.
#![expect(clippy::unwrap_used, reason = "what goes wrong in a helper fails the test that called it")]

mod applied;
mod cascade;
mod check;
mod elsewhere;
mod imports;
mod label;
mod model_servers;
mod models;
mod operation;
mod predict;
mod remote;
mod report;
mod serve;
#[cfg_attr(not(feature = "train"), expect(dead_code, reason = "some is used by the tests that train alone"))]
mod server;
#[cfg_attr(not(feature = "train"), expect(dead_code, reason = "some is used by the tests that train alone"))]
mod support;
mod train;
mod usage;
