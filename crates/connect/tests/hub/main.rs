//! The hub client against a server of this process that behaves, and misbehaves, as hubs do.
#![expect(clippy::unwrap_used, reason = "a test may end at once")]

mod datasets;
mod fetching;
mod refusing;
mod server;
