//! One file per command.

mod apply;
mod bench;
#[cfg(feature = "train")]
mod cascade;
mod check;
mod completions;
mod config;
mod diff;
mod dispatch;
mod get;
mod help_markdown;
mod init;
#[cfg(feature = "serve")]
mod keys;
mod label;
mod launch;
mod man;
mod models;
mod predict;
mod report;
#[cfg(feature = "train")]
mod reproduce;
mod schema;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "train")]
pub(crate) mod train;
#[cfg(all(feature = "serve", feature = "train"))]
mod up;
mod why;

pub(crate) use dispatch::run;
