//! What the commands that ask a running server share.

use std::io::Read;
use std::path::PathBuf;

use loquat_client::{Client, Resource};
use loquat_spec::{ErrorCode, KINDS, LATER_KINDS};

use crate::arguments::{Apply, Remote};
use crate::context::Context;
use crate::failure::Failure;
use crate::resources;

/// Who declares a resource that `loquat apply` put there.
const APPLIED: &str = "loquat-apply";
/// Who declares what no resource mentions.
const UNDECLARED: &str = "loquat-store";
/// Kinds in the order in which they can be deleted: what names others before what is named.
const LAST_FIRST: [&str; 4] = ["Endpoint", "Model", "Training", "Dataset"];

/// A client of the server.
pub(crate) fn client(remote: &Remote) -> Result<Client, Failure> {
    let client = Client::new(&remote.server).tls(&remote.tls.files())?;
    Ok(match &remote.key {
        Some(key) => client.key(key),
        None => client,
    })
}

/// A kind that a server keeps, by what a person calls it: in the singular or plural and in any case.
pub(crate) fn kind_of(word: &str) -> Result<&'static str, Failure> {
    let lower = word.to_ascii_lowercase();
    let is = |known: &&&str| {
        lower
            .strip_prefix(&known.to_ascii_lowercase())
            .is_some_and(|ending| matches!(ending, "" | "s" | "es"))
    };
    if let Some(kind) = KINDS.iter().find(is) {
        return Ok(kind);
    }
    if LATER_KINDS.iter().any(|known| is(&known)) {
        let instead = format!("kinds are {}", KINDS.join(", "));
        return Err(Failure::not_yet_supported(&format!("{word} of a running server"), &instead));
    }
    let known: Vec<&str> = KINDS.iter().chain(LATER_KINDS).copied().collect();
    Err(Failure::unknown("kind", word, &known))
}

/// A kind as it stands in a path.
pub(crate) fn plural_of(kind: &str) -> String {
    format!("{}s", kind.to_ascii_lowercase())
}

/// What a resource is called in lines that are printed: `endpoint/help`.
pub(crate) fn title(kind: &str, name: &str) -> String {
    format!("{}/{name}", kind.to_ascii_lowercase())
}

/// The resources of the files as one text; problems of any of them are shown and end the command.
pub(crate) fn resources_of(context: &Context, arguments: &Apply) -> Result<String, Failure> {
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
    let datasets = read.datasets.into_iter().map(|located| located.text);
    let trainings = read.trainings.into_iter().map(|located| located.text);
    let models = read.models.into_iter().map(|located| located.text);
    let endpoints = read.endpoints.into_iter().map(|located| located.text);
    let texts: Vec<String> = datasets.chain(trainings).chain(models).chain(endpoints).collect();
    if texts.is_empty() {
        let message = "the files hold no resource: there is nothing to apply";
        return Err(Failure::new(ErrorCode::Invalid, message));
    }
    Ok(texts.join("---\n"))
}

/// The declared resources of a server, those that name others before those that are named.
pub(crate) fn declared(client: &Client) -> Result<Vec<Resource>, Failure> {
    let mut all = Vec::new();
    for kind in LAST_FIRST {
        all.extend(client.resources(&plural_of(kind))?);
    }
    all.retain(|resource| resource.manager() != UNDECLARED);
    Ok(all)
}

/// What was applied earlier and is not among `after`.
pub(crate) fn left_over<'r>(before: &'r [Resource], after: &[Resource]) -> Vec<&'r Resource> {
    let stands = |one: &&Resource| {
        !after.iter().any(|other| (&other.kind, &other.metadata.name) == (&one.kind, &one.metadata.name))
    };
    before.iter().filter(|resource| resource.manager() == APPLIED).filter(stands).collect()
}
