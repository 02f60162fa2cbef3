//! `loquat apply`: creates or changes Endpoints of a running server.

use crate::arguments::Apply;
use crate::context::Context;
use crate::failure::Failure;
use crate::output;
use crate::remote::{self, ENDPOINTS};

/// Applies all resources of the files, or, where the server refuses one, none.
pub(crate) fn run(context: &Context, arguments: &Apply) -> Result<u8, Failure> {
    let endpoints = remote::endpoints(context, arguments)?;
    let client = remote::client(&arguments.remote);
    let before = remote::declared(&client)?;
    for endpoint in &endpoints {
        client.apply((ENDPOINTS, endpoint.value.name.as_str()), &endpoint.text, true)?;
    }
    for endpoint in &endpoints {
        let name = endpoint.value.name.as_str();
        let after = client.apply((ENDPOINTS, name), &endpoint.text, false)?;
        let known = before.iter().find(|resource| resource.metadata.name == name);
        let change = match known {
            None => "created",
            Some(known) if known.metadata.generation == after.metadata.generation => "unchanged",
            Some(_) => "configured",
        };
        output::answer(&format!("endpoint/{name} {change}"))?;
    }
    if arguments.prune {
        for name in remote::left_over(&before, &endpoints) {
            client.delete(ENDPOINTS, name)?;
            output::answer(&format!("endpoint/{name} pruned"))?;
        }
    }
    Ok(0)
}
