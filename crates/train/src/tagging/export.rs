//! The artifact of the linear family on words.

use std::path::Path;

use loquat_models::{Manifest, NEVER, Tagger, TaggerWeights, WeightRows};

use super::crf::{CrfConfig, Fitted};
use super::pieces::Pieces;
use super::rows::Tagging;
use crate::error::{Halt, TrainError};
use crate::recipe::Ingredient;
use crate::run::Run;

/// Weights smaller than this share of the largest decide nothing.
const LEAST: f32 = 0.004;
/// Bytes of the artifact for each piece: its hash, and whether it has weights.
const BYTES_PER_PIECE: u64 = 4 + 1;

/// Fits `part` on all training rows and writes the model into `folder`. `most_bytes` bounds the weights' size; the weakest
/// pieces go first.
pub(crate) fn export(
    run: &Run<'_>,
    (tagging, part): (&Tagging, &Ingredient),
    (manifest, most_bytes): (Manifest, Option<u64>),
    folder: &Path,
) -> Result<(), Halt> {
    let config = CrfConfig::from_parameters(&part.parameters).map_err(TrainError::from)?;
    let cell = tagging.pieces(config.features);
    let pieces = cell.get().expect("pieces are made before they are handed out");
    let fitted = config.fit(tagging, (pieces, &run.problem.pool), part.seed).map_err(TrainError::from)?;
    let kept = kept(&fitted, pieces, most_bytes);
    let weights = TaggerWeights {
        features: config.features,
        hashes: kept.iter().map(|number| pieces.hashes[*number]).collect(),
        rows: WeightRows::quantise(fitted.tags, kept.iter().map(|number| fitted.weights(*number))),
        transitions: fitted.transitions.iter().map(|weight| weight.max(NEVER)).collect(),
        bias: fitted.bias,
        calibration: part.calibration.clone(),
    };
    let tagger = Tagger::new(manifest, weights).expect("pieces are numbered in order of their hashes");
    Ok(tagger.save(folder).map_err(TrainError::from)?)
}

/// Numbers of the pieces that are worth their bytes, ascending.
fn kept(fitted: &Fitted, pieces: &Pieces, most_bytes: Option<u64>) -> Vec<usize> {
    let strength = |row: &[f32]| row.iter().fold(0.0_f32, |most, weight| most.max(weight.abs()));
    let of = |number: usize| Some((strength(fitted.weights(number)?), number));
    let mut strong: Vec<(f32, usize)> = (0..pieces.hashes.len()).filter_map(of).collect();
    strong.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let largest = strong.first().map_or(0.0, |(strength, _)| *strength);
    let mut left = most_bytes.unwrap_or(u64::MAX);
    let worth = |(strength, number): &&(f32, usize)| {
        let bytes = fitted.weights(*number).map_or(0, |row| WeightRows::stored_bytes(row) as u64);
        let needed = bytes + BYTES_PER_PIECE;
        let fits = needed <= left;
        left = left.saturating_sub(needed);
        *strength >= LEAST * largest && fits
    };
    let mut kept: Vec<usize> = strong.iter().take_while(worth).map(|(_, number)| *number).collect();
    kept.sort_unstable();
    kept
}
