//! `loquat models reproduce`: trains a version again and compares the weights.

use std::path::PathBuf;

use loquat_data::Table;
use loquat_spec::{Dataset, ErrorCode, ModelReference, Resources, SourceText, Training};
use loquat_store::{Store, VersionRecord};
use loquat_train::{Cancel, Cuts, Origins, Progress as _, Report, Reproduction, Request};

use crate::context::{Context, cache_folder};
use crate::failure::Failure;
use crate::inputs::CODE_VERSION;
use crate::progress::TrainingProgress;
use crate::{backbones, origins, output, stores, table};

/// Trains the version again in a folder of its own and compares the weights' hashes; the registry stays as it is.
pub(crate) fn run(context: &Context, reference: &ModelReference) -> Result<(), Failure> {
    let (store, resolved) = stores::resolve(context, reference)?;
    let record = resolved.record;
    let shown = format!("{}:{}", record.name, record.version);
    let (dataset, training) = resources(&record, &shown)?;
    let datasets = parsed(&record, &shown)?.datasets;
    let table = table::load(context, &context.global.dir, &dataset)?;
    require_same_data(&record, &table, &shown)?;
    if record.code_version != CODE_VERSION {
        output::say(&format!(
            "warning: {shown} was trained by loquat {}, this is {CODE_VERSION}: the weights may differ",
            record.code_version
        ));
    }
    let report = report(&store, reference, &shown)?;
    let training = with_teacher(training, &report);
    let named = (&training, &dataset);
    let origins = origins::find(context, &context.global.dir, named, (&datasets, &store))?;
    let past = Past { record: &record, cuts: &report.cuts, origins };
    let again = train_again(context, past, &training, &table)?;
    if again.identical {
        return output::answer(&format!("{shown} is reproduced: weights {}", again.weights_digest));
    }
    Err(Failure::new(
        ErrorCode::Failed,
        format!(
            "{shown} is not reproduced: weights {}, trained again {}",
            record.weights_digest, again.weights_digest
        ),
    ))
}

/// A version and the decisions of its run that followed from time or the user.
#[derive(Debug, Clone)]
struct Past<'a> {
    record: &'a VersionRecord,
    cuts: &'a Cuts,
    origins: Origins,
}

/// The training with the very version that was learned from, whatever its alias names now.
fn with_teacher(training: Training, report: &Report) -> Training {
    let known = report.distillation.as_ref().and_then(|known| known.teacher.parse().ok());
    Training { teacher: known.or(training.teacher), ..training }
}

fn report(store: &Store, reference: &ModelReference, shown: &str) -> Result<Report, Failure> {
    let Some(report) = store.report(reference)? else {
        let message = format!("{shown} has no report, so where its search was cut is not known");
        return Err(Failure::new(ErrorCode::NotFound, message));
    };
    serde_json::from_value(report).map_err(|error| {
        Failure::new(
            ErrorCode::Unsupported,
            format!("the report of {shown} can't be read by this loquat: {error}"),
        )
    })
}

/// The resources that a version was trained from.
pub(crate) fn resources(record: &VersionRecord, shown: &str) -> Result<(Dataset, Training), Failure> {
    if record.resource.is_empty() || record.outcome == "imported" {
        let message = format!("{shown} was {}, so how to train it is not known", record.outcome);
        return Err(Failure::new(ErrorCode::Invalid, message));
    }
    let resources = parsed(record, shown)?;
    let unreadable = || unreadable(record, shown);
    let dataset = resources.datasets.into_iter().next().ok_or_else(unreadable)?;
    let training = resources.trainings.into_iter().next().ok_or_else(unreadable)?;
    Ok((dataset.value, training.value))
}

fn parsed(record: &VersionRecord, shown: &str) -> Result<Resources, Failure> {
    let source = SourceText { path: PathBuf::from(format!("{shown}.yaml")), text: record.resource.clone() };
    loquat_spec::parse(&[source]).map_err(|_| unreadable(record, shown))
}

fn unreadable(record: &VersionRecord, shown: &str) -> Failure {
    let message =
        format!("the resources of {shown} can't be read by this loquat: use loquat {}", record.code_version);
    Failure::new(ErrorCode::Unsupported, message)
}

fn require_same_data(record: &VersionRecord, table: &Table, shown: &str) -> Result<(), Failure> {
    if table.hash == record.data_hash {
        return Ok(());
    }
    Err(Failure::new(
        ErrorCode::Failed,
        format!(
            "the data of {shown} changed: it was trained on {}, now there is {}; bring the old rows back, or name the folder \
             that has them with --dir and the store with --store",
            record.data_hash, table.hash
        ),
    ))
}

fn train_again(
    context: &Context,
    past: Past<'_>,
    training: &Training,
    table: &Table,
) -> Result<Reproduction, Failure> {
    let scratch = tempfile::tempdir().map_err(|error| {
        Failure::new(ErrorCode::Unavailable, format!("cannot make a temporary folder: {error}"))
    })?;
    let store = Store::open(&scratch.path().join("store"))?;
    let cancel = Cancel::new();
    let progress = TrainingProgress::new(training.name.as_str(), context.bars);
    let request = Request {
        training,
        resource: &past.record.resource,
        table,
        run_dir: scratch.path().join("run"),
        backbones: backbones::find(context, &context.global.dir, training)?,
        origins: past.origins,
        cache_dir: Some(cache_folder(&context.global.dir)),
        store: &store,
        threads: context.threads_for(training.threads),
        cancel: &cancel,
        progress: &progress,
        code_version: &past.record.code_version,
    };
    progress.stage("training again", None);
    let again = loquat_train::reproduce(&request, past.cuts, &past.record.weights_digest);
    progress.finish();
    Ok(again?)
}
