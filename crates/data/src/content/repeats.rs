//! Texts that occur more than once: duplicates, leakage between parts, conflicting labels; groups across parts.

use loquat_spec::Task;

use crate::checks;
use crate::content::{add, count};
use crate::findings::{Findings, Report};
use crate::split::{Part, group_key};
use crate::table::{Input, Row, Table};

/// What was found, as indices of rows.
#[derive(Default)]
struct Repeats {
    duplicates: Vec<usize>,
    leaked: Vec<usize>,
    conflicts: Vec<usize>,
    conflicting_texts: usize,
}

/// Finds repeated texts and groups, and marks leaked rows.
pub(super) fn check(table: &mut Table, findings: &mut Findings) {
    let repeats = find(table);
    for index in &repeats.leaked {
        table.rows[*index].leaked = true;
    }
    report_leakage(table, &repeats.leaked, findings);
    report_conflicts(table, &repeats, findings);
    report_duplicates(table, &repeats.duplicates, findings);
    report_groups(table, findings);
}

fn find(table: &Table) -> Repeats {
    let mut order: Vec<(u64, usize)> = table.rows.iter().map(|row| row.key).zip(0..).collect();
    order.sort_unstable();
    let mut repeats = Repeats::default();
    for same in order.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
        let indices: Vec<usize> = same.iter().map(|(_, index)| *index).collect();
        inspect(table, &indices, &mut repeats);
    }
    repeats.duplicates.sort_unstable();
    repeats.leaked.sort_unstable();
    repeats.conflicts.sort_unstable();
    repeats
}

/// Looks at the rows of one text, which are in order.
fn inspect(table: &Table, indices: &[usize], repeats: &mut Repeats) {
    let rows = &table.rows;
    let first = indices[0];
    if indices.iter().any(|index| !agree(&rows[*index], &rows[first])) {
        repeats.conflicting_texts += 1;
        repeats.conflicts.extend(indices);
    }
    let earliest = indices.iter().map(|index| rows[*index].part).min().unwrap_or(Part::Test);
    repeats.leaked.extend(indices.iter().filter(|index| rows[**index].part > earliest));
    for (position, index) in indices.iter().enumerate() {
        let row = &rows[*index];
        let before = indices[..position].iter().map(|earlier| &rows[*earlier]);
        // One glance back suffices to tell a repetition from the first of its kind.
        if before.rev().take(LOOK_BACK).any(|earlier| earlier.part == row.part && agree(earlier, row)) {
            repeats.duplicates.push(*index);
        }
    }
}

/// Most earlier rows of the same text that a row is compared with, so that a text repeated a million times stays cheap.
const LOOK_BACK: usize = 64;

/// Whether two rows of the same text say the same of it.
fn agree(a: &Row, b: &Row) -> bool {
    match (&a.input, &b.input) {
        (Input::Tokens { tags: one, .. }, Input::Tokens { tags: other, .. }) => one == other,
        (Input::Spans { spans: one, .. }, Input::Spans { spans: other, .. }) => one == other,
        _ => a.labels == b.labels,
    }
}

fn report_leakage(table: &Table, leaked: &[usize], findings: &mut Findings) {
    for (part, known) in [(Part::Development, "training"), (Part::Test, "training or development")] {
        let rows: Vec<usize> =
            leaked.iter().copied().filter(|index| table.rows[*index].part == part).collect();
        if rows.is_empty() {
            continue;
        }
        let of = table.rows.iter().filter(|row| row.part == part).count();
        let report = Report {
            check: checks::LEAKAGE,
            subject: part.as_str().to_owned(),
            field: Some("spec.split".to_owned()),
            message: format!(
                "{} of {of} {} rows have a text that stands in {known} too; a model may have seen it, so the score of the part comes out too good",
                rows.len(),
                part.as_str()
            ),
            remedy: "remove them from one side; scores are shown with and without them until then".to_owned(),
        };
        add(findings, table, report, &rows);
    }
}

fn report_conflicts(table: &Table, repeats: &Repeats, findings: &mut Findings) {
    if repeats.conflicts.is_empty() {
        return;
    }
    let what = match table.task {
        Task::TokenClassification => "tags",
        _ => "labels",
    };
    let report = Report {
        check: checks::LABEL_CONFLICT,
        subject: String::new(),
        field: None,
        message: format!(
            "{} under different {what}; no model can get all of them right",
            format_args!("{} in {} rows", count(repeats.conflicting_texts, "text"), repeats.conflicts.len())
        ),
        remedy: format!("decide on the right {what} of each text, or use a multi-label task"),
    };
    add(findings, table, report, &repeats.conflicts);
}

fn report_duplicates(table: &Table, duplicates: &[usize], findings: &mut Findings) {
    if duplicates.is_empty() {
        return;
    }
    let report = Report {
        check: checks::DUPLICATE,
        subject: String::new(),
        field: None,
        message: format!(
            "{} with the text and label of an earlier row of the same part (case, width and spaces aside); they count double in training, and folds may show a model its own test rows",
            count(duplicates.len(), "row")
        ),
        remedy: "remove the repetitions, or give equal texts one `group`".to_owned(),
    };
    add(findings, table, report, duplicates);
}

/// Groups that stand in more than one part, which only given splits can have.
fn report_groups(table: &Table, findings: &mut Findings) {
    let mut order: Vec<(u64, usize)> = (0..)
        .zip(&table.rows)
        .filter_map(|(index, row)| Some((group_key(row.group.as_deref()?), index)))
        .collect();
    order.sort_unstable();
    let mut groups = 0;
    let mut across = Vec::new();
    for same in order.chunk_by(|a, b| a.0 == b.0) {
        let part = |entry: &(u64, usize)| table.rows[entry.1].part;
        let earliest = same.iter().map(part).min();
        let later = same.iter().filter(|entry| Some(part(entry)) > earliest).map(|entry| entry.1);
        let before = across.len();
        across.extend(later);
        groups += usize::from(across.len() > before);
    }
    if across.is_empty() {
        return;
    }
    across.sort_unstable();
    let report = Report {
        check: checks::GROUP_LEAKAGE,
        subject: String::new(),
        field: Some("spec.split".to_owned()),
        message: format!(
            "{} in more than one part ({}); rows of a group resemble each other, so scores come out too good",
            count(groups, "group"),
            count(across.len(), "row")
        ),
        remedy: "keep each group in one part, or split by hash, which does".to_owned(),
    };
    add(findings, table, report, &across);
}
