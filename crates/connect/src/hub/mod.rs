//! A hub that speaks the Hugging Face protocol: what a revision of a model or data set means now, and its files in a cache.
//!
//! The cache has the layout of the `huggingface_hub` library, so that a model fetched by one is not fetched again by the
//! other: `models--OWNER--NAME/{refs,blobs,snapshots}`, `datasets--OWNER--NAME/…`
//! ([description](https://huggingface.co/docs/huggingface_hub/guides/manage-cache)). Only safetensors, else an ONNX
//! graph, JSON and plain text are ever fetched; a model that has its weights in pickles alone is refused.

mod api;
mod cache;
mod dataset;
mod download;
mod error;
mod repository;
mod selection;
mod snapshot;

pub use dataset::DatasetFiles;
pub use error::HubError;
pub use snapshot::{Hub, HubConfig, Progress, Snapshot, Token};
