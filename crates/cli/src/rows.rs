//! Reads the rows to predict on a thread of their own, in order, in chunks.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use loquat_data::{ReaderFormat, Record, read_records, read_standard_input};
use loquat_spec::ErrorCode;

use crate::failure::{Failure, with_remedy};

/// Rows of a chunk.
const CHUNK: usize = 4096;
/// Rows read ahead: two chunks, so that reading and predicting overlap without holding a file in memory.
const AHEAD: usize = 2 * CHUNK;
/// Longest wait for a chunk to fill, so that rows typed or piped slowly are answered as they come.
const PATIENCE: Duration = Duration::from_millis(20);

/// One row, or why there is none.
#[derive(Debug)]
pub(crate) enum Row {
    /// A row and the number of its file.
    Read(usize, Record),
    /// What is wrong, with file and line.
    Bad(String),
}

/// Rows in order, read ahead.
#[derive(Debug)]
pub(crate) struct Rows {
    rows: Receiver<Row>,
}

/// How rows are read.
#[derive(Debug)]
pub(crate) struct Reading {
    /// The format, where it is given.
    pub(crate) format: Option<ReaderFormat>,
    /// Columns of which a header on standard input holds one.
    pub(crate) columns: Vec<String>,
}

impl Rows {
    /// Starts to read `files` one after the other, or standard input when there are none.
    pub(crate) fn start(files: Vec<PathBuf>, how: Reading) -> Result<Self, Failure> {
        let (sender, rows) = sync_channel(AHEAD);
        let reading = move || {
            if files.is_empty() {
                let records = match how.format {
                    Some(format) => read_records(None, Some(format)),
                    None => read_standard_input(&how.columns),
                };
                let records = records.map_err(|error| with_remedy(&error));
                read(0, records, &sender);
            }
            for (number, file) in files.iter().enumerate() {
                let records = match (how.format, ReaderFormat::from_name(file)) {
                    (None, None) => Err(unknown_format(file)),
                    (format, _) => read_records(Some(file), format).map_err(|error| with_remedy(&error)),
                };
                if !read(number, records, &sender) {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("rows".to_owned()).spawn(reading).map_err(|error| {
            Failure::new(ErrorCode::Unavailable, format!("cannot start the reading thread: {error}"))
        })?;
        Ok(Self { rows })
    }

    /// The next rows: a full chunk where reading keeps up, else those that came within a moment; `None` at the end.
    pub(crate) fn next_chunk(&self) -> Option<Vec<Row>> {
        let first = self.rows.recv().ok()?;
        let start = Instant::now();
        let mut chunk = Vec::with_capacity(CHUNK);
        chunk.push(first);
        while chunk.len() < CHUNK {
            let row = match self.rows.try_recv() {
                Ok(row) => Ok(row),
                Err(_) => self.rows.recv_timeout(PATIENCE.saturating_sub(start.elapsed())),
            };
            match row {
                Ok(row) => chunk.push(row),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        Some(chunk)
    }
}

/// What `--input-format` would have told.
fn unknown_format(file: &Path) -> String {
    format!(
        "{}: the name does not tell the format; end it in .jsonl, .csv, .tsv, .parquet or .txt, or give --input-format",
        file.display()
    )
}

/// Sends every record; false once nobody takes them.
fn read(number: usize, records: Result<loquat_data::RecordStream, String>, sender: &SyncSender<Row>) -> bool {
    match records {
        Err(problem) => sender.send(Row::Bad(problem)).is_ok(),
        Ok(mut records) => records.all(|record| {
            let row = match record {
                Ok(record) => Row::Read(number, record),
                Err(error) => Row::Bad(with_remedy(&error)),
            };
            sender.send(row).is_ok()
        }),
    }
}
