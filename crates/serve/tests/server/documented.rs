//! Every `curl` line of `docs/protocols.md`, sent as it stands there.

use std::collections::BTreeSet;

use loquat_spec::Requests;

use crate::harness::{Registry, declaring, endpoint};

const DOCUMENT: &str = include_str!("../../../../docs/protocols.md");
const BASE: &str = "http://127.0.0.1:8080";

/// A line taken apart.
#[derive(Debug, Default)]
struct Line {
    method: Option<String>,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    status: u16,
}

/// The words of a shell line: blanks part them, `'…'` and `$'…'` hold them together, `#` ends the line.
fn words(line: &str) -> (Vec<String>, Option<&str>) {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        if let Some(comment) = rest.strip_prefix('#') {
            return (words, Some(comment.trim()));
        }
        let escapes = rest.starts_with("$'");
        let quoted = rest.strip_prefix(if escapes { "$'" } else { "'" });
        let (word, after) = match quoted {
            Some(inside) => inside.split_once('\'').expect("a closed quote"),
            None => rest.split_at(rest.find(' ').unwrap_or(rest.len())),
        };
        words.push(if escapes { word.replace("\\n", "\n") } else { word.to_owned() });
        rest = after.trim_start();
    }
    (words, None)
}

impl Line {
    fn parse(text: &str) -> Self {
        let (words, comment) = words(text);
        let mut line =
            Self { status: comment.map_or(200, |status| status.parse().unwrap()), ..Self::default() };
        let mut words = words.into_iter().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "-X" => line.method = words.next(),
                "-d" | "--data-binary" => line.body = words.next(),
                "-H" => {
                    let header = words.next().unwrap();
                    let (name, value) = header.split_once(": ").unwrap();
                    line.headers.push((name.to_owned(), value.to_owned()));
                }
                url => line.path = url.strip_prefix(BASE).unwrap_or_else(|| panic!("{text}")).to_owned(),
            }
        }
        // What curl announces of a body unless told otherwise.
        if line.body.is_some() && !line.headers.iter().any(|(name, _)| name == "content-type") {
            line.headers.push(("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
        }
        line
    }

    fn method(&self) -> &str {
        self.method.as_deref().unwrap_or(if self.body.is_some() { "POST" } else { "GET" })
    }

    fn reaches(&self, (method, template): (&str, &str)) -> bool {
        let path = self.path.split('?').next().unwrap_or_default();
        let same = |(part, template): (&str, &str)| match template.split_once('}') {
            Some((_, suffix)) if template.starts_with('{') => {
                part.strip_suffix(suffix).is_some_and(|name| !name.is_empty() && !name.contains(':'))
            }
            _ => part == template,
        };
        self.method() == method
            && path.split('/').count() == template.split('/').count()
            && path.split('/').zip(template.split('/')).all(same)
    }
}

fn lines() -> Vec<Line> {
    DOCUMENT.lines().filter(|line| line.starts_with("curl ")).map(Line::parse).collect()
}

#[test]
fn every_line_is_answered_as_it_says() {
    let registry = Registry::with_tickets();
    let server = registry.serve_with(|config| {
        let mut tickets = endpoint("tickets", "tickets", Requests::default());
        tickets.default = true;
        config.resources = declaring(vec![tickets]);
    });
    let mut wrong = Vec::new();
    for line in lines() {
        let headers: Vec<(&str, &str)> =
            line.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let body = line.body.clone().unwrap_or_default();
        let reply = server.client().request(line.method(), &line.path, &headers, body.as_bytes());
        if reply.status != line.status {
            wrong.push(format!("{line:?}: {} {}", reply.status, reply.text()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_route_has_a_line() {
    let lines = lines();
    let missing: BTreeSet<String> = loquat_serve::routes()
        .filter(|route| !lines.iter().any(|line| line.reaches(*route)))
        .map(|(method, path)| format!("{method} {path}"))
        .collect();
    assert_eq!(missing, BTreeSet::new());
}
