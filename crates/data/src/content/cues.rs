//! Boilerplate that predicts the label: words that begin or end many texts of one class and hardly any other, such as
//! a form's heading or a signature. A model that leans on them fails where they are missing.

use std::collections::BTreeMap;

use crate::content::{add, count};
use crate::findings::{Findings, Report};
use crate::scan::masked;
use crate::survey::Survey;
use crate::{DataError, checks};

/// Fewest texts with the same words.
const FEWEST: usize = 20;

/// Least share of the texts with the words that have the label.
const PURITY: f64 = 0.95;

/// Least share of the label's rows that have the words: what people happen to say alike stays below.
const COVERAGE: f64 = 0.2;

/// Most findings: a template seldom comes alone.
const MOST: usize = 5;

/// Longest quotation, in characters.
const LONGEST: usize = 60;

/// Words, the label that they predict, and how well.
struct Predictor<'a> {
    text: &'a str,
    set: u32,
    count: usize,
    all: usize,
    of_class: usize,
    cue: u64,
}

/// Reports beginnings and ends that predict a label.
pub(super) fn check(survey: &Survey, findings: &mut Findings) -> Result<(), DataError> {
    let mut totals: BTreeMap<u64, usize> = BTreeMap::new();
    for ((cue, _), counted) in &survey.cues {
        *totals.entry(*cue).or_default() += counted.count as usize;
    }
    let rows_of =
        |set: u32| -> usize { survey.set_counts.iter().filter_map(|counts| counts.get(set as usize)).sum() };
    let mut found: Vec<Predictor<'_>> = survey
        .cues
        .iter()
        .filter(|((_, set), _)| !survey.label_sets[*set as usize].is_empty())
        .map(|((cue, set), counted)| Predictor {
            text: &counted.text,
            set: *set,
            count: counted.count as usize,
            all: totals[cue],
            of_class: rows_of(*set),
            cue: *cue,
        })
        .filter(|found| {
            let count = found.count as f64;
            found.count >= FEWEST
                && count >= PURITY * found.all as f64
                && count >= COVERAGE * found.of_class as f64
                && found.of_class < survey.len()
        })
        .collect();
    found.sort_by(|a, b| b.count.cmp(&a.count).then(a.cue.cmp(&b.cue)));
    for predictor in found.iter().take(MOST) {
        let Some(cue) = survey.cues.get(&(predictor.cue, predictor.set)) else { continue };
        add(findings, survey, report(survey, predictor), &cue.hits)?;
    }
    Ok(())
}

fn report(survey: &Survey, found: &Predictor<'_>) -> Report {
    let labels: Vec<&str> = survey.label_sets[found.set as usize]
        .iter()
        .map(|label| survey.labels[*label as usize].as_str())
        .collect();
    let quoted: String = found.text.chars().take(LONGEST).collect();
    let quoted = masked(&quoted).unwrap_or(quoted);
    Report {
        check: checks::LABEL_CUE,
        subject: format!("{:020} {quoted}", u64::MAX - found.count as u64),
        field: None,
        message: format!(
            "{} of the {} with the label {} begin or end with {quoted:?}, and {:.0} % of all texts that do have it; a model learns the phrase and fails where it is missing",
            found.count,
            count(found.of_class, "row"),
            labels.join(" and "),
            100.0 * found.count as f64 / found.all as f64,
        ),
        remedy: "cut such headings and signatures off, unless users will write them too".to_owned(),
    }
}
