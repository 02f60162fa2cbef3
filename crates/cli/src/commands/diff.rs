//! `loquat diff`: what `apply` would change.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::arguments::Apply;
use crate::context::Context;
use crate::failure::Failure;
use crate::output;
use crate::remote::{self, ENDPOINTS};

/// Exit status where anything would change, as of `kubectl diff`.
const DIFFERS: u8 = 1;

/// Prints each field that would change, by its path.
pub(crate) fn run(context: &Context, arguments: &Apply) -> Result<u8, Failure> {
    let endpoints = remote::endpoints(context, arguments)?;
    let client = remote::client(&arguments.remote);
    let before = remote::declared(&client)?;
    let mut text = String::new();
    for endpoint in &endpoints {
        let name = endpoint.value.name.as_str();
        let after = client.apply((ENDPOINTS, name), &endpoint.text, true)?;
        let known = before.iter().find(|resource| resource.metadata.name == name);
        let old = known.map(|resource| fields(&resource.spec)).unwrap_or_default();
        push(&mut text, name, &old, &fields(&after.spec));
    }
    if arguments.prune {
        for name in remote::left_over(&before, &endpoints) {
            let known = before.iter().find(|resource| resource.metadata.name == name);
            let old = known.map(|resource| fields(&resource.spec)).unwrap_or_default();
            push(&mut text, name, &old, &BTreeMap::new());
        }
    }
    if text.is_empty() {
        return Ok(0);
    }
    output::answer(&text)?;
    Ok(DIFFERS)
}

fn push(text: &mut String, name: &str, old: &BTreeMap<String, Value>, new: &BTreeMap<String, Value>) {
    let mut lines = String::new();
    let paths: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for path in paths {
        let (old, new) = (old.get(path), new.get(path));
        if old != new {
            old.iter().for_each(|value| lines.push_str(&format!("- {path}: {value}\n")));
            new.iter().for_each(|value| lines.push_str(&format!("+ {path}: {value}\n")));
        }
    }
    if !lines.is_empty() {
        text.push_str(&format!("endpoint/{name}\n{lines}"));
    }
}

/// Every value of a spec by its path.
fn fields(spec: &Value) -> BTreeMap<String, Value> {
    fn visit(path: &str, value: &Value, found: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    visit(&format!("{path}.{name}"), member, found);
                }
            }
            other => {
                found.insert(path.to_owned(), other.clone());
            }
        }
    }
    let mut found = BTreeMap::new();
    visit("spec", spec, &mut found);
    found
}
