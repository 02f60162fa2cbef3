//! `loquat get` and `loquat delete`: resources of a running server.

use loquat_client::{Condition, Resource};

use crate::arguments::{Delete, Get, TableFormat};
use crate::failure::Failure;
use crate::output;
use crate::remote::{self, plural_of};

/// Lists resources, or shows one.
pub(crate) fn run(arguments: &Get) -> Result<u8, Failure> {
    let kind = remote::kind_of(&arguments.kind)?;
    let client = remote::client(&arguments.remote)?;
    let found = match &arguments.name {
        Some(name) => vec![client.resource(&plural_of(kind), name)?],
        None => client.resources(&plural_of(kind))?,
    };
    let text = match (arguments.format, &found[..]) {
        (TableFormat::Json, [one]) if arguments.name.is_some() => output::json(one)?,
        (TableFormat::Json, all) => output::json(&all)?,
        (TableFormat::Text, all) => table(kind, all),
    };
    output::answer(&text)?;
    Ok(0)
}

/// Deletes one.
pub(crate) fn delete(arguments: &Delete) -> Result<u8, Failure> {
    let kind = remote::kind_of(&arguments.kind)?;
    remote::client(&arguments.remote)?.delete(&plural_of(kind), &arguments.name)?;
    output::answer(&format!("{} deleted", remote::title(kind, &arguments.name)))?;
    Ok(0)
}

fn table(kind: &str, resources: &[Resource]) -> String {
    // What resources of the kind are told apart by.
    let (head, path) = match kind {
        "Endpoint" => ("MODEL", "/model"),
        "Training" => ("DATASET", "/dataset"),
        _ => ("TASK", "/task"),
    };
    let head = ["NAME", head, "VERSION", "READY", "REASON", "DECLARED BY", "MESSAGE"].map(str::to_owned);
    let mut rows = vec![head];
    rows.extend(resources.iter().map(|resource| row(resource, path)));
    output::columns(&rows)
}

/// What every condition says.
fn messages(conditions: &[Condition]) -> String {
    conditions.iter().map(|condition| condition.message.as_str()).collect::<Vec<_>>().join("; ")
}

fn row(resource: &Resource, path: &str) -> [String; 7] {
    let (status, ready) = (resource.status.as_ref(), resource.ready());
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        resource.metadata.name.clone(),
        or_dash(resource.spec.pointer(path).and_then(|value| value.as_str()).map(str::to_owned)),
        or_dash(status.and_then(|status| status.version).map(|version| version.to_string())),
        ready.map_or_else(|| "Unknown".to_owned(), |ready| ready.status.clone()),
        or_dash(ready.map(|ready| ready.reason.clone())),
        resource.manager().to_owned(),
        or_dash(status.map(|status| messages(&status.conditions))),
    ]
}
