//! The self-test on load: a manifest that agrees with itself, and golden inputs that give their golden scores.

use std::collections::BTreeSet;

use loquat_models::{Golden, Manifest};
use loquat_spec::Task;

use crate::engine::Engine;
use crate::error::{InferError, ManifestProblem};
use crate::input::Input;

/// The largest tolerance believed; a larger one would let any model pass.
const LARGEST_TOLERANCE: f32 = 0.01;

/// Whether the manifest agrees with itself, so that nothing after it needs to ask.
pub(crate) fn check_manifest(manifest: &Manifest) -> Result<(), ManifestProblem> {
    let labels = manifest.labels.len();
    if labels == 0 && manifest.task != Task::Embedding {
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
    let per_label = !matches!(manifest.task, Task::Embedding | Task::TokenClassification);
    for (input, golden) in manifest.golden.iter().enumerate().filter(|_| per_label) {
        if golden.scores.len() != labels {
            return Err(ManifestProblem::GoldenScores { input, scores: golden.scores.len(), labels });
        }
    }
    Ok(())
}

/// Replays the golden inputs.
pub(crate) fn replay(engine: &Engine, name: &str) -> Result<(), InferError> {
    let manifest = engine.manifest();
    let inputs: Vec<Input> = manifest.golden.iter().map(input_of).collect();
    let replayed = engine.outputs(&inputs, 1)?;
    for (input, (golden, found)) in manifest.golden.iter().zip(&replayed).enumerate() {
        let Some((place, difference)) = worst(&golden.scores, found) else { continue };
        if difference > manifest.tolerance {
            return Err(InferError::GoldenMismatch {
                model: name.to_owned(),
                input,
                place: place_name(manifest, place),
                recorded: golden.scores.get(place).copied().unwrap_or(f32::NAN),
                found: found.get(place).copied().unwrap_or(f32::NAN),
                tolerance: manifest.tolerance,
            });
        }
    }
    Ok(())
}

/// The input of a golden example.
pub(crate) fn input_of(golden: &Golden) -> Input {
    Input { text: golden.input.clone(), second: golden.second.clone() }
}

/// What a place among the scores stands for.
fn place_name(manifest: &Manifest, place: usize) -> String {
    match manifest.task {
        Task::Embedding => format!("value {place}"),
        Task::TokenClassification => {
            let labels = manifest.labels.len().max(1);
            format!("token {}, label {:?}", place / labels, manifest.labels[place % labels])
        }
        _ => format!("label {:?}", manifest.labels[place]),
    }
}

/// The place where two lists of scores are furthest apart, and how far.
fn worst(recorded: &[f32], found: &[f32]) -> Option<(usize, f32)> {
    if recorded.len() != found.len() {
        return Some((0, f32::INFINITY));
    }
    let differences = recorded.iter().zip(found).map(|(recorded, found)| difference(*recorded, *found));
    differences.enumerate().max_by(|left, right| left.1.total_cmp(&right.1))
}

/// How far two scores are apart; infinitely, when one is not a number.
fn difference(recorded: f32, found: f32) -> f32 {
    let difference = (recorded - found).abs();
    if difference.is_nan() { f32::INFINITY } else { difference }
}
