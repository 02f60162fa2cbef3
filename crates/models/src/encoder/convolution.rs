//! The convolution over neighbouring tokens that large DeBERTa models add after their first layer.

use loquat_kernels::{Activation, Epilogue, Kernels, LayerNorm, Linear, Matrix, PackedF32, Scratch, Weights};

use super::loader::Scope;
use super::scratch::{EncoderScratch, sized};
use super::settings::Settings;
use crate::error::ModelError;

/// A convolution of odd width, its activation and a norm.
#[derive(Debug)]
pub(super) struct Convolution {
    /// All taps of an output in one row, tap by tap.
    product: Linear,
    norm: LayerNorm,
    activation: Activation,
    taps: usize,
}

impl Convolution {
    /// `None` where the configuration has none.
    pub(super) fn load(
        place: &Scope<'_>,
        settings: Settings<'_>,
        hidden: usize,
        epsilon: f32,
    ) -> Result<Option<Self>, ModelError> {
        let taps = settings.count("conv_kernel_size", 0)?;
        if taps == 0 {
            return Ok(None);
        }
        settings.only("conv_groups", 1.into(), "1")?;
        if taps % 2 == 0 {
            return Err(settings.unsupported("conv_kernel_size", taps.to_string(), "odd numbers"));
        }
        let conv = place.at("conv");
        // Stored as [out, in, taps].
        let stored = conv.floats("weight", &[hidden, hidden, taps])?;
        let weight = |place: usize| {
            let (out, tap, input) = (place / (taps * hidden), place / hidden % taps, place % hidden);
            stored[(out * hidden + input) * taps + tap]
        };
        let weights: Vec<f32> = (0..stored.len()).map(weight).collect();
        let packed = PackedF32::new(place.kernels(), &weights, hidden, taps * hidden);
        Ok(Some(Self {
            product: Linear::new(Weights::F32(packed), Some(conv.floats("bias", &[hidden])?)),
            norm: place.at("LayerNorm").layer_norm(hidden, epsilon)?,
            activation: settings.activation("conv_act", "tanh")?,
            taps,
        }))
    }

    /// Adds the convolution of `input` to `states`, both `[tokens, hidden]`, and normalises.
    pub(super) fn forward(
        &self,
        kernels: Kernels,
        lengths: &[usize],
        input: &[f32],
        states: &mut [f32],
        scratch: &mut EncoderScratch,
    ) {
        let hidden = self.norm.weight.len();
        let mut neighbours = Vec::with_capacity(input.len() * self.taps);
        let mut start = 0;
        for length in lengths {
            let tokens = &input[start * hidden..(start + length) * hidden];
            for token in 0..*length {
                for tap in 0..self.taps {
                    // Beyond the sequence there are zeros.
                    match (token + tap).checked_sub(self.taps / 2).filter(|place| place < length) {
                        Some(place) => neighbours.extend_from_slice(&tokens[place * hidden..][..hidden]),
                        None => neighbours.resize(neighbours.len() + hidden, 0.0),
                    }
                }
            }
            start += length;
        }
        let rows = Matrix::new(&neighbours, self.taps * hidden);
        let out = sized(&mut scratch.branch, input.len());
        let epilogue = Epilogue { activation: self.activation, residual: Some(states) };
        kernels.linear(rows, &self.product, epilogue, out, &mut Scratch::new());
        kernels.layer_norm(&self.norm, out, states);
    }
}
