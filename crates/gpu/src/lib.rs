//! The stack of transformer blocks that BERT and its relatives share, computed on a GPU through burn's wgpu.
//!
//! Plain numbers go in and come out: a stack holds the parameters of its blocks on the device, takes the states of packed
//! sequences through all of them, and gives the gradients of a pass back. What comes before the blocks and after them is the
//! caller's. Nothing here falls back to the processor: where there is no GPU, `Device::find` says so.
//!
//! Without the feature `wgpu` the crate is empty.
#![cfg(feature = "wgpu")]

mod block;
mod device;
mod error;
mod rows;
mod stack;

pub use block::{PARTS, Shape};
pub use device::{Device, SOFTWARE};
pub use error::GpuError;
pub use stack::{Dropout, Kept, Stack};
