//! Times the layers of a small encoder (6 layers, width 384, 12 heads, random weights), where their time goes, and what the
//! processor could do at most.
//!
//! Usage: `cargo run --release -p loquat-kernels --example layers -- int8|f32 SEQUENCES LENGTH [KERNELS]`. Prints one object:
//! medians in milliseconds, and billions of operations a second: of the products in the median pass, and at most.

use std::time::{Duration, Instant};

use loquat_kernels::{
    Activation, Aligned, Attention, Epilogue, Kernels, LayerNorm, Linear, Matrix, PackedF32, PackedI8,
    Scratch, Weights,
};
use serde_json::json;

const LAYERS: usize = 6;
const WIDTH: usize = 384;
const INNER: usize = 1536;
const HEADS: usize = 12;
/// Tokens that go through a layer together, as many as the second-level cache holds.
const GROUP: usize = 128;
const STAGES: [&str; 6] = ["qkv", "attention", "output", "norm", "up", "down"];
const DURATION: Duration = Duration::from_secs(3);

struct Layer {
    joint: Linear,
    output: Linear,
    up: Linear,
    down: Linear,
    norm: LayerNorm,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, kind, sequences, length, rest @ ..] = &arguments[..] else {
        return Err("usage: layers int8|f32 SEQUENCES LENGTH [KERNELS]".into());
    };
    let (int8, sequences, length) = (kind == "int8", sequences.parse::<usize>()?, length.parse::<usize>()?);
    let kernels = Kernels::named(rest.first().map_or("auto", String::as_str))?;
    let layers: Vec<Layer> = (0..LAYERS).map(|seed| layer(kernels, int8, seed as u64)).collect();
    let tokens = sequences * length;
    let input = numbers(99, tokens * WIDTH);
    let mut states = Aligned::default();
    let mut buffers = Buffers::default();
    let (mut whole, mut stages) = (Vec::new(), vec![Vec::new(); STAGES.len()]);
    let start = Instant::now();
    while start.elapsed() < DURATION {
        states.sized(input.len()).copy_from_slice(&input);
        let mut times = [Duration::ZERO; STAGES.len()];
        let begin = Instant::now();
        for layer in &layers {
            for states in states.chunks_mut((GROUP / length).max(1) * length * WIDTH) {
                forward(kernels, layer, length, states, &mut buffers, &mut times);
            }
        }
        whole.push(begin.elapsed());
        stages.iter_mut().zip(times).for_each(|(all, time)| all.push(time));
    }
    let products = 2 * LAYERS * tokens * (4 * WIDTH * WIDTH + 2 * WIDTH * INNER);
    let median = median(&mut whole);
    let stages: serde_json::Map<_, _> = STAGES
        .iter()
        .zip(&mut stages)
        .map(|(name, times)| ((*name).to_owned(), json!(self::median(times))))
        .collect();
    println!(
        "{}",
        json!({
            "kernels": kernels.path().to_string(),
            "milliseconds": median,
            "stages": stages,
            "gigaoperations": products as f64 / median / 1e6,
            "most": peak::gigaoperations(int8, kernels),
        })
    );
    Ok(())
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}

#[derive(Default)]
struct Buffers {
    joint: Aligned<f32>,
    mixed: Aligned<f32>,
    next: Aligned<f32>,
    inner: Aligned<f32>,
    scratch: Scratch,
}

fn forward(
    kernels: Kernels,
    layer: &Layer,
    length: usize,
    states: &mut [f32],
    buffers: &mut Buffers,
    times: &mut [Duration; STAGES.len()],
) {
    let tokens = states.len() / WIDTH;
    let lengths = vec![length; tokens / length];
    let Buffers { joint, mixed, next, inner, scratch } = buffers;
    let (joint, mixed) = (joint.sized(tokens * 3 * WIDTH), mixed.sized(tokens * WIDTH));
    let (next, inner) = (next.sized(tokens * WIDTH), inner.sized(tokens * INNER));
    let mut stage = |index: usize, work: &mut dyn FnMut()| {
        let begin = Instant::now();
        work();
        times[index] += begin.elapsed();
    };
    stage(0, &mut || {
        kernels.linear(Matrix::new(states, WIDTH), &layer.joint, Epilogue::NONE, joint, scratch)
    });
    stage(1, &mut || {
        let attention = Attention::joint(Matrix::new(joint, 3 * WIDTH), &lengths, HEADS);
        kernels.attention(&attention, mixed, scratch);
    });
    let residual = Epilogue::residual(states);
    stage(2, &mut || kernels.linear(Matrix::new(mixed, WIDTH), &layer.output, residual, next, scratch));
    stage(3, &mut || kernels.layer_norm_in_place(&layer.norm, next));
    let gelu = Epilogue::activation(Activation::Gelu);
    stage(4, &mut || kernels.linear(Matrix::new(next, WIDTH), &layer.up, gelu, inner, scratch));
    let residual = Epilogue::residual(next);
    stage(5, &mut || kernels.linear(Matrix::new(inner, INNER), &layer.down, residual, states, scratch));
    stage(3, &mut || kernels.layer_norm_in_place(&layer.norm, states));
}

fn layer(kernels: Kernels, int8: bool, seed: u64) -> Layer {
    let linear = |seed: u64, outputs: usize, inputs: usize| {
        let weights = numbers(seed, outputs * inputs).iter().map(|x| x / 20.0).collect::<Vec<f32>>();
        let weights = if int8 {
            Weights::I8(PackedI8::quantise(kernels, &weights, outputs, inputs))
        } else {
            Weights::F32(PackedF32::new(kernels, &weights, outputs, inputs))
        };
        Linear::new(weights, Some(numbers(seed + 1, outputs)))
    };
    Layer {
        joint: linear(10 * seed, 3 * WIDTH, WIDTH),
        output: linear(10 * seed + 2, WIDTH, WIDTH),
        up: linear(10 * seed + 4, INNER, WIDTH),
        down: linear(10 * seed + 6, WIDTH, INNER),
        norm: LayerNorm { weight: vec![1.0; WIDTH], bias: Some(vec![0.0; WIDTH]), epsilon: 1e-12 },
    }
}

/// Numbers in -1..1 by a linear congruence.
fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// What the processor does at most: independent products of registers alone.
#[cfg(target_arch = "x86_64")]
mod peak {
    #![expect(unsafe_code, reason = "intrinsics, after asking for the instructions")]

    use std::arch::x86_64::*;
    use std::hint::black_box;
    use std::time::Instant;

    use loquat_kernels::{Kernels, Path};

    const STEPS: u32 = 20_000_000;
    /// Sums side by side, enough for products to wait for nothing.
    const SUMS: usize = 16;

    /// Billions of operations a second, a multiplication and an addition each one; nothing but with AVX-512.
    pub(crate) fn gigaoperations(int8: bool, kernels: Kernels) -> Option<f64> {
        if kernels.path() != Path::Avx512 {
            return None;
        }
        let begin = Instant::now();
        // SAFETY: the path is chosen only where the instructions are.
        unsafe { if int8 { bytes() } else { floats() } }
        let products = if int8 { 64 } else { 16 };
        let operations = 2 * products * SUMS as u64 * u64::from(STEPS);
        Some(operations as f64 / begin.elapsed().as_secs_f64() / 1e9)
    }

    #[target_feature(enable = "avx512f,avx512vnni")]
    unsafe fn bytes() {
        let (a, b) = (black_box(_mm512_set1_epi8(3)), black_box(_mm512_set1_epi8(5)));
        let mut sums = [_mm512_setzero_si512(); SUMS];
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = _mm512_dpbusd_epi32(*sum, a, b);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx512f")]
    unsafe fn floats() {
        let (a, b) = (black_box(_mm512_set1_ps(0.5)), black_box(_mm512_set1_ps(0.25)));
        let mut sums = [_mm512_setzero_ps(); SUMS];
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(a, b, *sum);
            }
        }
        black_box(sums);
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod peak {
    pub(crate) fn gigaoperations(_: bool, _: loquat_kernels::Kernels) -> Option<f64> {
        None
    }
}
