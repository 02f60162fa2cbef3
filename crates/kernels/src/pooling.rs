//! One vector for each sequence.

use crate::kernels::Kernels;
use crate::simd::{Operation, Simd};

/// How the tokens of a sequence become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The first token.
    First,
    /// The last token.
    Last,
    /// The mean of all tokens.
    Mean,
    /// The largest number of each column.
    Max,
    /// The sum over the square root of the number of tokens.
    MeanSquareRoot,
    /// The mean of all tokens, each weighted by its place: the first once, the second twice (Muennighoff, SGPT, 2022).
    WeightedMean,
}

impl Kernels {
    /// Pools `rows`, `[tokens, width]`, to `out`, `[lengths.len(), width]`.
    ///
    /// # Panics
    /// When the lengths do not fit, or a sequence is empty.
    pub fn pool(self, pooling: Pooling, rows: &[f32], width: usize, lengths: &[usize], out: &mut [f32]) {
        assert_eq!(rows.len(), lengths.iter().sum::<usize>() * width, "a row for each token");
        assert_eq!(out.len(), lengths.len() * width, "a row for each sequence");
        assert!(lengths.iter().all(|length| *length > 0), "every sequence has a token");
        self.run(Pool { pooling, rows, width, lengths, out });
    }

    /// Scales each row of `rows`, `[n, width]`, to Euclidean length 1; a row of zeros stays.
    ///
    /// # Panics
    /// When `rows` is not a whole number of rows.
    pub fn normalise_length(self, rows: &mut [f32], width: usize) {
        assert!(width > 0 && rows.len().is_multiple_of(width), "{} numbers in rows of {width}", rows.len());
        self.run(NormaliseLength { rows, width });
    }
}

struct Pool<'a> {
    pooling: Pooling,
    rows: &'a [f32],
    width: usize,
    lengths: &'a [usize],
    out: &'a mut [f32],
}

impl Operation for Pool<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let mut rest = self.rows;
        for (length, out) in self.lengths.iter().zip(self.out.chunks_exact_mut(self.width)) {
            let (tokens, after) = rest.split_at(length * self.width);
            rest = after;
            match self.pooling {
                Pooling::First => out.copy_from_slice(&tokens[..self.width]),
                Pooling::Last => out.copy_from_slice(&tokens[tokens.len() - self.width..]),
                Pooling::Mean => sum(simd, tokens, 1.0 / *length as f32, out),
                Pooling::MeanSquareRoot => sum(simd, tokens, 1.0 / (*length as f32).sqrt(), out),
                Pooling::WeightedMean => weighted(simd, tokens, out),
                Pooling::Max => fold(simd, tokens, out, |simd, a, b| simd.max(a, b)),
            }
        }
    }
}

#[inline(always)]
fn sum<S: Simd>(simd: S, tokens: &[f32], factor: f32, out: &mut [f32]) {
    fold(simd, tokens, out, |simd, a, b| simd.add(a, b));
    scale(simd, out, factor);
}

/// The mean of the rows of `tokens`, row `n` counted `n` times.
#[inline(always)]
fn weighted<S: Simd>(simd: S, tokens: &[f32], out: &mut [f32]) {
    let width = out.len();
    let count = (tokens.len() / width) as f32;
    for first in (0..width).step_by(S::LANES) {
        let here = first..(first + S::LANES).min(width);
        let (mut sum, mut place) = (simd.splat(0.0), 0.0);
        for row in tokens.chunks_exact(width) {
            place += 1.0;
            sum = simd.mul_add(simd.load(&row[here.clone()]), simd.splat(place), sum);
        }
        simd.store(sum, &mut out[here]);
    }
    scale(simd, out, 2.0 / (count * (count + 1.0)));
}

/// Combines the rows of `tokens` column by column.
#[inline(always)]
fn fold<S: Simd>(simd: S, tokens: &[f32], out: &mut [f32], of: impl Fn(S, S::F32, S::F32) -> S::F32) {
    let width = out.len();
    for first in (0..width).step_by(S::LANES) {
        let here = first..(first + S::LANES).min(width);
        let mut rows = tokens.chunks_exact(width).map(|row| simd.load(&row[here.clone()]));
        if let Some(row) = rows.next() {
            let folded = rows.fold(row, |folded, row| of(simd, folded, row));
            simd.store(folded, &mut out[here]);
        }
    }
}

#[inline(always)]
fn scale<S: Simd>(simd: S, row: &mut [f32], factor: f32) {
    for numbers in row.chunks_mut(S::LANES) {
        simd.store(simd.mul(simd.load(numbers), simd.splat(factor)), numbers);
    }
}

struct NormaliseLength<'a> {
    rows: &'a mut [f32],
    width: usize,
}

impl Operation for NormaliseLength<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for row in self.rows.chunks_exact_mut(self.width) {
            let mut squares = simd.splat(0.0);
            for numbers in row.chunks(S::LANES) {
                let numbers = simd.load(numbers);
                squares = simd.mul_add(numbers, numbers, squares);
            }
            let length = simd.sum(squares).sqrt();
            if length > 0.0 {
                scale(simd, row, 1.0 / length);
            }
        }
    }
}
