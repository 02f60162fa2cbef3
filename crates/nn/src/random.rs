//! Random numbers that follow from a seed and the place that they are for, so that a training resumes in any place.

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) fn hash(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A seed for one purpose.
pub(crate) fn mix(seed: u64, places: &[u64]) -> u64 {
    places.iter().fold(hash(seed), |state, place| hash(state ^ hash(*place)))
}

/// Puts `items` into an order that follows from `seed` (Fisher and Yates).
pub(crate) fn shuffle<T>(items: &mut [T], seed: u64) {
    for last in (1..items.len()).rev() {
        let drawn = hash(seed ^ hash(last as u64));
        let other = ((u128::from(drawn) * (last as u128 + 1)) >> 64) as usize;
        items.swap(last, other);
    }
}
