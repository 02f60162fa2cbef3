//! Checks of the rows as a whole: what a look at one row can't show.

mod classes;
mod cues;
mod languages;
mod near;
mod quirks;
mod repeats;
mod translations;

use loquat_spec::{Dataset, Split, SplitPart, Task};

use crate::findings::{Findings, Report};
use crate::hits::Hits;
use crate::split::Part;
use crate::survey::Survey;
use crate::{DataError, checks};

pub(crate) use classes::{alike, misspelt};

/// Runs every check of the whole. Gives the rows whose text stands in an earlier part.
pub(crate) fn check(
    survey: &Survey,
    (dataset, folds): (&Dataset, usize),
    findings: &mut Findings,
) -> Result<Vec<u32>, DataError> {
    if !usable(survey, findings) {
        return Ok(Vec::new());
    }
    parts(survey, &dataset.split, findings);
    let repeats = repeats::check(survey, findings)?;
    near::check(survey, &repeats.repeated, findings)?;
    classes::check(survey, folds, findings)?;
    languages::check(survey, dataset, findings)?;
    translations::check(survey, findings)?;
    quirks::check(survey, findings)?;
    cues::check(survey, findings)?;
    Ok(repeats.leaked.iter().flat_map(Hits::sorted).collect())
}

/// Whether there is anything to check further.
fn usable(survey: &Survey, findings: &mut Findings) -> bool {
    if survey.len() > 0 && (!survey.labels.is_empty() || survey.task == Task::Embedding) {
        return true;
    }
    // A column or file that is missing explains the lack of rows better.
    if findings.contains(checks::MISSING_COLUMN) || findings.contains(checks::UNREADABLE) {
        return false;
    }
    let (check, message, remedy) = if survey.len() > 0 || survey.unlabelled > 0 {
        let message = "no row has a label, so there is nothing to learn".to_owned();
        (checks::NO_LABELS, message, "label the rows, or name the column of labels in `spec.columns`")
    } else if survey.rows_read == 0 {
        (
            checks::NO_TEXT,
            "there is no row, so there is nothing to train on".to_owned(),
            "add rows to the files of `source`",
        )
    } else if survey.left_out == survey.rows_read {
        let message = "every row has the weight 0, which leaves it out".to_owned();
        (checks::NO_TEXT, message, "give weights above 0, or name the right column of weights")
    } else {
        let read = survey.rows_read;
        let message =
            format!("none of the {read} rows read has usable text, so there is nothing to train on");
        (checks::NO_TEXT, message, "mend what the other findings name")
    };
    findings
        .add(Report { check, subject: String::new(), field: None, message, remedy: remedy.to_owned() }, None);
    false
}

/// Parts that were asked for and are empty.
fn parts(survey: &Survey, split: &Split, findings: &mut Findings) {
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
    let has = |part| survey.part_len(part) > 0;
    if !has(Part::Train) {
        let (message, remedy) = if survey.has_groups && matches!(split, Split::Hash { .. }) {
            (
                "no row is left for training: rows of one group stay together, and every group fell into another part",
                "give more groups, or correct `columns.group`",
            )
        } else {
            ("no row is left for training", "leave a share of the rows to training")
        };
        let report = Report {
            check: checks::NO_TEXT,
            subject: "train".to_owned(),
            field: Some("spec.split".to_owned()),
            message: message.to_owned(),
            remedy: remedy.to_owned(),
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

/// Adds a report about `rows`, if there are any.
fn add(findings: &mut Findings, survey: &Survey, report: Report, rows: &Hits) -> Result<(), DataError> {
    if rows.is_empty() {
        return Ok(());
    }
    let indices = rows.sorted();
    let place = indices.first().map_or(Ok(None), |index| survey.place(*index))?;
    findings.add_rows(report, survey.numbers(&indices)?, place);
    Ok(())
}

/// Whether each row has exactly one label.
fn is_single_label(task: Task) -> bool {
    matches!(task, Task::TextClassification | Task::LanguageIdentification | Task::TextPairClassification)
}

/// A number of things in the form of messages: `1 row`, `2 rows`.
fn count(number: usize, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ if thing.ends_with('y') => format!("{number} {}ies", thing.trim_end_matches('y')),
        _ if thing.ends_with('s') => format!("{number} {thing}es"),
        _ => format!("{number} {thing}s"),
    }
}

/// A share in the form of messages.
fn percent(count: usize, of: usize) -> String {
    format!("{:.1} %", 100.0 * count as f64 / of.max(1) as f64)
}
