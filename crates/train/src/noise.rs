//! Labels that are probably wrong, by confident learning (Northcutt, Jiang and Chuang 2021, Confident
//! Learning).
//!
//! A row is doubtful when its out-of-fold probability of another label comes near to what that label gets among its
//! own rows, and is at least [`ODDS`] times that of the label given. Both are compared on held-out rows, and the
//! ratio, not the difference, ranks: a weak model gives every label a little, and what it rules out all the same is
//! more telling than what it prefers. For sets of labels, each label is a question of its own with two answers.

/// How many times as probable as the given label a suggestion must be.
const ODDS: f32 = 20.0;
/// Share of a label's usual probability that its suggestion must reach.
const USUAL: f32 = 0.5;
/// Keeps the ratio finite.
const LEAST: f32 = 1e-6;

/// A row whose label is doubtful.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Doubt {
    /// Position among the rows given.
    pub(crate) position: usize,
    /// The label given; `None` when a label seems to be missing.
    pub(crate) given: Option<u32>,
    /// The label suggested; `None` when the given one seems wrong and no other is suggested.
    pub(crate) suggested: Option<u32>,
    /// Probability of what was given.
    pub(crate) given_probability: f32,
    /// Probability of what is suggested.
    pub(crate) suggested_probability: f32,
}

impl Doubt {
    /// How many times as probable as what was given the suggestion is.
    pub(crate) fn odds(&self) -> f32 {
        self.suggested_probability / self.given_probability.max(LEAST)
    }
}

/// Doubtful rows, most doubtful first. `probabilities` is `[rows, classes]`.
pub(crate) fn doubts(
    probabilities: &[f32],
    truth: &[&[u32]],
    classes: usize,
    multi_label: bool,
) -> Vec<Doubt> {
    let mut doubts = if multi_label {
        (0..classes).flat_map(|label| binary(probabilities, truth, classes, label)).collect()
    } else {
        single(probabilities, truth, classes)
    };
    let order = |doubt: &Doubt| (doubt.position, doubt.given, doubt.suggested);
    doubts.sort_by(|a, b| b.odds().total_cmp(&a.odds()).then_with(|| order(a).cmp(&order(b))));
    doubts
}

fn single(probabilities: &[f32], truth: &[&[u32]], classes: usize) -> Vec<Doubt> {
    let mut sums = vec![(0.0_f64, 0u32); classes];
    for (row, labels) in probabilities.chunks_exact(classes).zip(truth) {
        for label in *labels {
            let (sum, count) = &mut sums[*label as usize];
            *sum += f64::from(row[*label as usize]);
            *count += 1;
        }
    }
    // A label without rows can be suggested by nothing.
    let usual: Vec<f32> = sums
        .iter()
        .map(|(sum, n)| if *n == 0 { f32::INFINITY } else { (sum / f64::from(*n)) as f32 })
        .collect();
    let doubt = |(position, (row, labels)): (usize, (&[f32], &&[u32]))| {
        let given = *labels.first()?;
        let likely = (0..classes).filter(|label| row[*label] >= USUAL * usual[*label]);
        let suggested = likely.max_by(|a, b| row[*a].total_cmp(&row[*b]).then(b.cmp(a)))? as u32;
        let doubt = Doubt {
            position,
            given: Some(given),
            suggested: Some(suggested),
            given_probability: row[given as usize],
            suggested_probability: row[suggested as usize],
        };
        (doubt.odds() >= ODDS).then_some(doubt)
    };
    probabilities.chunks_exact(classes).zip(truth).enumerate().filter_map(doubt).collect()
}

fn binary(probabilities: &[f32], truth: &[&[u32]], classes: usize, label: usize) -> Vec<Doubt> {
    let rows: Vec<(f32, bool)> = probabilities
        .chunks_exact(classes)
        .zip(truth)
        .map(|(row, labels)| (row[label], labels.contains(&(label as u32))))
        .collect();
    let mean = |has: bool| {
        let part: Vec<f64> = rows.iter().filter(|r| r.1 == has).map(|r| f64::from(r.0)).collect();
        (!part.is_empty()).then(|| (part.iter().sum::<f64>() / part.len() as f64) as f32)
    };
    let (Some(with), Some(without)) = (mean(true), mean(false)) else { return Vec::new() };
    let named = Some(label as u32);
    let doubt = |(position, (p, has)): (usize, &(f32, bool))| match has {
        true if *p <= without => Some(Doubt {
            position,
            given: named,
            suggested: None,
            given_probability: *p,
            suggested_probability: 1.0 - p,
        }),
        false if *p >= with => Some(Doubt {
            position,
            given: None,
            suggested: named,
            given_probability: 1.0 - p,
            suggested_probability: *p,
        }),
        _ => None,
    };
    rows.iter().enumerate().filter_map(doubt).filter(|doubt| doubt.odds() >= ODDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::Random;

    #[test]
    fn finds_the_labels_that_were_flipped() {
        let mut random = Random::new(8);
        let (classes, rows) = (3, 600);
        let mut probabilities = Vec::new();
        let mut labels = Vec::new();
        for row in 0..rows {
            let truth = row % classes;
            let sure = 0.9 + 0.09 * random.unit() as f32;
            probabilities.extend((0..classes).map(|c| if c == truth { sure } else { (1.0 - sure) / 2.0 }));
            let flipped = row % 20 == 0;
            labels.push([((truth + usize::from(flipped)) % classes) as u32]);
        }
        let truth: Vec<&[u32]> = labels.iter().map(|label| label.as_slice()).collect();
        let found = doubts(&probabilities, &truth, classes, false);
        assert!(found.iter().all(|doubt| doubt.position % 20 == 0), "{found:?}");
        assert!(found.len() >= 15, "found {} of 30", found.len());
        assert!(found.windows(2).all(|pair| pair[0].odds() >= pair[1].odds()));
    }

    #[test]
    fn finds_missing_and_spurious_labels() {
        let probabilities = [0.95, 0.9, 0.05, 0.1, 0.02, 0.97];
        let truth: Vec<&[u32]> = vec![&[0], &[0], &[], &[], &[0], &[]];
        let found = doubts(&probabilities, &truth, 1, true);
        let pairs: Vec<_> =
            found.iter().map(|doubt| (doubt.position, doubt.given, doubt.suggested)).collect();
        assert_eq!(pairs, [(4, Some(0), None), (5, None, Some(0))]);
    }
}
