//! AVX-512 with VNNI: sixteen lanes, thirty-two registers.

use std::arch::x86_64::*;

use crate::simd::{Operation, Simd};

/// Sixteen lanes. Made by [`Avx512::run`] alone, so a value proves that the instructions are there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx512 {
    _proof: (),
}

const LANES: usize = 16;

impl Avx512 {
    /// Runs `operation` compiled with the path's instructions.
    ///
    /// # Safety
    /// The processor has the features named below.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
    pub(crate) unsafe fn run<O: Operation>(operation: O) -> O::Output {
        operation.run(Self { _proof: () })
    }
}

/// The lowest `count` lanes.
#[inline(always)]
fn lanes(count: usize) -> __mmask16 {
    if count >= LANES { !0 } else { (1 << count) - 1 }
}

// SAFETY of every block below: `self` proves the instructions, and pointers are the caller's promise or lie in a slice.
impl Simd for Avx512 {
    const LANES: usize = LANES;
    const ROWS: usize = 8;
    const ACTIVATION_OFFSET: i32 = 0;

    type F32 = __m512;
    type I32 = __m512i;
    type Weights = __m512i;
    type Activations = __m512i;

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    fn load(self, from: &[f32]) -> __m512 {
        unsafe {
            if from.len() >= LANES {
                _mm512_loadu_ps(from.as_ptr())
            } else {
                _mm512_maskz_loadu_ps(lanes(from.len()), from.as_ptr())
            }
        }
    }

    #[inline(always)]
    fn load_bytes(self, from: &[i8]) -> __m512 {
        unsafe {
            let bytes = if from.len() >= LANES {
                _mm_loadu_si128(from.as_ptr().cast())
            } else {
                _mm_maskz_loadu_epi8(lanes(from.len()), from.as_ptr())
            };
            _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))
        }
    }

    #[inline(always)]
    fn store(self, vector: __m512, to: &mut [f32]) {
        unsafe {
            if to.len() >= LANES {
                _mm512_storeu_ps(to.as_mut_ptr(), vector);
            } else {
                _mm512_mask_storeu_ps(to.as_mut_ptr(), lanes(to.len()), vector);
            }
        }
    }

    #[inline(always)]
    unsafe fn load_at(self, from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store_at(self, vector: __m512, to: *mut f32) {
        unsafe { _mm512_storeu_ps(to, vector) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn round(self, a: __m512) -> __m512 {
        unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }

    #[inline(always)]
    fn scale(self, a: __m512, exponent: __m512) -> __m512 {
        unsafe { _mm512_scalef_ps(a, exponent) }
    }

    #[inline(always)]
    fn sum(self, a: __m512) -> f32 {
        unsafe { _mm512_reduce_add_ps(a) }
    }

    #[inline(always)]
    fn largest(self, a: __m512) -> f32 {
        unsafe { _mm512_reduce_max_ps(a) }
    }

    #[inline(always)]
    fn smallest(self, a: __m512) -> f32 {
        unsafe { _mm512_reduce_min_ps(a) }
    }

    /// Pairs of rows are interleaved by numbers, then by pairs of numbers, which transposes each 4 x 4 square; then
    /// the squares are.
    #[inline(always)]
    fn transpose(self, rows: &mut [__m512; LANES]) {
        for four in rows.chunks_exact_mut(4) {
            unsafe {
                let low = [_mm512_unpacklo_ps(four[0], four[1]), _mm512_unpacklo_ps(four[2], four[3])];
                let high = [_mm512_unpackhi_ps(four[0], four[1]), _mm512_unpackhi_ps(four[2], four[3])];
                four[0] = _mm512_shuffle_ps::<0x44>(low[0], low[1]);
                four[1] = _mm512_shuffle_ps::<0xEE>(low[0], low[1]);
                four[2] = _mm512_shuffle_ps::<0x44>(high[0], high[1]);
                four[3] = _mm512_shuffle_ps::<0xEE>(high[0], high[1]);
            }
        }
        for row in 0..4 {
            let squares = [rows[row], rows[row + 4], rows[row + 8], rows[row + 12]];
            unsafe {
                let even = [
                    _mm512_shuffle_f32x4::<0x88>(squares[0], squares[1]),
                    _mm512_shuffle_f32x4::<0x88>(squares[2], squares[3]),
                ];
                let odd = [
                    _mm512_shuffle_f32x4::<0xDD>(squares[0], squares[1]),
                    _mm512_shuffle_f32x4::<0xDD>(squares[2], squares[3]),
                ];
                rows[row] = _mm512_shuffle_f32x4::<0x88>(even[0], even[1]);
                rows[row + 4] = _mm512_shuffle_f32x4::<0x88>(odd[0], odd[1]);
                rows[row + 8] = _mm512_shuffle_f32x4::<0xDD>(even[0], even[1]);
                rows[row + 12] = _mm512_shuffle_f32x4::<0xDD>(odd[0], odd[1]);
            }
        }
    }

    #[inline(always)]
    fn zero_i32(self) -> __m512i {
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    fn to_f32(self, a: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(a) }
    }

    #[inline(always)]
    unsafe fn load_i32_at(self, from: *const i32) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store_i32_at(self, vector: __m512i, to: *mut i32) {
        unsafe { _mm512_storeu_si512(to.cast(), vector) }
    }

    #[inline(always)]
    unsafe fn weights_at(self, from: *const i8) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn activations_at(self, from: *const u8) -> __m512i {
        unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    fn dot(self, sum: __m512i, activations: __m512i, weights: __m512i) -> __m512i {
        unsafe { _mm512_dpbusd_epi32(sum, activations, weights) }
    }

    #[inline(always)]
    fn store_bytes(self, vector: __m512, to: &mut [u8]) {
        unsafe {
            let bytes = _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(vector));
            if to.len() >= LANES {
                _mm_storeu_si128(to.as_mut_ptr().cast(), bytes);
            } else {
                _mm_mask_storeu_epi8(to.as_mut_ptr().cast(), lanes(to.len()), bytes);
            }
        }
    }
}
