//! What a run decided by its clock or by the user, written down so that the run can be repeated without
//! either.

use serde::{Deserialize, Serialize};

use crate::few_shot::FewShotPlan;
use crate::linear::Parameters;

/// How much of the nested cross-validation is attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Outer folds attempted.
    pub outer_folds: usize,
    /// Folds of each inner search.
    pub inner_folds: usize,
    /// Most trials of each inner search.
    pub inner_trials: usize,
}

/// The decisions of a run that follow from time, measurements or the user, not from the inputs. With the same
/// resource, data, seed and cuts, the weights are the same bit for bit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cuts {
    /// Rounds of the final search.
    pub rounds: usize,
    /// Whether the time allowed ended the final search.
    pub by_timeout: bool,
    /// Place in the order of merit of the candidate taken; over 0 only when constraints refused better ones.
    pub candidate: usize,
    /// How the nested cross-validation was planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// Rounds of each outer fold's search.
    #[serde(default)]
    pub outer_rounds: Vec<usize>,
    /// The fine-tune that was tried, as its trial's parameters say it; its epochs follow from the time that was left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fine_tune: Option<Parameters>,
    /// Texts in which a backbone filled gaps, adapted or from scratch, repetitions included; as many as there was time for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adaptation: Option<usize>,
    /// The contrastive fine-tune that was tried where rows are few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub few_shot: Option<FewShotPlan>,
    /// Set when the user ended the search: the configuration refitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stopped>,
}

/// The best configuration seen when the user ended a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stopped {
    /// Number of the trial.
    pub trial: usize,
    /// Its parameters.
    pub parameters: Parameters,
    /// The folds that it had met.
    pub folds: Vec<usize>,
}
