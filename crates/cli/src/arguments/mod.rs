//! What the command line accepts. Parsing only: every command's work lies in `commands`.

mod command;
mod environment;
mod global;
mod hosting;
mod label;
mod models;
mod operation;
mod remote;

pub(crate) use command::{
    Check, Cli, Command, ConfigCommand, FindingFormat, Init, Predict, Report, ReportFormat, RowFormat, Serve,
    Train, Up,
};
pub(crate) use environment::command;
pub(crate) use global::Global;
pub(crate) use hosting::Hosting;
pub(crate) use label::{LabelApply, LabelCommand, LabelNext, LabelReview};
#[cfg(feature = "train")]
pub(crate) use models::{CONFIDENCE, CascadeRows};
pub(crate) use models::{Cascade, ModelsCommand, TableFormat};
pub(crate) use operation::{BenchCommand, BenchServe, KeyScope, KeysCommand, Launch};
pub(crate) use remote::{Apply, Delete, Get, Remote, Tls, Why};
