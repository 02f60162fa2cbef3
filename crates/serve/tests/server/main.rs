//! The server through real sockets: wire formats, refusals, swaps, drain.

#[cfg(test)]
mod cost;
#[cfg(test)]
mod documented;
mod grpc;
#[cfg(test)]
mod harness;
mod keys;
mod lifecycle;
mod many_models;
mod open_inference;
mod operation;
mod predict;
mod protocols;
mod tls;
