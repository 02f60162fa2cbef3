//! Which parameters the score depended on: the share of the variance of the trials' scores that each explains alone,
//! corrected for the number of its values (epsilon squared, Kelley 1935).

use std::collections::BTreeMap;

use crate::markdown::plain;
use crate::report::TrialReport;

/// Numbers are put into this many groups of equal size.
const GROUPS: usize = 3;
/// Fewest trials that say anything.
const LEAST_TRIALS: usize = 6;

/// Parameters with their shares, the largest first. Trials that failed, and those without the parameter, do not enter.
pub(super) fn importance(trials: &[TrialReport]) -> Vec<(String, f64)> {
    let mut names: Vec<&String> = trials.iter().flat_map(|trial| trial.parameters.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let mut shares: Vec<(String, f64)> =
        names.into_iter().filter_map(|name| Some((name.clone(), share(trials, name)?))).collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    shares
}

fn share(trials: &[TrialReport], name: &str) -> Option<f64> {
    let known: Vec<(&serde_json::Value, f64)> =
        trials.iter().filter_map(|trial| Some((trial.parameters.get(name)?, trial.score?))).collect();
    let groups: Vec<Vec<f64>> =
        match known.iter().map(|(value, _)| value.as_f64()).collect::<Option<Vec<f64>>>() {
            Some(numbers) => by_size(&numbers, &known),
            None => by_value(&known),
        };
    explained(&groups)
}

fn by_value(known: &[(&serde_json::Value, f64)]) -> Vec<Vec<f64>> {
    let mut groups: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (value, score) in known {
        groups.entry(plain(value)).or_default().push(*score);
    }
    groups.into_values().collect()
}

fn by_size(numbers: &[f64], known: &[(&serde_json::Value, f64)]) -> Vec<Vec<f64>> {
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    order.sort_by(|a, b| numbers[*a].total_cmp(&numbers[*b]));
    let size = numbers.len().div_ceil(GROUPS).max(1);
    order.chunks(size).map(|group| group.iter().map(|index| known[*index].1).collect()).collect()
}

fn explained(groups: &[Vec<f64>]) -> Option<f64> {
    let all: Vec<f64> = groups.iter().flatten().copied().collect();
    if groups.len() < 2 || all.len() < LEAST_TRIALS.max(groups.len() + 2) {
        return None;
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let squares =
        |values: &[f64], around: f64| values.iter().map(|v| (v - around) * (v - around)).sum::<f64>();
    let total = squares(&all, mean(&all));
    if total <= 0.0 {
        return None;
    }
    let within: f64 = groups.iter().map(|group| squares(group, mean(group))).sum();
    let chance = (groups.len() - 1) as f64 * within / (all.len() - groups.len()) as f64;
    Some(((total - within - chance) / total).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::TrialState;
    use serde_json::json;

    #[test]
    fn the_parameter_that_decides_comes_first() {
        let trial = |number: usize| TrialReport {
            number,
            family: "linear".to_owned(),
            parameters: [
                ("solver".to_owned(), json!(if number.is_multiple_of(2) { "svm" } else { "bayes" })),
                ("case".to_owned(), json!(if number.is_multiple_of(3) { "fold" } else { "keep" })),
                ("same".to_owned(), json!("always")),
            ]
            .into(),
            score: Some(if number.is_multiple_of(2) { 0.9 } else { 0.5 } + 0.001 * number as f64),
            folds: 5,
            seconds: 1.0,
            state: TrialState::Complete,
            failure: None,
        };
        let trials: Vec<TrialReport> = (0..12).map(trial).collect();
        let found = importance(&trials);
        assert_eq!(found[0].0, "solver");
        assert!(found[0].1 > 0.95, "{found:?}");
        assert!(found.iter().any(|(name, share)| name == "case" && *share < 0.1), "{found:?}");
        assert!(found.iter().all(|(name, _)| name != "same"));
    }

    #[test]
    fn a_few_trials_say_nothing() {
        assert_eq!(importance(&[]), []);
    }
}
