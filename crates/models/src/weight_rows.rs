//! Eight-bit weights, a row a feature, each row whole or sparse, whichever is shorter.
//!
//! A support vector machine gives a rare n-gram weights for a few classes only. A row lies in one piece (scale, number of
//! entries, entries), so that a feature costs one place in memory. Whole and sparse rows give the same bits: what a sparse
//! row leaves out is zero.

use pulp::Arch;

/// Bytes before the entries: the scale and the number of entries.
const HEADER: usize = 6;
/// Stands for the number of entries of a whole row.
const WHOLE: u16 = u16::MAX;
/// Stands for the place of a feature without weights.
const NONE: u32 = u32::MAX;

/// The weights of all features.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightRows {
    classes: usize,
    /// Where the row of each feature begins in `data`.
    places: Vec<u32>,
    data: Vec<u8>,
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Row<'r> {
    /// A weight a class.
    Whole { scale: f32, weights: &'r [u8] },
    /// Classes, in one or two bytes each, and their weights.
    Sparse { scale: f32, classes: &'r [u8], weights: &'r [u8] },
}

/// Bytes of a class in a sparse row.
pub(crate) fn class_bytes(classes: usize) -> usize {
    if classes <= 256 { 1 } else { 2 }
}

impl WeightRows {
    /// No feature yet.
    pub(crate) fn empty(classes: usize) -> Self {
        Self { classes, places: Vec::new(), data: Vec::new() }
    }

    /// Quantises a row a feature (`[classes]`; `None`: it has no weights) to eight bits with a scale of its own.
    pub fn quantise<'w>(classes: usize, rows: impl IntoIterator<Item = Option<&'w [f32]>>) -> Self {
        let mut all = Self::empty(classes);
        for row in rows {
            match row {
                None => all.push_none(),
                Some(row) => {
                    let scale = scale_of(row);
                    let weights: Vec<u8> = row.iter().map(|w| quantised(*w, scale).cast_unsigned()).collect();
                    all.push_shorter(scale, &weights);
                }
            }
        }
        all
    }

    /// Bytes that a row takes in the artifact.
    pub fn stored_bytes(row: &[f32]) -> usize {
        let scale = scale_of(row);
        let entries = row.iter().filter(|w| quantised(**w, scale) != 0).count();
        let sparse = 2 + entries * (class_bytes(row.len()) + 1);
        4 + sparse.min(row.len())
    }

    pub(crate) fn push_none(&mut self) {
        self.places.push(NONE);
    }

    fn push_shorter(&mut self, scale: f32, weights: &[u8]) {
        let wide = class_bytes(self.classes) == 2;
        let entries: Vec<usize> = (0..weights.len()).filter(|class| weights[*class] != 0).collect();
        if 2 + entries.len() * (class_bytes(self.classes) + 1) >= weights.len() {
            return self.push(Row::Whole { scale, weights });
        }
        let mut classes = Vec::with_capacity(2 * entries.len());
        for class in &entries {
            let bytes = (*class as u16).to_le_bytes();
            classes.extend_from_slice(if wide { &bytes } else { &bytes[..1] });
        }
        let weights: Vec<u8> = entries.iter().map(|class| weights[*class]).collect();
        self.push(Row::Sparse { scale, classes: &classes, weights: &weights });
    }

    /// Adds the row of the next feature.
    pub(crate) fn push(&mut self, row: Row<'_>) {
        self.places.push(u32::try_from(self.data.len()).expect("weights of more than 4 GiB"));
        let (scale, count, parts) = match row {
            Row::Whole { scale, weights } => (scale, WHOLE, [&[][..], weights]),
            Row::Sparse { scale, classes, weights } => (scale, weights.len() as u16, [classes, weights]),
        };
        self.data.extend_from_slice(&scale.to_le_bytes());
        self.data.extend_from_slice(&count.to_le_bytes());
        parts.iter().for_each(|part| self.data.extend_from_slice(part));
    }

    /// Number of features.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// The row of a feature; `None` when it has no weights.
    #[inline(always)]
    pub(crate) fn get(&self, feature: usize) -> Option<Row<'_>> {
        let place = self.places[feature];
        if place == NONE {
            return None;
        }
        let (header, rest) = self.data[place as usize..].split_at(HEADER);
        let scale = f32::from_le_bytes([header[0], header[1], header[2], header[3]]);
        let count = u16::from_le_bytes([header[4], header[5]]);
        if count == WHOLE {
            return Some(Row::Whole { scale, weights: &rest[..self.classes] });
        }
        let (classes, rest) = rest.split_at(usize::from(count) * class_bytes(self.classes));
        Some(Row::Sparse { scale, classes, weights: &rest[..usize::from(count)] })
    }

    /// Adds `value` times the row of each feature to `margins` (`[classes]`), feature after feature.
    pub(crate) fn add(&self, values: &[(u32, f32)], margins: &mut [f32]) {
        let wide = class_bytes(self.classes) == 2;
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for &(feature, value) in values {
                    match self.get(feature as usize) {
                        None => {}
                        Some(Row::Whole { scale, weights }) => {
                            let value = value * scale;
                            for (margin, weight) in margins.iter_mut().zip(weights) {
                                *margin += value * f32::from(weight.cast_signed());
                            }
                        }
                        Some(row @ Row::Sparse { scale, .. }) => {
                            let value = value * scale;
                            row.for_each(wide, |class, weight| margins[class] += value * weight);
                        }
                    }
                }
            },
        );
    }

    /// Bytes in memory.
    pub(crate) fn resident_bytes(&self) -> usize {
        self.data.len() + self.places.len() * 4
    }
}

impl Row<'_> {
    /// Calls `each(class, quantised weight)` for each weight that is kept.
    #[inline(always)]
    pub(crate) fn for_each(self, wide: bool, mut each: impl FnMut(usize, f32)) {
        let weight = |weight: &u8| f32::from(weight.cast_signed());
        match self {
            Row::Whole { weights, .. } => {
                weights.iter().enumerate().for_each(|(class, w)| each(class, weight(w)));
            }
            Row::Sparse { classes, weights, .. } if wide => {
                for (class, w) in classes.chunks_exact(2).zip(weights) {
                    each(usize::from(u16::from_le_bytes([class[0], class[1]])), weight(w));
                }
            }
            Row::Sparse { classes, weights, .. } => {
                classes.iter().zip(weights).for_each(|(class, w)| each(usize::from(*class), weight(w)));
            }
        }
    }

    /// What a quantised weight of one stands for.
    pub(crate) fn scale(self) -> f32 {
        match self {
            Row::Whole { scale, .. } | Row::Sparse { scale, .. } => scale,
        }
    }
}

fn scale_of(row: &[f32]) -> f32 {
    let largest = row.iter().fold(0.0_f32, |m, w| m.max(w.abs()));
    if largest > 0.0 { largest / 127.0 } else { 1.0 }
}

fn quantised(weight: f32, scale: f32) -> i8 {
    (weight / scale).round().clamp(-127.0, 127.0) as i8
}
