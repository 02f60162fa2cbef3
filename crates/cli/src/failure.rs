//! The one failure type of the command line: what to say, and the code that decides the exit status.

use std::error::Error;
use std::fmt::Write as _;
use std::io;

use loquat_client::ClientError;
use loquat_data::DataError;
use loquat_spec::ErrorCode;

/// Why a command ended without doing its work.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Decides the exit status.
    pub(crate) code: ErrorCode,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Shown to the user as it stands.
    Message(String),
    /// Everything worth saying has been said.
    Silent,
    /// The reader of standard output went away.
    BrokenPipe,
}

impl Failure {
    /// A failure with a message that names the thing and the remedy.
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, kind: Kind::Message(message.into()) }
    }

    /// A failure whose findings or outcome were already shown.
    pub(crate) fn silent(code: ErrorCode) -> Self {
        Self { code, kind: Kind::Silent }
    }

    /// What is known to the parser but does not exist yet.
    pub(crate) fn not_yet_supported(what: &str, instead: &str) -> Self {
        let instead = if instead.is_empty() { String::new() } else { format!("; {instead}") };
        Self::new(ErrorCode::Unsupported, format!("{what} is not yet supported{instead}"))
    }

    /// No resource of this kind has the name; a mistyped word of the command line itself is bad usage.
    pub(crate) fn unknown(kind: &str, name: &str, known: &[&str]) -> Self {
        let near = known.iter().map(|known| (strsim::damerau_levenshtein(known, name), *known)).min();
        let remedy = match near {
            None => format!("the folder holds no {kind}"),
            Some((0..=2, near)) => format!("did you mean {near:?}?"),
            Some(_) => format!("there are {}", known.join(", ")),
        };
        let code = if matches!(kind, "kind" | "command") { ErrorCode::Invalid } else { ErrorCode::NotFound };
        Self::new(code, format!("no {kind} is named {name:?}: {remedy}"))
    }

    /// What this binary can't put into JSON is a bug.
    pub(crate) fn json(error: &serde_json::Error) -> Self {
        Self::new(ErrorCode::Internal, format!("an answer could not be written as JSON: {error}"))
    }

    /// A part that this binary was built without.
    #[cfg(not(all(feature = "serve", feature = "train")))]
    pub(crate) fn built_without(feature: &str) -> Self {
        let message = format!("this loquat was built without the feature {feature:?}: use the default build");
        Self::new(ErrorCode::Unsupported, message)
    }

    /// A failure of the file system at `path`.
    pub(crate) fn file(step: &str, path: &std::path::Path, error: &io::Error) -> Self {
        let code = match error.kind() {
            io::ErrorKind::NotFound => ErrorCode::NotFound,
            _ => ErrorCode::Unavailable,
        };
        Self::new(code, format!("cannot {step} {}: {error}", path.display()))
    }

    /// The error and its sources, one after the other, each text once.
    pub(crate) fn from_error(code: ErrorCode, error: &dyn Error) -> Self {
        Self::new(code, chain(error))
    }

    /// Text for the user; `None` when there is nothing left to say.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Message(text) => Some(text),
            Kind::Silent => None,
            Kind::BrokenPipe => None,
        }
    }

    /// Whether the reader of standard output went away.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self.kind, Kind::BrokenPipe)
    }
}

/// An error and its sources as one line; a source that the text already quotes is not repeated.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        if !text.contains(&next) {
            // Writing to a string cannot fail.
            let _ = write!(text, ": {next}");
        }
        source = error.source();
    }
    text
}

/// An error of reading data with what to do about it, where its own words don't say.
pub(crate) fn with_remedy(error: &DataError) -> String {
    let text = chain(error);
    if text.contains("; ") { text } else { format!("{text}; {}", error.remedy()) }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        Self::new(error.code(), with_remedy(&error))
    }
}

impl From<io::Error> for Failure {
    /// Only for standard output and the answer file: every other file is named by [`Failure::file`].
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { code: ErrorCode::Cancelled, kind: Kind::BrokenPipe };
        }
        Self::new(ErrorCode::Unavailable, format!("cannot write the answer: {error}"))
    }
}

impl From<loquat_spec::NameError> for Failure {
    fn from(error: loquat_spec::NameError) -> Self {
        Self::new(ErrorCode::Invalid, error.to_string())
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let code = match &error {
            ClientError::Unreachable { .. } => ErrorCode::Unavailable,
            ClientError::Untrusted { .. } | ClientError::Unwelcome { .. } => ErrorCode::Unavailable,
            ClientError::Pem { .. } => ErrorCode::Invalid,
            ClientError::Foreign { .. } => ErrorCode::Failed,
            ClientError::Refused(problem) => match problem.status {
                404 => ErrorCode::NotFound,
                409 => ErrorCode::Conflict,
                500.. => ErrorCode::Unavailable,
                401 | 403 | 429 => ErrorCode::Failed,
                _ => ErrorCode::Invalid,
            },
        };
        let text = chain(&error);
        match error {
            ClientError::Untrusted { .. } => {
                Self::new(code, format!("{text}; --ca takes the authority's file"))
            }
            ClientError::Unwelcome { .. } => {
                Self::new(code, format!("{text}; --cert and --cert-key take a certificate that it trusts"))
            }
            ClientError::Unreachable { .. } => {
                Self::new(code, format!("{text}; start one with `loquat serve`, or name it with --server"))
            }
            _ => Self::new(code, text),
        }
    }
}

macro_rules! from_library_error {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::from_error(error.code(), &error)
            }
        })*
    };
}

from_library_error!(
    loquat_connect::hub::HubError,
    loquat_connect::objects::ObjectError,
    loquat_connect::sources::SourceError,
    loquat_infer::InferError,
    loquat_store::StoreError
);
#[cfg(feature = "serve")]
from_library_error!(loquat_serve::ServeError, loquat_serve::KeyError);
#[cfg(feature = "train")]
from_library_error!(loquat_train::TrainError);
