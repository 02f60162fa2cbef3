//! Seeds and draws on top of the crate's generator, so that every random choice follows from the resource's
//! seed alone.

use libm::{cos, log, sqrt};

use crate::linear::Random;

/// Mixes `seed` with the indices that name one random choice.
pub(crate) fn mix(seed: u64, indices: &[u64]) -> u64 {
    indices
        .iter()
        .fold(Random::new(seed).next(), |state, index| Random::new(state ^ Random::new(*index).next()).next())
}

/// A standard normal number (Box and Muller 1958).
pub(crate) fn normal(random: &mut Random) -> f64 {
    let radius = sqrt(-2.0 * log(1.0 - random.unit()));
    radius * cos(std::f64::consts::TAU * random.unit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_published_sequence() {
        // First outputs for seed 1234567 of the reference implementation
        // (https://prng.di.unimi.it/splitmix64.c).
        let mut random = Random::new(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn indices_give_different_seeds_in_every_order() {
        let seeds = [mix(1, &[]), mix(1, &[0]), mix(1, &[1, 0]), mix(1, &[0, 1]), mix(2, &[0, 1])];
        let distinct: std::collections::BTreeSet<u64> = seeds.into_iter().collect();
        assert_eq!(distinct.len(), seeds.len());
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_variance_one() {
        let mut random = Random::new(3);
        let values: Vec<f64> = (0..20_000).map(|_| normal(&mut random)).collect();
        let mean = values.iter().sum::<f64>() / 20_000.0;
        let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.04, "{mean} {variance}");
    }
}
