//! `loquat get` and `loquat delete`: Endpoints of a running server.

use loquat_client::{Condition, Resource};

use crate::arguments::{Delete, Get, TableFormat};
use crate::failure::Failure;
use crate::output;
use crate::remote::{self, ENDPOINTS};

/// Lists resources, or shows one.
pub(crate) fn run(arguments: &Get) -> Result<u8, Failure> {
    remote::hosted(&arguments.kind)?;
    let client = remote::client(&arguments.remote);
    let found = match &arguments.name {
        Some(name) => vec![client.resource(ENDPOINTS, name)?],
        None => client.resources(ENDPOINTS)?,
    };
    let text = match (arguments.format, &found[..]) {
        (TableFormat::Json, [one]) if arguments.name.is_some() => output::json(one)?,
        (TableFormat::Json, all) => output::json(&all)?,
        (TableFormat::Text, all) => table(all),
    };
    output::answer(&text)?;
    Ok(0)
}

/// Deletes one.
pub(crate) fn delete(arguments: &Delete) -> Result<u8, Failure> {
    remote::hosted(&arguments.kind)?;
    remote::client(&arguments.remote).delete(ENDPOINTS, &arguments.name)?;
    output::answer(&format!("endpoint/{} deleted", arguments.name))?;
    Ok(0)
}

fn table(resources: &[Resource]) -> String {
    let head = ["NAME", "MODEL", "VERSION", "READY", "REASON", "DECLARED BY", "MESSAGE"].map(str::to_owned);
    let mut rows = vec![head];
    rows.extend(resources.iter().map(row));
    output::columns(&rows)
}

/// What every condition says.
fn messages(conditions: &[Condition]) -> String {
    conditions.iter().map(|condition| condition.message.as_str()).collect::<Vec<_>>().join("; ")
}

fn row(resource: &Resource) -> [String; 7] {
    let (status, ready) = (resource.status.as_ref(), resource.ready());
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        resource.metadata.name.clone(),
        or_dash(resource.spec["model"].as_str().map(str::to_owned)),
        or_dash(status.and_then(|status| status.version).map(|version| version.to_string())),
        ready.map_or_else(|| "Unknown".to_owned(), |ready| ready.status.clone()),
        or_dash(ready.map(|ready| ready.reason.clone())),
        resource.manager().to_owned(),
        or_dash(status.map(|status| messages(&status.conditions))),
    ]
}
