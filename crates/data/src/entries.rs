//! The rows of a data set as its files have them, labelled or not, for people and tools that label.

use std::path::Path;

use loquat_spec::{Dataset, Finding, Severity};
use serde_json::{Map, Value};

use crate::DataError;
use crate::columns::{LabelColumn, Layout};
use crate::extract::{Draft, Extractor, Outcome};
use crate::findings::Findings;
use crate::lines::LIMIT;
use crate::load::LoadOptions;
use crate::reader::{Reader, ReaderOptions, Record};
use crate::reading::part;
use crate::repair::refuse_source;
use crate::sources::{self, PlannedFile, unreadable};
use crate::split::Part;
use crate::table::Input;

/// Stands for a label while the rest of an unlabelled row is read.
const UNKNOWN: &str = "?";

/// A row with a text, as its file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its 0-based number in the data set as read; findings name rows by it.
    pub number: usize,
    /// Its file, as messages name it.
    pub file: String,
    /// Its first line, from 1; in Parquet files its row, from 1.
    pub line: u64,
    /// The part that it belongs to, or would with a label.
    pub part: Part,
    /// The text, or the premise, or `""` for tokens.
    pub text: String,
    /// Stable hash of the normalised text ([`crate::text_key`]).
    pub key: u64,
    /// Its labels, sorted; `None` where it has none yet.
    pub labels: Option<Vec<String>>,
    /// Its columns.
    pub columns: Map<String, Value>,
}

/// The column that holds the label, or the labels; `None` where labels stand in the input (tags, spans).
///
/// # Errors
/// When rows of the task can't be read.
pub fn label_column(dataset: &Dataset) -> Result<Option<String>, DataError> {
    let layout = Layout::new(dataset)?;
    Ok(match layout.label {
        LabelColumn::One(role) | LabelColumn::Many { column: role, .. } => {
            Some(layout.column(role).to_owned())
        }
        LabelColumn::InInput | LabelColumn::Unlabelled => None,
    })
}

/// Shows `visit` every row of `dataset` that has a text, in order, so that `target` can be written from them. Rows that
/// can't be read are passed over, as [`crate::check`] reports them; files that can't be are the errors returned.
///
/// # Errors
/// When rows of the task can't be read, or `target` is no jsonl file or a file of the source.
pub fn entries(
    dataset: &Dataset,
    options: &LoadOptions,
    target: &Path,
    visit: &mut dyn FnMut(Entry),
) -> Result<Vec<Finding>, DataError> {
    let layout = Layout::new(dataset)?;
    let mut findings = Findings::new(dataset, 0);
    let files = sources::plan(dataset, options, &mut findings);
    refuse_source(target, &files)?;
    let mut number = 0;
    for file in &files {
        let open = ReaderOptions { file: &file.name, scratch: options.cache.as_deref(), limit: LIMIT };
        let mut reader = match Reader::open(Some(&file.path), file.format, &open) {
            Ok(reader) => reader,
            Err(error) => {
                findings.add(unreadable(&error, &file.name, None), None);
                continue;
            }
        };
        while let Some(raw) = reader.next_raw() {
            match raw.and_then(|raw| raw.decode(&file.name)) {
                Ok(None) => continue,
                Ok(Some(record)) => {
                    if let Some(entry) = entry(&layout, file, number, record) {
                        visit(entry);
                    }
                }
                Err(error) if error.ends_file() => findings.add(unreadable(&error, &file.name, None), None),
                Err(_) => {}
            }
            number += 1;
        }
    }
    Ok(findings.finish().into_iter().filter(|finding| finding.severity == Severity::Error).collect())
}

fn entry(layout: &Layout, file: &PlannedFile, number: usize, record: Record) -> Option<Entry> {
    let Record { line, value: columns } = record;
    let (draft, is_labelled) = draft(layout, line, &columns)?;
    let part = part(&draft, file);
    let text = match draft.input {
        Input::Text(text) | Input::Spans { text, .. } => text,
        Input::Pair { premise, .. } => premise,
        Input::Alike { first, .. } => first,
        Input::Tokens { .. } => String::new(),
    };
    let labels = is_labelled.then_some(draft.labels);
    Some(Entry { number, file: file.name.clone(), line, part, text, key: draft.key, labels, columns })
}

/// What the row says, and whether it has a label; `None` for rows that are of no use.
fn draft(layout: &Layout, line: u64, columns: &Map<String, Value>) -> Option<(Box<Draft>, bool)> {
    let extractor = Extractor { layout, candidates: &[] };
    match extractor.extract(Record { line, value: columns.clone() }) {
        Outcome::Kept(draft) => Some((draft, true)),
        Outcome::Unlabelled => {
            let (LabelColumn::One(role) | LabelColumn::Many { column: role, .. }) = layout.label else {
                return None;
            };
            let mut value = columns.clone();
            value.insert(layout.column(role).to_owned(), Value::from(UNKNOWN));
            match extractor.extract(Record { line, value }) {
                Outcome::Kept(draft) => Some((draft, false)),
                _ => None,
            }
        }
        _ => None,
    }
}
