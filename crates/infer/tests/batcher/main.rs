//! The batcher through its public surface: the queue under a virtual clock, and the threads around it.

#![expect(clippy::unwrap_used, reason = "tests")]

mod pool;
mod queue;
mod simulation;
