//! Classes: too few, too small, unevenly shared, misspelt.

use std::collections::BTreeMap;

use loquat_spec::{Finding, Severity};

use crate::checks::{self, CHECKS};
use crate::content::{add, count, is_single_label, percent, place};
use crate::findings::{Findings, Report, severity_of};
use crate::split::{Part, normalised};
use crate::table::Table;

/// Most classes named in a message.
const NAMED: usize = 12;

/// Checks the classes of the table.
pub(super) fn check(table: &Table, findings: &mut Findings) {
    one_class(table, findings);
    unseen(table, findings);
    spelling(table, findings);
    shares(table, findings);
}

/// How many rows of `part` have each label.
fn counts(table: &Table, part: Part) -> Vec<usize> {
    let mut counts = vec![0; table.labels.len()];
    for row in table.rows.iter().filter(|row| row.part == part) {
        for label in &row.labels {
            counts[*label as usize] += 1;
        }
    }
    counts
}

fn one_class(table: &Table, findings: &mut Findings) {
    if !is_single_label(table.task) {
        return;
    }
    let training = counts(table, Part::Train);
    let used: Vec<usize> = (0..training.len()).filter(|label| training[*label] > 0).collect();
    let [only] = used.as_slice() else { return };
    let report = Report {
        check: checks::ONE_CLASS,
        subject: String::new(),
        field: None,
        message: format!(
            "all training rows have the label {:?}, so there is nothing to tell apart",
            table.labels[*only]
        ),
        remedy: "add rows of at least one other class, or name the right column of labels".to_owned(),
    };
    findings.add(report, None);
}

/// Labels that a model can't learn but is measured on.
fn unseen(table: &Table, findings: &mut Findings) {
    let training = counts(table, Part::Train);
    let is_unseen = |label: &u32| training[*label as usize] == 0;
    let rows: Vec<usize> = (0..table.rows.len())
        .filter(|index| {
            table.rows[*index].part != Part::Train && table.rows[*index].labels.iter().any(is_unseen)
        })
        .collect();
    if rows.is_empty() || training.iter().all(|count| *count == 0) {
        return;
    }
    let labels: Vec<&str> = (0..training.len())
        .filter(|label| training[*label] == 0)
        .map(|label| table.labels[label].as_str())
        .collect();
    let report = Report {
        check: checks::UNSEEN_LABEL,
        subject: String::new(),
        field: None,
        message: format!(
            "{} of development or test without a training row ({}); predictions are always wrong for {}",
            count(labels.len(), "label"),
            named(&labels),
            count(rows.len(), "row")
        ),
        remedy: "add training rows of these classes, or correct the labels".to_owned(),
    };
    add(findings, table, report, &rows);
}

/// Labels that are one after normalisation.
fn spelling(table: &Table, findings: &mut Findings) {
    let mut spellings: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (number, label) in (0..).zip(&table.labels) {
        spellings.entry(normalised(label)).or_default().push(number);
    }
    for (subject, labels) in spellings.into_iter().filter(|(_, labels)| labels.len() > 1) {
        let rows: Vec<usize> = (0..table.rows.len())
            .filter(|index| table.rows[*index].labels.iter().any(|label| labels.contains(label)))
            .collect();
        let quoted: Vec<String> =
            labels.iter().map(|label| format!("{:?}", table.labels[*label as usize])).collect();
        let report = Report {
            check: checks::LABEL_SPELLING,
            subject,
            field: None,
            message: format!(
                "the labels {} differ in case, width or spaces only; they count as different classes",
                quoted.join(" and ")
            ),
            remedy: "write them alike where they mean the same".to_owned(),
        };
        add(findings, table, report, &rows);
    }
}

fn shares(table: &Table, findings: &mut Findings) {
    let parts: Vec<String> = Part::ALL
        .into_iter()
        .filter_map(|part| {
            let of = table.rows.iter().filter(|row| row.part == part).count();
            (of > 0).then(|| share_of_part(table, part, of))
        })
        .collect();
    let report = Report {
        check: checks::CLASS_SHARES,
        subject: String::new(),
        field: None,
        message: parts.join("; "),
        remedy: "nothing to do unless a share surprises; shares are reported and not forced".to_owned(),
    };
    findings.add(report, None);
}

/// The largest classes of a part, and the smallest where there are many.
fn share_of_part(table: &Table, part: Part, of: usize) -> String {
    let mut classes: Vec<(usize, &str)> =
        counts(table, part).into_iter().zip(table.labels.iter().map(String::as_str)).collect();
    classes.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    let text = |(count, label): &(usize, &str)| format!("{label} {}", percent(*count, of));
    let list = if classes.len() <= NAMED {
        classes.iter().map(text).collect::<Vec<_>>().join(", ")
    } else {
        let half = NAMED / 2;
        let largest: Vec<String> = classes[..half].iter().map(text).collect();
        let smallest: Vec<String> = classes[classes.len() - half..].iter().map(text).collect();
        format!("{}, … {}", largest.join(", "), smallest.join(", "))
    };
    format!(
        "{}: {of} rows, {} classes: {list}",
        part.as_str(),
        classes.iter().filter(|(count, _)| *count > 0).count()
    )
}

fn named(labels: &[&str]) -> String {
    let mut text = labels.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if labels.len() > NAMED {
        text.push_str(&format!(" and {} more", labels.len() - NAMED));
    }
    text
}

/// The finding about classes with fewer training rows than `folds`, if there are any and the check is not off.
///
/// `checks` are the severities that the Dataset sets. Such classes stay in training: folds that lack them can't
/// measure them.
pub fn small_classes(
    table: &Table,
    folds: usize,
    checks: &BTreeMap<String, Option<Severity>>,
) -> Option<Finding> {
    let check = CHECKS.iter().find(|check| check.name == checks::SMALL_CLASS)?;
    let severity = severity_of(check, checks)?;
    let training = counts(table, Part::Train);
    let is_small = |label: usize| (1..folds).contains(&training[label]);
    let small: Vec<String> = (0..training.len())
        .filter(|label| is_small(*label))
        .map(|label| format!("{} ({})", table.labels[label], training[label]))
        .collect();
    if small.is_empty() {
        return None;
    }
    let indices: Vec<usize> = (0..table.rows.len())
        .filter(|index| {
            let row = &table.rows[*index];
            row.part == Part::Train && row.labels.iter().any(|label| is_small(*label as usize))
        })
        .collect();
    let place = indices.first().and_then(|index| place(table, *index));
    Some(Finding {
        severity,
        check: checks::SMALL_CLASS,
        resource: Some(table.name.clone()),
        file: place.as_ref().map(|place| place.file.clone()),
        line: place.and_then(|place| place.line).map(|line| line as usize),
        column: None,
        field: None,
        rows: indices.iter().take(1000).map(|index| table.rows[*index].number).collect(),
        message: format!(
            "{} with fewer training rows than the {folds} folds: {}; they stay in training, and some folds can't measure them",
            count(small.len(), "class"),
            named(&small.iter().map(String::as_str).collect::<Vec<_>>())
        ),
        remedy: "add rows, merge rare classes, or use fewer folds".to_owned(),
    })
}
