//! Rows whose labels the last training doubts, from the `out-of-fold.jsonl` of its run, most doubtful first.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;

use loquat_spec::ErrorCode;
use serde::Deserialize;

use crate::failure::Failure;

/// Least probability that the file tells; what it leaves out is no more likely.
const SHOWN: f32 = 0.0005;

/// A row in doubt.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Doubt {
    /// Its number in the data set as read.
    pub(crate) row: usize,
    /// Its labels.
    pub(crate) labels: Vec<String>,
    /// What the model gave each label while the row was held out; nothing where words are labelled.
    #[serde(default)]
    pub(crate) probabilities: BTreeMap<String, f32>,
    /// Labels that are likelier; none for rows without doubt.
    pub(crate) suggested: Option<Vec<String>>,
    /// The spans suggested, where words are labelled.
    #[serde(default)]
    pub(crate) spans: Vec<DoubtSpan>,
    /// How many times as likely the suggestion for the most doubtful word is, where words are labelled.
    #[serde(default)]
    odds: Option<f32>,
}

/// A span suggested, in characters of the text, or of the tokens with blanks between them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct DoubtSpan {
    /// Its kind.
    pub(crate) label: String,
    /// Where it begins.
    pub(crate) start: usize,
    /// Where it ends, exclusive.
    pub(crate) end: usize,
}

impl Doubt {
    /// What the model gave a label.
    pub(crate) fn probability(&self, label: &str) -> f32 {
        self.probabilities.get(label).copied().unwrap_or(0.0)
    }

    /// How many times as likely the suggestion is: of one label against the other; of sets, the label that differs most.
    pub(crate) fn odds(&self) -> f32 {
        if let Some(odds) = self.odds {
            return odds;
        }
        let suggested = self.suggested.as_deref().unwrap_or_default();
        let at_least = |probability: f32| probability.max(SHOWN);
        if let ([given], [suggested]) = (self.labels.as_slice(), suggested) {
            return at_least(self.probability(suggested)) / at_least(self.probability(given));
        }
        let added = suggested.iter().filter(|label| !self.labels.contains(label));
        let added = added.map(|label| self.probability(label));
        let removed = self.labels.iter().filter(|label| !suggested.contains(label));
        let removed = removed.map(|label| 1.0 - self.probability(label));
        added.chain(removed).map(|yes| at_least(yes) / at_least(1.0 - yes)).fold(0.0, f32::max)
    }
}

/// The doubtful rows of a run's file.
pub(crate) fn doubts(path: &Path) -> Result<Vec<Doubt>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error))?;
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let doubt: Doubt = serde_json::from_str(line).map_err(|error| {
            let place = format!("{}: line {}", path.display(), number + 1);
            Failure::new(ErrorCode::Invalid, format!("{place}: {error}; train again with --force"))
        })?;
        found.extend(doubt.suggested.is_some().then_some(doubt));
    }
    found.sort_by(|a, b| match b.odds().total_cmp(&a.odds()) {
        Ordering::Equal => a.row.cmp(&b.row),
        order => order,
    });
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubtful_rows_are_ranked_and_others_left_out() {
        let lines = [
            r#"{"row":0,"labels":["a"],"probabilities":{"a":0.9,"b":0.1}}"#,
            r#"{"row":1,"labels":["a"],"probabilities":{"a":0.02,"b":0.9},"suggested":["b"]}"#,
            r#"{"row":2,"labels":["a"],"probabilities":{"b":0.6,"c":0.3},"suggested":["b"]}"#,
            r#"{"row":3,"labels":["a","b"],"probabilities":{"a":0.01,"b":0.9},"suggested":["b"]}"#,
            r#"{"row":4,"labels":[],"probabilities":{"a":0.98},"suggested":["a"]}"#,
            r#"{"row":5,"labels":["a: b"],"answered":[],"suggested":[],"spans":[],"odds":60.0}"#,
            r#"{"row":6,"labels":["a: b"],"answered":[]}"#,
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out-of-fold.jsonl");
        std::fs::write(&path, lines.join("\n")).unwrap();
        let rows: Vec<usize> = doubts(&path).unwrap().iter().map(|doubt| doubt.row).collect();
        // Odds: row 2 0.6/0.0005, row 3 0.99/0.01, row 5 60, row 4 0.98/0.02, row 1 0.9/0.02.
        assert_eq!(rows, [2, 3, 5, 4, 1]);
    }
}
