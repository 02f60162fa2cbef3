//! Rows that look like translations of each other and are not grouped.
//!
//! Where a column's equal values stand under different languages, about one row to a language, and with the same
//! label far more often than chance would have it, the rows are most likely versions of one text. Random folds then
//! show a model the translations of its test rows.

use crate::checks;
use crate::content::{SharedValues, add};
use crate::findings::{Findings, Report};
use crate::table::Table;

/// Most rows of a value in one language, on average, that translations may have.
const ROWS_PER_LANGUAGE: f64 = 1.5;

/// Least agreement of labels above chance (1 is full agreement, 0 what chance gives).
const AGREEMENT: f64 = 0.8;

/// Least share of all rows that must be linked.
const COVERAGE: f64 = 0.05;

/// Fewest linked rows that tell anything.
const FEWEST: usize = 20;

/// What a column shows.
struct Evidence {
    linked: Vec<usize>,
    values: usize,
    agreement: f64,
}

/// Looks for a column that links rows across languages.
pub(super) fn check(table: &Table, shared: &SharedValues, findings: &mut Findings) {
    if table.languages.len() < 2 || shared.columns.is_empty() || table.has_groups() {
        return;
    }
    let mut best: Option<(&str, Evidence)> = None;
    for (column, name) in shared.columns.iter().enumerate() {
        if let Some(evidence) = evidence(table, shared, column)
            && best.as_ref().is_none_or(|(_, best)| evidence.linked.len() > best.linked.len())
        {
            best = Some((name, evidence));
        }
    }
    if let Some((column, evidence)) = best {
        add(findings, table, report(table, column, &evidence), &evidence.linked);
    }
}

fn report(table: &Table, column: &str, evidence: &Evidence) -> Report {
    Report {
        check: checks::TRANSLATION_LEAKAGE,
        subject: String::new(),
        field: Some("spec.columns.group".to_owned()),
        message: format!(
            "{} of {} rows share their `{column}` with rows in other languages, and the labels agree ({:.0} % beyond chance, \
             {} values): they look like translations of each other across folds; random folds and hash splits test a \
             model on translations of what it learned, so scores come out too good",
            evidence.linked.len(),
            table.rows.len(),
            100.0 * evidence.agreement,
            evidence.values
        ),
        remedy: format!("add `group: {column}` to `spec.columns`, which keeps them together"),
    }
}

fn evidence(table: &Table, shared: &SharedValues, column: usize) -> Option<Evidence> {
    let width = shared.columns.len();
    let mut order: Vec<(u64, usize)> = (0..table.rows.len())
        .map(|index| (shared.values[index * width + column], index))
        .filter(|(value, index)| *value != 0 && table.rows[*index].language.is_some())
        .collect();
    order.sort_unstable();
    let mut linked = Vec::new();
    let (mut values, mut languages, mut pairs, mut agreeing) = (0, 0, 0, 0);
    for same in order.chunk_by(|a, b| a.0 == b.0) {
        let spoken = distinct_languages(table, same);
        if spoken < 2 {
            continue;
        }
        values += 1;
        languages += spoken;
        linked.extend(same.iter().map(|(_, index)| *index));
        let labels = |entry: &(u64, usize)| &table.rows[entry.1].labels;
        pairs += same.len() - 1;
        agreeing += same.windows(2).filter(|pair| labels(&pair[0]) == labels(&pair[1])).count();
    }
    let enough = linked.len() >= FEWEST && linked.len() as f64 >= COVERAGE * table.rows.len() as f64;
    if !enough || linked.len() as f64 > ROWS_PER_LANGUAGE * languages as f64 {
        return None;
    }
    let chance = chance_agreement(table, &linked);
    let agreement = (agreeing as f64 / pairs as f64 - chance) / (1.0 - chance).max(1e-9);
    linked.sort_unstable();
    (agreement >= AGREEMENT).then_some(Evidence { linked, values, agreement })
}

fn distinct_languages(table: &Table, entries: &[(u64, usize)]) -> usize {
    let mut languages: Vec<_> = entries.iter().filter_map(|(_, index)| table.rows[*index].language).collect();
    languages.sort_unstable();
    languages.dedup();
    languages.len()
}

/// How often two rows drawn at random have the same labels.
fn chance_agreement(table: &Table, linked: &[usize]) -> f64 {
    let mut labels: Vec<&[u32]> = linked.iter().map(|index| table.rows[*index].labels.as_slice()).collect();
    labels.sort_unstable();
    let of = labels.len() as f64;
    labels.chunk_by(|a, b| a == b).map(|same| (same.len() as f64 / of).powi(2)).sum()
}
