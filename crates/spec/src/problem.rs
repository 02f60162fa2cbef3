//! Problems of resources while they are collected, before they become findings of a file.

use std::fmt::Display;

use crate::finding::{CheckName, Finding, Severity};
use crate::yaml::{Node, Place};

/// Checks of resource files by name. Names never change meaning.
pub const RESOURCE_CHECKS: &[&str] = &[
    INVALID_YAML,
    DUPLICATE_KEY,
    UNKNOWN_FIELD,
    MISSING_FIELD,
    WRONG_TYPE,
    INVALID_VALUE,
    DUPLICATE_NAME,
    UNKNOWN_RESOURCE,
    NOT_YET_SUPPORTED,
    INVALID_UTF8,
    TOO_LARGE,
];

pub(crate) const INVALID_YAML: CheckName = "invalid-yaml";
pub(crate) const DUPLICATE_KEY: CheckName = "duplicate-key";
pub(crate) const UNKNOWN_FIELD: CheckName = "unknown-field";
pub(crate) const MISSING_FIELD: CheckName = "missing-field";
pub(crate) const WRONG_TYPE: CheckName = "wrong-type";
pub(crate) const INVALID_VALUE: CheckName = "invalid-value";
pub(crate) const DUPLICATE_NAME: CheckName = "duplicate-name";
pub(crate) const UNKNOWN_RESOURCE: CheckName = "unknown-resource";
pub(crate) const NOT_YET_SUPPORTED: CheckName = "not-yet-supported";
pub(crate) const INVALID_UTF8: CheckName = "invalid-utf8";
pub(crate) const TOO_LARGE: CheckName = "too-large";

/// One problem of a document.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) place: Place,
    pub(crate) field: Option<String>,
    pub(crate) check: CheckName,
    pub(crate) message: String,
    pub(crate) remedy: String,
}

impl Problem {
    pub(crate) fn into_finding(self, file: &str, resource: Option<&str>) -> Finding {
        Finding {
            severity: Severity::Error,
            check: self.check,
            resource: resource.map(str::to_owned),
            file: Some(file.to_owned()),
            line: Some(self.place.line),
            column: Some(self.place.column),
            field: self.field,
            rows: Vec::new(),
            message: self.message,
            remedy: self.remedy,
        }
    }
}

/// Where validation of one document reports: it turns field paths into places.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    root: &'a Node,
    problems: Vec<Problem>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(root: &'a Node) -> Self {
        Self { root, problems: Vec::new() }
    }

    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Reports the value of `field`.
    pub(crate) fn value(
        &mut self,
        field: &str,
        check: CheckName,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let place = self.root.value_place(field);
        self.push(place, field, check, (message.into(), remedy.into()));
    }

    /// Reports the key of `field`, for fields that should not be there or lack something inside.
    pub(crate) fn key(
        &mut self,
        field: &str,
        check: CheckName,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let place = self.root.key_place(field);
        self.push(place, field, check, (message.into(), remedy.into()));
    }

    /// Reports a field whose part does not exist yet.
    pub(crate) fn later_field(&mut self, field: &str, supported: &str) {
        self.key(field, NOT_YET_SUPPORTED, "not yet supported", supported);
    }

    /// Reports a value whose part does not exist yet.
    pub(crate) fn later_value(&mut self, field: &str, found: impl Display, supported: &str) {
        self.value(field, NOT_YET_SUPPORTED, format!("{found} is not yet supported"), supported);
    }

    /// The value of a reading, or its error reported at `field`.
    pub(crate) fn read<T, E: Display>(
        &mut self,
        field: &str,
        result: Result<T, E>,
        remedy: &str,
    ) -> Option<T> {
        result.map_err(|error| self.value(field, INVALID_VALUE, error.to_string(), remedy)).ok()
    }

    fn push(&mut self, place: Place, field: &str, check: CheckName, (message, remedy): (String, String)) {
        self.problems.push(Problem { place, field: Some(field.to_owned()), check, message, remedy });
    }
}

/// The word of `allowed` nearest to `found`, when it is near enough to be a slip.
pub(crate) fn nearest<'w>(found: &str, allowed: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let lower = found.to_lowercase();
    let allowed: Vec<&str> = allowed.into_iter().collect();
    let close = allowed
        .iter()
        .map(|word| (strsim::damerau_levenshtein(&lower, &word.to_lowercase()), *word))
        .filter(|(distance, word)| *distance <= 1 + word.chars().count().max(found.chars().count()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word);
    // `f1` is far from `macro-f1` by edits, and yet a part of it.
    let part =
        |word: &&str| lower.chars().count() > 1 && word.to_lowercase().split('-').any(|part| part == lower);
    close.or_else(|| allowed.iter().copied().find(part))
}

/// `did you mean "x"?`, or else what is allowed.
pub(crate) fn suggestion(found: &str, allowed: &[&str]) -> String {
    match nearest(found, allowed.iter().copied()) {
        Some(word) => format!("did you mean {word:?}?"),
        None if allowed.is_empty() => "remove it".to_owned(),
        None => "write one of the allowed values".to_owned(),
    }
}

/// A name made of `text` that follows the rule for names, for remedies.
pub(crate) fn as_name(text: &str) -> String {
    let mapped: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .take(63)
        .collect();
    let name = mapped.trim_matches('-');
    if name.is_empty() { "my-name".to_owned() } else { name.to_owned() }
}

/// `text` shortened for messages.
pub(crate) fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
