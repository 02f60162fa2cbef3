//! What stands for a GPU in a build without the feature `gpu`: nothing, since none can be found.

use crate::block::Block;
use crate::dropout::Dropout;
use crate::error::NnError;

/// The GPU of this machine, on which a build without the feature `gpu` computes nothing.
#[derive(Debug, Clone)]
pub enum Gpu {}

/// Blocks on a GPU.
#[derive(Debug, Clone)]
pub(crate) enum OnGpu {}

/// What the backward pass there needs.
#[derive(Debug)]
pub(crate) enum KeptOnGpu {}

impl Gpu {
    /// Refuses.
    ///
    /// # Errors
    /// Always: this build computes on none.
    pub fn find() -> Result<Self, NnError> {
        Err(NnError::GpuNotBuilt)
    }
}

impl OnGpu {
    pub(crate) fn new(gpu: &Gpu, _: &[Block]) -> Result<Self, NnError> {
        match *gpu {}
    }

    pub(crate) fn failure(&self) -> Option<NnError> {
        match *self {}
    }

    pub(crate) fn upload(&mut self, _: &[Block]) {
        match *self {}
    }

    pub(crate) fn forward(&self, _: &[f32], _: &[usize], _: Dropout) -> (Vec<f32>, Option<KeptOnGpu>) {
        match *self {}
    }

    pub(crate) fn backward(&self, _: Option<&KeptOnGpu>, _: &[f32], _: &mut [Block]) -> Vec<f32> {
        match *self {}
    }
}
