//! AVX2 with FMA: eight lanes, sixteen registers.

use std::arch::x86_64::*;

use crate::simd::{MOST_LANES, Operation, Simd};

/// Eight lanes. Made by [`Avx2::run`] alone, so a value proves that the instructions are there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2 {
    _proof: (),
}

const LANES: usize = 8;

impl Avx2 {
    /// Runs `operation` compiled with the path's instructions.
    ///
    /// # Safety
    /// The processor has the features named below.
    #[target_feature(enable = "avx2,fma")]
    pub(crate) unsafe fn run<O: Operation>(operation: O) -> O::Output {
        operation.run(Self { _proof: () })
    }
}

/// All bits of the lowest `count` lanes.
#[inline(always)]
fn lanes(count: usize) -> __m256i {
    unsafe {
        let count = _mm256_set1_epi32(count.min(LANES) as i32);
        _mm256_cmpgt_epi32(count, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
    }
}

// SAFETY of every block below: `self` proves the instructions, and pointers are the caller's promise or lie in a slice.
impl Simd for Avx2 {
    const LANES: usize = LANES;
    const ROWS: usize = 4;
    const ACTIVATION_OFFSET: i32 = 128;

    type F32 = __m256;
    type I32 = __m256i;
    /// The weights and their magnitudes.
    type Weights = (__m256i, __m256i);
    /// Activations less 128.
    type Activations = __m256i;

    #[inline(always)]
    fn splat(self, value: f32) -> __m256 {
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    fn load(self, from: &[f32]) -> __m256 {
        unsafe {
            if from.len() >= LANES {
                _mm256_loadu_ps(from.as_ptr())
            } else {
                _mm256_maskload_ps(from.as_ptr(), lanes(from.len()))
            }
        }
    }

    #[inline(always)]
    fn load_bytes(self, from: &[i8]) -> __m256 {
        let mut bytes = [0_i8; LANES];
        let from = &from[..from.len().min(LANES)];
        bytes[..from.len()].copy_from_slice(from);
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(bytes.as_ptr().cast()))) }
    }

    #[inline(always)]
    fn store(self, vector: __m256, to: &mut [f32]) {
        unsafe {
            if to.len() >= LANES {
                _mm256_storeu_ps(to.as_mut_ptr(), vector);
            } else {
                _mm256_maskstore_ps(to.as_mut_ptr(), lanes(to.len()), vector);
            }
        }
    }

    #[inline(always)]
    unsafe fn load_at(self, from: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store_at(self, vector: __m256, to: *mut f32) {
        unsafe { _mm256_storeu_ps(to, vector) }
    }

    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_div_ps(a, b) }
    }

    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_max_ps(a, b) }
    }

    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_min_ps(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn round(self, a: __m256) -> __m256 {
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }

    #[inline(always)]
    fn scale(self, a: __m256, exponent: __m256) -> __m256 {
        unsafe {
            let biased = _mm256_add_epi32(_mm256_cvtps_epi32(exponent), _mm256_set1_epi32(127));
            _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased)))
        }
    }

    #[inline(always)]
    fn sum(self, a: __m256) -> f32 {
        unsafe {
            let half = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let quarter = _mm_add_ps(half, _mm_movehl_ps(half, half));
            _mm_cvtss_f32(_mm_add_ss(quarter, _mm_movehdup_ps(quarter)))
        }
    }

    #[inline(always)]
    fn largest(self, a: __m256) -> f32 {
        unsafe {
            let half = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let quarter = _mm_max_ps(half, _mm_movehl_ps(half, half));
            _mm_cvtss_f32(_mm_max_ss(quarter, _mm_movehdup_ps(quarter)))
        }
    }

    #[inline(always)]
    fn smallest(self, a: __m256) -> f32 {
        unsafe {
            let half = _mm_min_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let quarter = _mm_min_ps(half, _mm_movehl_ps(half, half));
            _mm_cvtss_f32(_mm_min_ss(quarter, _mm_movehdup_ps(quarter)))
        }
    }

    /// Pairs of rows are interleaved by numbers, then by pairs of numbers, which transposes each 4 x 4 square; then
    /// the squares are.
    #[inline(always)]
    fn transpose(self, rows: &mut [__m256; MOST_LANES]) {
        for four in rows[..LANES].chunks_exact_mut(4) {
            unsafe {
                let low = [_mm256_unpacklo_ps(four[0], four[1]), _mm256_unpacklo_ps(four[2], four[3])];
                let high = [_mm256_unpackhi_ps(four[0], four[1]), _mm256_unpackhi_ps(four[2], four[3])];
                four[0] = _mm256_shuffle_ps::<0x44>(low[0], low[1]);
                four[1] = _mm256_shuffle_ps::<0xEE>(low[0], low[1]);
                four[2] = _mm256_shuffle_ps::<0x44>(high[0], high[1]);
                four[3] = _mm256_shuffle_ps::<0xEE>(high[0], high[1]);
            }
        }
        for row in 0..4 {
            let (top, bottom) = (rows[row], rows[row + 4]);
            unsafe {
                rows[row] = _mm256_permute2f128_ps::<0x20>(top, bottom);
                rows[row + 4] = _mm256_permute2f128_ps::<0x31>(top, bottom);
            }
        }
    }

    #[inline(always)]
    fn zero_i32(self) -> __m256i {
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    fn to_f32(self, a: __m256i) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(a) }
    }

    #[inline(always)]
    unsafe fn load_i32_at(self, from: *const i32) -> __m256i {
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store_i32_at(self, vector: __m256i, to: *mut i32) {
        unsafe { _mm256_storeu_si256(to.cast(), vector) }
    }

    #[inline(always)]
    unsafe fn weights_at(self, from: *const i8) -> Self::Weights {
        unsafe {
            let weights = _mm256_loadu_si256(from.cast());
            (weights, _mm256_abs_epi8(weights))
        }
    }

    #[inline(always)]
    unsafe fn activations_at(self, from: *const u8) -> __m256i {
        unsafe {
            let four = _mm256_set1_epi32(from.cast::<i32>().read_unaligned());
            _mm256_xor_si256(four, _mm256_set1_epi8(-128))
        }
    }

    /// Moves the signs of the weights to the activations, for the instruction multiplies unsigned by signed bytes. Both
    /// have magnitudes of at most 127, so a sum of two products fits 16 bits.
    #[inline(always)]
    fn dot(self, sum: __m256i, activations: __m256i, (weights, magnitudes): Self::Weights) -> __m256i {
        unsafe {
            let pairs = _mm256_maddubs_epi16(magnitudes, _mm256_sign_epi8(activations, weights));
            _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }

    #[inline(always)]
    fn store_bytes(self, vector: __m256, to: &mut [u8]) {
        let mut whole = [0_i32; LANES];
        unsafe { _mm256_storeu_si256(whole.as_mut_ptr().cast(), _mm256_cvtps_epi32(vector)) }
        for (byte, value) in to.iter_mut().zip(whole) {
            *byte = value.min(255) as u8;
        }
    }
}
