//! `loquat label apply`: all rows of the data, those that were reviewed with the labels decided.
//!
//! The source is never written; the Dataset may name the new file in its place.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};

use loquat_data::Entry;
use loquat_spec::ErrorCode;
use serde_json::{Map, Value};

use super::review::REVIEW;
use super::subject::{self, Subject};
use crate::arguments::LabelApply;
use crate::context::Context;
use crate::failure::Failure;
use crate::labelling::Answers;
use crate::output;

/// Writes the rows.
pub(crate) fn run(context: &Context, arguments: &LabelApply) -> Result<u8, Failure> {
    let folder = context.folder(arguments.folder.as_deref());
    let resources = subject::load(context, folder)?;
    let subject = Subject::new(folder, &resources, arguments.training.as_deref())?;
    let column = subject.asks.column();
    let mut decided = decided(arguments, column)?;
    let path = &arguments.output;
    let failed = |error: std::io::Error| Failure::file("write", path, &error);
    let scratch = path.with_extension("partial");
    let mut file = BufWriter::new(File::create(&scratch).map_err(failed)?);
    let (mut rows, mut changed, mut first) = (0, 0, None);
    subject.entries(context, path, &mut |entry| {
        if first.is_some() {
            return;
        }
        let written = row(entry, column, &mut decided).and_then(|(row, is_new)| {
            (rows, changed) = (rows + 1, changed + usize::from(is_new));
            serde_json::to_writer(&mut file, &row).map_err(|error| Failure::json(&error))?;
            file.write_all(b"\n").map_err(failed)
        });
        first = written.err();
    })?;
    let unknown = decided.keys().min().map(|number| stale(&format!("row {number}")));
    if let Some(failure) = first.or(unknown) {
        drop(file);
        // What is left of it says nothing that the failure doesn't.
        let _ = std::fs::remove_file(&scratch);
        return Err(failure);
    }
    file.flush().map_err(failed)?;
    drop(file);
    std::fs::rename(&scratch, path).map_err(failed)?;
    let (rows, shown) = (output::count(rows, "row"), path.display());
    output::answer(&format!(
        "{shown}: {rows}, {changed} with a new label\nto use it: name {shown} as the source of Dataset {}",
        subject.dataset.name
    ))?;
    Ok(0)
}

/// The rows that were decided, by their numbers. One that was decided twice is as it was decided last.
fn decided(arguments: &LabelApply, column: &str) -> Result<HashMap<u64, Map<String, Value>>, Failure> {
    let path = &arguments.reviewed;
    if !path.exists() {
        let error = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(Failure::file("read", path, &error));
    }
    let answers = Answers::open(path)?;
    let mut decided = HashMap::new();
    for row in answers.before() {
        let number = row.get(REVIEW).and_then(|review| review.get("row")?.as_u64());
        let Some(number) = number else {
            let message =
                format!("{} holds a row without {REVIEW:?}: name the file of `label review`", path.display());
            return Err(Failure::new(ErrorCode::Invalid, message));
        };
        // Rows that nobody has decided yet have no label.
        if row.get(column).is_some_and(|label| !label.is_null()) {
            decided.insert(number, row.clone());
        }
    }
    Ok(decided)
}

/// The row to write, and whether its label is a new one.
fn row(
    entry: Entry,
    column: &str,
    decided: &mut HashMap<u64, Map<String, Value>>,
) -> Result<(Map<String, Value>, bool), Failure> {
    let Some(mut found) = decided.remove(&(entry.number as u64)) else { return Ok((entry.columns, false)) };
    found.remove(REVIEW);
    let others = |row: &Map<String, Value>| {
        let mut row = row.clone();
        row.remove(column);
        row
    };
    if others(&found) != others(&entry.columns) {
        return Err(stale(&format!("{}:{}", entry.file, entry.line)));
    }
    let is_new = found.get(column) != entry.columns.get(column);
    Ok((found, is_new))
}

fn stale(place: &str) -> Failure {
    let message = format!("{place} is no longer the row that was reviewed: train, and review again");
    Failure::new(ErrorCode::Conflict, message)
}
