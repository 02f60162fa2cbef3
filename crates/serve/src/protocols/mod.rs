//! Adapters: each reads one protocol's requests into an [`Ask`](crate::ask::Ask) and writes its predictions in that
//! protocol's words. `docs/protocols.md` maps the fields.

pub(crate) mod embedding;
pub(crate) mod grpc;
pub(crate) mod kserve;
pub(crate) mod legacy;
pub(crate) mod libre_translate;
pub(crate) mod mlflow;
pub(crate) mod open_inference;
pub(crate) mod openai;
pub(crate) mod repository;
pub(crate) mod rerank;
pub(crate) mod statistics;
pub(crate) mod tei;
mod tensor_input;
mod tensor_output;
pub(crate) mod tokenize;
pub(crate) mod v1_models;
