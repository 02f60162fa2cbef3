//! Finds the registry that a command with a model's name means.

use std::path::Path;

use loquat_spec::{ErrorCode, ModelReference, Name};
use loquat_store::{Resolved, Store};

use crate::context::Context;
use crate::failure::Failure;

/// The registry of `--store`, else of `--dir`.
pub(crate) fn open(context: &Context) -> Result<Store, Failure> {
    Ok(Store::open(&context.store_path(&context.global.dir))?)
}

/// The registry, which must hold `name`; the error names the nearest one below the working folder that does.
pub(crate) fn holding(context: &Context, name: &Name) -> Result<Store, Failure> {
    let store = open(context)?;
    let known = store.names()?;
    if known.contains(name) {
        return Ok(store);
    }
    let missing = format!("no model {:?} in {}", name.as_str(), store.root().display());
    let remedy = remedy(context, name, &known);
    Err(Failure::new(ErrorCode::NotFound, format!("{missing}: {remedy}")))
}

/// The version that `reference` means, in the registry that must hold its name.
pub(crate) fn resolve(context: &Context, reference: &ModelReference) -> Result<(Store, Resolved), Failure> {
    let store = holding(context, &reference.name)?;
    let resolved = store.resolve(reference)?;
    Ok((store, resolved))
}

fn remedy(context: &Context, name: &Name, known: &[Name]) -> String {
    if let Some(found) = Store::nearest(Path::new("."), name) {
        let found = found.strip_prefix(".").unwrap_or(&found);
        let (store, folder) = (found.display(), found.parent().and_then(Path::parent));
        return match folder.filter(|folder| !context.store_given() && !folder.as_os_str().is_empty()) {
            Some(folder) => format!("{store} has it; add --dir {}", folder.display()),
            None => format!("{store} has it; use --store {store}"),
        };
    }
    let alike = known.iter().map(|known| (strsim::damerau_levenshtein(known.as_str(), name.as_str()), known));
    if let Some((_, known)) = alike.filter(|(distance, _)| *distance <= 2).min() {
        return format!("did you mean {known}?");
    }
    match known {
        [] => "it is empty; train a model with `loquat train DIR`, or name its folder with --dir".to_owned(),
        known => {
            let known: Vec<&str> = known.iter().map(Name::as_str).collect();
            format!("it holds {}; name one of these, or another folder with --dir", known.join(", "))
        }
    }
}
