//! What keeps a call from being answered.

use std::path::PathBuf;

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
    /// The server's certificate does not come from an authority that the client trusts, or is not for its name.
    #[error(
        "the certificate of {url} is not trusted ({reason}): name the file of its authority, and the server by the name in its \
         certificate"
    )]
    Untrusted {
        /// What was asked.
        url: String,
        /// What the check said.
        reason: String,
    },
    /// The server ended the TLS connection: it asks for a certificate, or does not trust the client's.
    #[error(
        "{url} ended the connection ({reason}): it may ask for a client certificate of an authority of its own"
    )]
    Unwelcome {
        /// What was asked.
        url: String,
        /// The server's alert.
        reason: String,
    },
    /// A file of TLS can't be used.
    #[error("{} can't be used for TLS: {reason}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
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

impl ClientError {
    /// The error of a call that got no answer.
    pub(crate) fn unreachable(url: &str, source: ureq::Error) -> Self {
        let (url, reason) = (url.to_owned(), source.to_string());
        // The layers between say this in words only.
        if reason.contains("invalid peer certificate") {
            return Self::Untrusted { url, reason };
        }
        if reason.contains("received fatal alert") {
            return Self::Unwelcome { url, reason };
        }
        Self::Unreachable { url, source: Box::new(source) }
    }
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
