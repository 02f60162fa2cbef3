//! What the logits of a classifier mean.

use super::settings::Settings;
use crate::error::ModelError;

/// What the logits of a classifier mean, `problem_type` in `config.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// One label of several: softmax.
    SingleLabel,
    /// Any number of labels: a sigmoid each.
    MultiLabel,
    /// A number itself, such as the relevance that a reranker gives.
    Regression,
}

impl Problem {
    /// Where the configuration is silent, a single logit is a number and several are one label of many.
    pub(crate) fn of(settings: Settings<'_>, labels: usize) -> Result<Self, ModelError> {
        match settings.text("problem_type", "")? {
            "" if labels == 1 => Ok(Self::Regression),
            "" | "single_label_classification" => Ok(Self::SingleLabel),
            "multi_label_classification" => Ok(Self::MultiLabel),
            "regression" => Ok(Self::Regression),
            other => Err(settings.unsupported(
                "problem_type",
                other,
                "single_label_classification, multi_label_classification and regression",
            )),
        }
    }
}
