//! What keeps a call from being answered.

use serde::Deserialize;

/// What keeps a call from being answered.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server answered that it won't.
    #[error("{0}")]
    Refused(Box<ProblemDetails>),
    /// The server can't be reached, or the connection broke off.
    #[error("no answer from {url}: {source}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// What went wrong.
        #[source]
        source: Box<ureq::Error>,
    },
    /// The answer is not one that Loquat gives; another program may listen there.
    #[error("the answer of {url} (status {status}) is not Loquat's: {source}")]
    Foreign {
        /// What was asked.
        url: String,
        /// Its status.
        status: u16,
        /// What is wrong with the body.
        #[source]
        source: serde_json::Error,
    },
}

/// A problem as RFC 9457 has it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ProblemDetails {
    /// What kind of problem, as a URI.
    pub r#type: String,
    /// The kind in a sentence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time.
    pub detail: String,
    /// Where in the request: `inputs[3].text`.
    #[serde(default)]
    pub field: Option<String>,
    /// What to do about it.
    #[serde(default)]
    pub remedy: Option<String>,
    /// Identifies the request in the server's logs.
    pub request_id: String,
    /// Seconds after which the same request may succeed, from header `retry-after`.
    #[serde(skip)]
    pub retry_after: Option<u64>,
}

impl std::fmt::Display for ProblemDetails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.detail)?;
        if let Some(remedy) = &self.remedy {
            write!(f, "; {remedy}")?;
        }
        write!(f, " (status {}, request {})", self.status, self.request_id)
    }
}
