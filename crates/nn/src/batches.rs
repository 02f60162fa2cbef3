//! Batches of examples of like length, in an order that follows from the seed and the epoch.

use crate::random::{mix, shuffle};

/// Batches whose examples are sorted by length together.
const SORTED: usize = 32;

/// The examples of each batch of an epoch, every one once.
pub(crate) fn batches(lengths: &[usize], size: usize, seed: u64, epoch: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    shuffle(&mut order, mix(seed, &[epoch as u64, 0]));
    for part in order.chunks_mut(size * SORTED) {
        part.sort_by_key(|place| lengths[*place]);
    }
    let mut batches: Vec<Vec<usize>> = order.chunks(size).map(<[usize]>::to_vec).collect();
    shuffle(&mut batches, mix(seed, &[epoch as u64, 1]));
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_comes_once_and_among_its_like() {
        let lengths: Vec<usize> = (0..1000).map(|place| place * 7919 % 97).collect();
        let found = batches(&lengths, 16, 3, 0);
        let mut all: Vec<usize> = found.iter().flatten().copied().collect();
        all.sort_unstable();
        assert_eq!(all, (0..1000).collect::<Vec<_>>());
        let spread = |batch: &Vec<usize>| {
            let own = batch.iter().map(|place| lengths[*place]);
            own.clone().max().unwrap_or(0) - own.min().unwrap_or(0)
        };
        assert!(found.iter().map(spread).sum::<usize>() / found.len() < 15, "lengths of a batch are alike");
        assert_ne!(found, batches(&lengths, 16, 3, 1));
        assert_eq!(found, batches(&lengths, 16, 3, 0));
    }
}
