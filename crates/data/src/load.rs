//! A data set read whole, or checked only.

use std::path::PathBuf;
use std::sync::Arc;

use loquat_connect::sources::Sources;
use loquat_spec::{Dataset, Finding};

use crate::DataError;
use crate::findings::ROWS;
use crate::reading::{Read, Reading};
use crate::table::Table;

/// Where and how a data set is read.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// Folder of the resource file, where relative paths start.
    pub base: PathBuf,
    /// Threads that decode; 0 means one for each core.
    pub threads: usize,
    /// Folder for temporary files (compressed Parquet is unpacked there, and what checks put aside); the system's when
    /// absent.
    pub cache: Option<PathBuf>,
    /// The most folds of a cross-validation on the data; classes with fewer training rows are found. 0: none is made.
    pub folds: usize,
    /// Fetches what lies behind addresses; without it they are refused.
    pub sources: Option<Arc<Sources>>,
}

/// What [`check`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Audit {
    /// Rows read, usable or not.
    pub rows_read: usize,
    /// What the checks found, most severe first.
    pub findings: Vec<Finding>,
}

/// Told how far reading is: the bytes read so far and, where it is known, of how many.
pub type OnProgress<'a> = &'a (dyn Fn(u64, Option<u64>) + Sync);

/// Reads and checks `dataset`.
///
/// Everything that is wrong with the data becomes a finding of the table, errors too: ask [`Table::has_errors`] before
/// using the rows. Rows with an error are left out.
///
/// # Errors
/// When the task's data can't be read at all, threads can't be started, or temporary files can't be used.
pub fn load(dataset: &Dataset, options: &LoadOptions) -> Result<Table, DataError> {
    let reading = Reading { keep: true, limit: usize::MAX, mending: None, progress: &|_, _| {} };
    let read = reading.read(dataset, options)?;
    let Read { survey, findings, rows, leaked } = read;
    let mut table = Table {
        name: dataset.name.to_string(),
        task: dataset.task,
        labels: survey.labels,
        languages: survey.languages,
        domains: survey.domains,
        rows,
        findings: findings.finish(),
        hash: String::new(),
        rows_read: survey.rows_read,
        files: survey.files,
    };
    for index in leaked {
        table.rows[index as usize].leaked = true;
    }
    table.hash = table.content_hash();
    Ok(table)
}

/// Checks `dataset` as [`load`] does, in memory that does not grow with the texts: a few bytes for each row stay in
/// memory, what else the checks put aside goes to temporary files about as large as the data.
///
/// # Errors
/// As [`load`].
pub fn check(dataset: &Dataset, options: &LoadOptions, progress: OnProgress<'_>) -> Result<Audit, DataError> {
    let read = Reading { keep: false, limit: ROWS, mending: None, progress }.read(dataset, options)?;
    Ok(Audit { rows_read: read.survey.rows_read, findings: read.findings.finish() })
}
