//! Layer normalisation (Ba, Kiros, Hinton 2016).

use crate::kernels::Kernels;
use crate::simd::{Operation, Simd};

/// A layer norm over the last dimension.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    /// Factor, `[width]`.
    pub weight: Vec<f32>,
    /// Summand, `[width]`, where the norm has one.
    pub bias: Option<Vec<f32>>,
    /// Added to the variance.
    pub epsilon: f32,
}

impl Kernels {
    /// Normalises each row of `rows`, `[n, width]`, in place.
    ///
    /// # Panics
    /// When `rows` is not a whole number of rows, or the bias is not as long as the weight.
    pub fn layer_norm_in_place(self, norm: &LayerNorm, rows: &mut [f32]) {
        norm.check(rows.len());
        self.run(Normalise { norm, input: None, rows });
    }

    /// Writes the normalised rows of `input` to `out`, both `[n, width]`.
    ///
    /// # Panics
    /// When the lengths differ or are not a whole number of rows, or the bias is not as long as the weight.
    pub fn layer_norm(self, norm: &LayerNorm, input: &[f32], out: &mut [f32]) {
        norm.check(out.len());
        assert_eq!(input.len(), out.len(), "as many numbers out as in");
        self.run(Normalise { norm, input: Some(input), rows: out });
    }
}

impl LayerNorm {
    fn check(&self, length: usize) {
        let width = self.weight.len();
        assert!(width > 0 && length.is_multiple_of(width), "{length} numbers in rows of {width}");
        assert!(self.bias.as_ref().is_none_or(|bias| bias.len() == width), "a bias as long as the weight");
    }
}

struct Normalise<'a> {
    norm: &'a LayerNorm,
    /// Where it is not `rows` itself.
    input: Option<&'a [f32]>,
    rows: &'a mut [f32],
}

impl Operation for Normalise<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let width = self.norm.weight.len();
        for (index, row) in self.rows.chunks_exact_mut(width).enumerate() {
            if let Some(input) = self.input {
                row.copy_from_slice(&input[index * width..][..width]);
            }
            normalise_row(simd, self.norm, row);
        }
    }
}

/// The variance is taken about the mean in a second pass: the row is in the first-level cache, and nothing cancels.
#[inline(always)]
fn normalise_row<S: Simd>(simd: S, norm: &LayerNorm, row: &mut [f32]) {
    let width = row.len() as f32;
    let mut sum = simd.splat(0.0);
    for numbers in row.chunks(S::LANES) {
        sum = simd.add(sum, simd.load(numbers));
    }
    let mean = simd.sum(sum) / width;
    let mut squares = simd.splat(0.0);
    let (whole, rest) = row.split_at(row.len() - row.len() % S::LANES);
    for numbers in whole.chunks_exact(S::LANES) {
        let centred = simd.sub(simd.load(numbers), simd.splat(mean));
        squares = simd.mul_add(centred, centred, squares);
    }
    let rest: f32 = rest.iter().map(|number| (number - mean) * (number - mean)).sum();
    let factor = simd.splat(1.0 / ((simd.sum(squares) + rest) / width + norm.epsilon).sqrt());
    for (start, numbers) in row.chunks_mut(S::LANES).enumerate() {
        let start = start * S::LANES;
        let centred = simd.sub(simd.load(numbers), simd.splat(mean));
        let mut value = simd.mul(simd.mul(centred, factor), simd.load(&norm.weight[start..]));
        if let Some(bias) = &norm.bias {
            value = simd.add(value, simd.load(&bias[start..]));
        }
        simd.store(value, numbers);
    }
}
