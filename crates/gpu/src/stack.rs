//! Blocks one after another, forward and backward.

use burn_tensor::{Tensor, TensorData, Transaction};

use crate::block::{Batch, Block, PARTS, Shape};
use crate::device::Device;
use crate::error::GpuError;
use crate::rows::Padding;

/// Which share of the states dropout leaves out, and the seed of what it draws on the device. The generator is one for the
/// process: passes that draw at the same time share its numbers.
#[derive(Debug, Clone, Copy)]
pub struct Dropout {
    /// Share of the numbers; 0 changes nothing.
    pub share: f32,
    /// Seed of the draw.
    pub seed: u64,
}

/// Blocks whose parameters lie on a device.
#[derive(Debug, Clone)]
pub struct Stack {
    device: Device,
    shape: Shape,
    blocks: Vec<Block>,
}

/// A pass that can be gone back.
#[derive(Debug)]
pub struct Kept {
    padding: Padding,
    input: Tensor<2>,
    blocks: Vec<Block>,
    states: Tensor<2>,
}

impl Stack {
    /// Uploads the parameters of blocks: [`PARTS`] of the first, of the second, and so on.
    ///
    /// # Errors
    /// When a part has another size than `shape` says.
    pub fn new(device: &Device, shape: Shape, parts: &[&[f32]]) -> Result<Self, GpuError> {
        let mut stack = Self { device: device.clone(), shape, blocks: Vec::new() };
        stack.upload(parts)?;
        Ok(stack)
    }

    /// Replaces all parameters.
    ///
    /// # Errors
    /// As [`Stack::new`].
    pub fn upload(&mut self, parts: &[&[f32]]) -> Result<(), GpuError> {
        let blocks = parts.chunks_exact(PARTS).enumerate();
        self.blocks =
            blocks.map(|block| Block::upload(&self.device, &self.shape, block)).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Takes the states of packed sequences, `[tokens, hidden]`, through all blocks.
    ///
    /// # Errors
    /// When the device fails.
    pub fn forward(&self, states: &[f32], lengths: &[usize]) -> Result<Vec<f32>, GpuError> {
        let padding = Padding::new(lengths);
        if padding.tokens() == 0 {
            return Ok(Vec::new());
        }
        let states = self.padded(&padding, states);
        let states = self.through(&self.blocks, states, &padding, 0.0);
        self.packed(&padding, states)
    }

    /// The same with dropout, and what the way back needs.
    ///
    /// # Errors
    /// When the device fails.
    pub fn forward_kept(
        &self,
        states: &[f32],
        lengths: &[usize],
        dropout: Dropout,
    ) -> Result<(Vec<f32>, Kept), GpuError> {
        let padding = Padding::new(lengths);
        if dropout.share > 0.0 {
            self.device.burn.seed(dropout.seed);
        }
        let blocks: Vec<Block> = self.blocks.iter().map(Block::tracked).collect();
        let input = self.padded(&padding, states).autodiff().require_grad();
        let states = self.through(&blocks, input.clone(), &padding, dropout.share);
        let given = self.packed(&padding, states.clone().without_autodiff())?;
        Ok((given, Kept { padding, input, blocks, states }))
    }

    /// The gradients of the states that went in, `[tokens, hidden]`, and of every part, in the order of [`Stack::new`], from
    /// those of the states that came out.
    ///
    /// # Errors
    /// When the device fails.
    pub fn backward(&self, kept: &Kept, gradients: &[f32]) -> Result<(Vec<f32>, Vec<Vec<f32>>), GpuError> {
        let Kept { padding, input, blocks, states } = kept;
        let weights = self.padded(padding, gradients).autodiff();
        let mut found = (states.clone() * weights).sum().backward();
        let leaves = std::iter::once(input).chain(blocks.iter().flat_map(|block| &block.parts));
        let mut reading = Transaction::default();
        for leaf in leaves {
            let gradient = leaf.grad_remove(&mut found);
            reading =
                reading.register(gradient.unwrap_or_else(|| leaf.clone().without_autodiff().zeros_like()));
        }
        let read = reading.try_execute().map_err(failed)?;
        let mut numbers = read.into_iter().map(floats);
        let of_input = numbers.next().unwrap_or_else(|| Ok(Vec::new()))?;
        Ok((padding.unpad(&of_input, self.shape.hidden), numbers.collect::<Result<_, _>>()?))
    }

    fn through(&self, blocks: &[Block], states: Tensor<2>, padding: &Padding, dropout: f32) -> Tensor<2> {
        let mask = TensorData::new(padding.mask(), [padding.sequences(), 1, 1, padding.longest]);
        let mask = Tensor::<4>::from_data(mask, &self.device.burn);
        let mask = if states.is_autodiff() { mask.autodiff() } else { mask };
        let batch = Batch { padding, mask };
        blocks.iter().fold(states, |states, block| block.forward(&self.shape, states, &batch, dropout))
    }

    fn padded(&self, padding: &Padding, packed: &[f32]) -> Tensor<2> {
        let hidden = self.shape.hidden;
        let data = TensorData::new(padding.pad(packed, hidden), [padding.tokens(), hidden]);
        Tensor::from_data(data, &self.device.burn)
    }

    fn packed(&self, padding: &Padding, states: Tensor<2>) -> Result<Vec<f32>, GpuError> {
        let numbers = floats(states.try_into_data().map_err(failed)?)?;
        Ok(padding.unpad(&numbers, self.shape.hidden))
    }
}

fn floats(data: TensorData) -> Result<Vec<f32>, GpuError> {
    data.try_into_vec().map_err(|error| GpuError::Failed { cause: format!("{error:?}") })
}

fn failed(error: impl std::fmt::Display) -> GpuError {
    GpuError::Failed { cause: error.to_string() }
}
