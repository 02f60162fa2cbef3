//! Why a model's server has no answer.

use loquat_spec::ErrorCode;

/// A server that has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// No resource names a server for the model.
    #[error(
        "no Model resource names the server of {model}; serve the folder that has it, or remove {model} with loquat models rm"
    )]
    Unknown {
        /// The model.
        model: String,
    },
    /// It can't be asked now.
    #[error("the server of {model} at {url} can't answer: {reason}")]
    Down {
        /// The model.
        model: String,
        /// Where it answers.
        url: String,
        /// Why not.
        reason: String,
    },
    /// It refused the request.
    #[error(
        "the server of {model} at {url} refused the texts with status {status}: {detail}; its own log may say more"
    )]
    Refused {
        /// The model.
        model: String,
        /// Where it answers.
        url: String,
        /// Its status.
        status: u16,
        /// Its words.
        detail: String,
    },
    /// Its answer is none of the protocol.
    #[error(
        "the server of {model} at {url} does not speak the Open Inference Protocol v2: {problem}; mend what it answers, or \
         correct spec.server.url"
    )]
    Protocol {
        /// The model.
        model: String,
        /// Where it answers.
        url: String,
        /// What is wrong with the answer.
        problem: String,
    },
}

impl ServerError {
    /// The failure's kind in the words that every surface shares.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Unknown { .. } | Self::Down { .. } => ErrorCode::Unavailable,
            Self::Refused { .. } | Self::Protocol { .. } => ErrorCode::Failed,
        }
    }
}
