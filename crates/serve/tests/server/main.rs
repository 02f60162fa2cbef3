//! The server through real sockets: wire formats, refusals, swaps, drain.

#[cfg(test)]
mod cost;
#[cfg(test)]
mod encoders;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod open_inference;
#[cfg(test)]
mod operation;
#[cfg(test)]
mod predict;
