//! `Endpoint`: which model version answers, and within which limits.

use std::time::Duration;

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
    /// How labels of a request are scored, where the endpoint answers zero-shot classification with an entailment model.
    pub zero_shot: Option<ZeroShot>,
    /// Threads for this endpoint; the server's when absent.
    pub threads: Option<usize>,
    /// Limits of requests.
    pub requests: Requests,
}

/// How labels that come with a request are scored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ZeroShot {
    /// Sentence that a label is put into, holding `{label}`; the model's own when absent.
    pub template: Option<String>,
    /// Labels of requests that name none; empty when every request must.
    pub labels: Vec<String>,
}

/// Limits of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requests {
    /// Longest time that a request may take.
    pub timeout: Duration,
    /// Most requests waiting.
    pub max_queue: usize,
    /// Most inputs in one request.
    pub max_inputs: usize,
    /// Longest input in characters; longer ones are refused.
    pub max_length: Option<usize>,
}

impl Default for Requests {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(10), max_queue: 512, max_inputs: 1000, max_length: None }
    }
}
