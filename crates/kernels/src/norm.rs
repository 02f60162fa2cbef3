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
        let whole = width - width % S::LANES;
        for (index, row) in self.rows.chunks_exact_mut(width).enumerate() {
            if let Some(input) = self.input {
                row.copy_from_slice(&input[index * width..][..width]);
            }
            let spread = Spread::of(simd, self.norm, row);
            for start in (0..whole).step_by(S::LANES) {
                spread.normalise(simd, self.norm, (start, S::LANES), row);
            }
            if whole < width {
                spread.normalise(simd, self.norm, (whole, width - whole), row);
            }
        }
    }
}

/// A row's mean, and the inverse of its standard deviation.
#[derive(Clone, Copy)]
struct Spread {
    mean: f32,
    factor: f32,
}

impl Spread {
    /// The variance is taken about the mean in a second pass: the row is in the first-level cache, and nothing cancels.
    #[inline(always)]
    fn of<S: Simd>(simd: S, norm: &LayerNorm, row: &[f32]) -> Self {
        let share = 1.0 / row.len() as f32;
        let (whole, rest) = row.split_at(row.len() - row.len() % S::LANES);
        let mean = (sum(simd, whole, |x| x) + rest.iter().sum::<f32>()) * share;
        let (middle, square) = (simd.splat(mean), |x: f32| (x - mean) * (x - mean));
        let squares = sum(simd, whole, |x| {
            let centred = simd.sub(x, middle);
            simd.mul(centred, centred)
        });
        let variance = (squares + rest.iter().copied().map(square).sum::<f32>()) * share;
        Self { mean, factor: 1.0 / (variance + norm.epsilon).sqrt() }
    }

    /// Normalises the `length` numbers of the row from `start` on, at most a vector.
    #[inline(always)]
    fn normalise<S: Simd>(self, simd: S, norm: &LayerNorm, (start, length): (usize, usize), row: &mut [f32]) {
        let numbers = &mut row[start..][..length];
        let centred = simd.sub(simd.load(numbers), simd.splat(self.mean));
        let weight = simd.load(&norm.weight[start..][..length]);
        let mut value = simd.mul(simd.mul(centred, simd.splat(self.factor)), weight);
        if let Some(bias) = &norm.bias {
            value = simd.add(value, simd.load(&bias[start..][..length]));
        }
        simd.store(value, numbers);
    }
}

/// The sum of `of` over whole vectors, in four sums side by side, for one would wait for itself.
#[inline(always)]
fn sum<S: Simd>(simd: S, whole: &[f32], of: impl Fn(S::F32) -> S::F32) -> f32 {
    let mut sums = [simd.splat(0.0); 4];
    let mut fours = whole.chunks_exact(4 * S::LANES);
    for four in fours.by_ref() {
        for (sum, numbers) in sums.iter_mut().zip(four.chunks_exact(S::LANES)) {
            *sum = simd.add(*sum, of(simd.load(numbers)));
        }
    }
    for numbers in fours.remainder().chunks_exact(S::LANES) {
        sums[0] = simd.add(sums[0], of(simd.load(numbers)));
    }
    simd.sum(simd.add(simd.add(sums[0], sums[1]), simd.add(sums[2], sums[3])))
}
