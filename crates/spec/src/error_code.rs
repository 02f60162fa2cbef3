//! The closed set of failure kinds, mapped once each to an exit status and an HTTP status.

/// What went wrong, in one of the words that every surface of Loquat shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The input breaks a rule that the user can mend.
    Invalid,
    /// The input is well formed but asks for what does not exist yet.
    Unsupported,
    /// The thing named does not exist.
    NotFound,
    /// Two writers met, or the state forbids the step.
    Conflict,
    /// A limit on size, length or count is exceeded.
    TooLarge,
    /// The queue is full; try again later.
    Overloaded,
    /// The time allowed ran out.
    DeadlineExceeded,
    /// A service or file system does not answer.
    Unavailable,
    /// The user or a signal ended the work.
    Cancelled,
    /// The work itself failed.
    Failed,
    /// A bug of Loquat.
    Internal,
}

impl ErrorCode {
    /// Exit status of the process that ends with this failure.
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Invalid | Self::Unsupported => 2,
            Self::NotFound => 3,
            Self::Unavailable => 4,
            Self::Cancelled => 130,
            Self::Conflict
            | Self::TooLarge
            | Self::Overloaded
            | Self::DeadlineExceeded
            | Self::Failed
            | Self::Internal => 1,
        }
    }

    /// HTTP status of the response that reports this failure.
    pub fn http_status(self) -> u16 {
        match self {
            Self::Invalid => 422,
            Self::Unsupported => 400,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::Overloaded => 429,
            Self::DeadlineExceeded => 504,
            Self::Unavailable | Self::Cancelled => 503,
            Self::Failed | Self::Internal => 500,
        }
    }

    /// The word of this failure in problem types and condition reasons, in kebab case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Unsupported => "unsupported",
            Self::NotFound => "not-found",
            Self::Conflict => "conflict",
            Self::TooLarge => "too-large",
            Self::Overloaded => "overloaded",
            Self::DeadlineExceeded => "deadline-exceeded",
            Self::Unavailable => "unavailable",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Internal => "internal",
        }
    }
}
