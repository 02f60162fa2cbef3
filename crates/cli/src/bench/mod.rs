//! An open-loop load generator for servers of any of the protocols that Loquat speaks, and of none of its own making.
//!
//! Requests leave at a constant rate whatever the server does, and a latency counts from the moment that its request was due: a
//! server that stalls is charged for the requests that waited (no coordinated omission).

mod connection;
mod generator;
mod histogram;
mod plot;
mod target;
mod wire;

pub(crate) use generator::{Load, Outcome, measure};
pub(crate) use plot::{Point, svg};
pub(crate) use target::Target;
pub(crate) use wire::Security;
