//! Hard negatives: for each first text the nearest second text of another row that does not seem to belong to it.
//!
//! Texts nearer than a share of the cosine of the pair itself are taken for answers that nobody wrote down, and left out
//! (Moreira et al. 2024, with 95 %).

use rayon::prelude::*;

use super::pairs::Pairs;
use super::scoring::Vectors;
use crate::random::mix;

/// Most texts that are looked through; of more, as many are drawn.
const MOST: usize = 20_000;
/// Share of the pair's own cosine that a negative's may have.
const MARGIN: f32 = 0.95;

/// A negative for each of `rows`, where there is one.
pub(super) fn mined(pairs: &Pairs<'_>, rows: &[usize], vectors: &Vectors, seed: u64) -> Vec<Option<u32>> {
    let mut candidates = pairs.candidates(rows);
    if candidates.len() > MOST {
        candidates.sort_by_key(|number| mix(seed, &[u64::from(*number)]));
        candidates.truncate(MOST);
        candidates.sort_unstable();
    }
    let known = pairs.known(rows);
    let of_row = |row: &usize| {
        let pair = pairs.rows[*row];
        let most = MARGIN * vectors.cosine(pair.first, pair.second);
        let may_be = |number: &u32| *number != pair.first && !known[&pair.first].contains(number);
        let cosines = candidates.iter().filter(|number| may_be(number));
        let cosines = cosines.map(|number| (*number, vectors.cosine(pair.first, *number)));
        let hard = cosines.filter(|(_, cosine)| *cosine <= most).max_by(|a, b| a.1.total_cmp(&b.1));
        hard.map(|(number, _)| number)
    };
    rows.par_iter().map(of_row).collect()
}

#[cfg(test)]
mod tests {
    use super::super::pairs::RowPair;
    use super::*;

    #[test]
    fn the_nearest_that_is_not_too_near_is_taken() {
        let pair = |first, second| RowPair { first, second, negative: None, score: None, weight: 1.0 };
        let rows = vec![pair(0, 1), pair(2, 3), pair(4, 5), pair(0, 6)];
        let pairs = Pairs { texts: vec![""; 7], rows };
        let at = |angle: f32| [angle.cos(), angle.sin()];
        // 3 is nearer to 0 than its own 1; 6 belongs to it too; 5 is the hard one.
        let vectors = [at(0.0), at(0.5), at(3.0), at(0.2), at(2.5), at(0.9), at(0.55)].concat();
        let vectors = Vectors::new(&[0, 1, 2, 3, 4, 5, 6], 7, vectors);
        assert_eq!(mined(&pairs, &[0, 1, 2, 3], &vectors, 1)[0], Some(5));
        assert_eq!(mined(&pairs, &[0], &vectors, 1), [None], "there is nothing else");
    }
}
