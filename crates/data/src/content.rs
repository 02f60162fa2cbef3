//! Checks of the rows as a whole: what a look at one row can't show.

mod classes;
mod languages;
mod repeats;
mod translations;

use loquat_spec::{Dataset, Split, SplitPart, Task};

use crate::checks;
use crate::findings::{Findings, Place, Report};
use crate::split::Part;
use crate::table::Table;

pub use classes::small_classes;

/// What the table does not hold and checks need.
pub(crate) struct SharedValues {
    /// Columns that may show which rows belong together.
    pub(crate) columns: Vec<String>,
    /// Hashes of their values, row by row; 0 for no value.
    pub(crate) values: Vec<u64>,
    /// How many rows were dropped because they have no label.
    pub(crate) unlabelled: usize,
}

/// Runs every check of the whole, and marks leaked rows.
pub(crate) fn check(table: &mut Table, dataset: &Dataset, shared: &SharedValues, findings: &mut Findings) {
    if !usable(table, shared.unlabelled, findings) {
        return;
    }
    parts(table, &dataset.split, findings);
    repeats::check(table, findings);
    classes::check(table, findings);
    languages::check(table, dataset, findings);
    translations::check(table, shared, findings);
}

/// Whether there is anything to check further.
fn usable(table: &Table, unlabelled: usize, findings: &mut Findings) -> bool {
    if !table.rows.is_empty() && !table.labels.is_empty() {
        return true;
    }
    // A column or file that is missing explains the lack of rows better.
    if findings.contains(checks::MISSING_COLUMN) || findings.contains(checks::UNREADABLE) {
        return false;
    }
    let (check, message, remedy) = if !table.rows.is_empty() || unlabelled > 0 {
        let message = "no row has a label, so there is nothing to learn".to_owned();
        (checks::NO_LABELS, message, "label the rows, or name the column of labels in `spec.columns`")
    } else if table.rows_read == 0 {
        (
            checks::NO_TEXT,
            "there is no row, so there is nothing to train on".to_owned(),
            "add rows to the files of `source`",
        )
    } else {
        let read = table.rows_read;
        let message =
            format!("none of the {read} rows read has usable text, so there is nothing to train on");
        (checks::NO_TEXT, message, "mend what the other findings name")
    };
    findings
        .add(Report { check, subject: String::new(), field: None, message, remedy: remedy.to_owned() }, None);
    false
}

/// Parts that were asked for and are empty.
fn parts(table: &Table, split: &Split, findings: &mut Findings) {
    let wants = |part: &Option<SplitPart>| match part {
        Some(SplitPart::Share(share)) => share.fraction() > 0.0,
        Some(SplitPart::Files(files)) => !files.is_empty(),
        None => false,
    };
    let (development, test) = match split {
        Split::Hash { development, test } => (development.fraction() > 0.0, test.fraction() > 0.0),
        Split::Files { development, test } => (wants(development), wants(test)),
        Split::Column(_) => (false, true),
    };
    let has = |part| table.rows.iter().any(|row| row.part == part);
    if !has(Part::Train) {
        let report = Report {
            check: checks::NO_TEXT,
            subject: "train".to_owned(),
            field: Some("spec.split".to_owned()),
            message: "no row is left for training".to_owned(),
            remedy: "leave a share of the rows to training".to_owned(),
        };
        findings.add(report, None);
    }
    for (part, wanted) in [(Part::Development, development), (Part::Test, test)] {
        if wanted && !has(part) {
            let report = Report {
                check: checks::EMPTY_SPLIT,
                subject: part.as_str().to_owned(),
                field: Some(format!("spec.split.{}", part.as_str())),
                message: format!("no row falls into {}, so it can measure nothing", part.as_str()),
                remedy: "add rows, or give it a larger share or files of its own".to_owned(),
            };
            findings.add(report, None);
        }
    }
}

/// The place of the row with this index.
fn place(table: &Table, index: usize) -> Option<Place> {
    let row = &table.rows[index];
    let file = table.files.get(row.location.file as usize)?.clone();
    Some(Place { file, line: Some(row.location.line), row: None })
}

/// Adds a report about the rows with these indices, which are in order.
fn add(findings: &mut Findings, table: &Table, report: Report, indices: &[usize]) {
    let numbers: Vec<usize> = indices.iter().map(|index| table.rows[*index].number).collect();
    let place = indices.first().and_then(|index| place(table, *index));
    findings.add_rows(report, &numbers, place);
}

/// Whether each row has exactly one label.
fn is_single_label(task: Task) -> bool {
    matches!(task, Task::TextClassification | Task::LanguageIdentification | Task::TextPairClassification)
}

/// A number of things in the form of messages: `1 row`, `2 rows`.
fn count(number: usize, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ if thing.ends_with('s') => format!("{number} {thing}es"),
        _ => format!("{number} {thing}s"),
    }
}

/// A share in the form of messages.
fn percent(count: usize, of: usize) -> String {
    format!("{:.1} %", 100.0 * count as f64 / of.max(1) as f64)
}
