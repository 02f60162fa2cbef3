//! From fitted weights to the pruned, eight-bit component of the artifact.

use loquat_models::{Calibration, Component, Vocabulary, WeightRows};

use super::config::{LinearConfig, LinearError};
use super::matrix::FoldFeatures;
use super::weights::Weights;

/// Share of the weights' total energy that pruning may take away.
const PRUNED_ENERGY: f64 = 0.002;

/// Bytes of the artifact for each feature known: hash, inverse document frequency, whether it has weights.
const BYTES_PER_KNOWN: u64 = 4 + 2 + 1;

/// Prunes and quantises. `max_bytes` bounds the weights' size; the least important features go first.
pub(super) fn build(
    config: &LinearConfig,
    features: &FoldFeatures,
    weights: &Weights,
    max_bytes: Option<u64>,
) -> Result<Component, LinearError> {
    let classes = weights.classes;
    let mut importance: Vec<(f64, u32)> = (0..features.len())
        .map(|f| {
            let row = &weights.values[f * weights.stride..][..classes];
            let mean = row.iter().sum::<f32>() / classes as f32;
            let spread: f64 = row.iter().map(|w| f64::from(w - mean).powi(2)).sum();
            let idf = f64::from(Vocabulary::idf_value(features.idf[f]));
            (spread * idf * idf * f64::from(features.document_frequency[f]), f as u32)
        })
        .collect();
    importance.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let total: f64 = importance.iter().map(|(energy, _)| energy).sum();
    let mut sum = 0.0;
    let mut kept = importance.len();
    for (place, (energy, _)) in importance.iter().enumerate() {
        sum += energy;
        if sum >= total * (1.0 - PRUNED_ENERGY) {
            kept = place + 1;
            break;
        }
    }
    let row = |f: u32| &weights.values[f as usize * weights.stride..][..classes];
    let mut known = importance.len();
    if let Some(bytes) = max_bytes {
        // A text's length is measured over all features known; where even that does not fit, the least important go.
        let mut left = bytes;
        let fits = |(_, f): &&(f64, u32)| {
            let needed = WeightRows::stored_bytes(row(*f)) as u64 + BYTES_PER_KNOWN;
            let enough = needed <= left;
            left = left.saturating_sub(needed);
            enough
        };
        kept = importance[..kept].iter().take_while(fits).count().max(1);
        known = known.min(kept + (left / BYTES_PER_KNOWN) as usize);
    }
    let mut chosen: Vec<(u32, bool)> =
        importance[..known].iter().enumerate().map(|(place, (_, f))| (*f, place < kept)).collect();
    chosen.sort_unstable();
    let finite = |f: u32| row(f).iter().all(|w| w.is_finite());
    if !weights.bias.iter().all(|w| w.is_finite())
        || !chosen.iter().all(|(f, weighted)| !weighted || finite(*f))
    {
        return Err(LinearError::Diverged);
    }
    let hashes = chosen.iter().map(|(f, _)| features.hashes[*f as usize]).collect();
    let idf = chosen.iter().map(|(f, _)| features.idf[*f as usize]).collect();
    Ok(Component {
        features: config.features.clone(),
        vocabulary: Vocabulary::new(hashes, idf)
            .expect("features ascend by hash and pruning keeps their order"),
        weights: WeightRows::quantise(classes, chosen.iter().map(|(f, weighted)| weighted.then(|| row(*f)))),
        bias: weights.bias[..classes].to_vec(),
        background: weights.background.iter().take(classes).copied().collect(),
        calibration: Calibration::Temperature(1.0),
        weight: 1.0,
    })
}
