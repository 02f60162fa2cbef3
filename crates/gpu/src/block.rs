//! One block on the device: attention and a feed-forward part, each added to its input and normalised after.

use burn_tensor::{Distribution, Tensor, TensorData, activation};
use loquat_kernels::Activation;

use crate::device::Device;
use crate::error::GpuError;
use crate::rows::Padding;

/// Parameters of a block: weight and bias of the joint product that gives queries, keys and values (`[3 * hidden, hidden]`), of
/// the product after attention (`[hidden, hidden]`), of the product into the feed-forward part (`[intermediate, hidden]`) and out
/// of it (`[hidden, intermediate]`), of the norm after attention and of the last norm (`[hidden]` each).
pub const PARTS: usize = 12;

/// Sizes that all blocks of a stack share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// Width of the states.
    pub hidden: usize,
    /// Heads of attention; they divide `hidden`.
    pub heads: usize,
    /// Width inside the feed-forward part.
    pub intermediate: usize,
    /// What the norms add to the variance.
    pub epsilon: f32,
    /// What stands between the two products.
    pub activation: Activation,
}

impl Shape {
    /// Rows and width of each part; a vector has one row.
    fn parts(&self) -> [[usize; 2]; PARTS] {
        let Self { hidden, intermediate, .. } = *self;
        let vector = |width| [1, width];
        [
            [3 * hidden, hidden],
            vector(3 * hidden),
            [hidden, hidden],
            vector(hidden),
            [intermediate, hidden],
            vector(intermediate),
            [hidden, intermediate],
            vector(hidden),
            vector(hidden),
            vector(hidden),
            vector(hidden),
            vector(hidden),
        ]
    }
}

/// Padded sequences on the device.
pub(crate) struct Batch<'p> {
    pub(crate) padding: &'p Padding,
    /// `[sequences, 1, 1, longest]`.
    pub(crate) mask: Tensor<4>,
}

/// The parameters of a block, in the order of [`PARTS`]; vectors are rows, which are added to every row of a matrix.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) parts: [Tensor<2>; PARTS],
}

impl Block {
    /// Uploads `values`, the parts of block `number`.
    pub(crate) fn upload(
        device: &Device,
        shape: &Shape,
        (number, values): (usize, &[&[f32]]),
    ) -> Result<Self, GpuError> {
        for (place, (size, values)) in shape.parts().iter().zip(values).enumerate() {
            let (expected, found) = (size[0] * size[1], values.len());
            if expected != found {
                return Err(GpuError::Size { part: number * PARTS + place, found, expected });
            }
        }
        let sizes = shape.parts();
        let part = |place: usize| {
            let data = TensorData::new(values[place].to_vec(), sizes[place]);
            Tensor::from_data(data, &device.burn)
        };
        Ok(Self { parts: std::array::from_fn(part) })
    }

    /// The same parameters as the leaves of a graph.
    pub(crate) fn tracked(&self) -> Self {
        Self { parts: self.parts.clone().map(|part| part.autodiff().require_grad()) }
    }

    /// The next states, `[sequences * longest, hidden]`; `dropout` is the share that is left out.
    pub(crate) fn forward(
        &self,
        shape: &Shape,
        states: Tensor<2>,
        batch: &Batch<'_>,
        dropout: f32,
    ) -> Tensor<2> {
        let context = self.attend(shape, states.clone(), batch);
        let branch = thinned(self.product(2, context), dropout);
        let middle = self.norm(8, shape, states + branch);
        let inner = self.product(4, middle.clone());
        let branch = thinned(self.product(6, activated(shape.activation, inner)), dropout);
        self.norm(10, shape, middle + branch)
    }

    /// What every token gathers from its sequence.
    fn attend(&self, shape: &Shape, states: Tensor<2>, batch: &Batch<'_>) -> Tensor<2> {
        let Shape { hidden, heads, .. } = *shape;
        let (sequences, longest) = (batch.padding.sequences(), batch.padding.longest);
        let joint = self.product(0, states);
        let part = |place: usize| {
            let own = joint.clone().narrow(1, place * hidden, hidden);
            own.reshape([sequences, longest, heads, hidden / heads]).swap_dims(1, 2)
        };
        let (query, key, value) = (part(0), part(1), part(2));
        let scale = (hidden as f32 / heads as f32).sqrt().recip();
        let scores = query.matmul(key.swap_dims(2, 3)) * scale + batch.mask.clone();
        let context = activation::softmax(scores, 3).matmul(value);
        context.swap_dims(1, 2).reshape([sequences * longest, hidden])
    }

    /// `x W^T + b` with the weight at `place` and the bias after it.
    fn product(&self, place: usize, input: Tensor<2>) -> Tensor<2> {
        input.matmul(self.parts[place].clone().transpose()) + self.parts[place + 1].clone()
    }

    fn norm(&self, place: usize, shape: &Shape, input: Tensor<2>) -> Tensor<2> {
        let centred = input.clone() - input.mean_dim(1);
        let variance = centred.clone().square().mean_dim(1);
        let scaled = centred / (variance + shape.epsilon).sqrt();
        scaled * self.parts[place].clone() + self.parts[place + 1].clone()
    }
}

fn activated(activation: Activation, numbers: Tensor<2>) -> Tensor<2> {
    match activation {
        Activation::None => numbers,
        Activation::Gelu => activation::gelu(numbers),
        Activation::GeluTanh => activation::gelu_approximate(numbers),
        Activation::Relu => activation::relu(numbers),
        Activation::Tanh => activation::tanh(numbers),
        Activation::Silu => activation::silu(numbers),
    }
}

/// `states` without a share of their numbers; the others grow by what went.
fn thinned(states: Tensor<2>, share: f32) -> Tensor<2> {
    if share <= 0.0 {
        return states;
    }
    let kept = f64::from(1.0 - share);
    let mask = states.random_like(Distribution::Bernoulli(kept));
    states * mask / kept as f32
}
