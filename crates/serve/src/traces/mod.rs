//! Traces of requests, sent to a collector over OTLP/HTTP.

mod exporter;
mod messages;
mod parent;
mod spans;

pub(crate) use exporter::Traces;
pub(crate) use parent::Parent;
