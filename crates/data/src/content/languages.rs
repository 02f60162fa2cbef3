//! Languages: declared and absent, present and not declared, said to be one and read as another.

use std::collections::BTreeMap;

use loquat_spec::{CheckName, Dataset, Task};
use loquat_text::{canonical_language, is_detectable, same_language};

use crate::content::{add, count};
use crate::findings::{Findings, Report, did_you_mean};
use crate::hits::Hits;
use crate::survey::Survey;
use crate::{DataError, checks};

/// Fewest rows of a language that are read as another one, and least share of those that the detector is sure of,
/// before it is a finding: even a sure detector errs in one row of a hundred.
const FEWEST: usize = 3;
const SHARE: f64 = 0.01;

/// Languages so close that the detector takes one for the other.
const CLOSE: &[&[&str]] = &[
    &["da", "no", "sv"],
    &["hr", "sr", "bs", "sl"],
    &["bg", "mk", "sr", "ru", "uk", "be"],
    &["cs", "sk", "sl"],
    &["id", "ms", "jv", "tl"],
    &["es", "pt", "gl", "ca", "it", "la", "eo", "ro", "fr"],
    &["nl", "af", "de"],
    &["fi", "et"],
    &["hi", "mr", "ne"],
    &["ar", "fa", "ur"],
    &["he", "yi"],
    &["az", "tr", "tk", "uz"],
    &["zu", "sn"],
    &["zh", "ja"],
];

/// Compares the languages of the rows, or for language identification their labels, with the declared ones, and with
/// what the texts look like.
pub(super) fn check(survey: &Survey, dataset: &Dataset, findings: &mut Findings) -> Result<(), DataError> {
    let declared = &dataset.languages;
    let identifies = survey.task == Task::LanguageIdentification;
    if !identifies {
        misread(survey, declared, findings)?;
    }
    if declared.is_empty() {
        return Ok(());
    }
    if identifies {
        let rows = |number: u32| survey.rows_where(|brief| survey.has_label(brief, |label| label == number));
        undeclared(survey, (&survey.labels, declared), (checks::UNDECLARED_LABEL, &rows), findings)?;
        absent(declared, &survey.labels, findings);
    }
    if !survey.languages.is_empty() {
        let rows = |number: u32| survey.rows_where(|brief| survey.language(brief) == Some(number));
        undeclared(survey, (&survey.languages, declared), (checks::UNDECLARED_LANGUAGE, &rows), findings)?;
        if !identifies {
            absent(declared, &survey.languages, findings);
        }
    }
    Ok(())
}

/// Finds the rows of a language, by its index.
type RowsOf<'a> = &'a dyn Fn(u32) -> Result<Hits, DataError>;

fn undeclared(
    survey: &Survey,
    (found, declared): (&[String], &[String]),
    (check, rows): (CheckName, RowsOf<'_>),
    findings: &mut Findings,
) -> Result<(), DataError> {
    let is_declared = |language: &String| declared.iter().any(|declared| same_language(declared, language));
    for (number, language) in (0..).zip(found).filter(|(_, language)| !is_declared(language)) {
        let rows = rows(number)?;
        let hint = did_you_mean(language, declared.iter().map(String::as_str));
        let report = Report {
            check,
            subject: language.clone(),
            field: Some("spec.languages".to_owned()),
            message: format!(
                "{} in the language `{language}`, which is not declared{hint}; a model is meant for the declared ones",
                count(rows.count(), "row")
            ),
            remedy: format!("add `{language}` to `spec.languages`, or correct or remove the rows"),
        };
        add(findings, survey, report, &rows)?;
    }
    Ok(())
}

fn absent(declared: &[String], found: &[String], findings: &mut Findings) {
    let is_found = |language: &String| found.iter().any(|found| same_language(found, language));
    for language in declared.iter().filter(|language| !is_found(language)) {
        let report = Report {
            check: checks::ABSENT_LANGUAGE,
            subject: language.clone(),
            field: Some("spec.languages".to_owned()),
            message: format!(
                "no row is in the declared language `{language}`, so nothing is known of the quality in it"
            ),
            remedy: format!("add rows in `{language}`, or remove it from `spec.languages`"),
        };
        findings.add(report, None);
    }
}

/// Texts that look like another language than their row says or, where it says none, than all declared ones.
fn misread(survey: &Survey, declared: &[String], findings: &mut Findings) -> Result<(), DataError> {
    let mut sure: BTreeMap<Option<u32>, usize> = BTreeMap::new();
    for ((said, _), rows) in &survey.detected {
        *sure.entry(*said).or_default() += rows.count();
    }
    for ((said, found), rows) in &survey.detected {
        let language = said.map(|said| &survey.languages[said as usize]);
        let expected: Vec<&String> = language.map_or_else(|| declared.iter().collect(), |said| vec![said]);
        let possible = expected.iter().any(|said| !is_detectable(said) || is_close(said, found));
        let share = rows.count() as f64 / sure[said].max(1) as f64;
        if expected.is_empty() || possible || rows.count() < FEWEST || share < SHARE {
            continue;
        }
        let (subject, than) = match language {
            Some(said) => (format!("{said} {found}"), format!("`{said}`, as they say")),
            None => (format!("- {found}"), "the declared languages".to_owned()),
        };
        let report = Report {
            check: checks::LANGUAGE_MISMATCH,
            subject,
            field: None,
            message: format!(
                "{} of {} that are long enough to tell look like `{found}` and not like {than}; a model learns and is measured on the wrong language",
                rows.count(),
                count(sure[said], "row")
            ),
            remedy: format!(
                "correct their language, move them to data in `{found}`, or declare it in `spec.languages`"
            ),
        };
        add(findings, survey, report, rows)?;
    }
    Ok(())
}

/// Whether the detector may take a text in `said` for one in `found`.
fn is_close(said: &str, found: &str) -> bool {
    let said = canonical_language(said);
    let said = said.split('-').next().unwrap_or_default();
    said == found || CLOSE.iter().any(|close| close.contains(&said) && close.contains(&found))
}
