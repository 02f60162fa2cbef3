//! The stack against the same blocks in plain loops, and its gradients against differences of those; run by
//! `cargo xtask gpu-test`.

use loquat_gpu::{Device, Dropout, PARTS, Shape, Stack};
use loquat_kernels::Activation;

const SHAPE: Shape =
    Shape { hidden: 8, heads: 2, intermediate: 12, epsilon: 1e-5, activation: Activation::Silu };
const LENGTHS: [usize; 3] = [3, 1, 5];
const LAYERS: usize = 2;

/// Numbers between -1/2 and 1/2 that look random.
fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// Sizes of the parts of a block.
fn sizes() -> [usize; PARTS] {
    let (h, i) = (SHAPE.hidden, SHAPE.intermediate);
    [3 * h * h, 3 * h, h * h, h, i * h, i, h * i, h, h, h, h, h]
}

fn parts() -> Vec<Vec<f32>> {
    (0..LAYERS * PARTS).map(|part| numbers(part as u64 + 1, sizes()[part % PARTS])).collect()
}

fn slices(parts: &[Vec<f32>]) -> Vec<&[f32]> {
    parts.iter().map(Vec::as_slice).collect()
}

fn product(input: &[f64], weight: &[f32], bias: &[f32]) -> Vec<f64> {
    let width = weight.len() / bias.len();
    let row = |row: &[f64]| -> Vec<f64> {
        let dot = |own: &[f32]| own.iter().zip(row).map(|(w, x)| f64::from(*w) * x).sum::<f64>();
        weight.chunks_exact(width).zip(bias).map(|(own, bias)| dot(own) + f64::from(*bias)).collect()
    };
    input.chunks_exact(width).flat_map(row).collect()
}

fn norm(input: &[f64], weight: &[f32], bias: &[f32]) -> Vec<f64> {
    let width = weight.len();
    let row = |row: &[f64]| -> Vec<f64> {
        let mean = row.iter().sum::<f64>() / width as f64;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
        let deviation = (variance + f64::from(SHAPE.epsilon)).sqrt();
        let scaled = row.iter().map(|x| (x - mean) / deviation).zip(weight).zip(bias);
        scaled.map(|((x, weight), bias)| x * f64::from(*weight) + f64::from(*bias)).collect()
    };
    input.chunks_exact(width).flat_map(row).collect()
}

fn attend(joint: &[f64]) -> Vec<f64> {
    let Shape { hidden, heads, .. } = SHAPE;
    let size = hidden / heads;
    let mut context = vec![0.0; joint.len() / 3];
    let mut first = 0;
    for length in LENGTHS {
        for (head, token) in (0..heads).flat_map(|head| (0..length).map(move |token| (head, token))) {
            let of = |token: usize, part: usize| {
                &joint[(first + token) * 3 * hidden + part * hidden + head * size..][..size]
            };
            let dot = |other| of(token, 0).iter().zip(of(other, 1)).map(|(q, k)| q * k).sum::<f64>();
            let scores: Vec<f64> =
                (0..length).map(|other| (dot(other) / (size as f64).sqrt()).exp()).collect();
            let sum: f64 = scores.iter().sum();
            let own = &mut context[(first + token) * hidden + head * size..][..size];
            for (other, score) in scores.iter().enumerate() {
                own.iter_mut().zip(of(other, 2)).for_each(|(own, value)| *own += score / sum * value);
            }
        }
        first += length;
    }
    context
}

/// The blocks in plain loops and double precision.
fn expected(parts: &[Vec<f32>], states: &[f32]) -> Vec<f64> {
    let add =
        |left: &[f64], right: &[f64]| -> Vec<f64> { left.iter().zip(right).map(|(a, b)| a + b).collect() };
    let mut states: Vec<f64> = states.iter().map(|state| f64::from(*state)).collect();
    for own in parts.chunks_exact(PARTS) {
        let context = attend(&product(&states, &own[0], &own[1]));
        let middle = norm(&add(&states, &product(&context, &own[2], &own[3])), &own[8], &own[9]);
        let mut inner = product(&middle, &own[4], &own[5]);
        inner.iter_mut().for_each(|x| *x /= 1.0 + (-*x).exp());
        states = norm(&add(&middle, &product(&inner, &own[6], &own[7])), &own[10], &own[11]);
    }
    states
}

fn input() -> Vec<f32> {
    numbers(77, LENGTHS.iter().sum::<usize>() * SHAPE.hidden)
}

#[test]
fn states_are_those_of_plain_loops() {
    let (parts, input) = (parts(), input());
    let stack = Stack::new(&Device::find().unwrap(), SHAPE, &slices(&parts)).unwrap();
    let found = stack.forward(&input, &LENGTHS).unwrap();
    for (known, found) in expected(&parts, &input).iter().zip(&found) {
        assert!((known - f64::from(*found)).abs() < 1e-4, "{found} should be {known}");
    }
    assert_eq!(found.len(), input.len());
    assert!(stack.forward(&[], &[]).unwrap().is_empty());
}

#[test]
fn gradients_are_the_slopes_of_plain_loops() {
    let (parts, input) = (parts(), input());
    let stack = Stack::new(&Device::find().unwrap(), SHAPE, &slices(&parts)).unwrap();
    let (_, kept) = stack.forward_kept(&input, &LENGTHS, Dropout { share: 0.0, seed: 1 }).unwrap();
    let weights = numbers(99, input.len());
    let (of_input, of_parts) = stack.backward(&kept, &weights).unwrap();
    let loss = |parts: &[Vec<f32>], input: &[f32]| -> f64 {
        expected(parts, input).iter().zip(&weights).map(|(x, w)| x * f64::from(*w)).sum()
    };
    let step = 1e-3_f32;
    let check = |what: &str, found: f32, slope: f64| {
        assert!((slope - f64::from(found)).abs() < 5e-3, "{what}: {found} should be {slope}");
    };
    for place in (0..input.len()).step_by(5) {
        let at = |by: f32| {
            let mut moved = input.clone();
            moved[place] += by;
            loss(&parts, &moved)
        };
        check("input", of_input[place], (at(step) - at(-step)) / f64::from(2.0 * step));
    }
    assert_eq!(of_parts.len(), parts.len());
    for (part, found) in of_parts.iter().enumerate() {
        assert_eq!(found.len(), parts[part].len());
        for place in (0..found.len()).step_by(found.len().div_ceil(4)) {
            let at = |by: f32| {
                let mut moved = parts.clone();
                moved[part][place] += by;
                loss(&moved, &input)
            };
            check(&format!("part {part}"), found[place], (at(step) - at(-step)) / f64::from(2.0 * step));
        }
    }
}

#[test]
fn parts_of_another_size_are_refused() {
    let mut parts = parts();
    parts[PARTS + 2].pop();
    let error = Stack::new(&Device::find().unwrap(), SHAPE, &slices(&parts)).unwrap_err();
    assert_eq!(error.to_string(), "part 14 of the blocks has 63 numbers, which should be 64");
}
