//! Blocks on a GPU, by `loquat-gpu`.

use loquat_gpu::{Device, Shape, Stack};
use loquat_kernels::LayerNorm;

use super::block::{Names, Sizes};
use super::loader::Scope;
use crate::error::ModelError;

/// All blocks of a trunk.
#[derive(Debug)]
pub(super) struct BlocksOnGpu(Stack);

impl BlocksOnGpu {
    /// Reads blocks from their places in the checkpoint.
    pub(super) fn load(layers: &[Scope<'_>], sizes: Sizes, names: Names) -> Result<Self, ModelError> {
        let device = Device::find()?;
        let mut parts: Vec<Vec<f32>> = Vec::new();
        for layer in layers {
            parts.extend(block(layer, sizes, names)?);
        }
        let Sizes { hidden, heads, intermediate, epsilon, activation } = sizes;
        let shape = Shape { hidden, heads, intermediate, epsilon, activation };
        let parts: Vec<&[f32]> = parts.iter().map(Vec::as_slice).collect();
        Ok(Self(Stack::new(&device, shape, &parts)?))
    }

    /// Takes the states of packed sequences, `[tokens, hidden]`, through all blocks.
    pub(super) fn forward(&self, states: &mut [f32], lengths: &[usize]) -> Result<(), ModelError> {
        states.copy_from_slice(&self.0.forward(states, lengths)?);
        Ok(())
    }
}

/// A block's parameters in the order of [`loquat_gpu::PARTS`].
fn block(layer: &Scope<'_>, sizes: Sizes, names: Names) -> Result<Vec<Vec<f32>>, ModelError> {
    let Sizes { hidden, intermediate, epsilon, .. } = sizes;
    let mut joint = [Vec::new(), Vec::new()];
    for name in [names.query, names.key, names.value] {
        joint[0].extend(layer.at(name).floats("weight", &[hidden, hidden])?);
        joint[1].extend(layer.at(name).floats("bias", &[hidden])?);
    }
    let mut parts = Vec::from(joint);
    for (name, size) in [
        (names.output, [hidden, hidden]),
        (names.up, [intermediate, hidden]),
        (names.down, [hidden, intermediate]),
    ] {
        parts.push(layer.at(name).floats("weight", &size)?);
        parts.push(layer.at(name).floats("bias", &size[..1])?);
    }
    for name in [names.attention_norm, names.output_norm] {
        let LayerNorm { weight, bias, .. } = layer.at(name).layer_norm(hidden, epsilon)?;
        parts.extend([weight, bias.unwrap_or_else(|| vec![0.0; hidden])]);
    }
    Ok(parts)
}
