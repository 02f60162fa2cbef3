//! Clients of outside services, each behind a feature. They know nothing of what flows through them.
//!
//! - `hub`: models and data sets of a hub that speaks the Hugging Face protocol.
//! - `objects`: S3, Google Cloud Storage and Azure Blob Storage.
//! - `servers`: servers of any framework that answer for models, started and watched.
//! - `sources`: files behind any address, brought to this machine once and kept.

#[cfg(feature = "hub")]
pub mod hub;
#[cfg(feature = "objects")]
pub mod objects;
#[cfg(feature = "servers")]
pub mod servers;
#[cfg(feature = "sources")]
pub mod sources;
