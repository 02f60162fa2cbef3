//! The messages of package `tei.v1`. Members that change nothing here, such as the side that long texts are cut at, are not
//! read.

use prost::Message;

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

/// Asks `Embed`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct EmbedRequest {
    #[prost(string, tag = "1")]
    pub(crate) inputs: String,
    #[prost(bool, tag = "3")]
    pub(crate) normalize: bool,
    #[prost(string, optional, tag = "5")]
    pub(crate) prompt_name: Option<String>,
    #[prost(uint32, optional, tag = "6")]
    pub(crate) dimensions: Option<u32>,
}

/// Answers `Embed`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct EmbedResponse {
    #[prost(float, repeated, tag = "1")]
    pub(crate) embeddings: Vec<f32>,
    #[prost(message, optional, tag = "2")]
    pub(crate) metadata: Option<Metadata>,
}

/// Asks `EmbedAll`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct EmbedAllRequest {
    #[prost(string, tag = "1")]
    pub(crate) inputs: String,
    #[prost(string, optional, tag = "4")]
    pub(crate) prompt_name: Option<String>,
}

/// Answers `EmbedAll`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct EmbedAllResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) token_embeddings: Vec<TokenEmbedding>,
    #[prost(message, optional, tag = "2")]
    pub(crate) metadata: Option<Metadata>,
}

/// The vector of a token.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TokenEmbedding {
    #[prost(float, repeated, tag = "1")]
    pub(crate) embeddings: Vec<f32>,
}

/// Asks `Rerank`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RerankRequest {
    #[prost(string, tag = "1")]
    pub(crate) query: String,
    #[prost(string, repeated, tag = "2")]
    pub(crate) texts: Vec<String>,
    #[prost(bool, tag = "4")]
    pub(crate) raw_scores: bool,
    #[prost(bool, tag = "5")]
    pub(crate) return_text: bool,
}

/// One text of `RerankStream`; query and flags are those of the first.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RerankStreamRequest {
    #[prost(string, tag = "1")]
    pub(crate) query: String,
    #[prost(string, tag = "2")]
    pub(crate) text: String,
    #[prost(bool, tag = "4")]
    pub(crate) raw_scores: bool,
    #[prost(bool, tag = "5")]
    pub(crate) return_text: bool,
}

/// Answers both: texts, best first.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RerankResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) ranks: Vec<Rank>,
    #[prost(message, optional, tag = "2")]
    pub(crate) metadata: Option<Metadata>,
}

/// A text with its score.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Rank {
    #[prost(uint32, tag = "1")]
    pub(crate) index: u32,
    #[prost(string, optional, tag = "2")]
    pub(crate) text: Option<String>,
    #[prost(float, tag = "3")]
    pub(crate) score: f32,
}

/// Asks `Tokenize`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct EncodeRequest {
    #[prost(string, tag = "1")]
    pub(crate) inputs: String,
    #[prost(bool, tag = "2")]
    pub(crate) add_special_tokens: bool,
    #[prost(string, optional, tag = "3")]
    pub(crate) prompt_name: Option<String>,
}

/// Answers `Tokenize`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct EncodeResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) tokens: Vec<SimpleToken>,
}

/// A token.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SimpleToken {
    #[prost(uint32, tag = "1")]
    pub(crate) id: u32,
    #[prost(string, tag = "2")]
    pub(crate) text: String,
    #[prost(bool, tag = "3")]
    pub(crate) special: bool,
    #[prost(uint32, optional, tag = "4")]
    pub(crate) start: Option<u32>,
    #[prost(uint32, optional, tag = "5")]
    pub(crate) stop: Option<u32>,
}

/// Asks `Decode`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct DecodeRequest {
    #[prost(uint32, repeated, tag = "1")]
    pub(crate) ids: Vec<u32>,
    #[prost(bool, tag = "2")]
    pub(crate) skip_special_tokens: bool,
}

/// Answers `Decode`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct DecodeResponse {
    #[prost(string, tag = "1")]
    pub(crate) text: String,
}
