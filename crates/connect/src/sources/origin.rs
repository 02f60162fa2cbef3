//! Where the bytes of one file come from: a web server, or an object store.

use std::io::Read;
use std::time::Duration;

use ureq::Agent;
use ureq::http::HeaderMap;

use crate::objects::Bucket;
use crate::sources::error::SourceError;

/// Longest wait for a connection, and for the first byte of an answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What this machine has of a file already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known<'a> {
    /// Nothing of use.
    Nothing,
    /// All of it, in the state of this mark.
    Whole(&'a str),
    /// So many of its first bytes, in the state of this mark.
    Start(&'a str, u64),
}

/// Bytes on their way.
pub(crate) struct Flow {
    pub(crate) reader: Box<dyn Read + Send>,
    /// The first byte's place in the file.
    pub(crate) from: u64,
    /// Bytes of the whole file, where the server says so.
    pub(crate) bytes: Option<u64>,
    /// Changes with the content, where the server says so.
    pub(crate) mark: Option<String>,
}

/// A file somewhere else.
pub(crate) trait Origin {
    /// Its address, without what may be secret in it.
    fn shown(&self) -> &str;

    /// Asks for what is not known. `None` says that what is known whole is still its state, or that what is known of the
    /// start is not any more.
    fn open(&self, known: Known<'_>) -> Result<Option<Flow>, SourceError>;
}

/// A file of a web server.
pub(crate) struct WebOrigin<'a> {
    url: &'a str,
    shown: &'a str,
    agent: Agent,
}

impl<'a> WebOrigin<'a> {
    pub(crate) fn new(url: &'a str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(TIMEOUT))
            .timeout_recv_response(Some(TIMEOUT))
            .user_agent(concat!("loquat/", env!("CARGO_PKG_VERSION")));
        // What stands behind a question mark may be a signature that lets its bearer in.
        let shown = url.split(['?', '#']).next().unwrap_or(url);
        Self { url, shown, agent: config.build().new_agent() }
    }

    /// The last part of the path, which tells the format.
    pub(crate) fn file_name(&self) -> &str {
        let path = self.shown.split_once("://").map_or(self.shown, |(_, path)| path);
        let name = path.split_once('/').and_then(|(_, path)| path.rsplit('/').find(|part| !part.is_empty()));
        name.filter(|name| !name.starts_with('.') && !name.contains(['\\', ':'])).unwrap_or("file")
    }
}

impl Origin for WebOrigin<'_> {
    fn shown(&self) -> &str {
        self.shown
    }

    fn open(&self, known: Known<'_>) -> Result<Option<Flow>, SourceError> {
        let mut request = self.agent.get(self.url).header("accept-encoding", "identity");
        // An entity tag stands in quotes; what does not is a date.
        let is_tag = |mark: &str| mark.contains('"');
        match known {
            Known::Nothing => {}
            Known::Whole(mark) if is_tag(mark) => request = request.header("if-none-match", mark),
            Known::Whole(mark) => request = request.header("if-modified-since", mark),
            Known::Start(mark, from) => {
                request = request.header("range", format!("bytes={from}-")).header("if-range", mark);
            }
        }
        let answer = request.call().map_err(|error| SourceError::Unreachable {
            url: self.shown.to_owned(),
            reason: error.to_string().replace(self.url, self.shown),
        })?;
        let status = answer.status().as_u16();
        let from = match (status, known) {
            (304, Known::Whole(_)) | (416, Known::Start(..)) => return Ok(None),
            (206, Known::Start(_, from)) if starts_at(answer.headers(), from) => from,
            (200, _) => 0,
            (206, _) => return Ok(None),
            _ => return Err(SourceError::Status { url: self.shown.to_owned(), status }),
        };
        let headers = answer.headers();
        let length: Option<u64> = text(headers, "content-length").and_then(|text| text.parse().ok());
        // A weak tag names what the text means, not its bytes.
        let tag = text(headers, "etag").filter(|tag| !tag.starts_with("W/"));
        let mark = tag.or_else(|| text(headers, "last-modified")).map(str::to_owned);
        let bytes = length.map(|length| from + length);
        Ok(Some(Flow { from, bytes, mark, reader: Box::new(answer.into_body().into_reader()) }))
    }
}

/// An object of a store.
pub(crate) struct ObjectOrigin<'a> {
    pub(crate) bucket: &'a Bucket,
    pub(crate) key: &'a str,
    pub(crate) url: String,
}

impl Origin for ObjectOrigin<'_> {
    fn shown(&self) -> &str {
        &self.url
    }

    fn open(&self, known: Known<'_>) -> Result<Option<Flow>, SourceError> {
        let (from, mark) = match known {
            Known::Nothing => (0, None),
            Known::Whole(mark) => (0, Some(mark)),
            Known::Start(mark, from) => (from, Some(mark)),
        };
        let part = self.bucket.part(self.key, from, mark)?;
        Ok(part.map(|part| Flow {
            reader: part.reader,
            from,
            bytes: Some(part.bytes),
            mark: Some(part.mark),
        }))
    }
}

fn starts_at(headers: &HeaderMap, from: u64) -> bool {
    text(headers, "content-range").is_some_and(|range| range.starts_with(&format!("bytes {from}-")))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
