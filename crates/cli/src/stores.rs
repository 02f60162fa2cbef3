//! Finds the registry that a command with a model's name means.

use std::path::Path;

use loquat_connect::objects::{Bucket, ObjectSettings};
use loquat_spec::{ErrorCode, ModelReference, Name};
use loquat_store::{Resolved, Store};
use sha2::{Digest, Sha256};

use crate::context::{Context, Place, cache_folder};
use crate::failure::Failure;
use crate::variables;

/// The registry of `--store`, else of `--dir`.
pub(crate) fn open(context: &Context) -> Result<Store, Failure> {
    of_folder(context, &context.global.dir)
}

/// The same, but a folder that `--store` names must be a registry: a mistyped one looks like one without models.
pub(crate) fn existing(context: &Context) -> Result<Store, Failure> {
    let store = open(context)?;
    if let (true, Place::Folder(path)) = (context.store_given(), context.store_place(&context.global.dir))
        && !path.join("format.json").exists()
    {
        let message = format!("{} is no registry: name the folder of one with --store", path.display());
        return Err(Failure::new(ErrorCode::NotFound, message));
    }
    Ok(store)
}

/// The registry of `--store`, else of a folder of resources. One in an object store is mirrored in the folder's cache.
pub(crate) fn of_folder(context: &Context, folder: &Path) -> Result<Store, Failure> {
    match context.store_place(folder) {
        Place::Folder(path) => Ok(Store::open(&path)?),
        Place::Objects(address) => {
            let bucket = Bucket::open(&address, &ObjectSettings::new(variables::all()))?;
            let digest = Sha256::digest(address.to_string());
            let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            Ok(Store::open_bucket(bucket, &cache_folder(folder).join("registry").join(name))?)
        }
    }
}

/// The registry, which must hold `name`; the error names the nearest one below the working folder that does.
pub(crate) fn holding(context: &Context, name: &Name) -> Result<Store, Failure> {
    let store = open(context)?;
    let known = store.names()?;
    if known.contains(name) {
        return Ok(store);
    }
    let missing = format!("no model {:?} in {}", name.as_str(), store.place().display());
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
