//! Comma- and tab-separated values (RFC 4180), with a header.
//!
//! A field that begins with a quote ends at the next single quote; doubled quotes stand for one; line breaks
//! inside belong to the field. Quotes inside a field that does not begin with one are text.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::lines::{self, Lines};
use crate::{DataError, Fault};

/// A record's first line, its bytes and the header that names its fields.
type Delivered = (u64, Vec<u8>, Arc<[String]>);

/// A reader of delimited records.
pub(crate) struct Delimited {
    lines: Lines,
    separator: u8,
    header: Option<Arc<[String]>>,
}

/// Where in a record the scan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    FieldStart,
    Plain,
    Quoted,
    QuoteInQuoted,
}

fn step(state: State, byte: u8, separator: u8) -> State {
    match (state, byte) {
        (State::Quoted, b'"') => State::QuoteInQuoted,
        (State::Quoted, _) => State::Quoted,
        (State::QuoteInQuoted, b'"') => State::Quoted,
        (_, byte) if byte == separator => State::FieldStart,
        (State::FieldStart, b'"') => State::Quoted,
        _ => State::Plain,
    }
}

impl Delimited {
    /// A reader of `lines` whose fields `separator` parts.
    pub(crate) fn new(lines: Lines, separator: u8) -> Self {
        Self { lines, separator, header: None }
    }

    /// The next record's first line, bytes and header. Blank lines are passed over.
    pub(crate) fn next(&mut self) -> Option<Result<Delivered, DataError>> {
        let header = match &self.header {
            Some(header) => Arc::clone(header),
            None => match self.read_header()? {
                Ok(header) => header,
                Err(error) => return Some(Err(error)),
            },
        };
        Some(self.record()?.map(|(line, bytes)| (line, bytes, header)))
    }

    fn read_header(&mut self) -> Option<Result<Arc<[String]>, DataError>> {
        let (line, bytes) = match self.record()? {
            Ok(record) => record,
            Err(error) => return Some(Err(error)),
        };
        let text = match lines::text(&bytes, self.lines.file(), line) {
            Ok(text) => text,
            Err(error) => return Some(Err(error)),
        };
        let names: Vec<String> =
            split(&text, self.separator).into_iter().map(|name| name.trim().to_owned()).collect();
        if names.iter().any(|name| name.contains('\r')) {
            return Some(Err(DataError::LineEnds { file: self.lines.file().to_owned() }));
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
            let file = self.lines.file().to_owned();
            return Some(Err(DataError::Header { file, line, column: twice.clone() }));
        }
        let header: Arc<[String]> = names.into();
        self.header = Some(Arc::clone(&header));
        Some(Ok(header))
    }

    fn record(&mut self) -> Option<Result<(u64, Vec<u8>), DataError>> {
        let mut bytes = Vec::new();
        let first = loop {
            bytes.clear();
            match self.lines.read(&mut bytes) {
                Ok(None) => return None,
                Ok(Some(_)) if bytes.is_empty() || bytes == b"\r" => {}
                Ok(Some(line)) => break line,
                Err(error) => return Some(Err(error)),
            }
        };
        Some(self.finish(first, bytes))
    }

    /// Reads on while a quoted field stays open.
    fn finish(&mut self, first: u64, mut bytes: Vec<u8>) -> Result<(u64, Vec<u8>), DataError> {
        let mut state = State::FieldStart;
        let mut scanned = 0;
        loop {
            state = bytes[scanned..].iter().fold(state, |state, byte| step(state, *byte, self.separator));
            if state != State::Quoted {
                lines::trim_return(&mut bytes);
                return Ok((first, bytes));
            }
            bytes.push(b'\n');
            scanned = bytes.len() - 1;
            let file = self.lines.file().to_owned();
            if bytes.len() > self.lines.limit() {
                return Err(DataError::Malformed { file, line: first, source: Fault::OpenQuote });
            }
            if self.lines.read(&mut bytes)?.is_none() {
                return Err(DataError::Malformed { file, line: first, source: Fault::OpenQuote });
            }
        }
    }
}

/// The fields of one record.
pub(crate) fn split(record: &str, separator: u8) -> Vec<String> {
    let mut fields = Vec::new();
    let mut field = Vec::new();
    let mut state = State::FieldStart;
    for byte in record.bytes() {
        let next = step(state, byte, separator);
        match (state, next) {
            (State::Quoted, State::QuoteInQuoted) | (State::FieldStart, State::Quoted) => {}
            (_, State::FieldStart) => fields.push(text_of(std::mem::take(&mut field))),
            _ => field.push(byte),
        }
        state = next;
    }
    fields.push(text_of(field));
    fields
}

/// Fields are cut at ASCII bytes of valid text, so they are valid text.
fn text_of(field: Vec<u8>) -> String {
    String::from_utf8(field).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The record as an object, its fields named by the header.
pub(crate) fn object(record: &str, header: &[String], separator: u8) -> Result<Map<String, Value>, Fault> {
    let fields = split(record, separator);
    if fields.len() != header.len() {
        return Err(Fault::FieldCount { expected: header.len(), found: fields.len() });
    }
    Ok(header.iter().cloned().zip(fields.into_iter().map(Value::String)).collect())
}
