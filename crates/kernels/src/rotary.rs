//! Rotary position embedding (Su et al. 2021), in the layout that turns number `i` with number `i + size / 2`.

use crate::kernels::Kernels;
use crate::simd::{Operation, Simd};

/// Sines and cosines of every position.
#[derive(Debug, Clone)]
pub struct Rotary {
    head_size: usize,
    positions: usize,
    /// `[positions, head_size / 2]`.
    cosines: Vec<f32>,
    sines: Vec<f32>,
}

impl Rotary {
    /// The tables of `positions` positions for heads of `head_size`, frequencies `base^(-2i / head_size)`.
    ///
    /// # Panics
    /// When `head_size` is odd or zero.
    pub fn new(base: f32, head_size: usize, positions: usize) -> Self {
        assert!(head_size > 0 && head_size.is_multiple_of(2), "heads of size {head_size}");
        let half = head_size / 2;
        let angles = (0..positions * half).map(|place| {
            let (position, index) = (place / half, place % half);
            position as f64 / f64::from(base).powf(2.0 * index as f64 / head_size as f64)
        });
        let (cosines, sines) = angles.map(|angle| (angle.cos() as f32, angle.sin() as f32)).unzip();
        Self { head_size, positions, cosines, sines }
    }

    /// Positions that there are tables for.
    pub fn positions(&self) -> usize {
        self.positions
    }
}

impl Kernels {
    /// Turns the heads in the first `width` columns of `rows`, `[tokens, stride]`, by each token's position in its
    /// sequence: with queries and keys side by side, one call turns both.
    ///
    /// # Panics
    /// When the lengths do not fit, `width` is no whole number of heads, or a sequence is longer than the tables.
    pub fn rotate(self, rotary: &Rotary, rows: &mut [f32], stride: usize, width: usize, lengths: &[usize]) {
        assert_eq!(rows.len(), lengths.iter().sum::<usize>() * stride, "a row for each token");
        assert!(width <= stride && width.is_multiple_of(rotary.head_size), "{width} columns are whole heads");
        let longest = lengths.iter().copied().max().unwrap_or(0);
        assert!(longest <= rotary.positions, "{longest} tokens, {} positions", rotary.positions);
        self.run(Rotate { rotary, rows, stride, width, lengths });
    }
}

struct Rotate<'a> {
    rotary: &'a Rotary,
    rows: &'a mut [f32],
    stride: usize,
    width: usize,
    lengths: &'a [usize],
}

impl Operation for Rotate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let half = self.rotary.head_size / 2;
        let positions = self.lengths.iter().flat_map(|length| 0..*length);
        for (row, position) in self.rows.chunks_exact_mut(self.stride).zip(positions) {
            let cosines = &self.rotary.cosines[position * half..][..half];
            let sines = &self.rotary.sines[position * half..][..half];
            for head in row[..self.width].chunks_exact_mut(2 * half) {
                let (left, right) = head.split_at_mut(half);
                let halves = left.chunks_mut(S::LANES).zip(right.chunks_mut(S::LANES));
                let turns = cosines.chunks(S::LANES).zip(sines.chunks(S::LANES));
                for ((left, right), (cosine, sine)) in halves.zip(turns) {
                    let (a, b) = (simd.load(left), simd.load(right));
                    let (cosine, sine) = (simd.load(cosine), simd.load(sine));
                    simd.store(simd.sub(simd.mul(a, cosine), simd.mul(b, sine)), left);
                    simd.store(simd.add(simd.mul(b, cosine), simd.mul(a, sine)), right);
                }
            }
        }
    }
}
