//! `loquat apply`: creates or changes resources of a running server.

use loquat_client::{Change, Resource};

use crate::arguments::Apply;
use crate::context::Context;
use crate::failure::Failure;
use crate::output;
use crate::remote::{self, plural_of, title};

/// Applies all resources of the files, or, where the server refuses one, none.
pub(crate) fn run(context: &Context, arguments: &Apply) -> Result<u8, Failure> {
    let text = remote::resources_of(context, arguments)?;
    let client = remote::client(&arguments.remote)?;
    let before = if arguments.prune { remote::declared(&client)? } else { Vec::new() };
    let changed = client.apply_all(&text, false)?;
    for (resource, change) in &changed {
        let change = match change {
            Change::Created => "created",
            Change::Configured => "configured",
            Change::Unchanged => "unchanged",
        };
        output::answer(&format!("{} {change}", title(&resource.kind, &resource.metadata.name)))?;
    }
    let after: Vec<Resource> = changed.into_iter().map(|(resource, _)| resource).collect();
    for gone in remote::left_over(&before, &after) {
        let name = &gone.metadata.name;
        client.delete(&plural_of(&gone.kind), name)?;
        output::answer(&format!("{} pruned", title(&gone.kind, name)))?;
    }
    Ok(0)
}
