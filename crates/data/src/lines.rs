//! Lines of a stream, with their numbers and a guard on their length.

use std::io::{self, BufRead, Read};

use crate::DataError;
use crate::open::Stream;

/// Most bytes of a line, and of a record of several lines.
pub(crate) const LIMIT: usize = 64 << 20;

const UTF8_MARK: &[u8] = &[0xef, 0xbb, 0xbf];
const UTF16_MARKS: [&[u8]; 2] = [&[0xff, 0xfe], &[0xfe, 0xff]];

/// Reads a stream line by line. A byte order mark at its start is passed over.
pub(crate) struct Lines {
    stream: Stream,
    file: String,
    line: u64,
    limit: usize,
}

impl Lines {
    /// Lines of `stream`, called `file` in messages, none longer than `limit` bytes.
    pub(crate) fn new(stream: Stream, file: &str, limit: usize) -> Self {
        Self { stream, file: file.to_owned(), line: 0, limit }
    }

    /// Name of the file in messages.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// Most bytes of a line.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Appends the next line to `buffer`, without its line feed, and gives its number; `None` at the end.
    ///
    /// A line over the limit is passed over and reported; the lines after it can still be read.
    pub(crate) fn read(&mut self, buffer: &mut Vec<u8>) -> Result<Option<u64>, DataError> {
        let start = buffer.len();
        let most = (self.limit + 1) as u64;
        let read = (&mut self.stream).take(most).read_until(b'\n', buffer).map_err(|e| self.io(e))?;
        if read == 0 {
            return Ok(None);
        }
        self.line += 1;
        if buffer.last() == Some(&b'\n') {
            buffer.pop();
        } else if read > self.limit {
            buffer.truncate(start);
            self.skip_line().map_err(|e| self.io(e))?;
            return Err(DataError::LineTooLong {
                file: self.file.clone(),
                line: self.line,
                limit: self.limit,
            });
        }
        if self.line == 1 {
            self.drop_mark(buffer, start)?;
        }
        Ok(Some(self.line))
    }

    fn drop_mark(&self, buffer: &mut Vec<u8>, start: usize) -> Result<(), DataError> {
        let line = &buffer[start..];
        if UTF16_MARKS.iter().any(|mark| line.starts_with(mark)) {
            return Err(DataError::Encoding { file: self.file.clone(), found: "UTF-16" });
        }
        if line.starts_with(UTF8_MARK) {
            buffer.drain(start..start + UTF8_MARK.len());
        }
        Ok(())
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let available = self.stream.fill_buf()?;
            if available.is_empty() {
                return Ok(());
            }
            match available.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    self.stream.consume(end + 1);
                    return Ok(());
                }
                None => {
                    let length = available.len();
                    self.stream.consume(length);
                }
            }
        }
    }

    fn io(&self, source: io::Error) -> DataError {
        DataError::Io { file: self.file.clone(), source }
    }
}

/// Cuts one carriage return off the end.
pub(crate) fn trim_return(buffer: &mut Vec<u8>) {
    if buffer.last() == Some(&b'\r') {
        buffer.pop();
    }
}

/// The bytes as text, or the place of the first byte that is not UTF-8 or is NUL, in the coordinates of the line
/// that it stands in.
pub(crate) fn text(bytes: &[u8], file: &str, first_line: u64) -> Result<String, DataError> {
    let valid = match std::str::from_utf8(bytes) {
        Ok(_) => bytes.len(),
        Err(error) => error.valid_up_to(),
    };
    let nul = bytes[..valid].iter().position(|byte| *byte == 0);
    let wrong = nul.unwrap_or(valid);
    if wrong == bytes.len() {
        // The check above makes the lossy copy a plain one.
        return Ok(String::from_utf8_lossy(bytes).into_owned());
    }
    let before = &bytes[..wrong];
    let line = first_line + before.iter().filter(|byte| **byte == b'\n').count() as u64;
    let byte = wrong - before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1) + 1;
    let file = file.to_owned();
    Err(match nul {
        Some(_) => DataError::Nul { file, line, byte },
        None => DataError::InvalidUtf8 { file, line, byte },
    })
}
