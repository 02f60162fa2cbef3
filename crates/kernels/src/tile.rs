//! The innermost products: a few rows times a few vectors of columns, all sums in registers.
//!
//! Each sum runs over `depth` from first to last whatever the number of rows, so a row's result never depends on the
//! rows beside it.

use crate::aligned::Plain;
use crate::simd::{MOST_LANES, MOST_ROWS, Simd, TILE_VECTORS};

/// Columns of a tile in memory, whatever the path.
pub(crate) const TILE_WIDTH: usize = TILE_VECTORS * MOST_LANES;

/// The sums of one tile, `[MOST_ROWS, TILE_WIDTH]`.
#[repr(align(64))]
pub(crate) struct Tile<T>(pub(crate) [T; MOST_ROWS * TILE_WIDTH]);

impl<T: Plain + Default> Tile<T> {
    pub(crate) fn zeros() -> Self {
        Self([T::default(); MOST_ROWS * TILE_WIDTH])
    }

    /// The sums of a row.
    #[inline(always)]
    pub(crate) fn row(&self, row: usize) -> &[T; TILE_WIDTH] {
        &self.0.as_chunks().0[row]
    }
}

/// Rows of A and columns of B as pointers, `rows x depth` times `depth x vectors * LANES`, and where the sums go.
#[derive(Clone, Copy)]
pub(crate) struct Operands<A, B, C> {
    /// First element of the first row.
    pub(crate) a: *const A,
    /// Elements from one row of A to the next.
    pub(crate) a_stride: usize,
    /// First element of the first step's columns.
    pub(crate) b: *const B,
    /// Elements from one step's columns to the next step's.
    pub(crate) b_stride: usize,
    /// Steps: numbers in f32, groups of four bytes in int8.
    pub(crate) depth: usize,
    /// First sum of the first row.
    pub(crate) c: *mut C,
    /// Sums from one row to the next.
    pub(crate) c_stride: usize,
}

/// Calls `$kernel::<S, rows, vectors>` with constants for both.
macro_rules! with_constants {
    ($kernel:ident, $simd:ident, $rows:expr, $vectors:expr, $operands:expr) => {
        with_constants!(@rows $kernel, $simd, $rows, $vectors, $operands, [1 2 3 4 5 6 7 8])
    };
    (@rows $kernel:ident, $simd:ident, $rows:expr, $vectors:expr, $operands:expr, [$($row:literal)*]) => {
        match ($rows, $vectors) {
            $(
                // The first condition is constant: a path has no code for more rows than it has registers for.
                ($row, 1) if $row <= S::ROWS => $kernel::<S, $row, 1>($simd, $operands),
                ($row, 2) if $row <= S::ROWS => $kernel::<S, $row, 2>($simd, $operands),
                ($row, 3) if $row <= S::ROWS => $kernel::<S, $row, 3>($simd, $operands),
            )*
            _ => unreachable!("tiles have 1..=ROWS rows and 1..=3 vectors"),
        }
    };
}

/// `C = A * B` in f32.
///
/// # Safety
/// Row `r < rows` of A can be read from `a + r * a_stride` for `depth` numbers, and step `d < depth` of B from
/// `b + d * b_stride` for `vectors * LANES`; row `r` of C can be written from `c + r * c_stride` for as many.
#[inline(always)]
pub(crate) unsafe fn product_f32<S: Simd>(
    simd: S,
    rows: usize,
    vectors: usize,
    operands: Operands<f32, f32, f32>,
) {
    // SAFETY: handed on.
    unsafe { with_constants!(sums_f32, simd, rows, vectors, operands) }
}

/// `C = A * B` for bytes in groups of four, with A less the path's `ACTIVATION_OFFSET`.
///
/// # Safety
/// Row `r < rows` of A can be read from `a + r * a_stride` for `4 * depth` bytes, and step `d < depth` of B from
/// `b + d * b_stride` for `4 * vectors * LANES`; row `r` of C can be written from `c + r * c_stride` for `vectors * LANES`.
#[inline(always)]
pub(crate) unsafe fn product_i8<S: Simd>(
    simd: S,
    rows: usize,
    vectors: usize,
    operands: Operands<u8, i8, i32>,
) {
    // SAFETY: handed on.
    unsafe { with_constants!(sums_i8, simd, rows, vectors, operands) }
}

#[inline(always)]
unsafe fn sums_f32<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    operands: Operands<f32, f32, f32>,
) {
    let Operands { a, a_stride, b, b_stride, depth, c, c_stride } = operands;
    let mut sums = [[simd.splat(0.0); VECTORS]; ROWS];
    for step in 0..depth {
        // SAFETY: the caller promised these rows, steps and vectors.
        unsafe {
            let weights: [S::F32; VECTORS] =
                std::array::from_fn(|v| simd.load_at(b.add(step * b_stride + v * S::LANES)));
            for (row, sums) in sums.iter_mut().enumerate() {
                let value = simd.splat(*a.add(row * a_stride + step));
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    *sum = simd.mul_add(value, weights, *sum);
                }
            }
        }
    }
    for (row, sums) in sums.into_iter().enumerate() {
        for (v, sum) in sums.into_iter().enumerate() {
            // SAFETY: the caller promised room for these sums.
            unsafe { simd.store_at(sum, c.add(row * c_stride + v * S::LANES)) }
        }
    }
}

#[inline(always)]
unsafe fn sums_i8<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    operands: Operands<u8, i8, i32>,
) {
    let Operands { b, b_stride, depth, c, c_stride, .. } = operands;
    // Opaque, or the compiler computes each row's address from the start in every step.
    let (a, a_stride) = std::hint::black_box((operands.a, operands.a_stride));
    let mut sums = [[simd.zero_i32(); VECTORS]; ROWS];
    for step in 0..depth {
        // SAFETY: the caller promised these rows, steps and vectors.
        unsafe {
            let weights: [S::Weights; VECTORS] =
                std::array::from_fn(|v| simd.weights_at(b.add(step * b_stride + v * 4 * S::LANES)));
            for (row, sums) in sums.iter_mut().enumerate() {
                let four = simd.activations_at(a.add(row * a_stride + 4 * step));
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    *sum = simd.dot(*sum, four, weights);
                }
            }
        }
    }
    for (row, sums) in sums.into_iter().enumerate() {
        for (v, sum) in sums.into_iter().enumerate() {
            // SAFETY: the caller promised room for these sums.
            unsafe { simd.store_i32_at(sum, c.add(row * c_stride + v * S::LANES)) }
        }
    }
}
