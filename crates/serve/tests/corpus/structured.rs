//! Requests made of choices: a route of the server's table, its parameters, headers that mean something, a body of its form.

use crate::bodies::{MODELS, members};
use crate::choices::Choices;
use crate::json::{self, Kind, Member};

/// Header names, and values that mean something in them.
const HEADERS: [(&str, &[&str]); 14] = [
    ("x-loquat-model", &MODELS),
    ("x-loquat-protocol", &["tei", "other", ""]),
    ("x-request-id", &["mine", "", "a b;c", "\u{e9}"]),
    ("accept", &["text/plain", "application/json;q=0.1, text/*", "text/html", ";;q=x", "*/*"]),
    ("authorization", &["Bearer x", "Basic x", "bearer", "loquat_000000000000_"]),
    ("x-api-key", &["x", ""]),
    ("traceparent", &["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0-0-0", "ff-", "00"]),
    ("inference-header-content-length", &["0", "1", "64", "-1", "99999999999999999999", "x"]),
    ("content-encoding", &["gzip", "identity", "br, gzip", ""]),
    ("accept-encoding", &["gzip", "*", ";q=0"]),
    ("origin", &["https://a.example", "null", "x"]),
    ("expect", &["100-continue", "200-ok"]),
    ("range", &["bytes=0-1", "x"]),
    ("cookie", &["a=b", "="]),
];
const MEDIA: [&str; 8] = [
    "application/json",
    "application/json; charset=utf-8",
    "application/json; charset=latin-1",
    "application/x-www-form-urlencoded",
    "text/csv",
    "application/octet-stream",
    "multipart/form-data; boundary=x",
    "json",
];
const VERSIONS: [&str; 5] = ["1", "2", "0", "99999999999", "x"];
const SEGMENTS: [&str; 6] = ["endpoints", "help", "datasets", "%2e%2e", "%ff", "a%2Fb"];

/// A request in its parts.
pub(crate) struct Structured {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Structured {
    /// The request that `bytes` chooses.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut choices = Choices::new(bytes);
        let routes: Vec<(&str, &str)> = loquat_serve::routes().collect();
        let (method, template) = choices.of(&routes);
        let path = filled(&mut choices, method, template);
        let mut headers = Vec::new();
        for _ in 0..choices.of(&[0, 1, 2, 3]) {
            headers.push(header(&mut choices));
        }
        let body = body(&mut choices, template, &mut headers);
        Self { method, path, headers, body }
    }
}

/// The path with its parameters; nothing that lasts is changed.
fn filled(choices: &mut Choices<'_>, method: &str, template: &str) -> String {
    let mut path = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        path.push_str(before);
        path.push_str(match (name, choices.once_in(8)) {
            (_, true) => choices.of(&SEGMENTS),
            ("kind", _) => "endpoints",
            ("version", _) => choices.of(&VERSIONS),
            ("name", _) => choices.of(&["help", "tickets"]),
            _ => choices.of(&MODELS),
        });
        rest = after;
    }
    path.push_str(rest);
    if matches!(method, "PUT" | "DELETE") {
        path.push_str("?dryRun=All");
    } else if choices.once_in(6) {
        path.push_str(choices.of(&["?q=parcel", "?q=", "?q=%ff&x", "?&&=", "?dryRun=x"]));
    }
    path
}

fn header(choices: &mut Choices<'_>) -> (&'static str, String) {
    let (name, values) = choices.of(&HEADERS);
    if choices.once_in(6) {
        let odd = choices.raw().iter().filter(|byte| matches!(byte, 0x20..=0x7e));
        return (name, odd.map(|byte| char::from(*byte)).collect());
    }
    (name, choices.of(values).to_owned())
}

fn body(choices: &mut Choices<'_>, template: &str, headers: &mut Vec<(&'static str, String)>) -> Vec<u8> {
    let Some(members) = members(template) else { return choices.raw().to_vec() };
    let form = matches!(template, "/detect" | "/translate") && choices.once_in(3);
    let media = match (form, template) {
        (true, _) => MEDIA[3],
        (_, "/invocations") if choices.once_in(3) => MEDIA[4],
        _ => {
            if choices.once_in(8) {
                choices.of(&MEDIA)
            } else {
                MEDIA[0]
            }
        }
    };
    headers.push(("content-type", media.to_owned()));
    if media == MEDIA[3] {
        return pairs(choices, members);
    }
    if media == MEDIA[4] {
        return table(choices);
    }
    if template.ends_with("/infer") && choices.once_in(3) {
        return binary(choices, headers);
    }
    let mut out = Vec::new();
    json::write(choices, Kind::Object(members), &mut out);
    out
}

/// A form.
fn pairs(choices: &mut Choices<'_>, members: &[Member]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, _) in members {
        let value = choices.of(&["where+is+it", "", "%C3%A9", "%", "%ff", "auto", "en"]);
        out.extend(format!("{name}={value}&").into_bytes());
        out.extend_from_slice(choices.raw());
    }
    out
}

/// A table of comma-separated values.
fn table(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut out = b"text\n".to_vec();
    for _ in 0..choices.below(4) {
        let cell = choices.of(&["where is it\n", "\"a, b\"\n", "\"open\n", "a,b\n", "\n", "\"\"\"\"\r\n"]);
        out.extend_from_slice(cell.as_bytes());
        out.extend_from_slice(choices.raw());
    }
    out
}

/// Texts behind their JSON, each after its length, one of the three lengths perhaps not true.
fn binary(choices: &mut Choices<'_>, headers: &mut Vec<(&'static str, String)>) -> Vec<u8> {
    let mut data = Vec::new();
    let count = choices.of(&[1, 2, 0, 3, 9]);
    for _ in 0..count {
        let text = choices.raw();
        let length = text.len() as u32;
        data.extend(if choices.once_in(10) { length.wrapping_sub(1) } else { length }.to_le_bytes());
        data.extend_from_slice(text);
    }
    let stated = if choices.once_in(10) { data.len() + 1 } else { data.len() };
    let shape = if choices.once_in(10) { count + 1 } else { count };
    let mut out = format!(
        r#"{{"inputs":[{{"name":"text","datatype":"BYTES","shape":[{shape}],"parameters":{{"binary_data_size":{stated}}}}}]}}"#
    )
    .into_bytes();
    let length = if choices.once_in(10) { choices.below(256) } else { out.len() };
    headers.retain(|(name, _)| *name != "inference-header-content-length");
    headers.push(("inference-header-content-length", length.to_string()));
    out.extend(data);
    out
}
