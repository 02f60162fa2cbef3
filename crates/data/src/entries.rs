//! The rows of a data set as its files have them, labelled or not, for people and tools that label.

use std::path::Path;

use loquat_spec::{Dataset, Finding, Severity};
use serde_json::{Map, Value};

use crate::DataError;
use crate::columns::{InputColumns, LabelColumn, Layout};
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
/// Stands for the tag of each token meanwhile.
const OUTSIDE: &str = "O";

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
    /// The text, both texts of a pair, or the tokens with blanks between them.
    pub text: String,
    /// What is to be labelled; of a row without labels, without tags and spans.
    pub input: Input,
    /// Stable hash of the normalised text ([`crate::text_key`]).
    pub key: u64,
    /// Its labels, sorted; `None` where it has none yet.
    pub labels: Option<Vec<String>>,
    /// Its columns.
    pub columns: Map<String, Value>,
}

/// Both texts of a pair in one line, as a person is shown them.
pub fn pair_text(premise: &str, hypothesis: &str) -> String {
    format!("{premise} ‖ {hypothesis}")
}

/// The column that holds the label, the labels, the tags or the spans; `None` where rows have none.
///
/// # Errors
/// When rows of the task can't be read.
pub fn label_column(dataset: &Dataset) -> Result<Option<String>, DataError> {
    let layout = Layout::new(dataset)?;
    Ok(match layout.label {
        LabelColumn::One(role) | LabelColumn::Many { column: role, .. } => {
            Some(layout.column(role).to_owned())
        }
        LabelColumn::InInput => marks(&layout).map(|role| layout.column(role).to_owned()),
        LabelColumn::Unlabelled => None,
    })
}

/// The role of the tags or spans.
fn marks(layout: &Layout) -> Option<usize> {
    match layout.input {
        InputColumns::Tokens { tags, .. } => Some(tags),
        InputColumns::Spans { spans, .. } => Some(spans),
        InputColumns::Text(_) | InputColumns::Pair { .. } | InputColumns::Alike { .. } => None,
    }
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
    let Record { line, value: columns, .. } = record;
    let (draft, is_labelled) = draft(layout, &columns)?;
    let part = part(&draft, file);
    let text = match &draft.input {
        Input::Text(text) | Input::Spans { text, .. } => text.clone(),
        Input::Pair { premise, hypothesis } => pair_text(premise, hypothesis),
        Input::Alike { first, second, .. } => pair_text(first, second),
        Input::Tokens { tokens, .. } => tokens.join(" "),
    };
    let labels = is_labelled.then_some(draft.labels);
    let (file, key, input) = (file.name.clone(), draft.key, draft.input);
    Some(Entry { number, file, line, part, text, input, key, labels, columns })
}

/// What the row says, and whether it has a label; `None` for rows that are of no use.
fn draft(layout: &Layout, columns: &Map<String, Value>) -> Option<(Box<Draft>, bool)> {
    let extractor = Extractor { layout, candidates: &[] };
    match extractor.extract(columns.clone()) {
        Outcome::Kept(draft) => Some((draft, true)),
        Outcome::Unlabelled => {
            let (role, unknown) = match (&layout.label, &layout.input) {
                (LabelColumn::One(role) | LabelColumn::Many { column: role, .. }, _) => {
                    (*role, Value::from(UNKNOWN))
                }
                (LabelColumn::InInput, InputColumns::Spans { spans, .. }) => {
                    (*spans, Value::Array(Vec::new()))
                }
                (LabelColumn::InInput, InputColumns::Tokens { tokens, tags }) => {
                    let count = columns.get(layout.column(*tokens))?.as_array()?.len();
                    (*tags, Value::from(vec![OUTSIDE; count]))
                }
                _ => return None,
            };
            let mut value = columns.clone();
            value.insert(layout.column(role).to_owned(), unknown);
            match extractor.extract(value) {
                Outcome::Kept(draft) => Some((draft, false)),
                _ => None,
            }
        }
        _ => None,
    }
}
