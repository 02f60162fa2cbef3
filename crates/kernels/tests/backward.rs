//! Every backward pass against the differences of its forward pass, on every path.

use loquat_kernels::{
    Activation, Attention, Epilogue, Kernels, LayerNorm, Linear, Matrix, PackedF32, Scratch, Weights,
};

/// Numbers from a seed, in -1..1, by a 64-bit linear congruence.
struct Numbers(u64);

impl Numbers {
    fn take(&mut self, count: usize) -> Vec<f32> {
        (0..count)
            .map(|_| {
                self.0 =
                    self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }
}

/// Holds `gradients` against the slopes of `loss` along a few coordinates of `at`.
#[track_caller]
fn check(loss: impl Fn(&[f32]) -> f64, at: &[f32], gradients: &[f32], what: &str) {
    const STEP: f32 = 1e-2;
    let largest = gradients.iter().fold(0.1_f32, |largest, value| largest.max(value.abs()));
    for place in (0..at.len()).step_by((at.len() / 40).max(1)) {
        let moved = |by: f32| {
            let mut at = at.to_vec();
            at[place] += by;
            loss(&at)
        };
        let slope = (moved(STEP) - moved(-STEP)) / f64::from(2.0 * STEP);
        let off = (slope - f64::from(gradients[place])).abs();
        assert!(
            off < 2e-2 * f64::from(largest),
            "{what}: {place} is {}, should be {slope}",
            gradients[place]
        );
    }
}

fn weighed(result: &[f32], weights: &[f32]) -> f64 {
    result.iter().zip(weights).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

#[test]
fn activations() {
    for kernels in Kernels::all() {
        use Activation::{Gelu, GeluTanh, None, Silu, Tanh};
        for activation in [None, Gelu, GeluTanh, Tanh, Silu] {
            let mut numbers = Numbers(3);
            let input: Vec<f32> = numbers.take(53).iter().map(|x| 5.0 * x).collect();
            let weights = numbers.take(53);
            let mut gradients = weights.clone();
            kernels.activate_backward(activation, &input, &mut gradients);
            let loss = |at: &[f32]| {
                let mut at = at.to_vec();
                kernels.activate(activation, &mut at);
                weighed(&at, &weights)
            };
            check(loss, &input, &gradients, &format!("{activation:?} {}", kernels.path()));
        }
        let mut gradients = vec![2.0; 4];
        kernels.activate_backward(Activation::Relu, &[-1.0, -1e-3, 1e-3, 9.0], &mut gradients);
        assert_eq!(gradients, [0.0, 0.0, 2.0, 2.0]);
    }
}

#[test]
fn layer_norm() {
    for (kernels, width) in Kernels::all().into_iter().flat_map(|k| [(k, 32), (k, 37), (k, 5)]) {
        let mut numbers = Numbers(5);
        let rows = 3;
        let norm = LayerNorm { weight: numbers.take(width), bias: Some(numbers.take(width)), epsilon: 1e-5 };
        let input = numbers.take(rows * width);
        let weights = numbers.take(rows * width);
        let mut gradients = weights.clone();
        let (mut weight, mut bias) = (vec![0.0; width], vec![0.0; width]);
        kernels.layer_norm_backward(&norm, &input, &mut gradients, &mut weight, &mut bias);
        let result = |norm: &LayerNorm, input: &[f32]| {
            let mut out = input.to_vec();
            kernels.layer_norm_in_place(norm, &mut out);
            weighed(&out, &weights)
        };
        let what = format!("{width} {}", kernels.path());
        check(|at| result(&norm, at), &input, &gradients, &what);
        let with_weight = |at: &[f32]| result(&LayerNorm { weight: at.to_vec(), ..norm.clone() }, &input);
        check(with_weight, &norm.weight, &weight, &what);
        let with_bias = |at: &[f32]| result(&LayerNorm { bias: Some(at.to_vec()), ..norm.clone() }, &input);
        check(with_bias, norm.bias.as_ref().unwrap(), &bias, &what);
    }
}

#[test]
fn attention() {
    for (kernels, size) in Kernels::all().into_iter().flat_map(|k| [(k, 16), (k, 7)]) {
        let mut numbers = Numbers(9);
        let (heads, lengths) = (2, [5, 1, 19]);
        let width = heads * size;
        let tokens: usize = lengths.iter().sum();
        let joint: Vec<f32> = numbers.take(tokens * 3 * width).iter().map(|x| 1.5 * x).collect();
        let weights = numbers.take(tokens * width);
        let mut gradients = vec![f32::NAN; joint.len()];
        let of = |joint: &'_ [f32]| Matrix::new(joint, 3 * width).row_count();
        assert_eq!(of(&joint), tokens);
        let matrix = Matrix::new(&joint, 3 * width);
        kernels.attention_backward(matrix, &lengths, heads, &weights, &mut gradients);
        let loss = |at: &[f32]| {
            let mut out = vec![0.0; tokens * width];
            let attention = Attention::joint(Matrix::new(at, 3 * width), &lengths, heads);
            kernels.attention(&attention, &mut out, &mut Scratch::new());
            weighed(&out, &weights)
        };
        check(loss, &joint, &gradients, &format!("{size} {}", kernels.path()));
    }
}

#[test]
fn weights_packed_the_other_way_are_the_same_weights() {
    for (kernels, (outputs, inputs)) in
        Kernels::all().into_iter().flat_map(|k| [(k, (50, 9)), (k, (7, 64)), (k, (48, 1))])
    {
        let mut numbers = Numbers(2);
        let weights = numbers.take(outputs * inputs);
        let other_way: Vec<f32> = (0..inputs)
            .flat_map(|i| (0..outputs).map(move |o| (o, i)))
            .map(|(o, i)| weights[o * inputs + i])
            .collect();
        let input = numbers.take(11 * inputs);
        let product = |packed: PackedF32| {
            let mut out = vec![0.0; 11 * outputs];
            let linear = Linear::new(Weights::F32(packed), None);
            let scratch = &mut Scratch::new();
            kernels.linear(Matrix::new(&input, inputs), &linear, Epilogue::NONE, &mut out, scratch);
            out
        };
        let packed = PackedF32::new(kernels, &weights, outputs, inputs);
        assert_eq!(product(PackedF32::transposed(kernels, &other_way, outputs, inputs)), product(packed));
    }
}
