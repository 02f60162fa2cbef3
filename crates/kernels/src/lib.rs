//! CPU kernels of transformer encoders: matrix products in f32 and int8, attention over packed sequences, norms,
//! activations, embeddings and pooling.
//!
//! A [`Kernels`] handle stands for one [`Path`] (AVX-512 with VNNI, AVX2 with FMA, or portable code), chosen at run time
//! and handed down by value; every operation is a method of it. Text, files and models are unknown here.
//!
//! * **Shapes.** Matrices are row-major. Activations are `[tokens, width]`, the tokens of all sequences one after another
//!   and no padding anywhere; a slice of lengths, one a sequence, says where each ends. A shape that does not fit is a
//!   mistake of the caller's code and panics; what comes from files is checked by who reads them.
//! * **Threads** are the caller's: a kernel runs on the thread that calls it. Split a batch by sequences.
//! * **Memory.** A [`Scratch`] holds what a kernel needs between its steps. It grows to the largest call and is then
//!   reused, so a warm call allocates nothing. One for each thread. Weights may lie in a mapped file ([`Frozen`]).
//! * **Agreement.** Every path computes a row from that row alone (or from its sequence alone) in one order, so a batch
//!   gives bit for bit what its rows give one by one, in any order. Each path is within 2e-5 of the same computed in f64,
//!   relative to the largest magnitude. Int8 weights and activations are quantised to the same bytes on every path, and
//!   the sums of their products are equal.
//!
//! NEON has no code of its own yet: there the portable path serves, which the compiler vectorises.

#![expect(unsafe_code, reason = "SIMD intrinsics, and products that index without bounds checks")]

mod activation;
mod aligned;
mod attention;
mod backward;
mod embedding;
mod frozen;
mod kernels;
mod linear;
mod matrix;
mod norm;
mod pooling;
mod rotary;
mod scratch;
mod simd;
mod tile;
mod weights;

pub use activation::Activation;
pub use aligned::{Aligned, Plain};
pub use attention::{Attention, ScoreBias, ScorePlace, Span};
pub use frozen::{Frozen, Mapping};
pub use kernels::{Kernels, KernelsError, Path};
pub use linear::{Epilogue, Linear};
pub use matrix::Matrix;
pub use norm::LayerNorm;
pub use pooling::Pooling;
pub use rotary::Rotary;
pub use scratch::Scratch;
pub use weights::{LAYOUT, PackedF32, PackedI8, Weights};
