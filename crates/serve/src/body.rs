//! Reading request bodies: media type, size, time, UTF-8, JSON; each fault named with its place.

use std::fmt;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, header};
use http_body_util::BodyExt;
use loquat_spec::ErrorCode;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::exchange::Exchange;
use crate::host::{App, Host};
use crate::problem::Problem;

/// Longest that an oversized body is read and thrown away, so that its sender gets to read the answer.
const DISCARD_TIME: Duration = Duration::from_millis(500);
/// Most bytes thrown away for the same reason.
const DISCARD_BYTES: usize = 16 << 20;

/// Time for a body to arrive whose endpoint is named inside it.
pub(crate) const UNNAMED_TIME: Duration = Duration::from_secs(10);

/// The members of a JSON object in the order sent, repeated names included.
pub(crate) struct Members(pub(crate) Vec<(String, Value)>);

/// Checks that the headers announce JSON as it is, without an encoding. A body without a media type, or with the one
/// that `curl -d` sets unasked, is taken as JSON.
pub(crate) fn check_headers(headers: &HeaderMap) -> Result<(), Problem> {
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        let found = String::from_utf8_lossy(encoding.as_bytes()).into_owned();
        return Err(Problem::unsupported_media(format!("content encoding {found:?} is not supported"))
            .field("content-encoding")
            .remedy("send the body without compression"));
    }
    let Some(media) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    if is_json(media.as_bytes()) {
        return Ok(());
    }
    let found: String = String::from_utf8_lossy(media.as_bytes()).chars().take(80).collect();
    Err(Problem::unsupported_media(format!("media type {found:?} is not supported"))
        .field("content-type")
        .remedy("send JSON in UTF-8 with header content-type: application/json"))
}

fn is_json(media: &[u8]) -> bool {
    if media == b"application/json" {
        return true;
    }
    let Ok(media) = std::str::from_utf8(media) else { return false };
    let mut parts = media.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    // What `curl -d` announces unless told otherwise; a body that is a form indeed fails to parse as JSON.
    let json = essence == "application/x-www-form-urlencoded"
        || essence == "application/json"
        || essence == "text/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    json && parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            let value = value.trim().trim_matches('"');
            value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("utf8")
        }
        _ => true,
    })
}

/// Reads a body of at most `limit` bytes that arrives before `deadline`.
pub(crate) async fn read(request: Request<Body>, limit: usize, deadline: Instant) -> Result<Bytes, Problem> {
    if let Some(announced) = content_length(request.headers())
        && announced > limit as u64
    {
        // A client that waits for permission has not sent the body and needs no reading.
        if !request.headers().contains_key(header::EXPECT) {
            discard(request.into_body()).await;
        }
        return Err(too_large(limit, Some(announced)));
    }
    let mut body = request.into_body();
    let collected = tokio::time::timeout_at(deadline.into(), collect(&mut body, limit)).await;
    match collected {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => {
            discard(body).await;
            Err(too_large(limit, None))
        }
        Ok(Err(error)) => {
            Err(Problem::malformed(format!("the body broke off or is not framed as announced: {error}"))
                .field("body"))
        }
        Err(_) => Err(Problem::slow_body("the body did not arrive within the time that the endpoint allows")
            .field("body")
            .remedy("send the body faster or in smaller requests")),
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

fn too_large(limit: usize, announced: Option<u64>) -> Problem {
    let detail = match announced {
        Some(announced) => format!("the body of {announced} bytes exceeds the limit of {limit}"),
        None => format!("the body exceeds the limit of {limit} bytes"),
    };
    Problem::new(ErrorCode::TooLarge, detail).field("body").remedy("send fewer inputs a request")
}

/// The whole body; `None` once it exceeds `limit`. A body of one frame, the usual case, is not copied.
async fn collect(body: &mut Body, limit: usize) -> Result<Option<Bytes>, axum::Error> {
    let mut first = Bytes::new();
    let mut rest: Option<Vec<u8>> = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        let held = rest.as_ref().map_or(first.len(), Vec::len);
        if held + data.len() > limit {
            return Ok(None);
        }
        match &mut rest {
            Some(rest) => rest.extend_from_slice(&data),
            None if first.is_empty() => first = data,
            None => {
                let mut joined = Vec::with_capacity((held + data.len()) * 2);
                joined.extend_from_slice(&first);
                joined.extend_from_slice(&data);
                rest = Some(joined);
            }
        }
    }
    Ok(Some(rest.map_or(first, Bytes::from)))
}

async fn discard(mut body: Body) {
    let reading = async {
        let mut seen = 0;
        while let Some(Ok(frame)) = body.frame().await {
            seen += frame.data_ref().map_or(0, Bytes::len);
            if seen > DISCARD_BYTES {
                break;
            }
        }
    };
    // Whether all of it arrived or the time ran out makes no difference to the answer.
    let _ = tokio::time::timeout(DISCARD_TIME, reading).await;
}

/// The members of a body for `host`: JSON, whole, in time.
pub(crate) async fn members(
    request: Request<Body>,
    app: &App,
    host: &Host,
    exchange: &Exchange,
) -> Result<Members, Problem> {
    members_within(request, app, exchange.start + host.requests.timeout).await
}

/// The members of a body that arrives before `deadline`.
pub(crate) async fn members_within(
    request: Request<Body>,
    app: &App,
    deadline: Instant,
) -> Result<Members, Problem> {
    check_headers(request.headers())?;
    parse(&read(request, app.max_body, deadline).await?)
}

/// A body as text.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(bytes).map_err(|error| {
        Problem::malformed(format!("the body is not UTF-8: invalid byte at position {}", error.valid_up_to()))
            .field("body")
            .remedy("encode the body as UTF-8")
    })
}

/// Parses a body as one JSON object.
pub(crate) fn parse(bytes: &[u8]) -> Result<Members, Problem> {
    let text = utf8(bytes)?;
    serde_json::from_str(text).map_err(|error| json_problem(text, &error))
}

fn json_problem(text: &str, error: &serde_json::Error) -> Problem {
    if text.trim().is_empty() {
        return Problem::malformed("the body is empty").field("body").remedy("send a JSON object");
    }
    let place = format!("line {}, column {}", error.line(), error.column());
    let full = error.to_string();
    let suffix = format!(" at line {} column {}", error.line(), error.column());
    let reason = full.strip_suffix(&suffix).unwrap_or(&full);
    match error.classify() {
        serde_json::error::Category::Data => {
            Problem::new(ErrorCode::Invalid, format!("the body is not a JSON object: {reason} ({place})"))
                .field("body")
        }
        _ => Problem::malformed(format!("the body is not JSON: {reason} at {place}")).field("body"),
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::with_capacity(map.size_hint().unwrap_or(2));
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl Members {
    /// Takes the members named in `known`, in that order; any other or repeated member is a problem at its place
    /// below `path`.
    pub(crate) fn take<const N: usize>(
        self,
        path: &str,
        known: [&str; N],
    ) -> Result<[Option<Value>; N], Problem> {
        let mut taken = [const { None }; N];
        for (name, value) in self.0 {
            let Some(place) = known.iter().position(|known| *known == name) else {
                return Err(unknown(path, &name, &known));
            };
            if taken[place].replace(value).is_some() {
                return Err(Problem::new(ErrorCode::Invalid, format!("member {name:?} appears twice"))
                    .field(join(path, &name))
                    .remedy("send it once"));
            }
        }
        Ok(taken)
    }

    /// The members of an object below the top, where JSON's last value won.
    pub(crate) fn of(object: serde_json::Map<String, Value>) -> Self {
        Self(object.into_iter().collect())
    }
}

/// The problem of a member that nothing reads.
pub(crate) fn unknown(path: &str, name: &str, known: &[&str]) -> Problem {
    let shown: String = name.chars().take(80).collect();
    Problem::new(ErrorCode::Invalid, format!("member {shown:?} is not known here"))
        .field(join(path, &shown))
        .remedy(format!("known are {}", known.join(", ")))
}

/// `path.name`, or `name` at the top.
pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The problem of a value of the wrong type.
pub(crate) fn wrong_type(field: &str, found: &Value, wanted: &str) -> Problem {
    Problem::new(ErrorCode::Invalid, format!("{} where {wanted} is expected", kind(found)))
        .field(field)
        .remedy(format!("send {wanted}"))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
