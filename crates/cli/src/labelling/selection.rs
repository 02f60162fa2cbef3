//! Which rows to label: those that the model is least sure of, and that are unlike each other.
//!
//! Rows are taken one by one, each the one with the greatest product of uncertainty and of distance to the nearest row
//! taken before. The distance is Jaccard's, between sets of character trigrams. The same rows and scores give the same
//! choice.

/// Characters of a gram.
const GRAM: usize = 3;

/// How unsure probabilities of one label a text are, from 0 (sure) to 1: the lack of margin between the two best.
pub(crate) fn margin(probabilities: &[f32]) -> f32 {
    let (mut best, mut second) = (0.0_f32, 0.0_f32);
    for &probability in probabilities {
        if probability > best {
            (best, second) = (probability, best);
        } else {
            second = second.max(probability);
        }
    }
    1.0 - (best - second)
}

/// How unsure probabilities of sets of labels are, from 0 (sure) to 1: how near the nearest one is to its threshold.
pub(crate) fn nearness(probabilities: &[f32], thresholds: &[f32]) -> f32 {
    let near = probabilities.iter().zip(thresholds).map(|(probability, threshold)| {
        let side = if probability >= threshold { 1.0 - threshold } else { *threshold };
        1.0 - (probability - threshold).abs() / side.max(f32::EPSILON)
    });
    near.fold(0.0, f32::max)
}

/// Rows to choose from.
#[derive(Debug)]
pub(crate) struct Selection {
    candidates: Vec<Candidate>,
}

#[derive(Debug)]
struct Candidate {
    row: usize,
    uncertainty: f32,
    grams: Vec<u32>,
    /// Distance to the nearest row taken, 1 before there is one.
    distance: f32,
}

impl Selection {
    /// Candidates, each a text and how unsure the model is of it; of them the `most` that it is least sure of.
    pub(crate) fn new(rows: &[(&str, f32)], most: usize) -> Self {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by(|a, b| rows[*b].1.total_cmp(&rows[*a].1).then(a.cmp(b)));
        order.truncate(most);
        let candidate = |row: usize| {
            let (text, uncertainty) = rows[row];
            Candidate { row, uncertainty, grams: grams(text), distance: 1.0 }
        };
        Self { candidates: order.into_iter().map(candidate).collect() }
    }

    /// A text that was taken before.
    pub(crate) fn took(&mut self, text: &str) {
        self.keep_away(&grams(text));
    }

    /// Takes the best row, by its number among those given; `None` when all are taken.
    pub(crate) fn take(&mut self) -> Option<usize> {
        let worth = |candidate: &Candidate| candidate.uncertainty * candidate.distance;
        // Of equals the first, which is the less sure one: `max_by` takes the last, so the order is turned.
        let places = (0..self.candidates.len()).rev();
        let best =
            places.max_by(|a, b| worth(&self.candidates[*a]).total_cmp(&worth(&self.candidates[*b])))?;
        let taken = self.candidates.remove(best);
        self.keep_away(&taken.grams);
        Some(taken.row)
    }

    fn keep_away(&mut self, grams: &[u32]) {
        for candidate in &mut self.candidates {
            candidate.distance = candidate.distance.min(distance(&candidate.grams, grams));
        }
    }
}

/// Hashes of the character grams of a text in lower case, sorted, each once; of a shorter text its own.
fn grams(text: &str) -> Vec<u32> {
    let characters: Vec<char> = text.to_lowercase().chars().collect();
    let mut grams: Vec<u32> = match characters.len() {
        0..GRAM => vec![hash(&characters)],
        _ => characters.windows(GRAM).map(hash).collect(),
    };
    grams.sort_unstable();
    grams.dedup();
    grams
}

/// FNV-1a over code points.
fn hash(characters: &[char]) -> u32 {
    characters.iter().fold(0x811c_9dc5, |hash, c| (hash ^ u32::from(*c)).wrapping_mul(0x0100_0193))
}

/// Jaccard's distance of two sorted sets, from 0 (the same) to 1 (nothing in common).
fn distance(a: &[u32], b: &[u32]) -> f32 {
    let (mut i, mut j, mut common) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => (i, j, common) = (i + 1, j + 1, common + 1),
        }
    }
    1.0 - common as f32 / (a.len() + b.len() - common) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut selection: Selection) -> Vec<usize> {
        std::iter::from_fn(|| selection.take()).collect()
    }

    #[test]
    fn the_least_sure_row_comes_first_and_its_copies_last() {
        let rows = [
            ("where is my parcel", 0.5),
            ("the invoice is wrong", 0.9),
            ("The invoice is wrong", 0.89),
            ("how do I reset it", 0.6),
        ];
        assert_eq!(all(Selection::new(&rows, 10)), [1, 3, 0, 2]);
    }

    #[test]
    fn rows_like_those_taken_before_come_late() {
        let rows = [("the invoice is wrong", 0.9), ("where is my parcel", 0.3)];
        let mut selection = Selection::new(&rows, 10);
        selection.took("the invoice is wrong!");
        assert_eq!(all(selection), [1, 0]);
    }

    #[test]
    fn every_row_is_taken_once_and_only_the_least_sure_are_looked_at() {
        let texts: Vec<String> = (0..40).map(|n| format!("ticket {} about {}", n * 37, n % 5)).collect();
        let rows: Vec<(&str, f32)> =
            texts.iter().enumerate().map(|(n, text)| (text.as_str(), (n as f32) / 40.0)).collect();
        let taken = all(Selection::new(&rows, 15));
        assert_eq!(taken, all(Selection::new(&rows, 15)));
        let mut sorted = taken.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (25..40).collect::<Vec<_>>());
    }

    #[test]
    fn uncertainty_is_one_at_a_tie_and_nothing_when_sure() {
        assert_eq!(margin(&[0.5, 0.5, 0.0]), 1.0);
        assert_eq!(margin(&[0.0, 1.0, 0.0]), 0.0);
        assert!(margin(&[0.4, 0.35, 0.25]) > margin(&[0.6, 0.3, 0.1]));
        assert_eq!(nearness(&[0.0, 0.3], &[0.5, 0.3]), 1.0);
        assert_eq!(nearness(&[0.0, 1.0], &[0.5, 0.3]), 0.0);
        assert!(nearness(&[0.4], &[0.5]) > nearness(&[0.9], &[0.5]));
    }
}
