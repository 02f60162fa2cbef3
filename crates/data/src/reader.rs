//! Records of a file or of standard input, streamed in order, whatever the format and compression.
//!
//! Reading has two steps. Cutting the stream into raw records is sequential; decoding a raw record into an object
//! depends on nothing else, so that [`crate::load`] does it in parallel.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};
use std::path::Path;
use std::sync::Arc;

use loquat_spec::CheckName;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::checks;
use crate::conll::{self, Conll};
use crate::delimited::{self, Delimited};
use crate::lines::{self, LIMIT, Lines};
use crate::long_integers::long_integers;
use crate::open;
use crate::parquet::Parquet;
use crate::scan::windows_1252;
use crate::{DataError, Fault, ReaderFormat};

/// One record of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its first line, from 1; in Parquet files its row, from 1.
    pub line: u64,
    /// Its columns. A plain text line is `{"text": line}`.
    pub value: Map<String, Value>,
    /// Columns that hold a whole number beyond 64 bits, with its digits: `value` has the nearest number that it can.
    pub long_integers: BTreeMap<String, String>,
}

/// A record cut out of its stream and not decoded yet.
pub(crate) struct Raw {
    pub(crate) line: u64,
    pub(crate) body: Body,
}

/// The bytes of a record, and how to read them.
pub(crate) enum Body {
    Json(Vec<u8>),
    Text(Vec<u8>),
    Fields { bytes: Vec<u8>, header: Arc<[String]>, separator: u8 },
    Sentence(Vec<u8>),
    Ready(Map<String, Value>),
}

impl Raw {
    /// Bytes held, near enough for cutting work into even pieces.
    pub(crate) fn size(&self) -> usize {
        match &self.body {
            Body::Json(bytes) | Body::Text(bytes) | Body::Sentence(bytes) => bytes.len(),
            Body::Fields { bytes, .. } => bytes.len(),
            Body::Ready(object) => 64 * object.len(),
        }
    }

    /// Takes out of the bytes what can't be read: NUL is dropped, and bytes that are not UTF-8 are read as Windows-1252,
    /// which most of them are. Tells which check each mended fault belongs to.
    pub(crate) fn mend(&mut self) -> Vec<CheckName> {
        let (Body::Json(bytes) | Body::Text(bytes) | Body::Sentence(bytes) | Body::Fields { bytes, .. }) =
            &mut self.body
        else {
            return Vec::new();
        };
        let mut mended = Vec::new();
        if bytes.contains(&0) {
            bytes.retain(|byte| *byte != 0);
            mended.push(checks::NUL);
        }
        if std::str::from_utf8(bytes).is_err() {
            let mut text = String::with_capacity(bytes.len());
            for chunk in bytes.utf8_chunks() {
                text.push_str(chunk.valid());
                text.extend(chunk.invalid().iter().copied().map(windows_1252));
            }
            *bytes = text.into_bytes();
            mended.push(checks::INVALID_UTF8);
        }
        mended
    }

    /// The record; `None` for what is no record (a sentence of comments only).
    pub(crate) fn decode(self, file: &str) -> Result<Option<Record>, DataError> {
        let line = self.line;
        let malformed = |line, source| DataError::Malformed { file: file.to_owned(), line, source };
        let value = match self.body {
            Body::Json(bytes) => {
                let text = lines::text(&bytes, file, line)?;
                let value = json_object(&text).map_err(|fault| malformed(line, fault))?;
                let long_integers = long_integers(&value, &text);
                return Ok(Some(Record { line, value, long_integers }));
            }
            Body::Text(bytes) => {
                let text = lines::text(&bytes, file, line)?;
                Ok(Map::from_iter([("text".to_owned(), Value::String(text))]))
            }
            Body::Fields { bytes, header, separator } => {
                delimited::object(&lines::text(&bytes, file, line)?, &header, separator)
            }
            Body::Sentence(bytes) => match conll::object(&lines::text(&bytes, file, line)?, line) {
                Ok(None) => return Ok(None),
                Ok(Some(object)) => Ok(object),
                Err((line, fault)) => return Err(malformed(line, fault)),
            },
            Body::Ready(object) => Ok(object),
        };
        let value = value.map_err(|fault| malformed(line, fault))?;
        Ok(Some(Record { line, value, long_integers: BTreeMap::new() }))
    }
}

fn json_object(text: &str) -> Result<Map<String, Value>, Fault> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map(|Unique(object)| object).map_err(Fault::Json);
    }
    match serde_json::from_str(text) {
        Ok(other) => Err(Fault::NotAnObject(type_name(&other))),
        Err(error) => Err(Fault::Json(error)),
    }
}

/// An object whose members have names of their own: of two with one name, readers elsewhere take either.
struct Unique(Map<String, Value>);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Unique;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Unique, A::Error> {
                let mut object = Map::new();
                while let Some((name, value)) = members.next_entry::<String, Value>()? {
                    if object.contains_key(&name) {
                        return Err(A::Error::custom(format!("member {name:?} appears twice")));
                    }
                    object.insert(name, value);
                }
                Ok(Unique(object))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// The value's type in the words of messages.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

enum Kind {
    Json(Lines),
    Text(Lines),
    Delimited(Delimited, u8),
    Conll(Conll),
    Parquet(Box<Parquet>),
}

/// Cuts one file into raw records.
pub(crate) struct Reader {
    file: Arc<str>,
    kind: Kind,
    ended: bool,
}

/// How a reader opens its file.
pub(crate) struct ReaderOptions<'a> {
    /// Name of the file in messages.
    pub(crate) file: &'a str,
    /// Folder for temporary files; the system's when absent.
    pub(crate) scratch: Option<&'a Path>,
    /// Most bytes of a record.
    pub(crate) limit: usize,
}

impl Reader {
    /// Opens `path`, or standard input when it is absent.
    pub(crate) fn open(
        path: Option<&Path>,
        format: Option<ReaderFormat>,
        options: &ReaderOptions<'_>,
    ) -> Result<Self, DataError> {
        let file = options.file;
        let format = match (format, path) {
            (Some(format), _) => format,
            (None, Some(path)) => ReaderFormat::from_name(path)
                .ok_or_else(|| DataError::UnknownFormat { file: file.to_owned() })?,
            (None, None) => return Self::sniff(&[], options),
        };
        if format == ReaderFormat::Parquet {
            let opened = open::open_seekable(path, file, options.scratch)?;
            return Ok(Self::of(file, Kind::Parquet(Box::new(Parquet::new(opened, file)?))));
        }
        Self::on_stream(open::open(path, file)?, format, options)
    }

    /// Standard input without a format: objects where it begins with a brace, Parquet where it begins with Parquet's mark,
    /// csv or tsv where its first line is a header that holds one of `columns`, else plain lines.
    fn sniff(columns: &[String], options: &ReaderOptions<'_>) -> Result<Self, DataError> {
        let io_error = |source| DataError::Io { file: options.file.to_owned(), source };
        let mut stream = open::open(None, options.file)?;
        let start = stream.fill_buf().map_err(io_error)?;
        let format = match start.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') => ReaderFormat::Jsonl,
            _ if start.starts_with(b"PAR1") => ReaderFormat::Parquet,
            _ if is_header(start, b'\t', columns) => ReaderFormat::Tsv,
            _ if is_header(start, b',', columns) => ReaderFormat::Csv,
            _ => ReaderFormat::Lines,
        };
        Self::on_stream(stream, format, options)
    }

    fn on_stream(
        stream: open::Stream,
        format: ReaderFormat,
        options: &ReaderOptions<'_>,
    ) -> Result<Self, DataError> {
        let file = options.file;
        let lines = |stream| Lines::new(stream, file, options.limit);
        let kind = match format {
            ReaderFormat::Jsonl => Kind::Json(lines(stream)),
            ReaderFormat::Lines => Kind::Text(lines(stream)),
            ReaderFormat::Csv => Kind::Delimited(Delimited::new(lines(stream), b','), b','),
            ReaderFormat::Tsv => Kind::Delimited(Delimited::new(lines(stream), b'\t'), b'\t'),
            ReaderFormat::Conll => Kind::Conll(Conll::new(lines(stream))),
            ReaderFormat::Parquet => {
                let spooled = open::spool(stream, options.scratch)
                    .map_err(|source| DataError::Io { file: file.to_owned(), source })?;
                Kind::Parquet(Box::new(Parquet::new(spooled, file)?))
            }
        };
        Ok(Self::of(file, kind))
    }

    fn of(file: &str, kind: Kind) -> Self {
        Self { file: file.into(), kind, ended: false }
    }

    /// The next raw record.
    pub(crate) fn next_raw(&mut self) -> Option<Result<Raw, DataError>> {
        if self.ended {
            return None;
        }
        let next = match &mut self.kind {
            Kind::Json(lines) => next_line(lines, true),
            Kind::Text(lines) => next_line(lines, false),
            Kind::Delimited(reader, separator) => reader.next().map(|record| {
                record.map(|(line, bytes, header)| {
                    let body = Body::Fields { bytes, header, separator: *separator };
                    Raw { line, body }
                })
            }),
            Kind::Conll(reader) => reader
                .next()
                .map(|block| block.map(|(line, bytes)| Raw { line, body: Body::Sentence(bytes) })),
            Kind::Parquet(reader) => {
                reader.next().map(|row| row.map(|(line, object)| Raw { line, body: Body::Ready(object) }))
            }
        };
        self.ended = match &next {
            None => true,
            Some(Err(error)) => error.ends_file(),
            Some(Ok(_)) => false,
        };
        next
    }
}

/// Whether the first line of `start` has several fields, one of them of `columns`.
fn is_header(start: &[u8], separator: u8, columns: &[String]) -> bool {
    let line = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start);
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let fields: Vec<&[u8]> =
        line.split(|byte| *byte == separator).map(|field| unquoted(field.trim_ascii())).collect();
    fields.len() > 1 && fields.iter().any(|field| columns.iter().any(|column| column.as_bytes() == *field))
}

fn unquoted(field: &[u8]) -> &[u8] {
    field.strip_prefix(b"\"").and_then(|field| field.strip_suffix(b"\"")).unwrap_or(field)
}

/// The next line as a raw record; objects pass over blank lines, plain text keeps them.
fn next_line(lines: &mut Lines, json: bool) -> Option<Result<Raw, DataError>> {
    loop {
        let mut bytes = Vec::new();
        match lines.read(&mut bytes) {
            Ok(None) => return None,
            Ok(Some(_)) if json && bytes.iter().all(u8::is_ascii_whitespace) => {}
            Ok(Some(line)) => {
                lines::trim_return(&mut bytes);
                let body = if json { Body::Json(bytes) } else { Body::Text(bytes) };
                return Some(Ok(Raw { line, body }));
            }
            Err(error) => return Some(Err(error)),
        }
    }
}

/// The iterator behind [`read_records`].
struct Records {
    reader: Reader,
}

impl Iterator for Records {
    type Item = Result<Record, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.reader.next_raw()? {
                Err(error) => return Some(Err(error)),
                Ok(raw) => match raw.decode(&self.reader.file) {
                    Ok(None) => {}
                    Ok(Some(record)) => return Some(Ok(record)),
                    Err(error) => return Some(Err(error)),
                },
            }
        }
    }
}

/// A stream of records, in the file's order.
pub type RecordStream = Box<dyn Iterator<Item = Result<Record, DataError>> + Send>;

/// Streams the records of `path`, or of standard input when it is absent.
///
/// The format follows from the name unless given; standard input without a format is jsonl where it begins with a
/// brace, Parquet where it begins with Parquet's mark, and plain lines otherwise. Files may be compressed with gzip
/// or zstd. Lines and records over 64 MiB are refused.
///
/// A failure of one record is an `Err` item with its line, and the records after it still come; after a failure
/// for which [`DataError::ends_file`] holds, the stream ends.
///
/// # Errors
/// When the file can't be opened, its format is not known, or its Parquet metadata can't be read.
pub fn read_records(path: Option<&Path>, format: Option<ReaderFormat>) -> Result<RecordStream, DataError> {
    let file = path.map_or_else(|| "standard input".to_owned(), |path| path.display().to_string());
    let options = ReaderOptions { file: &file, scratch: None, limit: LIMIT };
    Ok(Box::new(Records { reader: Reader::open(path, format, &options)? }))
}

/// Streams the records of standard input. Its format is told by its beginning as [`read_records`] says, and it is csv or
/// tsv where the first line is a header of several fields of which one is in `columns`.
///
/// # Errors
/// As [`read_records`].
pub fn read_standard_input(columns: &[String]) -> Result<RecordStream, DataError> {
    let options = ReaderOptions { file: "standard input", scratch: None, limit: LIMIT };
    Ok(Box::new(Records { reader: Reader::sniff(columns, &options)? }))
}

/// Streams the records of `input`, called `file` in messages: [`read_records`] for bytes that are already at hand
/// (request bodies, tests). The input is read as it is, without decompression.
///
/// # Errors
/// When Parquet metadata can't be read.
pub fn read_records_from(
    input: impl Read + Send + 'static,
    format: ReaderFormat,
    file: &str,
) -> Result<RecordStream, DataError> {
    let stream: Box<dyn BufRead + Send> = Box::new(std::io::BufReader::new(input));
    let options = ReaderOptions { file, scratch: None, limit: LIMIT };
    Ok(Box::new(Records { reader: Reader::on_stream(stream, format, &options)? }))
}
