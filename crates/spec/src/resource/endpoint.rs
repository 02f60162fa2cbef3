//! `Endpoint`: which model version answers, and within which limits.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ModelReference, Name};

/// A validated `Endpoint`.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    /// Its name, which is its path on the wire.
    pub name: Name,
    /// The model version that answers.
    pub model: ModelReference,
    /// Whether it answers its task's routes that name no model.
    pub default: bool,
    /// How labels of a request are scored, where the endpoint answers zero-shot classification.
    pub zero_shot: Option<ZeroShot>,
    /// Threads for this endpoint; the server's when absent.
    pub threads: Option<usize>,
    /// Whether a GPU computes for it.
    pub gpu: bool,
    /// Cheaper versions, asked in this order before the model, which answers what they are not sure of.
    pub cascade: Vec<CascadeStage>,
    /// Shares of the requests that other versions answer; the rest is the model's.
    pub traffic: Vec<Portion>,
    /// Versions whose answers are compared with the model's and never returned.
    pub shadow: Vec<ModelReference>,
    /// Whether the model stays loaded.
    pub scaling: Scaling,
    /// Limits of requests.
    pub requests: Requests,
}

/// How labels that come with a request are scored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ZeroShot {
    /// Sentence that a label is put into, holding `{label}`; the model's own when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Labels of requests that name none; empty when every request must.
    pub labels: Vec<String>,
}

impl Endpoint {
    /// An endpoint that serves `model` as `name`, all else as when it is left out.
    pub fn new(name: Name, model: ModelReference) -> Self {
        Self {
            name,
            model,
            default: false,
            zero_shot: None,
            threads: None,
            gpu: false,
            cascade: Vec::new(),
            traffic: Vec::new(),
            shadow: Vec::new(),
            scaling: Scaling::default(),
            requests: Requests::default(),
        }
    }
}

/// A version that is asked before the endpoint's model.
#[derive(Debug, Clone, PartialEq)]
pub struct CascadeStage {
    /// The version.
    pub model: ModelReference,
    /// Share of all inputs on which the answer must stay what the model would have said, above 0 and below 1. With several
    /// stages each may change its share of the answers.
    pub agreement: f64,
}

impl CascadeStage {
    /// The share where none is stated.
    pub const AGREEMENT: f64 = 0.98;
}

/// A share of the requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Portion {
    /// The version that answers them.
    pub model: ModelReference,
    /// Percent of all requests, above 0.
    pub percent: f64,
}

/// Whether the model of an endpoint stays loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scaling {
    /// Whether it is loaded at the start and never leaves; otherwise it is loaded when a request comes and leaves when idle.
    pub keep_loaded: bool,
    /// Time without requests after which a model that need not stay is unloaded.
    pub idle_timeout: Duration,
}

impl Default for Scaling {
    fn default() -> Self {
        Self { keep_loaded: true, idle_timeout: Duration::from_secs(300) }
    }
}

/// Limits of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requests {
    /// Longest time that a request may take.
    pub timeout: Duration,
    /// Most requests waiting.
    pub max_queue: usize,
    /// Most tokens computed together.
    pub max_batch_tokens: usize,
    /// Most inputs in one request.
    pub max_inputs: usize,
    /// Longest input in characters; longer ones are refused.
    pub max_length: Option<usize>,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            max_queue: 512,
            max_batch_tokens: 16_384,
            max_inputs: 1000,
            max_length: None,
        }
    }
}
