//! Classes: too few, too small, unevenly shared, misspelt.

use std::collections::BTreeMap;

use crate::DataError;
use crate::checks;
use crate::content::{add, count, is_single_label, percent};
use crate::findings::{Findings, Report};
use crate::split::{Part, normalised};
use crate::survey::Survey;

/// Most classes named in a message.
const NAMED: usize = 12;

/// Most labels that are compared letter by letter: with more they are free text.
const COMPARED: usize = 2000;

/// How many times rarer than the label that it resembles a misspelt one is, at least.
const RARER: usize = 10;

/// Checks the classes.
pub(super) fn check(survey: &Survey, folds: usize, findings: &mut Findings) -> Result<(), DataError> {
    if survey.labels.is_empty() {
        return Ok(());
    }
    one_class(survey, findings);
    small(survey, folds, findings)?;
    unseen(survey, findings)?;
    absent(survey, findings);
    spelling(survey, findings)?;
    misspelling(survey, findings)?;
    shares(survey, findings);
    Ok(())
}

fn one_class(survey: &Survey, findings: &mut Findings) {
    if !is_single_label(survey.task) {
        return;
    }
    let training = survey.label_counts(Part::Train);
    let used: Vec<usize> = (0..training.len()).filter(|label| training[*label] > 0).collect();
    let [only] = used.as_slice() else { return };
    let report = Report {
        check: checks::ONE_CLASS,
        subject: String::new(),
        field: None,
        message: format!(
            "all training rows have the label {:?}, so there is nothing to tell apart",
            survey.labels[*only]
        ),
        remedy: "add rows of at least one other class, or name the right column of labels".to_owned(),
    };
    findings.add(report, None);
}

/// Labels that a model can't learn but is measured on.
fn unseen(survey: &Survey, findings: &mut Findings) -> Result<(), DataError> {
    let training = survey.label_counts(Part::Train);
    let labels: Vec<&str> = (0..training.len())
        .filter(|label| training[*label] == 0)
        .map(|label| survey.labels[label].as_str())
        .collect();
    if labels.is_empty() || training.iter().all(|count| *count == 0) {
        return Ok(());
    }
    let rows = survey.rows_where(|brief| {
        brief.part != Part::Train && survey.has_label(brief, |label| training[label as usize] == 0)
    })?;
    let report = Report {
        check: checks::UNSEEN_LABEL,
        subject: String::new(),
        field: None,
        message: format!(
            "{} of development or test without a training row ({}); predictions are always wrong for {}",
            count(labels.len(), "label"),
            named(&labels),
            count(rows.count(), "row")
        ),
        remedy: "add training rows of these classes, or correct the labels".to_owned(),
    };
    add(findings, survey, report, &rows)
}

/// Labels of training that a part can't measure.
fn absent(survey: &Survey, findings: &mut Findings) {
    let training = survey.label_counts(Part::Train);
    for part in [Part::Development, Part::Test] {
        let counts = survey.label_counts(part);
        let labels: Vec<&str> = (0..counts.len())
            .filter(|label| counts[*label] == 0 && training[*label] > 0)
            .map(|label| survey.labels[label].as_str())
            .collect();
        if labels.is_empty() || survey.part_len(part) == 0 {
            continue;
        }
        let report = Report {
            check: checks::ABSENT_LABEL,
            subject: part.as_str().to_owned(),
            field: None,
            message: format!(
                "{} of training without a {} row ({}); nothing is known of the quality on them",
                count(labels.len(), "label"),
                part.as_str(),
                named(&labels)
            ),
            remedy: format!("add {} rows of these classes where they matter", part.as_str()),
        };
        findings.add(report, None);
    }
}

/// Labels that are one but for case, width, spaces and what joins words.
fn spelling(survey: &Survey, findings: &mut Findings) -> Result<(), DataError> {
    for (subject, labels) in alike(&survey.labels) {
        let rows = survey.rows_where(|brief| survey.has_label(brief, |label| labels.contains(&label)))?;
        let quoted: Vec<String> =
            labels.iter().map(|label| format!("{:?}", survey.labels[*label as usize])).collect();
        let report = Report {
            check: checks::LABEL_SPELLING,
            subject,
            field: None,
            message: format!(
                "the labels {} differ in case, width, spaces or hyphens only; they count as different classes",
                quoted.join(" and ")
            ),
            remedy: "write them alike where they mean the same".to_owned(),
        };
        add(findings, survey, report, &rows)?;
    }
    Ok(())
}

/// Labels that are written alike, by what they have in common.
pub(crate) fn alike(labels: &[String]) -> BTreeMap<String, Vec<u32>> {
    let mut spellings: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (number, label) in (0..).zip(labels) {
        let normal = normalised(label);
        let joined: String = normal.chars().filter(|c| !matches!(c, ' ' | '_' | '-')).collect();
        spellings.entry(if joined.is_empty() { normal } else { joined }).or_default().push(number);
    }
    spellings.retain(|_, labels| labels.len() > 1);
    spellings
}

/// Rare labels that are a letter away from a common one.
fn misspelling(survey: &Survey, findings: &mut Findings) -> Result<(), DataError> {
    let mut counts = vec![0; survey.labels.len()];
    for part in Part::ALL {
        counts.iter_mut().zip(survey.label_counts(part)).for_each(|(sum, count)| *sum += count);
    }
    for (rare, common) in misspelt(&survey.labels, &counts) {
        let rows = survey.rows_where(|brief| survey.has_label(brief, |label| label == rare))?;
        let (written, meant) = (&survey.labels[rare as usize], &survey.labels[common as usize]);
        let report = Report {
            check: checks::LABEL_SPELLING,
            subject: format!("{written} {meant}"),
            field: None,
            message: format!(
                "the label {written:?} stands in {} and looks like {meant:?} misspelt; it counts as a class of its own",
                count(rows.count(), "row")
            ),
            remedy: format!("write {meant:?} where it is meant"),
        };
        add(findings, survey, report, &rows)?;
    }
    Ok(())
}

/// Pairs of a rare label and the common one that it looks like.
pub(crate) fn misspelt(labels: &[String], counts: &[usize]) -> Vec<(u32, u32)> {
    let mut pairs = Vec::new();
    if labels.len() > COMPARED {
        return pairs;
    }
    for rare in 0..labels.len() {
        let nearest = (0..labels.len())
            .filter(|common| counts[*common] >= RARER * counts[rare].max(1) && counts[rare] > 0)
            .filter(|common| is_slip(&labels[rare], &labels[*common]))
            .max_by_key(|common| counts[*common]);
        pairs.extend(nearest.map(|common| (rare as u32, common as u32)));
    }
    pairs
}

/// Whether one word is the other with a letter added, left out, replaced or two swapped, beyond its first letter.
/// Numbers are never slips of one another.
fn is_slip(one: &str, other: &str) -> bool {
    let (one, other) = (normalised(one), normalised(other));
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    one != other
        && one.chars().count().min(other.chars().count()) >= 5
        && one.chars().next() == other.chars().next()
        && digits(&one) == digits(&other)
        && strsim::damerau_levenshtein(&one, &other) == 1
}

fn shares(survey: &Survey, findings: &mut Findings) {
    let parts: Vec<String> = Part::ALL
        .into_iter()
        .filter_map(|part| {
            let of = survey.part_len(part);
            (of > 0).then(|| share_of_part(survey, part, of))
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
fn share_of_part(survey: &Survey, part: Part, of: usize) -> String {
    let mut classes: Vec<(usize, &str)> =
        survey.label_counts(part).into_iter().zip(survey.labels.iter().map(String::as_str)).collect();
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

/// Classes that some folds of a cross-validation lack.
fn small(survey: &Survey, folds: usize, findings: &mut Findings) -> Result<(), DataError> {
    let training = survey.label_counts(Part::Train);
    let is_small = |label: usize| (1..folds).contains(&training[label]);
    let small: Vec<String> = (0..training.len())
        .filter(|label| is_small(*label))
        .map(|label| format!("{} ({})", survey.labels[label], training[label]))
        .collect();
    if small.is_empty() {
        return Ok(());
    }
    let rows = survey.rows_where(|brief| {
        brief.part == Part::Train && survey.has_label(brief, |label| is_small(label as usize))
    })?;
    let report = Report {
        check: checks::SMALL_CLASS,
        subject: String::new(),
        field: None,
        message: format!(
            "{} with fewer training rows than the {folds} folds: {}; they stay in training, and some folds can't measure them",
            count(small.len(), "class"),
            named(&small.iter().map(String::as_str).collect::<Vec<_>>())
        ),
        remedy: "add rows, merge rare classes, or use fewer folds".to_owned(),
    };
    add(findings, survey, report, &rows)
}
