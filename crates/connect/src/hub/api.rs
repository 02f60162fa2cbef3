//! The hub's HTTP interface: what a revision means, and what is known of a file before it is fetched.

use serde::Deserialize;
use ureq::http::{HeaderMap, Response};
use ureq::{Agent, Body};

use crate::hub::cache::is_commit;
use crate::hub::error::HubError;
use crate::hub::repository::{Kind, Repository};
use crate::hub::snapshot::{HubConfig, Token};

/// Redirects followed by hand before a file's headers are known.
const REDIRECTS: usize = 5;
/// Most bytes of a listing.
const LONGEST_LISTING: u64 = 64 << 20;

/// The hub's HTTP interface.
#[derive(Debug)]
pub(crate) struct Api {
    endpoint: String,
    token: Option<Token>,
    /// Follows redirects, without the token to another host.
    agent: Agent,
    /// Follows none, as the headers of interest are those of the first answer.
    heads: Agent,
}

/// A commit and its files.
#[derive(Debug)]
pub(crate) struct Revision {
    pub(crate) commit: String,
    pub(crate) files: Vec<String>,
}

/// What the hub announces of a file.
#[derive(Debug)]
pub(crate) struct FileHead {
    /// Name of the content: the SHA-256 of a large file, the git hash of a small one.
    pub(crate) etag: String,
    /// Bytes, where the hub says so.
    pub(crate) bytes: Option<u64>,
}

impl FileHead {
    /// The SHA-256 announced.
    pub(crate) fn sha256(&self) -> Option<&str> {
        (self.etag.len() == 64 && self.etag.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .then_some(&self.etag)
    }
}

#[derive(Deserialize)]
struct Listing {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

impl Api {
    pub(crate) fn new(config: &HubConfig) -> Self {
        let agent = |redirects| {
            let builder = Agent::config_builder()
                .max_redirects(redirects)
                .max_redirects_will_error(false)
                .redirect_auth_headers(ureq::config::RedirectAuthHeaders::SameHost)
                .http_status_as_error(false)
                .timeout_connect(Some(config.timeout))
                .timeout_recv_response(Some(config.timeout))
                .user_agent(concat!("loquat/", env!("CARGO_PKG_VERSION")));
            builder.build().new_agent()
        };
        let endpoint = config.endpoint.trim_end_matches('/').to_owned();
        Self { endpoint, token: config.token.clone(), agent: agent(10), heads: agent(0) }
    }

    /// What a repository's revision means now.
    pub(crate) fn revision(&self, repository: &Repository) -> Result<Revision, HubError> {
        let HubPath { owner, name, revision } = HubPath::of(repository);
        let kind = repository.kind.plural();
        let url = format!("{}/api/{kind}/{owner}/{name}/revision/{revision}", self.endpoint);
        let mut response = self.get(&url, None)?;
        check_status(&response, &url, repository)?;
        let protocol = |problem: String| HubError::Protocol { url: url.clone(), problem };
        let body = response.body_mut().with_config().limit(LONGEST_LISTING).read_to_vec();
        let body =
            body.map_err(|error| HubError::Unreachable { url: url.clone(), reason: error.to_string() })?;
        let listing: Listing = serde_json::from_slice(&body)
            .map_err(|error| protocol(format!("the listing of its files does not read: {error}")))?;
        if !is_commit(&listing.sha) {
            return Err(protocol(format!("{:?} is not a commit", listing.sha)));
        }
        let files = listing.siblings.into_iter().map(|sibling| sibling.rfilename).collect();
        Ok(Revision { commit: listing.sha, files })
    }

    /// Where a file of a commit lies.
    pub(crate) fn url(&self, repository: &Repository, commit: &str, path: &str) -> String {
        let HubPath { owner, name, .. } = HubPath::of(repository);
        let kind = match repository.kind {
            Kind::Model => "",
            Kind::Dataset => "datasets/",
        };
        format!("{}/{kind}{owner}/{name}/resolve/{commit}/{}", self.endpoint, encoded(path))
    }

    /// What the hub announces of the file at `url`. Redirects within the hub are followed; that of a large file to
    /// its store is not, as its own headers say all there is to know.
    pub(crate) fn head(&self, repository: &Repository, url: &str) -> Result<FileHead, HubError> {
        let mut place = url.to_owned();
        for _ in 0..=REDIRECTS {
            let request = self.heads.head(&place).header("accept-encoding", "identity");
            let request = match &self.token {
                Some(token) => request.header("authorization", token.header()),
                None => request,
            };
            let response = request.call().map_err(|error| unreachable(url, &error))?;
            let headers = response.headers();
            let location = text(headers, "location").filter(|_| response.status().is_redirection());
            if text(headers, "x-linked-etag").is_none()
                && let Some(location) = location
            {
                // Beyond the hub the token must not go; there is no such redirect of a small file.
                place = match location.starts_with('/') {
                    true => format!("{}{location}", origin(&self.endpoint)),
                    false if location.starts_with(&format!("{}/", origin(&self.endpoint))) => location,
                    false => break,
                };
                continue;
            }
            if !response.status().is_redirection() {
                check_status(&response, url, repository)?;
            }
            return file_head(headers, url);
        }
        Err(HubError::Protocol { url: url.to_owned(), problem: "it is redirected to no file".to_owned() })
    }

    /// Starts to fetch `url` from byte `from`.
    pub(crate) fn get(&self, url: &str, from: Option<u64>) -> Result<Response<Body>, HubError> {
        let mut request = self.agent.get(url).header("accept-encoding", "identity");
        if let Some(token) = &self.token {
            request = request.header("authorization", token.header());
        }
        if let Some(from) = from.filter(|from| *from > 0) {
            request = request.header("range", format!("bytes={from}-"));
        }
        request.call().map_err(|error| unreachable(url, &error))
    }
}

/// The parts of a repository's address, ready for a path.
struct HubPath {
    owner: String,
    name: String,
    revision: String,
}

impl HubPath {
    fn of(repository: &Repository) -> Self {
        // A revision is one part of the path, whatever it holds.
        let revision = encoded(&repository.revision).replace('/', "%2F");
        Self { owner: encoded(&repository.owner), name: encoded(&repository.name), revision }
    }
}

/// Turns a failure into the error that says what to do about it.
pub(crate) fn check_status(
    response: &Response<Body>,
    url: &str,
    repository: &Repository,
) -> Result<(), HubError> {
    let status = response.status().as_u16();
    let detail =
        text(response.headers(), "x-error-message").map_or(String::new(), |text| format!(": {text}"));
    match status {
        200..=299 => Ok(()),
        401 | 403 => Err(HubError::Forbidden { model: repository.to_string(), status, detail }),
        404 => Err(HubError::NotFound { model: repository.to_string() }),
        _ => Err(HubError::Status { url: url.to_owned(), status, detail }),
    }
}

fn file_head(headers: &HeaderMap, url: &str) -> Result<FileHead, HubError> {
    let etag = text(headers, "x-linked-etag").or_else(|| text(headers, "etag")).unwrap_or_default();
    let etag = etag.trim_start_matches("W/").trim_matches('"').to_owned();
    // It becomes a file's name.
    let sound = (1..=128).contains(&etag.len())
        && etag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !sound {
        let problem = format!("{etag:?} does not name a content");
        return Err(HubError::Protocol { url: url.to_owned(), problem });
    }
    let bytes = text(headers, "x-linked-size").or_else(|| text(headers, "content-length"));
    Ok(FileHead { etag, bytes: bytes.and_then(|text| text.parse().ok()) })
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// `https://host:port` of an address.
fn origin(address: &str) -> &str {
    let host = address.find("://").map_or(0, |place| place + 3);
    let end = address[host..].find('/').map_or(address.len(), |place| host + place);
    &address[..end]
}

/// Percent-encodes what is not plain in a path.
fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                out.push(char::from(byte))
            }
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn unreachable(url: &str, error: &ureq::Error) -> HubError {
    HubError::Unreachable { url: url.to_owned(), reason: error.to_string() }
}
