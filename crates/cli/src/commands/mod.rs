//! One file per command.

mod bench;
mod check;
mod completions;
mod config;
mod dispatch;
mod help_markdown;
mod init;
#[cfg(feature = "serve")]
mod keys;
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
mod train;
#[cfg(all(feature = "serve", feature = "train"))]
mod up;

pub(crate) use dispatch::run;
