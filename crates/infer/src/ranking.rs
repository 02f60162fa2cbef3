//! From probabilities in label order to labels in the order of an answer.

use loquat_spec::LabelScore;

/// The label with the highest probability; of equals the first. `None` when there are none.
pub(crate) fn best(probabilities: &[f32]) -> Option<usize> {
    let mut best = None;
    for (label, probability) in probabilities.iter().enumerate() {
        match best {
            Some((_, highest)) if *probability <= highest => {}
            _ => best = Some((label, *probability)),
        }
    }
    best.map(|(label, _)| label)
}

/// The labels that `keep` takes, best first, equals in label order, at most `most`.
pub(crate) fn ranked(
    labels: &[String],
    probabilities: &[f32],
    most: usize,
    keep: impl Fn(usize, f32) -> bool,
) -> Vec<LabelScore> {
    let kept = probabilities.iter().copied().enumerate();
    let mut kept: Vec<(usize, f32)> = kept.filter(|(label, score)| keep(*label, *score)).collect();
    kept.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
    kept.truncate(most);
    kept.into_iter().map(|(label, score)| LabelScore { label: labels[label].clone(), score }).collect()
}
