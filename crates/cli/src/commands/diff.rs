//! `loquat diff`: what `apply` would change.

use std::collections::BTreeMap;

use loquat_client::Resource;
use serde_json::Value;

use crate::arguments::Apply;
use crate::context::Context;
use crate::failure::Failure;
use crate::output;
use crate::remote;

/// Exit status where anything would change, as of `kubectl diff`.
const DIFFERS: u8 = 1;

/// Prints each field that would change, by its path.
pub(crate) fn run(context: &Context, arguments: &Apply) -> Result<u8, Failure> {
    let resources = remote::resources_of(context, arguments)?;
    let client = remote::client(&arguments.remote)?;
    let before = remote::declared(&client)?;
    let after: Vec<Resource> =
        client.apply_all(&resources, true)?.into_iter().map(|(resource, _)| resource).collect();
    let mut text = String::new();
    for new in &after {
        let same = |old: &&Resource| (&old.kind, &old.metadata.name) == (&new.kind, &new.metadata.name);
        let old = before.iter().find(same).map(|old| fields(&old.spec)).unwrap_or_default();
        push(&mut text, new, &old, &fields(&new.spec));
    }
    if arguments.prune {
        for gone in remote::left_over(&before, &after) {
            push(&mut text, gone, &fields(&gone.spec), &BTreeMap::new());
        }
    }
    if text.is_empty() {
        return Ok(0);
    }
    output::answer(&text)?;
    Ok(DIFFERS)
}

fn push(
    text: &mut String,
    resource: &Resource,
    old: &BTreeMap<String, Value>,
    new: &BTreeMap<String, Value>,
) {
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
        let title = remote::title(&resource.kind, &resource.metadata.name);
        text.push_str(&format!("{title}\n{lines}"));
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
