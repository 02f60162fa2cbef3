//! The features that a model knows: n-gram hashes and their inverse document frequencies.

/// Steps of the fixed-point inverse document frequency.
const IDF_STEPS: f32 = 4096.0;
const EMPTY: u32 = u32::MAX;

/// An immutable map from n-gram hash to feature id, with the feature's inverse document frequency.
///
/// Ids count from zero in ascending order of hash. An open-addressing table with linear probing, at most half full.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    hashes: Vec<u32>,
    idf: Vec<u16>,
    /// Slots of (hash, id); `EMPTY` as id marks a free one.
    slots: Vec<(u32, u32)>,
    shift: u32,
}

impl Vocabulary {
    /// Rounds an inverse document frequency to the fixed-point form that the artifact stores (steps of 1/4096, at most
    /// 15.9).
    pub fn round_idf(idf: f32) -> u16 {
        (idf * IDF_STEPS).round().clamp(0.0, f32::from(u16::MAX)) as u16
    }

    /// The inverse document frequency that a stored value stands for.
    #[inline(always)]
    pub fn idf_value(stored: u16) -> f32 {
        f32::from(stored) * (1.0 / IDF_STEPS)
    }

    /// Builds the map; `None` when `hashes` is not strictly ascending or the lengths differ.
    pub fn new(hashes: Vec<u32>, idf: Vec<u16>) -> Option<Self> {
        if hashes.len() != idf.len() || !hashes.is_sorted_by(|a, b| a < b) {
            return None;
        }
        let bits = (hashes.len() * 2).next_power_of_two().trailing_zeros().max(4);
        let mut slots = vec![(0, EMPTY); 1 << bits];
        let shift = 32 - bits;
        for (id, &hash) in hashes.iter().enumerate() {
            let mut at = (hash >> shift) as usize;
            while slots[at].1 != EMPTY {
                at = (at + 1) & (slots.len() - 1);
            }
            slots[at] = (hash, id as u32);
        }
        Some(Self { hashes, idf, slots, shift })
    }

    /// Number of features.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether it holds no feature.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// The feature id of a hash, if the model knows it.
    #[inline(always)]
    pub fn get(&self, hash: u32) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut at = (hash >> self.shift) as usize & mask;
        loop {
            let (found, id) = self.slots[at];
            if id == EMPTY {
                return None;
            }
            if found == hash {
                return Some(id);
            }
            at = (at + 1) & mask;
        }
    }

    /// Inverse document frequency of a feature.
    #[inline(always)]
    pub fn idf(&self, id: u32) -> f32 {
        Self::idf_value(self.idf[id as usize])
    }

    /// The hashes, ascending.
    pub fn hashes(&self) -> &[u32] {
        &self.hashes
    }

    /// The stored inverse document frequencies, in order of id.
    pub fn stored_idf(&self) -> &[u16] {
        &self.idf
    }

    /// Bytes in memory.
    pub fn resident_bytes(&self) -> usize {
        self.hashes.len() * 6 + self.slots.len() * 8
    }
}
