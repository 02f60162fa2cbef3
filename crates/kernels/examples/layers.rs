//! Times the layers of a small encoder (6 layers, width 384, 12 heads, random weights) and where their time goes.
//!
//! Usage: `cargo run --release -p loquat-kernels --example layers -- int8|f32 SEQUENCES LENGTH [KERNELS]`

use std::time::{Duration, Instant};

use loquat_kernels::{
    Activation, Attention, Epilogue, Kernels, LayerNorm, Linear, Matrix, PackedF32, PackedI8, Scratch,
    Weights,
};

const LAYERS: usize = 6;
const WIDTH: usize = 384;
const INNER: usize = 1536;
const HEADS: usize = 12;
const STAGES: [&str; 6] = ["qkv", "attention", "output", "norm", "up", "down"];

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
    let lengths = vec![length; sequences];
    let tokens = sequences * length;
    let input = numbers(99, tokens * WIDTH);
    let mut state = State::new(tokens);
    let (mut whole, mut stages) = (Vec::new(), vec![Vec::new(); STAGES.len()]);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3) {
        state.hidden.copy_from_slice(&input);
        let mut times = [Duration::ZERO; STAGES.len()];
        let begin = Instant::now();
        for layer in &layers {
            forward(kernels, layer, &lengths, &mut state, &mut times);
        }
        whole.push(begin.elapsed());
        stages.iter_mut().zip(times).for_each(|(all, time)| all.push(time));
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        (times[0].as_secs_f64() * 1e3, times[times.len() / 2].as_secs_f64() * 1e3)
    };
    let products = (LAYERS * tokens * (4 * WIDTH * WIDTH + 2 * WIDTH * INNER)) as f64 * 2.0;
    let (least, middle) = median(&mut whole);
    println!(
        "{sequences}x{length} {} median {middle:.3} ms, least {least:.3} ms, {:.0} G/s at least, sum {}",
        kernels.path(),
        products / least / 1e6,
        state.hidden.iter().sum::<f32>()
    );
    for (name, times) in STAGES.iter().zip(&mut stages) {
        let (least, middle) = median(times);
        println!("  {name:<10} median {middle:.3} ms, least {least:.3} ms");
    }
    Ok(())
}

struct State {
    hidden: Vec<f32>,
    joint: Vec<f32>,
    mixed: Vec<f32>,
    next: Vec<f32>,
    inner: Vec<f32>,
    scratch: Scratch,
}

impl State {
    fn new(tokens: usize) -> Self {
        Self {
            hidden: vec![0.0; tokens * WIDTH],
            joint: vec![0.0; tokens * 3 * WIDTH],
            mixed: vec![0.0; tokens * WIDTH],
            next: vec![0.0; tokens * WIDTH],
            inner: vec![0.0; tokens * INNER],
            scratch: Scratch::new(),
        }
    }
}

fn forward(
    kernels: Kernels,
    layer: &Layer,
    lengths: &[usize],
    state: &mut State,
    times: &mut [Duration; STAGES.len()],
) {
    let State { hidden, joint, mixed, next, inner, scratch } = state;
    let mut stage = |index: usize, work: &mut dyn FnMut()| {
        let begin = Instant::now();
        work();
        times[index] += begin.elapsed();
    };
    stage(0, &mut || {
        kernels.linear(Matrix::new(hidden, WIDTH), &layer.joint, Epilogue::NONE, joint, scratch)
    });
    stage(1, &mut || {
        let attention = Attention::joint(Matrix::new(joint, 3 * WIDTH), lengths, HEADS);
        kernels.attention(&attention, mixed, scratch);
    });
    let residual = Epilogue::residual(hidden);
    stage(2, &mut || kernels.linear(Matrix::new(mixed, WIDTH), &layer.output, residual, next, scratch));
    stage(3, &mut || kernels.layer_norm_in_place(&layer.norm, next));
    let gelu = Epilogue::activation(Activation::Gelu);
    stage(4, &mut || kernels.linear(Matrix::new(next, WIDTH), &layer.up, gelu, inner, scratch));
    let residual = Epilogue::residual(next);
    stage(5, &mut || kernels.linear(Matrix::new(inner, INNER), &layer.down, residual, hidden, scratch));
    stage(3, &mut || kernels.layer_norm_in_place(&layer.norm, hidden));
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
