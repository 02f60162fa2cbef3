//! Counters and histograms in the Prometheus text format, with closed sets of labels and no lock on the way.

mod cascade;
mod endpoint;
mod exposition;
mod histogram;
mod server;
mod tei;

pub(crate) use endpoint::HostMetrics;
pub(crate) use histogram::Histogram;
pub(crate) use server::Metrics;
