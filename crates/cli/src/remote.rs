//! What the commands that ask a running server share.

use std::io::Read;
use std::path::PathBuf;

use loquat_client::{Client, Resource};
use loquat_spec::{Endpoint, ErrorCode, KINDS, LATER_KINDS, Located, Resources};

use crate::arguments::{Apply, Remote};
use crate::context::Context;
use crate::failure::Failure;
use crate::resources;

/// The kind that a server hosts, in paths.
pub(crate) const ENDPOINTS: &str = "endpoints";
/// Who declares a resource that `loquat apply` put there.
pub(crate) const APPLIED: &str = "loquat-apply";
/// Who declares what no resource mentions.
const UNDECLARED: &str = "loquat-store";

/// A client of the server.
pub(crate) fn client(remote: &Remote) -> Client {
    let client = Client::new(&remote.server);
    match &remote.key {
        Some(key) => client.key(key),
        None => client,
    }
}

/// Checks that a kind, in the singular or plural and in any case, is one that a server hosts.
pub(crate) fn hosted(kind: &str) -> Result<(), Failure> {
    let lower = kind.to_ascii_lowercase();
    let is = |known: &str| lower.strip_prefix(known).is_some_and(|ending| matches!(ending, "" | "s" | "es"));
    if is("endpoint") {
        return Ok(());
    }
    let known: Vec<&str> = KINDS.iter().chain(LATER_KINDS).copied().collect();
    if known.iter().any(|known| is(&known.to_ascii_lowercase())) {
        let what = format!("{kind} of a running server");
        let instead = "a server hosts endpoints; `loquat up DIR` works on the other kinds";
        return Err(Failure::not_yet_supported(&what, instead));
    }
    Err(Failure::unknown("kind", kind, &known))
}

/// The Endpoints of the files; problems of any of them are shown and end the command.
pub(crate) fn endpoints(context: &Context, arguments: &Apply) -> Result<Vec<Located<Endpoint>>, Failure> {
    let mut sources = Vec::new();
    for path in &arguments.file {
        if path.as_os_str() == "-" {
            let mut bytes = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut bytes);
            read.map_err(|error| Failure::file("read", path, &error))?;
            sources.push((PathBuf::from("standard input"), bytes));
            continue;
        }
        let files = if path.is_dir() { resources::paths(path)? } else { vec![path.clone()] };
        for file in files {
            let bytes = std::fs::read(&file).map_err(|error| Failure::file("read", &file, &error))?;
            sources.push((file, bytes));
        }
    }
    let read = resources::parse(sources).map_err(|found| resources::shown(context, &found))?;
    refuse_others(&read)?;
    if read.endpoints.is_empty() {
        return Err(Failure::new(
            ErrorCode::Invalid,
            "the files hold no Endpoint: there is nothing to apply",
        ));
    }
    Ok(read.endpoints)
}

/// Refuses kinds that a server does not host, naming the first.
fn refuse_others(read: &Resources) -> Result<(), Failure> {
    let place = |kind: &str, path: &std::path::Path, line: usize| {
        let what = format!("{}:{line}: {kind} of a running server", path.display());
        Failure::not_yet_supported(
            &what,
            "apply Endpoints; `loquat train DIR` trains, and the server follows its registry",
        )
    };
    let others = [
        read.datasets.first().map(|found| place("Dataset", &found.path, found.line)),
        read.trainings.first().map(|found| place("Training", &found.path, found.line)),
        read.models.first().map(|found| place("Model", &found.path, found.line)),
    ];
    others.into_iter().flatten().next().map_or(Ok(()), Err)
}

/// The declared resources of a server.
pub(crate) fn declared(client: &Client) -> Result<Vec<Resource>, Failure> {
    let all = client.resources(ENDPOINTS)?;
    Ok(all.into_iter().filter(|resource| resource.manager() != UNDECLARED).collect())
}

/// Names of what was applied earlier and is not among `endpoints`.
pub(crate) fn left_over<'r>(declared: &'r [Resource], endpoints: &[Located<Endpoint>]) -> Vec<&'r str> {
    let stands = |name: &str| endpoints.iter().any(|endpoint| endpoint.value.name.as_str() == name);
    let applied = declared.iter().filter(|resource| resource.manager() == APPLIED);
    applied.map(|resource| resource.metadata.name.as_str()).filter(|name| !stands(name)).collect()
}
