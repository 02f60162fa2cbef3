//! The vectors that kernels are written in: one trait, one implementation for each path.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
pub(crate) use portable::Portable;

/// Most lanes of any path.
pub(crate) const MOST_LANES: usize = 16;
/// Most rows of a tile of any path.
pub(crate) const MOST_ROWS: usize = 8;
/// Vectors across a full tile.
pub(crate) const TILE_VECTORS: usize = 3;

/// A kernel, generic over the vectors that it runs on. `run` must be `#[inline(always)]`, as must all that it calls on
/// vectors: only then is it compiled with the path's instructions.
pub(crate) trait Operation {
    type Output;
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// The vectors of one path. A value exists only inside a function compiled for the path.
pub(crate) trait Simd: Copy {
    /// Numbers in a vector.
    const LANES: usize;
    /// Most rows of a tile: as many as leave registers for its operands.
    const ROWS: usize;
    /// What `dot` subtracts from each activation.
    const ACTIVATION_OFFSET: i32;

    /// `LANES` f32.
    type F32: Copy;
    /// `LANES` i32.
    type I32: Copy;
    /// Four weights for each lane.
    type Weights: Copy;
    /// Four activations, the same for all lanes.
    type Activations: Copy;

    fn splat(self, value: f32) -> Self::F32;
    /// The first numbers of `from`; lanes that it does not reach are zero.
    fn load(self, from: &[f32]) -> Self::F32;
    /// The first bytes of `from` as numbers; lanes that it does not reach are zero.
    fn load_bytes(self, from: &[i8]) -> Self::F32;
    /// Fills as much of `to` as the vector reaches.
    fn store(self, vector: Self::F32, to: &mut [f32]);
    /// # Safety
    /// `LANES` numbers can be read from `from` on.
    unsafe fn load_at(self, from: *const f32) -> Self::F32;
    /// # Safety
    /// `LANES` numbers can be written from `to` on.
    unsafe fn store_at(self, vector: Self::F32, to: *mut f32);

    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32;
    fn sub(self, a: Self::F32, b: Self::F32) -> Self::F32;
    fn mul(self, a: Self::F32, b: Self::F32) -> Self::F32;
    fn div(self, a: Self::F32, b: Self::F32) -> Self::F32;
    fn max(self, a: Self::F32, b: Self::F32) -> Self::F32;
    fn min(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a * b + c`.
    fn mul_add(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;
    /// The nearest whole numbers, ties to even.
    fn round(self, a: Self::F32) -> Self::F32;
    /// `a * 2^exponent` for whole exponents in -126..=127.
    fn scale(self, a: Self::F32, exponent: Self::F32) -> Self::F32;
    fn sum(self, a: Self::F32) -> f32;
    fn largest(self, a: Self::F32) -> f32;
    fn smallest(self, a: Self::F32) -> f32;

    /// Transposes the first `LANES` vectors as a square matrix.
    fn transpose(self, square: &mut [Self::F32; MOST_LANES]);

    fn zero_i32(self) -> Self::I32;
    fn to_f32(self, a: Self::I32) -> Self::F32;
    /// # Safety
    /// `LANES` numbers can be read from `from` on.
    unsafe fn load_i32_at(self, from: *const i32) -> Self::I32;
    /// # Safety
    /// `LANES` numbers can be written from `to` on.
    unsafe fn store_i32_at(self, vector: Self::I32, to: *mut i32);
    /// # Safety
    /// `4 * LANES` bytes can be read from `from` on.
    unsafe fn weights_at(self, from: *const i8) -> Self::Weights;
    /// # Safety
    /// Four bytes can be read from `from` on.
    unsafe fn activations_at(self, from: *const u8) -> Self::Activations;
    /// Adds to each lane the products of its four weights with the four activations less `ACTIVATION_OFFSET`.
    /// Activations are in 1..=255 and weights in -127..=127.
    fn dot(self, sum: Self::I32, activations: Self::Activations, weights: Self::Weights) -> Self::I32;
    /// Rounds numbers that are not negative to bytes, at most 255, and fills as much of `to` as the vector reaches.
    fn store_bytes(self, vector: Self::F32, to: &mut [u8]);
}
