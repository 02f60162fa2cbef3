//! Files behind addresses, from a server of this process that behaves, and misbehaves, as servers do.
#![expect(clippy::unwrap_used, reason = "a test may end at once")]

mod buckets;
mod files;
mod setup;
