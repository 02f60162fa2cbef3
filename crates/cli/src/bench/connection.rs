//! One kept connection with at most one request under way, read without waiting.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Instant;

use super::wire::Wire;

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Wire,
    due: Option<Instant>,
    sending: Vec<u8>,
    sent: usize,
    received: Vec<u8>,
}

/// A whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answered {
    /// When its request was due.
    pub(super) due: Instant,
    /// The status.
    pub(super) status: u16,
    /// Whether the connection may be used again.
    pub(super) open: bool,
}

impl Connection {
    pub(super) fn new(stream: Wire) -> Self {
        Self { stream, due: None, sending: Vec::new(), sent: 0, received: Vec::with_capacity(4096) }
    }

    /// When the request under way was due.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        self.due
    }

    pub(super) fn send(&mut self, request: Vec<u8>, due: Instant) -> io::Result<()> {
        self.due = Some(due);
        self.sending = request;
        self.sent = 0;
        self.received.clear();
        self.push()
    }

    fn push(&mut self) -> io::Result<()> {
        while self.sent < self.sending.len() {
            match self.stream.write(&self.sending[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The answer, once it is whole.
    pub(super) fn poll(&mut self) -> io::Result<Option<Answered>> {
        let Some(due) = self.due else { return Ok(None) };
        self.push()?;
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "the connection ended early")),
            Ok(count) => self.received.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
        let Some((status, open)) = whole(&self.received)? else { return Ok(None) };
        self.due = None;
        Ok(Some(Answered { due, status, open }))
    }
}

/// Status of a whole answer, and whether the connection stays open after it; `None` while more is to come.
fn whole(answer: &[u8]) -> io::Result<Option<(u16, bool)>> {
    let bad = |what| io::Error::new(ErrorKind::InvalidData, what);
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&answer[..end]).map_err(|_| bad("the answer's head is no text"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| bad("the answer has no status"))?;
    let field = |wanted: &str| {
        let fields = head.lines().filter_map(|line| line.split_once(':'));
        fields.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim()).next()
    };
    let body = &answer[end + 4..];
    let done = match (field("content-length"), field("transfer-encoding")) {
        (Some(length), _) => {
            body.len() >= length.parse::<usize>().map_err(|_| bad("the answer's length is no number"))?
        }
        (None, Some(_)) => body.ends_with(b"0\r\n\r\n"),
        (None, None) if status == 204 => true,
        (None, None) => return Err(bad("the answer states no length")),
    };
    let closes = field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    Ok(done.then_some((status, !closes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_its_last_byte() {
        let cases: [(&[u8], (u16, bool)); 3] = [
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", (200, true)),
            (
                b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 1\r\nConnection: Close\r\n\r\nx",
                (429, false),
            ),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", (200, true)),
        ];
        for (answer, expected) in cases {
            assert_eq!(whole(answer).expect("an answer"), Some(expected));
            assert_eq!(whole(&answer[..answer.len() - 1]).expect("a part"), None);
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for answer in [&b"SSH-2.0\r\n\r\n"[..], b"HTTP/1.1 200 OK\r\n\r\n", b"\xff\r\n\r\n"] {
            assert!(whole(answer).is_err(), "{answer:?}");
        }
    }
}
