//! What stands for blocks on a GPU in a build without the feature `gpu`: nothing, since none can be loaded.

use super::block::{Names, Sizes};
use super::loader::Scope;
use crate::error::ModelError;

/// All blocks of a trunk.
#[derive(Debug)]
pub(super) enum BlocksOnGpu {}

impl BlocksOnGpu {
    /// Refuses.
    pub(super) fn load(_: &[Scope<'_>], _: Sizes, _: Names) -> Result<Self, ModelError> {
        Err(ModelError::NoGpu)
    }

    pub(super) fn forward(&self, _: &mut [f32], _: &[usize]) -> Result<(), ModelError> {
        match *self {}
    }
}
