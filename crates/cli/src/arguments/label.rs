//! Arguments of the commands that help to label.

use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Commands that help to label.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum LabelCommand {
    /// Asks for the labels of rows without one: those that the champion is least sure of, and that are unlike each other
    Next(LabelNext),
    /// Asks about the labels that the last training doubts, most doubtful first
    Review(LabelReview),
    /// Writes all rows of the data, those that were reviewed with the labels decided; the source stays as it is
    Apply(LabelApply),
}

/// Arguments of `label next`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct LabelNext {
    /// Folder of resources [default: --dir]
    #[arg(value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    /// Rows that FILE shall hold in the end, those of earlier sessions among them
    #[arg(short, long, value_name = "N", default_value = "50")]
    pub(crate) number: NonZeroUsize,
    /// File of jsonl that each row is appended to with its label; rows in it are not asked again. Without a terminal the rows
    /// are written with an empty label
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// The Training, where the folder has several
    #[arg(long, value_name = "NAME")]
    pub(crate) training: Option<String>,
}

/// Arguments of `label review`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct LabelReview {
    /// Folder of resources [default: --dir]
    #[arg(value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    /// File of jsonl that each decided row is appended to; rows in it are not asked again. Without a terminal all doubtful rows
    /// are written with an empty label
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// The Training, where the folder has several
    #[arg(long, value_name = "NAME")]
    pub(crate) training: Option<String>,
}

/// Arguments of `label apply`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct LabelApply {
    /// Folder of resources [default: --dir]
    #[arg(value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    /// File that `label review` wrote
    #[arg(long, value_name = "FILE")]
    pub(crate) reviewed: PathBuf,
    /// File of jsonl to write
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// The Training, where the folder has several
    #[arg(long, value_name = "NAME")]
    pub(crate) training: Option<String>,
}
