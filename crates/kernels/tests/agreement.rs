//! Every path against a plain f64 reference, over odd shapes and lengths, and rows against themselves in other batches.

use loquat_kernels::{
    Activation, Attention, Epilogue, Kernels, LayerNorm, Linear, Matrix, PackedF32, PackedI8, Pooling,
    Rotary, ScoreBias, ScorePlace, Scratch, Span, Weights,
};
use proptest::prelude::*;

/// Numbers from a seed, in -1..1, by a 64-bit linear congruence.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn take(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next()).collect()
    }
}

#[track_caller]
fn close(found: &[f32], wanted: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    let largest = wanted.iter().fold(1.0_f64, |largest, number| largest.max(number.abs()));
    for (place, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        let off = (f64::from(*found) - wanted).abs();
        assert!(off <= tolerance * largest, "{what}: number {place} is {found}, should be {wanted}");
    }
}

fn product(input: &[f32], weights: &[f32], inputs: usize, outputs: usize) -> Vec<f64> {
    let mut out = Vec::new();
    for row in input.chunks_exact(inputs) {
        for column in 0..outputs {
            let weights = &weights[column * inputs..][..inputs];
            out.push(row.iter().zip(weights).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum());
        }
    }
    out
}

/// erf by its series, which converges everywhere in f64 for the magnitudes used here.
fn erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    if x.abs() > 5.0 { x.signum() } else { sum * std::f64::consts::FRAC_2_SQRT_PI }
}

fn reference(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::None => x,
        Activation::Gelu => x / 2.0 * (1.0 + erf(x / std::f64::consts::SQRT_2)),
        Activation::GeluTanh => {
            x / 2.0 * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh())
        }
        Activation::Relu => x.max(0.0),
        Activation::Tanh => x.tanh(),
        Activation::Silu => x / (1.0 + (-x).exp()),
    }
}

const ACTIVATIONS: [Activation; 6] = [
    Activation::None,
    Activation::Gelu,
    Activation::GeluTanh,
    Activation::Relu,
    Activation::Tanh,
    Activation::Silu,
];

#[derive(Debug, Clone)]
struct Shape {
    rows: usize,
    inputs: usize,
    outputs: usize,
    seed: u64,
}

fn shapes() -> impl Strategy<Value = Shape> {
    (0..40_usize, 1..130_usize, 1..160_usize, any::<u64>()).prop_map(|(rows, inputs, outputs, seed)| Shape {
        rows,
        inputs,
        outputs,
        seed,
    })
}

fn linear(kernels: Kernels, shape: &Shape, int8: bool, weights: &[f32], bias: &[f32]) -> Linear {
    let weights = if int8 {
        Weights::I8(PackedI8::quantise(kernels, weights, shape.outputs, shape.inputs))
    } else {
        Weights::F32(PackedF32::new(kernels, weights, shape.outputs, shape.inputs))
    };
    Linear::new(weights, Some(bias.to_vec()))
}

/// What int8 weights stand for, by their definition.
fn dequantised_weights(weights: &[f32], inputs: usize) -> Vec<f32> {
    let (bytes, scales) = quantised_weights(weights, inputs);
    let rows = bytes.chunks_exact(inputs).zip(scales);
    rows.flat_map(|(row, scale)| row.iter().map(move |byte| f32::from(*byte) * scale)).collect()
}

/// The bytes and scales of weights, by their definition.
fn quantised_weights(weights: &[f32], inputs: usize) -> (Vec<i8>, Vec<f32>) {
    let (mut bytes, mut scales) = (Vec::new(), Vec::new());
    for row in weights.chunks_exact(inputs) {
        let largest = row.iter().fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
        let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
        bytes.extend(row.iter().map(|weight| (weight / scale).round_ties_even() as i8));
        scales.push(scale);
    }
    (bytes, scales)
}

/// What quantised activations stand for, by their definition.
fn dequantised_rows(input: &[f32], inputs: usize) -> Vec<f32> {
    let mut out = Vec::new();
    for row in input.chunks_exact(inputs) {
        let low = row.iter().copied().fold(0.0, f32::min);
        let high = row.iter().copied().fold(0.0, f32::max);
        let scale = (high - low) / 254.0;
        let zero = (1.0 - low / scale).round_ties_even();
        out.extend(row.iter().map(|x| {
            let q = (x * (1.0 / scale) + zero).clamp(1.0, 255.0).round_ties_even();
            if scale > 0.0 { (q - zero) * scale } else { 0.0 }
        }));
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn f32_layers_agree_with_the_reference(shape in shapes(), activation in 0..6_usize, residual: bool) {
        let activation = ACTIVATIONS[activation];
        let mut numbers = Numbers(shape.seed);
        let input = numbers.take(shape.rows * shape.inputs);
        let weights = numbers.take(shape.outputs * shape.inputs);
        let bias = numbers.take(shape.outputs);
        let added = numbers.take(shape.rows * shape.outputs);
        let mut wanted = product(&input, &weights, shape.inputs, shape.outputs);
        for (place, wanted) in wanted.iter_mut().enumerate() {
            *wanted = reference(activation, *wanted + f64::from(bias[place % shape.outputs]));
            *wanted += if residual { f64::from(added[place]) } else { 0.0 };
        }
        for kernels in Kernels::all() {
            let layer = linear(kernels, &shape, false, &weights, &bias);
            let mut out = vec![f32::NAN; shape.rows * shape.outputs];
            let epilogue = Epilogue { activation, residual: residual.then_some(&added[..]) };
            kernels.linear(Matrix::new(&input, shape.inputs), &layer, epilogue, &mut out, &mut Scratch::new());
            close(&out, &wanted, 1e-5, &format!("{kernels:?}"));
        }
    }

    #[test]
    fn int8_layers_compute_the_quantised_product(shape in shapes()) {
        let mut numbers = Numbers(shape.seed);
        let input = numbers.take(shape.rows * shape.inputs);
        let weights = numbers.take(shape.outputs * shape.inputs);
        let bias = numbers.take(shape.outputs);
        let exact = product(&input, &weights, shape.inputs, shape.outputs);
        let (rounded_input, rounded_weights) =
            (dequantised_rows(&input, shape.inputs), dequantised_weights(&weights, shape.inputs));
        let rounded = product(&rounded_input, &rounded_weights, shape.inputs, shape.outputs);
        let with_bias = |product: Vec<f64>| -> Vec<f64> {
            product.iter().enumerate().map(|(place, sum)| sum + f64::from(bias[place % shape.outputs])).collect()
        };
        let (exact, rounded) = (with_bias(exact), with_bias(rounded));
        for kernels in Kernels::all() {
            let layer = linear(kernels, &shape, true, &weights, &bias);
            let mut out = vec![f32::NAN; shape.rows * shape.outputs];
            let matrix = Matrix::new(&input, shape.inputs);
            kernels.linear(matrix, &layer, Epilogue::NONE, &mut out, &mut Scratch::new());
            close(&out, &rounded, 1e-5, &format!("{kernels:?} against the quantised product"));
            close(&out, &exact, 0.03, &format!("{kernels:?} against the exact product"));
            let (bytes, scales) = quantised_weights(&weights, shape.inputs);
            let packed = PackedI8::new(kernels, &bytes, &scales, shape.outputs, shape.inputs);
            let layer = Linear::new(Weights::I8(packed), Some(bias.clone()));
            let mut again = vec![f32::NAN; out.len()];
            kernels.linear(matrix, &layer, Epilogue::NONE, &mut again, &mut Scratch::new());
            prop_assert_eq!(again, out, "{:?} with weights that were quantised before", kernels);
        }
    }

    #[test]
    fn a_row_does_not_depend_on_its_batch(shape in shapes(), int8: bool) {
        let mut numbers = Numbers(shape.seed);
        let input = numbers.take(shape.rows * shape.inputs);
        let weights = numbers.take(shape.outputs * shape.inputs);
        let bias = numbers.take(shape.outputs);
        for kernels in Kernels::all() {
            let layer = linear(kernels, &shape, int8, &weights, &bias);
            let mut scratch = Scratch::new();
            let mut together = vec![0.0; shape.rows * shape.outputs];
            let matrix = Matrix::new(&input, shape.inputs);
            kernels.linear(matrix, &layer, Epilogue::NONE, &mut together, &mut scratch);
            let mut alone = vec![0.0; shape.outputs];
            for (row, together) in together.chunks_exact(shape.outputs).enumerate() {
                kernels.linear(matrix.rows(row, 1), &layer, Epilogue::NONE, &mut alone, &mut scratch);
                prop_assert_eq!(&alone[..], together);
            }
        }
    }

    #[test]
    fn activations_agree_with_the_reference(numbers in prop::collection::vec(-30.0_f32..30.0, 0..100), which in 0..6_usize) {
        let activation = ACTIVATIONS[which];
        // Beyond five, the f64 series is not used: erf is 1 there to more digits than f32 has.
        let wanted: Vec<f64> = numbers.iter().map(|x| reference(activation, f64::from(*x))).collect();
        for kernels in Kernels::all() {
            let mut found = numbers.clone();
            kernels.activate(activation, &mut found);
            for (found, wanted) in found.iter().zip(&wanted) {
                close(&[*found], &[*wanted], 3e-6, &format!("{kernels:?} {activation:?}"));
            }
        }
    }

    #[test]
    fn norms_agree_with_the_reference(rows in 0..6_usize, width in 8..100_usize, seed: u64, with_bias: bool) {
        let mut numbers = Numbers(seed);
        let input: Vec<f32> = numbers.take(rows * width).iter().map(|x| 3.0 * x + 5.0).collect();
        let bias = with_bias.then(|| numbers.take(width));
        let norm = LayerNorm { weight: numbers.take(width), bias, epsilon: 1e-5 };
        let mut wanted = Vec::new();
        for row in input.chunks_exact(width) {
            let mean = row.iter().map(|x| f64::from(*x)).sum::<f64>() / width as f64;
            let variance = row.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / width as f64;
            wanted.extend(row.iter().enumerate().map(|(place, x)| {
                let normal = (f64::from(*x) - mean) / (variance + 1e-5).sqrt();
                normal * f64::from(norm.weight[place]) + norm.bias.as_ref().map_or(0.0, |bias| f64::from(bias[place]))
            }));
        }
        for kernels in Kernels::all() {
            let mut out = vec![f32::NAN; rows * width];
            kernels.layer_norm(&norm, &input, &mut out);
            close(&out, &wanted, 2e-5, &format!("{kernels:?}"));
            let mut in_place = input.clone();
            kernels.layer_norm_in_place(&norm, &mut in_place);
            prop_assert_eq!(in_place, out);
        }
    }

    #[test]
    fn softmax_agrees_with_the_reference(rows in 0..5_usize, width in 1..70_usize, seed: u64) {
        let input: Vec<f32> = Numbers(seed).take(rows * width).iter().map(|x| 40.0 * x).collect();
        let wanted: Vec<f64> = input.chunks_exact(width).flat_map(softmax).collect();
        for kernels in Kernels::all() {
            let mut out = input.clone();
            kernels.softmax(&mut out, width);
            close(&out, &wanted, 1e-6, &format!("{kernels:?}"));
        }
    }

    #[test]
    fn attention_agrees_with_the_reference(
        lengths in prop::collection::vec((0..30_usize, 0..30_usize), 0..4),
        heads in 1..4_usize,
        size in 1..70_usize,
        span in spans(),
        biased: bool,
        seed: u64,
    ) {
        let lengths: Vec<(usize, usize)> =
            lengths.into_iter().map(|(queries, more)| (queries, queries + more)).collect();
        let query_lengths: Vec<usize> = lengths.iter().map(|(queries, _)| *queries).collect();
        let key_lengths: Vec<usize> = lengths.iter().map(|(_, keys)| *keys).collect();
        let (query_rows, key_rows) = (query_lengths.iter().sum::<usize>(), key_lengths.iter().sum::<usize>());
        let width = heads * size;
        let mut numbers = Numbers(seed);
        let queries = numbers.take(query_rows * width);
        let pairs = numbers.take(key_rows * 2 * width);
        let pairs = Matrix::new(&pairs, 2 * width);
        let attention = Attention {
            queries: Matrix::new(&queries, width),
            keys: pairs.columns(0, width),
            values: pairs.columns(width, width),
            query_lengths: &query_lengths,
            key_lengths: &key_lengths,
            heads,
            scale: 0.7,
            span,
            bias: biased.then_some(&Distance as &dyn ScoreBias),
        };
        let wanted = attention_reference(&attention);
        for kernels in Kernels::all() {
            let mut out = vec![f32::NAN; query_rows * width];
            kernels.attention(&attention, &mut out, &mut Scratch::new());
            close(&out, &wanted, 1e-5, &format!("{kernels:?}"));
        }
    }

    #[test]
    fn pooling_agrees_with_the_reference(
        lengths in prop::collection::vec(1..20_usize, 0..5),
        width in 1..50_usize,
        seed: u64,
    ) {
        let rows = Numbers(seed).take(lengths.iter().sum::<usize>() * width);
        let kinds = [
            Pooling::First,
            Pooling::Last,
            Pooling::Mean,
            Pooling::Max,
            Pooling::MeanSquareRoot,
            Pooling::WeightedMean,
        ];
        for (kernels, kind) in Kernels::all().into_iter().flat_map(|kernels| kinds.map(|kind| (kernels, kind))) {
            let mut out = vec![f32::NAN; lengths.len() * width];
            kernels.pool(kind, &rows, width, &lengths, &mut out);
            close(&out, &pooled(kind, &rows, width, &lengths), 1e-5, &format!("{kernels:?} {kind:?}"));
            kernels.normalise_length(&mut out, width);
            for row in out.chunks_exact(width) {
                let length = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
                prop_assert!((length - 1.0).abs() < 1e-5 || length == 0.0, "{}", length);
            }
        }
    }

    #[test]
    fn rotation_agrees_with_the_reference(
        lengths in prop::collection::vec(0..9_usize, 0..4),
        heads in 1..4_usize,
        half in 1..40_usize,
        seed: u64,
    ) {
        let (size, stride) = (2 * half, 2 * half * heads + 3);
        let rows = Numbers(seed).take(lengths.iter().sum::<usize>() * stride);
        let mut wanted: Vec<f64> = rows.iter().map(|x| f64::from(*x)).collect();
        let positions = lengths.iter().flat_map(|length| 0..*length);
        for (position, row) in positions.zip(wanted.chunks_exact_mut(stride)) {
            for head in row[..heads * size].chunks_exact_mut(size) {
                for index in 0..half {
                    let angle = position as f64 / 10_000_f64.powf(2.0 * index as f64 / size as f64);
                    let (a, b) = (head[index], head[index + half]);
                    head[index] = a * angle.cos() - b * angle.sin();
                    head[index + half] = b * angle.cos() + a * angle.sin();
                }
            }
        }
        let rotary = Rotary::new(10_000.0, size, 9);
        for kernels in Kernels::all() {
            let mut out = rows.clone();
            kernels.rotate(&rotary, &mut out, stride, heads * size, &lengths);
            close(&out, &wanted, 1e-5, &format!("{kernels:?}"));
        }
    }

    #[test]
    fn gates_and_embeddings_agree_with_the_reference(rows in 0..5_usize, width in 1..50_usize, seed: u64) {
        let mut numbers = Numbers(seed);
        let input = numbers.take(rows * 2 * width);
        let gated: Vec<f64> = input.chunks_exact(2 * width).flat_map(|row| {
            let (first, second) = row.split_at(width);
            let pairs = first.iter().zip(second);
            pairs.map(|(a, b)| reference(Activation::Gelu, f64::from(*a)) * f64::from(*b)).collect::<Vec<f64>>()
        }).collect();
        let table = numbers.take(7 * width);
        let ids: Vec<u32> = (0..rows as u32).map(|row| row * 3 % 7).collect();
        let entries = |id: &u32| table[*id as usize * width..][..width].iter().map(|x| 2.0 * f64::from(*x)).collect::<Vec<f64>>();
        let doubled: Vec<f64> = ids.iter().flat_map(entries).collect();
        let bytes: Vec<i8> = (0..7 * width).map(|place| (place * 37 % 255) as u8 as i8).collect();
        let scales: Vec<f32> = (1..8_u8).map(|entry| f32::from(entry) / 4.0).collect();
        let scaled: Vec<f64> = ids.iter().flat_map(|id| {
            let (entry, scale) = (&bytes[*id as usize * width..][..width], f64::from(scales[*id as usize]));
            entry.iter().map(move |byte| f64::from(*byte) * scale)
        }).collect();
        for kernels in Kernels::all() {
            let mut out = vec![f32::NAN; rows * width];
            kernels.activate_gated(Activation::Gelu, &input, width, &mut out);
            close(&out, &gated, 1e-5, &format!("{kernels:?}"));
            kernels.embed(&table, width, &ids, &mut out);
            kernels.embed_add(&table, width, &ids, &mut out);
            close(&out, &doubled, 1e-6, &format!("{kernels:?}"));
            kernels.embed_bytes(&bytes, &scales, width, &ids, &mut out);
            close(&out, &scaled, 0.0, &format!("{kernels:?}"));
        }
    }
}

fn spans() -> impl Strategy<Value = Span> {
    prop_oneof![Just(Span::Full), Just(Span::Causal), (0..40_usize).prop_map(Span::Window)]
}

/// A bias that depends on head, query and key.
struct Distance;

impl Distance {
    fn of(head: usize, query: usize, key: usize) -> f32 {
        (query as f32 - key as f32) / (20.0 + head as f32)
    }
}

impl ScoreBias for Distance {
    fn add(&self, place: ScorePlace, scores: &mut [f32]) {
        for (key, score) in scores.iter_mut().enumerate() {
            *score += Self::of(place.head, place.query, place.key + key);
        }
    }
}

fn softmax(row: &[f32]) -> Vec<f64> {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let grown: Vec<f64> = row.iter().map(|x| f64::from(x - largest).exp()).collect();
    let sum: f64 = grown.iter().sum();
    grown.iter().map(|x| x / sum).collect()
}

fn attention_reference(attention: &Attention<'_>) -> Vec<f64> {
    let size = attention.queries.width() / attention.heads;
    let mut out = Vec::new();
    let (mut first_query, mut first_key) = (0, 0);
    for (queries, keys) in attention.query_lengths.iter().zip(attention.key_lengths) {
        for query in 0..*queries {
            for head in 0..attention.heads {
                let position = query + keys - queries;
                let seen: Vec<usize> = (0..*keys)
                    .filter(|key| match attention.span {
                        Span::Full => true,
                        Span::Causal => *key <= position,
                        Span::Window(radius) => key.abs_diff(position) <= radius,
                    })
                    .collect();
                let own = &attention.queries.row(first_query + query)[head * size..][..size];
                let scores: Vec<f32> = seen
                    .iter()
                    .map(|key| {
                        let other = &attention.keys.row(first_key + key)[head * size..][..size];
                        let product: f64 =
                            own.iter().zip(other).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                        let bias = attention.bias.map_or(0.0, |_| Distance::of(head, query, *key));
                        (product * f64::from(attention.scale)) as f32 + bias
                    })
                    .collect();
                let weights = softmax(&scores);
                out.extend((0..size).map(|index| {
                    let value =
                        |key: &usize| f64::from(attention.values.row(first_key + key)[head * size + index]);
                    seen.iter().zip(&weights).map(|(key, weight)| weight * value(key)).sum::<f64>()
                }));
            }
        }
        first_query += queries;
        first_key += keys;
    }
    out
}

fn pooled(kind: Pooling, rows: &[f32], width: usize, lengths: &[usize]) -> Vec<f64> {
    let mut out = Vec::new();
    let mut first = 0;
    for length in lengths {
        for column in 0..width {
            let numbers: Vec<f64> =
                (first..first + length).map(|row| f64::from(rows[row * width + column])).collect();
            let sum: f64 = numbers.iter().sum();
            out.push(match kind {
                Pooling::First => numbers[0],
                Pooling::Last => numbers[length - 1],
                Pooling::Mean => sum / *length as f64,
                Pooling::MeanSquareRoot => sum / (*length as f64).sqrt(),
                Pooling::Max => numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                Pooling::WeightedMean => {
                    let weighted: f64 = numbers.iter().zip(1..).map(|(x, place)| x * f64::from(place)).sum();
                    weighted / (1..=*length).sum::<usize>() as f64
                }
            });
        }
        first += length;
    }
    out
}
