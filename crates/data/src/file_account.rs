//! What is counted of one file while it is read, and what is reported of it at its end.

use std::collections::BTreeSet;

use crate::checks;
use crate::columns::{INPUT_ROLES, LabelColumn, Layout};
use crate::findings::{Findings, Place, Report, did_you_mean};
use crate::sources::PlannedFile;

/// Rows that are dropped for one reason: the first of them, and how many there are.
#[derive(Default)]
pub(crate) struct Dropped {
    first: Vec<(usize, u64)>,
    count: usize,
}

impl Dropped {
    pub(crate) fn push(&mut self, row: (usize, u64), limit: usize) {
        self.count += 1;
        if self.first.len() < limit {
            self.first.push(row);
        }
    }
}

/// What is known of a file while and once it is read.
pub(crate) struct FileAccount<'a> {
    pub(crate) file: &'a PlannedFile,
    pub(crate) number: u32,
    /// Records decoded.
    pub(crate) records: usize,
    /// Of each role, how many records have its column.
    pub(crate) present: Vec<usize>,
    /// Columns seen.
    pub(crate) columns: BTreeSet<String>,
    /// Row and line of rows without text, label or part.
    pub(crate) empty: Dropped,
    pub(crate) unlabelled: Dropped,
    pub(crate) no_split: Dropped,
}

impl<'a> FileAccount<'a> {
    /// Nothing is read yet; the data set has so many `roles`.
    pub(crate) fn new(file: &'a PlannedFile, number: u32, roles: usize) -> Self {
        Self {
            file,
            number,
            records: 0,
            present: vec![0; roles],
            columns: BTreeSet::new(),
            empty: Dropped::default(),
            unlabelled: Dropped::default(),
            no_split: Dropped::default(),
        }
    }

    /// Reports missing columns and dropped rows; gives the number of rows without a label.
    pub(crate) fn report(self, layout: &Layout, findings: &mut Findings) -> usize {
        let missing: Vec<usize> = (0..layout.roles.len())
            .filter(|role| self.records > 0 && self.present[*role] == 0)
            .filter(|role| Some(*role) != layout.language || self.file.language.is_none())
            .filter(|role| Some(*role) != layout.domain || self.file.domain.is_none())
            .collect();
        for role in &missing {
            findings.add(missing_column(layout, *role, &self), place_of_file(self.file));
        }
        let label = match layout.label {
            LabelColumn::One(role) | LabelColumn::Many { column: role, .. } => Some(role),
            LabelColumn::InInput | LabelColumn::Unlabelled => None,
        };
        let is_missing = |role: Option<usize>| role.is_some_and(|role| missing.contains(&role));
        let no_input = missing.iter().any(|role| INPUT_ROLES.contains(&layout.roles[*role].role));
        let lists = [
            (no_input, &self.empty, empty_row()),
            (is_missing(label) || no_input, &self.unlabelled, missing_label()),
            (is_missing(layout.split), &self.no_split, no_part(layout)),
        ];
        for (explained, rows, report) in lists {
            if !explained {
                for (number, line) in &rows.first {
                    findings.add(report.clone(), place(self.file, *number, *line));
                }
                findings.count_more(&report, rows.count - rows.first.len());
            }
        }
        self.unlabelled.count
    }
}

pub(crate) fn place(file: &PlannedFile, row: usize, line: u64) -> Option<Place> {
    Some(Place { file: file.name.clone(), line: Some(line), row: Some(row) })
}

fn place_of_file(file: &PlannedFile) -> Option<Place> {
    Some(Place { file: file.name.clone(), line: None, row: None })
}

fn missing_column(layout: &Layout, role: usize, account: &FileAccount<'_>) -> Report {
    let column = layout.column(role);
    let hint = did_you_mean(column, account.columns.iter().map(String::as_str));
    let exist: Vec<String> = account.columns.iter().map(|column| format!("`{column}`")).collect();
    let field = layout.field(role);
    Report {
        check: checks::MISSING_COLUMN,
        subject: format!("{:08} {column}", account.number),
        message: format!(
            "{} has no column `{column}`{hint}; it has {}",
            account.file.name,
            if exist.is_empty() { "none".to_owned() } else { exist.join(", ") }
        ),
        remedy: format!("name the column in `{field}`"),
        field: Some(field),
    }
}

fn empty_row() -> Report {
    Report {
        check: checks::EMPTY_ROW,
        subject: String::new(),
        field: None,
        message: "no text; dropped, as there is nothing to learn from".to_owned(),
        remedy: "fill the text in, or remove the row".to_owned(),
    }
}

fn missing_label() -> Report {
    Report {
        check: checks::MISSING_LABEL,
        subject: String::new(),
        field: None,
        message: "no label; dropped, as it can neither teach nor test".to_owned(),
        remedy: "label the row, or remove it".to_owned(),
    }
}

fn no_part(layout: &Layout) -> Report {
    let column = layout.split.map_or("split", |role| layout.column(role));
    Report {
        check: checks::UNKNOWN_SPLIT,
        subject: String::new(),
        field: layout.split.map(|role| layout.field(role)),
        message: format!(
            "column `{column}` says nothing; the row is left out, as guessing its part could leak it"
        ),
        remedy: "write train, development or test".to_owned(),
    }
}
