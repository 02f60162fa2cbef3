//! Rows that look like translations of each other and are not grouped.
//!
//! Where a column's equal values stand under different languages, about one row to a language, and with the same
//! label far more often than chance would have it, the rows are most likely versions of one text. Random folds then
//! show a model the translations of its test rows.

use std::collections::BTreeMap;

use crate::content::add;
use crate::findings::{Findings, Report};
use crate::hits::Hits;
use crate::log::{Take, for_each_run};
use crate::survey::Survey;
use crate::{DataError, checks};

/// Most rows of a value in one language, on average, that translations may have.
const ROWS_PER_LANGUAGE: f64 = 1.5;

/// Least agreement of labels above chance (1 is full agreement, 0 what chance gives).
const AGREEMENT: f64 = 0.8;

/// Least share of all rows that must be linked.
const COVERAGE: f64 = 0.05;

/// Fewest linked rows that tell anything.
const FEWEST: usize = 20;

/// Rows read at once.
const STEP: usize = 1 << 14;

/// What a column shows.
struct Evidence {
    linked: Hits,
    values: usize,
    agreement: f64,
}

/// Looks for a column that links rows across languages.
pub(super) fn check(survey: &Survey, findings: &mut Findings) -> Result<(), DataError> {
    if survey.languages.len() < 2 || survey.has_groups {
        return Ok(());
    }
    let mut best: Option<(&str, Evidence)> = None;
    for (column, name) in survey.candidates.iter().enumerate() {
        if let Some(evidence) = evidence(survey, column)?
            && best.as_ref().is_none_or(|(_, best)| evidence.linked.count() > best.linked.count())
        {
            best = Some((name, evidence));
        }
    }
    match best {
        Some((column, evidence)) => {
            add(findings, survey, report(survey, column, &evidence), &evidence.linked)
        }
        None => Ok(()),
    }
}

fn report(survey: &Survey, column: &str, evidence: &Evidence) -> Report {
    Report {
        check: checks::TRANSLATION_LEAKAGE,
        subject: String::new(),
        field: Some("spec.columns.group".to_owned()),
        message: format!(
            "{} of {} rows share their `{column}` with rows in other languages, and the labels agree ({:.0} % beyond chance, \
             {} values): they look like translations of each other across folds; random folds and hash splits test a \
             model on translations of what it learned, so scores come out too good",
            evidence.linked.count(),
            survey.len(),
            100.0 * evidence.agreement,
            evidence.values
        ),
        remedy: format!("add `group: {column}` to `spec.columns`, which keeps them together"),
    }
}

/// A row with a value: its index, language and labels.
type Versioned = (u32, u32, u32);

fn evidence(survey: &Survey, column: usize) -> Result<Option<Evidence>, DataError> {
    let mut linked = Hits::new(survey.limit);
    let (mut values, mut languages, mut pairs, mut agreeing) = (0, 0, 0, 0);
    let mut sets: BTreeMap<u32, usize> = BTreeMap::new();
    for_each_run(
        survey.len(),
        |take| scan(survey, column, take),
        |runs| {
            for same in runs.iter() {
                let spoken = distinct_languages(same);
                if spoken < 2 {
                    continue;
                }
                values += 1;
                languages += spoken;
                for (_, (index, _, labels)) in same {
                    linked.add(*index);
                    *sets.entry(*labels).or_default() += 1;
                }
                pairs += same.len() - 1;
                agreeing += same.windows(2).filter(|pair| pair[0].1.2 == pair[1].1.2).count();
            }
            Ok(())
        },
    )?;
    let count = linked.count();
    let enough = count >= FEWEST && count as f64 >= COVERAGE * survey.len() as f64;
    if !enough || count as f64 > ROWS_PER_LANGUAGE * languages as f64 {
        return Ok(None);
    }
    // How often two rows drawn at random have the same labels.
    let chance: f64 = sets.values().map(|rows| (*rows as f64 / count as f64).powi(2)).sum();
    let agreement = (agreeing as f64 / pairs as f64 - chance) / (1.0 - chance).max(1e-9);
    Ok((agreement >= AGREEMENT).then_some(Evidence { linked, values, agreement }))
}

/// The rows that have a language and a value in the column.
fn scan(survey: &Survey, column: usize, take: Take<'_, Versioned>) -> Result<(), DataError> {
    let width = survey.candidates.len();
    let (mut briefs, mut values) = (Vec::new(), Vec::new());
    for from in (0..survey.len()).step_by(STEP) {
        let count = STEP.min(survey.len() - from);
        survey.briefs.read(from, count, &mut briefs)?;
        survey.values.read(from * width, count * width, &mut values)?;
        for ((index, brief), row) in (from..).zip(&briefs).zip(values.chunks_exact(width)) {
            if row[column] != 0
                && let Some(language) = survey.language(brief)
            {
                take(row[column], (index as u32, language, brief.labels));
            }
        }
    }
    Ok(())
}

fn distinct_languages(entries: &[(u64, Versioned)]) -> usize {
    let mut languages: Vec<u32> = entries.iter().map(|(_, (_, language, _))| *language).collect();
    languages.sort_unstable();
    languages.dedup();
    languages.len()
}
