//! What can go wrong with a GPU.

/// A GPU that is not there, or that gave up.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GpuError {
    /// No driver offers a GPU.
    #[error(
        "no GPU is found ({cause}); install the driver of yours with its part for Vulkan (or Metal, or DirectX 12), or write \
         gpu: 0"
    )]
    None {
        /// What was found instead.
        cause: String,
    },
    /// The device failed in the middle of a computation.
    #[error("the GPU gave up: {cause}; where its memory is full, shorten the texts or write gpu: 0")]
    Failed {
        /// What it says.
        cause: String,
    },
    /// The parameters are not those of such blocks.
    #[error("part {part} of the blocks has {found} numbers, which should be {expected}")]
    Size {
        /// Place among the parameters of all blocks.
        part: usize,
        /// Numbers given.
        found: usize,
        /// Numbers of that part.
        expected: usize,
    },
}
