//! Languages that are declared and absent, or present and not declared.

use loquat_spec::{CheckName, Dataset, Task};

use crate::checks;
use crate::content::{add, count};
use crate::findings::{Findings, Report, did_you_mean};
use crate::table::Table;

/// Compares the languages of the rows, or for language identification their labels, with the declared ones.
pub(super) fn check(table: &Table, dataset: &Dataset, findings: &mut Findings) {
    if dataset.languages.is_empty() {
        return;
    }
    let declared = &dataset.languages;
    if table.task == Task::LanguageIdentification {
        let rows = |number: u32| indices(table, |row| row.labels.contains(&number));
        undeclared(table, (&table.labels, declared), (checks::UNDECLARED_LABEL, &rows), findings);
        absent(declared, &table.labels, findings);
    }
    if !table.languages.is_empty() {
        let rows = |number: u32| indices(table, |row| row.language == Some(number));
        undeclared(table, (&table.languages, declared), (checks::UNDECLARED_LANGUAGE, &rows), findings);
        if table.task != Task::LanguageIdentification {
            absent(declared, &table.languages, findings);
        }
    }
}

fn indices(table: &Table, wanted: impl Fn(&crate::table::Row) -> bool) -> Vec<usize> {
    (0..table.rows.len()).filter(|index| wanted(&table.rows[*index])).collect()
}

fn undeclared(
    table: &Table,
    (found, declared): (&[String], &[String]),
    (check, rows): (CheckName, &dyn Fn(u32) -> Vec<usize>),
    findings: &mut Findings,
) {
    for (number, language) in (0..).zip(found).filter(|(_, language)| !declared.contains(language)) {
        let rows = rows(number);
        let hint = did_you_mean(language, declared.iter().map(String::as_str));
        let report = Report {
            check,
            subject: language.clone(),
            field: Some("spec.languages".to_owned()),
            message: format!(
                "{} in the language `{language}`, which is not declared{hint}; a model is meant for the declared ones",
                count(rows.len(), "row")
            ),
            remedy: format!("add `{language}` to `spec.languages`, or correct or remove the rows"),
        };
        add(findings, table, report, &rows);
    }
}

fn absent(declared: &[String], found: &[String], findings: &mut Findings) {
    for language in declared.iter().filter(|language| !found.contains(language)) {
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
