//! What vectors of texts answer to pairs: cosines where pairs have scores, else the rank of what belongs together.

use loquat_infer::{InferError, Input, Pipeline};
use rayon::prelude::*;

use super::pairs::{Pairs, RowPair};
use crate::likeness::Likeness;
use crate::metrics::Answers;
use crate::problem::Problem;

/// Sums taken side by side, so that the order of a sum is fixed and the processor's.
const LANES: usize = 16;

/// Vectors of some texts, brought to length one.
#[derive(Debug)]
pub(super) struct Vectors {
    /// Place of each text among them, by its number.
    places: Vec<u32>,
    /// `[texts, width]`.
    values: Vec<f32>,
    width: usize,
}

impl Vectors {
    /// The vectors `[numbers, width]` of the texts with these numbers, of `texts` in all.
    pub(super) fn new(numbers: &[u32], texts: usize, mut values: Vec<f32>) -> Self {
        let width = values.len() / numbers.len().max(1);
        let mut places = vec![u32::MAX; texts];
        numbers.iter().zip(0..).for_each(|(number, place)| places[*number as usize] = place);
        for vector in values.chunks_exact_mut(width.max(1)) {
            let length = product(vector, vector).sqrt().max(f32::MIN_POSITIVE);
            vector.iter_mut().for_each(|value| *value /= length);
        }
        Self { places, values, width }
    }

    /// Whether all are numbers.
    pub(super) fn are_finite(&self) -> bool {
        self.values.iter().all(|value| value.is_finite())
    }

    pub(super) fn cosine(&self, a: u32, b: u32) -> f32 {
        product(self.of(a), self.of(b))
    }

    fn of(&self, number: u32) -> &[f32] {
        &self.values[self.places[number as usize] as usize * self.width..][..self.width]
    }
}

fn product(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (a, b) = (a.chunks(LANES), b.chunks(LANES));
    for (a, b) in a.zip(b) {
        lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(lane, (a, b))| *lane += a * b);
    }
    lanes.iter().sum()
}

/// The answers to `rows`. Where pairs have no scores, the candidates for a first text are the second texts of all of them;
/// another that belongs to it is none, and one that is as near as its own counts as nearer.
pub(super) fn of_rows(pairs: &Pairs<'_>, rows: &[usize], vectors: &Vectors) -> Answers {
    let candidates = pairs.candidates(rows);
    let known = pairs.known(rows);
    let likeness = |row: &usize| {
        let RowPair { first, second, score, .. } = pairs.rows[*row];
        let cosine = vectors.cosine(first, second);
        if let Some(score) = score {
            return Likeness::Scored { score, cosine };
        }
        let own = &known[&first];
        let is_nearer = |other: &&u32| {
            **other != first && !own.contains(*other) && vectors.cosine(first, **other) >= cosine
        };
        Likeness::Found(1 + candidates.iter().filter(is_nearer).count() as u32)
    };
    Answers::of_pairs(rows.par_iter().map(likeness).collect())
}

/// What a pipeline answers to the test pairs, on the caller's pool of `threads`.
pub(crate) fn answers(
    problem: &Problem<'_>,
    pipeline: &Pipeline,
    threads: usize,
) -> Result<Answers, InferError> {
    let pairs = Pairs::new(problem.table);
    let numbers = pairs.numbers(&problem.test);
    let inputs: Vec<Input> = numbers.iter().map(|number| Input::new(pairs.texts[*number as usize])).collect();
    let values = pipeline.outputs(&inputs, threads)?.concat();
    let vectors = Vectors::new(&numbers, pairs.texts.len(), values);
    Ok(of_rows(&pairs, &problem.test, &vectors))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(first: u32, second: u32) -> RowPair {
        RowPair { first, second, negative: None, score: None, weight: 1.0 }
    }

    #[test]
    fn what_also_belongs_is_not_in_the_way() {
        // Texts 0 and 3 look for 1 and 2 (0) and for 4 (3); text 5 is a negative.
        let rows = vec![pair(0, 1), pair(0, 2), RowPair { negative: Some(5), ..pair(3, 4) }];
        let pairs = Pairs { texts: vec![""; 6], rows };
        let at = |angle: f32| [angle.cos(), angle.sin()];
        let vectors = [at(0.0), at(0.1), at(0.3), at(1.0), at(0.2), at(1.1)].concat();
        let vectors = Vectors::new(&[0, 1, 2, 3, 4, 5], 6, vectors);
        let answers = of_rows(&pairs, &[0, 1, 2], &vectors);
        // 4 stands between 0 and 2; 5, then 2 stand nearer to 3 than 4 does.
        let expected = [1, 2, 3].map(Likeness::Found);
        assert_eq!(answers.likeness, expected);
        assert_eq!(of_rows(&pairs, &[0, 1], &vectors).likeness, [1, 1].map(Likeness::Found));
    }

    #[test]
    fn a_model_that_gives_every_text_one_vector_finds_nothing_first() {
        let pairs = Pairs { texts: vec![""; 4], rows: vec![pair(0, 1), pair(2, 3)] };
        let vectors = Vectors::new(&[0, 1, 2, 3], 4, vec![1.0; 8]);
        assert_eq!(of_rows(&pairs, &[0, 1], &vectors).likeness, [2, 2].map(Likeness::Found));
    }
}
