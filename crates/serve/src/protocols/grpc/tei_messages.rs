//! The messages of package `tei.v1` that a classifier needs.

use prost::Message;

/// The number of a classifier among the types of models.
pub(crate) const CLASSIFIER: i32 = 1;

/// Answers `Info`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct InfoResponse {
    #[prost(string, tag = "1")]
    pub(crate) version: String,
    #[prost(string, tag = "4")]
    pub(crate) model_id: String,
    #[prost(string, optional, tag = "5")]
    pub(crate) model_sha: Option<String>,
    #[prost(string, tag = "6")]
    pub(crate) model_dtype: String,
    #[prost(int32, tag = "7")]
    pub(crate) model_type: i32,
    #[prost(uint32, tag = "8")]
    pub(crate) max_concurrent_requests: u32,
    #[prost(uint32, tag = "9")]
    pub(crate) max_input_length: u32,
    #[prost(uint32, tag = "10")]
    pub(crate) max_batch_tokens: u32,
    #[prost(uint32, tag = "12")]
    pub(crate) max_client_batch_size: u32,
    #[prost(uint32, tag = "13")]
    pub(crate) tokenization_workers: u32,
}

/// Asks `Predict`. Nothing is ever cut, so `truncate` is not read.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PredictRequest {
    #[prost(string, tag = "1")]
    pub(crate) inputs: String,
    #[prost(bool, tag = "3")]
    pub(crate) raw_scores: bool,
}

/// Asks `PredictPair`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PredictPairRequest {
    #[prost(string, repeated, tag = "1")]
    pub(crate) inputs: Vec<String>,
    #[prost(bool, tag = "3")]
    pub(crate) raw_scores: bool,
}

/// Answers both: labels, best first.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PredictResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) predictions: Vec<Scored>,
    #[prost(message, optional, tag = "2")]
    pub(crate) metadata: Option<Metadata>,
}

/// A label with its probability.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Scored {
    #[prost(float, tag = "1")]
    pub(crate) score: f32,
    #[prost(string, tag = "2")]
    pub(crate) label: String,
}

/// What was computed and where the time went, in nanoseconds.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Metadata {
    #[prost(uint32, tag = "1")]
    pub(crate) compute_chars: u32,
    #[prost(uint32, tag = "2")]
    pub(crate) compute_tokens: u32,
    #[prost(uint64, tag = "3")]
    pub(crate) total_time_ns: u64,
    #[prost(uint64, tag = "4")]
    pub(crate) tokenization_time_ns: u64,
    #[prost(uint64, tag = "5")]
    pub(crate) queue_time_ns: u64,
    #[prost(uint64, tag = "6")]
    pub(crate) inference_time_ns: u64,
}
