//! A server under load: its address, and the form of one request in its protocol.

use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use serde_json::{Value, json};

/// A protocol whose requests carry one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Loquat,
    OpenInference,
    Kserve,
    Tei,
    OpenAiChat,
    OpenAiEmbeddings,
    MlFlow,
}

const PROTOCOLS: [(&str, Protocol); 7] = [
    ("loquat", Protocol::Loquat),
    ("oip", Protocol::OpenInference),
    ("kserve", Protocol::Kserve),
    ("tei", Protocol::Tei),
    ("openai-chat", Protocol::OpenAiChat),
    ("openai-embeddings", Protocol::OpenAiEmbeddings),
    ("mlflow", Protocol::MlFlow),
];

/// A route of a server, as `PROTOCOL=URL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// As it was written.
    pub(crate) name: String,
    protocol: Protocol,
    secure: bool,
    authority: String,
    path: String,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = PROTOCOLS.map(|(name, _)| name).join(", ");
        let form = format!("write PROTOCOL=http://HOST:PORT/PATH, or https://; protocols are {known}");
        let (name, url) = text.split_once('=').ok_or_else(|| form.clone())?;
        let protocol = PROTOCOLS.iter().find(|(known, _)| *known == name);
        let protocol = protocol.ok_or_else(|| format!("no protocol {name:?}; {form}"))?.1;
        let (secure, rest) = match url.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            _ => return Err(form),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.is_empty() {
            return Err(form);
        }
        let port = if secure { 443 } else { 80 };
        let authority =
            if authority.contains(':') { authority.to_owned() } else { format!("{authority}:{port}") };
        Ok(Self { name: text.to_owned(), protocol, secure, authority, path: format!("/{path}") })
    }
}

impl Target {
    /// Where it listens.
    pub(crate) fn address(&self) -> std::io::Result<SocketAddr> {
        let none = || std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
        self.authority.to_socket_addrs()?.next().ok_or_else(none)
    }

    /// The name that its certificate must be for, where it has one.
    pub(crate) fn secure_host(&self) -> Option<&str> {
        let host = self.authority.rsplit_once(':').map_or(self.authority.as_str(), |(host, _)| host);
        self.secure.then(|| host.trim_start_matches('[').trim_end_matches(']'))
    }

    /// One request for `text`, head and body, for a connection that stays open.
    pub(crate) fn request(&self, text: &str, key: Option<&str>) -> Vec<u8> {
        let body = self.body(text).to_string();
        let authorization = key.map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
        let Self { path, authority, .. } = self;
        format!(
            "POST {path} HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\n{authorization}\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    fn body(&self, text: &str) -> Value {
        match self.protocol {
            Protocol::Loquat | Protocol::Tei => json!({ "inputs": text }),
            Protocol::OpenInference => {
                json!({ "inputs": [{ "name": "text", "datatype": "BYTES", "shape": [1], "data": [text] }] })
            }
            Protocol::Kserve => json!({ "instances": [text] }),
            Protocol::OpenAiChat => json!({ "messages": [{ "role": "user", "content": text }] }),
            Protocol::OpenAiEmbeddings => json!({ "input": text }),
            Protocol::MlFlow => json!({ "dataframe_split": { "columns": ["text"], "data": [[text]] } }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_and_refused_with_a_remedy() {
        let target: Target = "loquat=http://127.0.0.1:8080/models/tickets/predict".parse().expect("a target");
        assert_eq!(
            (target.authority.as_str(), target.path.as_str()),
            ("127.0.0.1:8080", "/models/tickets/predict")
        );
        let target: Target = "tei=http://host".parse().expect("a target");
        assert_eq!((target.authority.as_str(), target.path.as_str()), ("host:80", "/"));
        assert_eq!(target.secure_host(), None);
        let target: Target = "tei=https://[::1]:8443/embed".parse().expect("a target");
        assert_eq!((target.authority.as_str(), target.secure_host()), ("[::1]:8443", Some("::1")));
        let target: Target = "tei=https://host".parse().expect("a target");
        assert_eq!((target.authority.as_str(), target.secure_host()), ("host:443", Some("host")));
        for (text, says) in [
            ("http://127.0.0.1", "write PROTOCOL"),
            ("http://127.0.0.1/?a=b", "no protocol"),
            ("127.0.0.1", "write PROTOCOL"),
            ("carrier=http://pigeon", "protocols are loquat"),
            ("tei=ftp://host", "write PROTOCOL"),
            ("tei=http:///predict", "write PROTOCOL"),
        ] {
            let error = text.parse::<Target>().expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn a_request_states_its_length_and_its_key() {
        let target: Target = "kserve=http://h:1/v1/models/m:predict".parse().expect("a target");
        let request = String::from_utf8(target.request("päckchen", Some("k"))).expect("text");
        let (head, body) = request.split_once("\r\n\r\n").expect("a head");
        assert_eq!(body, r#"{"instances":["päckchen"]}"#);
        assert!(head.contains(&format!("content-length: {}", body.len())) && head.contains("Bearer k"));
    }
}
