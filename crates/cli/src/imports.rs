//! `Model` resources: imported into the registry where they changed since their newest version.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use loquat_connect::hub::Snapshot;
use loquat_infer::{Import, SourceFiles};
use loquat_spec::{ErrorCode, Located, Model, ModelSource, Name, Resources};
use loquat_store::{NewVersion, Store, VersionRecord};
use sha2::{Digest, Sha256};

use crate::context::Context;
use crate::failure::Failure;
use crate::{hub, output, sources, stores, table};

/// Stands for the hash of files where a server answers.
const SERVER: &str = "server";
/// Outcome of a version that was imported.
const IMPORTED: &str = "imported";
/// The alias that an import moves: the resource says that this is the model.
const CHAMPION: &str = "champion";

/// Which models of a folder to import, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan<'a> {
    /// The folder, which paths in the resources are relative to.
    pub(crate) folder: &'a Path,
    /// Its resources.
    pub(crate) resources: &'a Resources,
    /// Names of models; all when empty.
    pub(crate) names: &'a [String],
    /// Import where nothing changed too.
    pub(crate) force: bool,
    /// Only say what would be done.
    pub(crate) dry_run: bool,
}

/// A model's files, and what they are called.
pub(crate) struct Source {
    /// Where they are.
    #[cfg_attr(not(feature = "train"), expect(dead_code, reason = "only trainings start from it"))]
    pub(crate) folder: PathBuf,
    /// None where a server answers.
    files: Option<SourceFiles>,
    /// Hash of the files, or the commit that fixes them.
    pub(crate) digest: String,
    /// Where they come from: a path, or a model of a hub at a commit.
    pub(crate) origin: String,
}

/// Imports what the plan says.
pub(crate) fn import(context: &Context, plan: Plan<'_>) -> Result<(), Failure> {
    let wanted = |located: &&Located<Model>| {
        plan.names.is_empty() || plan.names.iter().any(|name| name == located.value.name.as_str())
    };
    let models: Vec<&Located<Model>> = plan.resources.models.iter().filter(wanted).collect();
    if models.is_empty() {
        return Ok(());
    }
    let store = stores::of_folder(context, plan.folder)?;
    for located in models {
        import_one(context, plan, &store, located)?;
    }
    Ok(())
}

fn import_one(
    context: &Context,
    plan: Plan<'_>,
    store: &Store,
    located: &Located<Model>,
) -> Result<(), Failure> {
    let model = &located.value;
    let source = source(context, plan.folder, &model.source)?;
    let (texts, data_hash) = texts(context, plan, model)?;
    let inputs_hash = inputs_hash(model, &source, &data_hash);
    let (unchanged, reason) = decide(store, &model.name, &inputs_hash, &source)?;
    let verdict = match (unchanged, plan.force, plan.dry_run) {
        (true, false, _) => "not imported again",
        (_, _, true) => "would be imported",
        (true, true, false) => "imported again as asked",
        (false, _, false) => "importing",
    };
    let line = format!("{}: {reason}, {verdict}", model.name);
    if plan.dry_run {
        return output::answer(&line);
    }
    output::say(&line);
    if unchanged && !plan.force {
        return Ok(());
    }
    let staging = store.stage()?;
    let (metrics, summary) = match &source.files {
        None => (BTreeMap::new(), loquat_infer::import_server(model, staging.path())?),
        Some(files) => {
            let (compute, threads) = (context.compute()?, context.threads());
            let request = Import { model, files, source: &source.origin, texts: &texts, compute, threads };
            let imported = loquat_infer::import(&request, staging.path())?;
            (imported.metrics, imported.summary)
        }
    };
    let new = NewVersion {
        outcome: IMPORTED.to_owned(),
        metrics,
        data_hash: source.digest,
        resource: resource_text(plan.resources, located),
        inputs_hash,
        code_version: env!("CARGO_PKG_VERSION").to_owned(),
        origin: Some(source.origin),
        ..NewVersion::default()
    };
    let record = store.register(&model.name, staging, new)?;
    store.set_alias(&model.name, &Name::new(CHAMPION)?, record.version)?;
    output::answer(&format!("{}:{} is the champion: {}", record.name, record.version, summary))
}

/// Finds the model's files, fetching them where they are on a hub.
pub(crate) fn source(context: &Context, folder: &Path, model: &ModelSource) -> Result<Source, Failure> {
    let of_files = |path: &Path| -> Result<SourceFiles, Failure> {
        loquat_infer::source_files(path).map_err(|error| Failure::from_error(error.code(), &error))
    };
    match model {
        ModelSource::Folder(path) => {
            let folder = place(folder, path);
            let files = of_files(&folder)?;
            let digest = files.digest().map_err(|error| Failure::from_error(error.code(), &error))?;
            Ok(Source { folder, files: Some(files), digest, origin: path.clone() })
        }
        ModelSource::Hub(reference) => {
            let Snapshot { commit, path, .. } = hub::fetch(context, folder, reference)?;
            let origin = format!("hf://{}/{}@{commit}", reference.owner(), reference.name());
            Ok(Source { files: Some(of_files(&path)?), folder: path, digest: commit, origin })
        }
        ModelSource::Objects(address) => {
            let folder = sources::of_folder(context, folder)?.folder(address)?;
            let files = of_files(&folder)?;
            let digest = files.digest().map_err(|error| Failure::from_error(error.code(), &error))?;
            Ok(Source { folder, files: Some(files), digest, origin: address.to_string() })
        }
        ModelSource::Server(server) => Ok(Source {
            folder: folder.to_owned(),
            files: None,
            digest: SERVER.to_owned(),
            origin: server.url.clone(),
        }),
    }
}

/// Where the folder of a source lies.
pub(crate) fn place(folder: &Path, path: &str) -> PathBuf {
    folder.join(path.strip_prefix("./").unwrap_or(path))
}

/// The texts that the resource names to measure on, and the hash of the data.
fn texts(context: &Context, plan: Plan<'_>, model: &Model) -> Result<(Vec<String>, String), Failure> {
    let Some(name) = &model.dataset else { return Ok((Vec::new(), String::new())) };
    let dataset = plan.resources.datasets.iter().find(|located| located.value.name == *name);
    let Some(dataset) = dataset else {
        return Err(Failure::unknown("Dataset", name.as_str(), &[]));
    };
    let table = table::load(context, plan.folder, &dataset.value)?;
    let texts: Vec<String> =
        table.rows.iter().map(|row| row.text().to_owned()).filter(|text| !text.is_empty()).collect();
    if texts.is_empty() {
        let message = format!("{name} holds no text to measure {} on: name another Dataset", model.name);
        return Err(Failure::new(ErrorCode::Invalid, message));
    }
    Ok((texts, table.hash))
}

/// Hash of everything that the imported version depends on.
fn inputs_hash(model: &Model, source: &Source, data_hash: &str) -> String {
    let said = (&model.task, &model.labels, &model.max_length, &model.template, &model.precision);
    let text =
        format!("import 1\n{said:?}\n{}\n{}\n{data_hash}\n", model.agreement.fraction(), source.digest);
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether the newest version is what the resource asks for, and in words why or why not.
fn decide(store: &Store, name: &Name, inputs_hash: &str, source: &Source) -> Result<(bool, String), Failure> {
    let none = || (false, "no version yet".to_owned());
    if !store.names()?.contains(name) {
        return Ok(none());
    }
    let versions = store.model(name)?.versions;
    let Some(newest) = versions.into_iter().rev().find(|version| version.outcome == IMPORTED) else {
        return Ok(none());
    };
    Ok(match newest {
        VersionRecord { version, inputs_hash: old, .. } if old == inputs_hash => {
            (true, format!("unchanged since version {version}"))
        }
        VersionRecord { version, data_hash, .. } if data_hash != source.digest => {
            (false, format!("its files changed since version {version}"))
        }
        VersionRecord { version, .. } => (false, format!("the resource changed since version {version}")),
    })
}

/// Text of the resources as the version records it: the data set that it measures on, where there is one, and the model.
fn resource_text(resources: &Resources, located: &Located<Model>) -> String {
    let body = |text: &str| text.trim().trim_start_matches("---").trim_end_matches("---").trim().to_owned();
    let dataset = located.value.dataset.as_ref();
    let dataset = dataset.and_then(|name| resources.datasets.iter().find(|found| found.value.name == *name));
    match dataset {
        Some(dataset) => format!("{}\n---\n{}\n", body(&dataset.text), body(&located.text)),
        None => format!("{}\n", body(&located.text)),
    }
}
