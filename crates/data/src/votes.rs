//! What annotators said of a row where they may disagree: shares of labels.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::extract::scalar;
use crate::reader::type_name;

/// What was said of one row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Votes {
    /// The label that most say; of several the first by name.
    pub(crate) label: String,
    /// The share of each label that anybody says, by name; they sum to one. Empty where all say the same.
    pub(crate) shares: Vec<(String, f32)>,
    /// Whether as many say another label.
    pub(crate) tied: bool,
}

/// Why a value says nothing of labels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fault {
    /// A value of this type stands where a label or a share is needed.
    Type(String),
    /// The share of this label is negative or too large.
    Share { label: String, found: String },
    /// All shares are zero.
    Zero,
}

impl Fault {
    /// What is wrong with the value of `column`.
    pub(crate) fn message(&self, column: &str) -> String {
        match self {
            Self::Type(found) => format!("column `{column}` holds {found}"),
            Self::Share { label, found } if label.is_empty() => {
                format!("column `{column}` gives the share {found} to no label")
            }
            Self::Share { label, found } => format!(
                "column `{column}` gives {label:?} the share {found}, and a share is a number from 0 to 3e38"
            ),
            Self::Zero => {
                format!("column `{column}` gives every label the share 0, which says nothing of the row")
            }
        }
    }
}

impl Votes {
    /// Reads a mapping of labels to shares or counts, or a list of the labels that annotators gave; `None` where it is empty.
    pub(crate) fn read(value: &Value) -> Result<Option<Self>, Fault> {
        let sums = match value {
            Value::Object(shares) => Self::of_shares(shares)?,
            Value::Array(labels) => Self::of_labels(labels)?,
            other => return Err(Fault::Type(type_name(other).to_owned())),
        };
        let total: f64 = sums.values().sum();
        if sums.is_empty() {
            return Ok(None);
        }
        if total == 0.0 {
            return Err(Fault::Zero);
        }
        let most = sums.values().copied().fold(0.0, f64::max);
        let first: Vec<&String> =
            sums.iter().filter(|(_, share)| **share == most).map(|(label, _)| label).collect();
        let (label, tied) =
            (first.first().map_or_else(String::new, |label| (*label).clone()), first.len() > 1);
        let share = |(label, share): (String, f64)| (label, (share / total) as f32);
        let shares = sums.into_iter().map(share).filter(|(_, share)| *share > 0.0);
        let shares: Vec<(String, f32)> = shares.collect();
        Ok(Some(Self { label, shares: if shares.len() > 1 { shares } else { Vec::new() }, tied }))
    }

    fn of_shares(shares: &serde_json::Map<String, Value>) -> Result<BTreeMap<String, f64>, Fault> {
        let mut sums = BTreeMap::new();
        for (label, share) in shares {
            let Some(number) = share.as_f64() else {
                return Err(Fault::Type(format!("{} as the share of a label", type_name(share))));
            };
            let label = label.trim();
            let sum: &mut f64 = sums.entry(label.to_owned()).or_default();
            *sum += number;
            // The sum of all shares is to be finite too.
            if number < 0.0 || label.is_empty() || *sum > f64::from(f32::MAX) {
                return Err(Fault::Share { label: label.to_owned(), found: share.to_string() });
            }
        }
        Ok(sums)
    }

    fn of_labels(labels: &[Value]) -> Result<BTreeMap<String, f64>, Fault> {
        let mut sums = BTreeMap::new();
        for value in labels {
            let Some(label) = scalar(value) else {
                return Err(Fault::Type(format!("a list with {}", type_name(value))));
            };
            // An annotator who says nothing has no vote.
            if !label.trim().is_empty() {
                *sums.entry(label.trim().to_owned()).or_default() += 1.0;
            }
        }
        Ok(sums)
    }
}
