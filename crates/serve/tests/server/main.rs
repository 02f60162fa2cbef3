//! The server through real sockets: wire formats, refusals, swaps, drain.

#[cfg(test)]
mod applied;
#[cfg(test)]
mod cascade;
#[cfg(test)]
mod cost;
#[cfg(test)]
mod documented;
#[cfg(test)]
mod encoders;
#[cfg(all(test, feature = "gpu"))]
mod gpu;
#[cfg(test)]
mod grpc;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod many_models;
#[cfg(test)]
mod model_servers;
#[cfg(test)]
mod open_inference;
#[cfg(test)]
mod operation;
#[cfg(test)]
mod predict;
#[cfg(test)]
mod protocols;
#[cfg(test)]
mod resources;
#[cfg(test)]
mod tiny_encoders;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod why;
