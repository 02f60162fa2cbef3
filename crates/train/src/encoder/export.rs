//! The artifact of a chosen head: the backbone with the classifier in the place of its head, calibration included.

use std::path::Path;

use loquat_models::{Calibration, Checkpoint, Manifest, PooledClassifier, TokenClassifier};
use loquat_spec::Precision;

use super::few_shot::{FewShotConfig, is_few_shot};
use super::fine_tune::{FineTuneConfig, is_fine_tune};
use super::head::HeadConfig;
use super::words::parted;
use crate::error::{Halt, TrainError};
use crate::recipe::Ingredient;
use crate::run::Run;

/// Fits `part` on all training rows and writes the model into `folder`. Gives the manifest with what is particular to
/// encoders.
pub(crate) fn export(
    run: &Run<'_>,
    part: &Ingredient,
    manifest: Manifest,
    folder: &Path,
) -> Result<Manifest, Halt> {
    let problem = &run.problem;
    if is_few_shot(&part.parameters) {
        let config = FewShotConfig::from_parameters(&part.parameters, part.seed).map_err(TrainError::from)?;
        return config.export(run, part, manifest, folder);
    }
    if is_fine_tune(&part.parameters) {
        let config =
            FineTuneConfig::from_parameters(&part.parameters, part.seed).map_err(TrainError::from)?;
        return config.export(run, part, manifest, folder);
    }
    let config = HeadConfig::from_parameters(&part.parameters).map_err(TrainError::from)?;
    let features = problem.features(config.backbone).map_err(TrainError::from)?;
    let fitted = config.fit(problem, &problem.pool, part.seed).map_err(TrainError::from)?;
    let (mut weights, mut bias) = fitted.unscaled();
    calibrate(&part.calibration, &mut weights, &mut bias);
    let backbone = run.start(config.backbone)?;
    let checkpoint = Checkpoint::open(&backbone.folder).map_err(TrainError::from)?;
    let labels = manifest.labels.clone();
    if problem.tagging.is_some() {
        let (weights, shapes) = parted(&weights, (labels.len(), features.shapes));
        let classifier = TokenClassifier { labels, weights, bias, shapes };
        checkpoint.save_token_classifier(&classifier, folder).map_err(TrainError::from)?;
    } else {
        let classifier = PooledClassifier { labels, multi_label: problem.multi_label, weights, bias };
        checkpoint.save_classifier(&classifier, folder).map_err(TrainError::from)?;
    }
    Ok(Manifest { max_tokens: Some(features.max_tokens), precision: Some(Precision::F32), ..manifest })
}

/// Puts a calibration into the weights `[labels, features]` and biases that it follows.
pub(super) fn calibrate(calibration: &Calibration, weights: &mut [f32], bias: &mut [f32]) {
    let width = weights.len() / bias.len().max(1);
    let rows = weights.chunks_exact_mut(width.max(1)).zip(bias.iter_mut());
    for (label, (row, bias)) in rows.enumerate() {
        let (slope, intercept) = match calibration {
            Calibration::Temperature(temperature) => (1.0 / temperature, 0.0),
            Calibration::Platt { slope, intercept } => (slope[label], intercept[label]),
        };
        row.iter_mut().for_each(|weight| *weight *= slope);
        *bias = *bias * slope + intercept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calibrated_weights_give_calibrated_margins() {
        let (mut weights, mut bias) = (vec![1.0, 2.0, -1.0, 0.5], vec![0.5, -1.0]);
        let platt = Calibration::Platt { slope: vec![2.0, 0.5], intercept: vec![0.25, -0.5] };
        calibrate(&platt, &mut weights, &mut bias);
        assert_eq!((weights, bias), (vec![2.0, 4.0, -0.5, 0.25], vec![1.25, -1.0]));
        let (mut weights, mut bias) = (vec![3.0], vec![1.0]);
        calibrate(&Calibration::Temperature(2.0), &mut weights, &mut bias);
        assert_eq!((weights, bias), (vec![1.5], vec![0.5]));
    }
}
