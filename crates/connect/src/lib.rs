//! Clients of outside services, each behind a feature. They know nothing of what flows through them.
//!
//! - `hub`: models and data sets of a hub that speaks the Hugging Face protocol.
//! - `objects`: S3, Google Cloud Storage and Azure Blob Storage.
//! - `sources`: files behind any address, brought to this machine once and kept.

#[cfg(feature = "hub")]
pub mod hub;
#[cfg(feature = "objects")]
pub mod objects;
#[cfg(feature = "sources")]
pub mod sources;
