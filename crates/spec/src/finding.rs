//! What a check found: the one form in which every check of resources, data and models reports.

use serde::{Deserialize, Serialize};

/// How a finding affects the run. Errors stop it, warnings and information do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Likely to cost quality or trust.
    Warning,
    /// Stops the run.
    Error,
}

/// Name of a check in kebab case (`near-duplicate`). Names never change meaning.
pub type CheckName = &'static str;

/// One problem, where it is, why it matters and what to do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// How it affects the run.
    pub severity: Severity,
    /// The check that found it.
    pub check: CheckName,
    /// Name of the resource concerned, if one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// File concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line in the file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Column in the line, in characters from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// Path of the field (`spec.split.test`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Rows concerned, 0-based over the data set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<usize>,
    /// What is wrong and why it matters.
    pub message: String,
    /// What to do.
    pub remedy: String,
}
