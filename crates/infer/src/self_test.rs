//! The self-test on load: a manifest that agrees with itself, and golden inputs that give their golden scores.

use std::collections::BTreeSet;

use loquat_models::{Manifest, Model};
use loquat_spec::Task;

use crate::error::{InferError, ManifestProblem};

/// The largest tolerance believed; a larger one would let any model pass.
const LARGEST_TOLERANCE: f32 = 0.01;

/// Whether the manifest agrees with itself, so that nothing after it needs to ask.
pub(crate) fn check_manifest(manifest: &Manifest) -> Result<(), ManifestProblem> {
    let labels = manifest.labels.len();
    if labels == 0 {
        return Err(ManifestProblem::NoLabels);
    }
    let mut seen = BTreeSet::new();
    if let Some(label) = manifest.labels.iter().find(|label| !seen.insert(label.as_str())) {
        return Err(ManifestProblem::RepeatedLabel { label: label.clone() });
    }
    match &manifest.thresholds {
        None if manifest.task == Task::MultiLabelClassification => return Err(ManifestProblem::NoThresholds),
        Some(thresholds) if thresholds.len() != labels => {
            return Err(ManifestProblem::Thresholds { thresholds: thresholds.len(), labels });
        }
        _ => {}
    }
    if !(0.0..=LARGEST_TOLERANCE).contains(&manifest.tolerance) {
        return Err(ManifestProblem::Tolerance { found: manifest.tolerance.to_string() });
    }
    for (input, golden) in manifest.golden.iter().enumerate() {
        if golden.scores.len() != labels {
            return Err(ManifestProblem::GoldenScores { input, scores: golden.scores.len(), labels });
        }
    }
    Ok(())
}

/// Replays the golden inputs.
pub(crate) fn replay(model: &Model, name: &str) -> Result<(), InferError> {
    let manifest = model.manifest();
    let texts: Vec<&str> = manifest.golden.iter().map(|golden| golden.input.as_str()).collect();
    let replayed = model.probabilities(&texts, 1);
    for (input, (golden, found)) in manifest.golden.iter().zip(&replayed).enumerate() {
        let differences =
            golden.scores.iter().zip(found).map(|(recorded, found)| difference(*recorded, *found));
        let worst = differences.enumerate().max_by(|left, right| left.1.total_cmp(&right.1));
        if let Some((label, difference)) = worst
            && difference > manifest.tolerance
        {
            return Err(InferError::GoldenMismatch {
                model: name.to_owned(),
                input,
                label: manifest.labels[label].clone(),
                recorded: golden.scores[label],
                found: found[label],
                tolerance: manifest.tolerance,
            });
        }
    }
    Ok(())
}

/// How far two scores are apart; infinitely, when one is not a number.
fn difference(recorded: f32, found: f32) -> f32 {
    let difference = (recorded - found).abs();
    if difference.is_nan() { f32::INFINITY } else { difference }
}
