//! What can go wrong while data is read, with the place, the cause and the remedy.

use std::io;

use loquat_connect::sources::SourceError;
use loquat_spec::ErrorCode;

use crate::checks;

/// A failure of reading. Those of one line do not end the file; [`DataError::ends_file`] tells them apart.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The path names nothing.
    #[error("{path}: no such file{hint}")]
    NotFound {
        /// The path as the user wrote it.
        path: String,
        /// ` (did you mean …?)`, or nothing.
        hint: String,
    },
    /// The path is a folder.
    #[error("{path}: is a folder; write a glob such as {path}/*.jsonl")]
    Folder {
        /// The path as the user wrote it.
        path: String,
    },
    /// The glob can't be read.
    #[error("{pattern}: not a valid glob: {source}")]
    Pattern {
        /// The glob as the user wrote it.
        pattern: String,
        /// What is wrong with it.
        source: glob::PatternError,
    },
    /// The glob matches no file.
    #[error("{pattern}: matches no file")]
    NoMatch {
        /// The glob as the user wrote it.
        pattern: String,
    },
    /// The file's name does not tell its format and none is given.
    #[error(
        "{file}: the name does not tell the format; end it in .jsonl, .csv, .tsv, .parquet or .conll, or give `format`"
    )]
    UnknownFormat {
        /// The file.
        file: String,
    },
    /// Opening, reading or decompressing failed.
    #[error("{file}: can't be read: {source}")]
    Io {
        /// The file.
        file: String,
        /// What the system or the decompressor says.
        source: io::Error,
    },
    /// The text is in an encoding other than UTF-8.
    #[error("{file}: is {found}, and only UTF-8 is read; convert it, for instance with iconv -t UTF-8")]
    Encoding {
        /// The file.
        file: String,
        /// The encoding found.
        found: &'static str,
    },
    /// The header of a delimited file can't serve.
    #[error("{file}: line {line}: the header names column `{column}` twice; rename one of them")]
    Header {
        /// The file.
        file: String,
        /// Line of the header.
        line: u64,
        /// The name that stands twice.
        column: String,
    },
    /// The lines of a delimited file end in carriage returns alone.
    #[error(
        "{file}: its lines end in carriage returns alone, so all of it is one line; save it with line feeds"
    )]
    LineEnds {
        /// The file.
        file: String,
    },
    /// A line is longer than the guard allows.
    #[error("{file}: line {line}: longer than {limit} bytes; is this the right file and format?")]
    LineTooLong {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// Most bytes that a line may have.
        limit: usize,
    },
    /// Bytes that are not UTF-8.
    #[error("{file}: line {line}: invalid UTF-8 at byte {byte}; save the file as UTF-8")]
    InvalidUtf8 {
        /// The file.
        file: String,
        /// The line (the row, in Parquet files), from 1.
        line: u64,
        /// First wrong byte of the line (of the value, in Parquet files), from 1.
        byte: usize,
    },
    /// A NUL byte in text.
    #[error("{file}: line {line}: NUL at byte {byte}; remove it, or mend what wrote the file")]
    Nul {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// The NUL's place in the line, from 1.
        byte: usize,
    },
    /// A line or record that its format does not allow.
    #[error("{file}: line {line}: {source}")]
    Malformed {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        source: Fault,
    },
    /// A Parquet file that can't be decoded; what follows the row is not read.
    #[error("{file}: {place}not readable as Parquet: {reason}", place = at_row(*row))]
    Parquet {
        /// The file.
        file: String,
        /// The row, from 1; 0 where the file's metadata can't be read.
        row: u64,
        /// What the decoder says.
        reason: String,
    },
    /// An address that leads nowhere.
    #[error(transparent)]
    Address {
        /// What is wrong with it.
        source: loquat_spec::NameError,
    },
    /// Files behind an address can't be fetched.
    #[error(transparent)]
    Elsewhere {
        /// Why.
        source: Box<SourceError>,
    },
    /// The caller gave no way to fetch anything.
    #[error("{address}: nothing fetches addresses here; copy the data to this machine and give its path")]
    NoSources {
        /// The address.
        address: String,
    },
    /// A task whose data is not read yet.
    #[error("data of the task {task} is not yet supported; supported are {supported}")]
    UnsupportedTask {
        /// The task asked for.
        task: &'static str,
        /// The tasks supported.
        supported: &'static str,
    },
    /// A repaired data set can't be written there.
    #[error("{path}: {problem}")]
    Target {
        /// The path as the user wrote it.
        path: String,
        /// Why not, and what to do.
        problem: &'static str,
    },
    /// What the checks put aside can't be written or read back.
    #[error("temporary files of the checks can't be used: {source}; is there space where they lie?")]
    Scratch {
        /// What the system says.
        source: io::Error,
    },
    /// The worker threads can't be started.
    #[error("reading threads can't be started: {source}")]
    Threads {
        /// What the pool says.
        source: rayon::ThreadPoolBuildError,
    },
}

/// What is wrong with one record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Not JSON.
    #[error("not a JSON object: {0}")]
    Json(serde_json::Error),
    /// JSON, but not an object.
    #[error("expected a JSON object, found {0}; write one object a line")]
    NotAnObject(&'static str),
    /// More or fewer fields than the header has.
    #[error("{found} fields where the header has {expected}; quote fields that hold the separator")]
    FieldCount {
        /// Fields of the header.
        expected: usize,
        /// Fields of the record.
        found: usize,
    },
    /// A quoted field without an end.
    #[error("a quote opens here and never closes; close it, or double quotes that belong to the text")]
    OpenQuote,
    /// A sentence whose lines have tags in some places only.
    #[error("token `{0}` has no tag while others of the sentence have; separate token and tag by a tab")]
    MissingTag(String),
    /// A line with a tag and no token.
    #[error("a tag without a token; a blank line ends a sentence")]
    MissingToken,
}

impl DataError {
    /// The failure's kind, for exit statuses and protocols.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound { .. } | Self::NoMatch { .. } => ErrorCode::NotFound,
            Self::Io { .. } | Self::Scratch { .. } => ErrorCode::Unavailable,
            Self::Elsewhere { source } => source.code(),
            Self::LineTooLong { .. } => ErrorCode::TooLarge,
            Self::UnsupportedTask { .. } | Self::NoSources { .. } => ErrorCode::Unsupported,
            Self::Threads { .. } => ErrorCode::Failed,
            Self::Folder { .. }
            | Self::Pattern { .. }
            | Self::UnknownFormat { .. }
            | Self::Encoding { .. }
            | Self::Address { .. }
            | Self::Header { .. }
            | Self::LineEnds { .. }
            | Self::InvalidUtf8 { .. }
            | Self::Nul { .. }
            | Self::Malformed { .. }
            | Self::Parquet { .. }
            | Self::Target { .. } => ErrorCode::Invalid,
        }
    }

    /// Line (row, in Parquet files) that failed, from 1, where the failure has one.
    pub fn line(&self) -> Option<u64> {
        match self {
            Self::Header { line, .. }
            | Self::LineTooLong { line, .. }
            | Self::InvalidUtf8 { line, .. }
            | Self::Nul { line, .. }
            | Self::Malformed { line, .. } => Some(*line),
            Self::Parquet { row, .. } if *row > 0 => Some(*row),
            _ => None,
        }
    }

    /// Whether nothing after this failure can be read from the same file.
    pub fn ends_file(&self) -> bool {
        !matches!(
            self,
            Self::LineTooLong { .. } | Self::InvalidUtf8 { .. } | Self::Nul { .. } | Self::Malformed { .. }
        )
    }

    /// The check that reports this failure.
    pub(crate) fn check(&self) -> &'static str {
        match self {
            Self::InvalidUtf8 { .. } | Self::Encoding { .. } => checks::INVALID_UTF8,
            Self::Nul { .. } => checks::NUL,
            Self::Malformed { .. } => checks::INVALID_ROW,
            Self::LineTooLong { .. } => checks::LINE_TOO_LONG,
            _ => checks::UNREADABLE,
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NotFound { .. } | Self::NoMatch { .. } => {
                "correct the path in `source`; it is relative to the folder of the resource file"
            }
            Self::Folder { .. } => "name its files with a glob",
            Self::Pattern { .. } => "correct the glob; `*`, `?`, `**` and `[…]` are special",
            Self::UnknownFormat { .. } => "give `format` in `source`, or rename the file",
            Self::Io { .. } => "check that the file is whole, readable and compressed as its name says",
            Self::Encoding { .. } => "save the file as UTF-8, for instance with iconv -f UTF-16 -t UTF-8",
            Self::InvalidUtf8 { .. } => {
                "save the file as UTF-8; if it is Windows-1252, with iconv -f WINDOWS-1252 -t UTF-8"
            }
            Self::LineEnds { .. } => "save the file with line feeds, for instance with tr '\\r' '\\n'",
            Self::Header { .. } => "rename one of the two columns",
            Self::LineTooLong { .. } => "break the record up, or give the right `format` in `source`",
            Self::Nul { .. } => "remove the NUL, or mend what wrote the file",
            Self::Malformed { .. } => "mend or remove the record",
            Self::Parquet { .. } => "write the file again, with Snappy, gzip or zstd compression",
            Self::Address { .. } | Self::Elsewhere { .. } | Self::NoSources { .. } => {
                "correct the address in `source`, or copy the data to this machine"
            }
            Self::UnsupportedTask { .. }
            | Self::Threads { .. }
            | Self::Target { .. }
            | Self::Scratch { .. } => "see the message",
        }
    }

    /// The message without the place, for findings that carry the place in fields of their own.
    pub(crate) fn cause(&self) -> String {
        match self {
            Self::InvalidUtf8 { byte, .. } => format!("invalid UTF-8 at byte {byte} of the line"),
            Self::Nul { byte, .. } => format!("NUL at byte {byte} of the line"),
            Self::Malformed { source, .. } => source.to_string(),
            Self::LineTooLong { limit, .. } => format!("a line is longer than {limit} bytes"),
            other => other.to_string(),
        }
    }
}

fn at_row(row: u64) -> String {
    if row == 0 { String::new() } else { format!("row {row}: ") }
}
