//! Metrics of vectors of texts: how their cosines follow given scores, and how early the text that belongs to another is found.
//!
//! `spearman` is Pearson's correlation of ranks, equal values having the mean of their ranks; `pearson` that of the values.
//! A pair without a score counts by the rank of its second text among the second texts of all rows scored, in the order of
//! their cosine to the first: `recall-at-k` is the share of ranks up to k, `mrr-at-10` the mean of one over the rank and
//! `ndcg-at-10` that of one over the binary logarithm of the rank plus one, both 0 past rank 10 (Järvelin and Kekäläinen 2002).

use loquat_spec::Metric;

/// The last rank that counts.
const DEEPEST: u32 = 10;

/// What a row of a pair of texts gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Likeness {
    /// The score that the row gives, and the cosine of the two vectors.
    Scored {
        /// As given.
        score: f32,
        /// As found.
        cosine: f32,
    },
    /// Rank of the second text among the candidates, from one.
    Found(u32),
}

/// The metric over rows; 0 where nothing can be said, such as the correlation of rows that are all alike.
pub(crate) fn value(rows: &[Likeness], metric: Metric) -> f64 {
    match metric {
        Metric::Spearman => {
            let (scores, cosines) = columns(rows);
            pearson(&ranks(&scores), &ranks(&cosines))
        }
        Metric::Pearson => {
            let (scores, cosines) = columns(rows);
            pearson(&scores, &cosines)
        }
        _ => mean(rows, |rank| gain(rank, metric)),
    }
}

fn columns(rows: &[Likeness]) -> (Vec<f64>, Vec<f64>) {
    let scored = |row: &Likeness| match row {
        Likeness::Scored { score, cosine } => Some((f64::from(*score), f64::from(*cosine))),
        Likeness::Found(_) => None,
    };
    rows.iter().filter_map(scored).unzip()
}

fn gain(rank: u32, metric: Metric) -> f64 {
    match metric {
        Metric::RecallAt1 => f64::from(u8::from(rank == 1)),
        _ if rank > DEEPEST => 0.0,
        Metric::RecallAt10 => 1.0,
        Metric::MrrAt10 => 1.0 / f64::from(rank),
        Metric::NdcgAt10 => 1.0 / libm::log2(f64::from(rank) + 1.0),
        _ => f64::NAN,
    }
}

fn mean(rows: &[Likeness], gain: impl Fn(u32) -> f64) -> f64 {
    let gained = rows.iter().map(|row| match row {
        Likeness::Found(rank) => gain(*rank),
        Likeness::Scored { .. } => f64::NAN,
    });
    if rows.is_empty() { 0.0 } else { gained.sum::<f64>() / rows.len() as f64 }
}

/// Rank of each value from one; equal values share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    while first < order.len() {
        let same = |place: &&usize| values[**place] == values[order[first]];
        let count = order[first..].iter().take_while(same).count().max(1);
        let rank = first as f64 + (count as f64 + 1.0) / 2.0;
        order[first..first + count].iter().for_each(|place| ranks[*place] = rank);
        first += count;
    }
    ranks
}

fn pearson(a: &[f64], b: &[f64]) -> f64 {
    let count = a.len().max(1) as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / count, b.iter().sum::<f64>() / count);
    let (mut both, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        both += (a - mean_a) * (b - mean_b);
        of_a += (a - mean_a) * (a - mean_a);
        of_b += (b - mean_b) * (b - mean_b);
    }
    let spread = (of_a * of_b).sqrt();
    if spread > 0.0 { both / spread } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlations_are_those_of_scipy() {
        // scipy.stats 1.17.1: spearmanr and pearsonr.
        let scores = [5.0, 1.0, 3.5, 2.0, 4.0, 1.0, 3.5, 4.5];
        let cosines = [0.91, 0.2, 0.55, 0.6, 0.7, -0.1, 0.55, 0.4];
        let rows: Vec<Likeness> = scores
            .into_iter()
            .zip(cosines)
            .map(|(score, cosine)| Likeness::Scored { score, cosine })
            .collect();
        assert!((value(&rows, Metric::Spearman) - 0.678800345).abs() < 1e-6);
        assert!((value(&rows, Metric::Pearson) - 0.78137665).abs() < 1e-6);
    }

    #[test]
    fn rows_that_are_all_alike_correlate_with_nothing() {
        let rows = [Likeness::Scored { score: 1.0, cosine: 0.5 }; 3];
        assert_eq!(value(&rows, Metric::Spearman), 0.0);
        assert_eq!(value(&[], Metric::NdcgAt10), 0.0);
    }

    #[test]
    fn ranks_past_ten_gain_nothing() {
        let rows = [1, 2, 10, 11].map(Likeness::Found);
        assert_eq!(value(&rows, Metric::RecallAt1), 0.25);
        assert_eq!(value(&rows, Metric::RecallAt10), 0.75);
        assert!((value(&rows, Metric::MrrAt10) - 1.6 / 4.0).abs() < 1e-12);
        let expected = (1.0 + 1.0 / 3f64.log2() + 1.0 / 11f64.log2()) / 4.0;
        assert!((value(&rows, Metric::NdcgAt10) - expected).abs() < 1e-12);
    }
}
