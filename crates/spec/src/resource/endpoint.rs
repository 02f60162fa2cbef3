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
    /// Threads for this endpoint; the server's when absent.
    pub threads: Option<usize>,
    /// Limits of requests.
    pub requests: Requests,
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
