//! Clients of outside services, each behind a feature. They know nothing of what flows through them.
//!
//! - `hub`: models of a hub that speaks the Hugging Face protocol.

#[cfg(feature = "hub")]
pub mod hub;
