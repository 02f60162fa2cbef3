//! `loquat train`: resources, data, training, report; all of `up` except serving.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use loquat_data::Table;
use loquat_spec::{Dataset, ErrorCode, Located, ModelReference, Name, Resources, Selector, Training};
use loquat_store::{Store, VersionRecord};
use loquat_train::{Backbone, Cancel, Origins, Outcome, Request, Trained};

use super::cascade;
use crate::arguments::Train;
use crate::context::{self, Context};
use crate::failure::Failure;
use crate::inputs::{self, CODE_VERSION, Decision};
use crate::interrupt::Interrupt;
use crate::progress::TrainingProgress;
use crate::{backbones, findings, imports, origins, output, resources, stores, table};

/// What to train of a folder, and how.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Plan<'a> {
    /// Names of trainings and models; all when empty.
    pub(crate) names: &'a [String],
    /// Train where the inputs are unchanged too.
    pub(crate) force: bool,
    /// Only say what would be done.
    pub(crate) dry_run: bool,
}

/// Tables by the name of their `Dataset`.
pub(crate) type Tables = BTreeMap<String, Table>;

/// Trains what changed, and prints a summary of each training.
pub(crate) fn run(context: &Context, arguments: &Train) -> Result<u8, Failure> {
    let folder = context.folder(arguments.folder.as_deref());
    let resources = resources::load(context, folder)?;
    let interrupt = Interrupt::watch()?;
    let plan = Plan { names: &arguments.names, force: arguments.force, dry_run: arguments.dry_run };
    train_folder(context, &interrupt, Source { folder, resources: &resources }, plan)?;
    Ok(0)
}

/// A folder with its resources.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    /// The folder, which paths in the resources are relative to.
    pub(crate) folder: &'a Path,
    /// Its resources.
    pub(crate) resources: &'a Resources,
}

/// One training with what it needs.
#[derive(Debug, Clone, Copy)]
struct Job<'a> {
    training: &'a Training,
    resource: &'a str,
    table: &'a Table,
    backbones: &'a [Backbone],
    origins: &'a Origins,
}

/// Trains what the plan says and gives the tables read.
pub(crate) fn train_folder(
    context: &Context,
    interrupt: &Interrupt,
    source: Source<'_>,
    plan: Plan<'_>,
) -> Result<Tables, Failure> {
    let trainings = chosen(source.resources, plan.names)?;
    imports::import(
        context,
        imports::Plan {
            folder: source.folder,
            resources: source.resources,
            names: plan.names,
            force: plan.force,
            dry_run: plan.dry_run,
        },
    )?;
    let store = stores::of_folder(context, source.folder)?;
    let mut tables = Tables::new();
    for located in trainings {
        let training = &located.value;
        let dataset = dataset_of(source.resources, training)?;
        let name = dataset.value.name.to_string();
        if !tables.contains_key(&name) {
            let folds = resources::folds(source.resources, &dataset.value.name);
            let table = table::load_for_folds(context, source.folder, &dataset.value, folds)?;
            tables.insert(name.clone(), checked(context, source.folder, table)?);
        }
        let datasets = &source.resources.datasets;
        let texts = origins::unlabelled(training, datasets);
        let resource = inputs::resource_text(dataset, texts, located);
        let backbones = backbones::find(context, source.folder, training)?;
        let named = (training, &dataset.value);
        let origins = origins::find(context, source.folder, named, (datasets, &store))?;
        let table = &tables[&name];
        let job = Job { training, resource: &resource, table, backbones: &backbones, origins: &origins };
        let hash = loquat_train::inputs_hash(training, (&backbones, &origins), &table.hash, CODE_VERSION);
        let decision = inputs::decide(&store, (training, &backbones, &origins), &hash)?;
        let unfinished =
            loquat_train::unfinished(&context::run_folder(source.folder, training.name.as_str()));
        let decision = decision.unless_killed(unfinished.as_ref() == Some(&hash.total));
        if skip(&decision, training, plan)? {
            continue;
        }
        train_one(context, interrupt, source.folder, (&store, job))?;
    }
    if !plan.dry_run {
        cascade::calibrate_folder(context, source, &store, &tables)?;
    }
    Ok(tables)
}

/// Says why a training runs or not; whether it is skipped.
fn skip(decision: &Decision, training: &Training, plan: Plan<'_>) -> Result<bool, Failure> {
    let unchanged = matches!(decision, Decision::Unchanged(_));
    let verdict = match (unchanged, plan.force, plan.dry_run) {
        (true, false, _) => "not trained again",
        (_, _, true) => "would be trained",
        (true, true, false) => "trained again as asked",
        (false, _, false) => "training",
    };
    let skipped = unchanged && !plan.force;
    let origin = if training.is_from_scratch() && !skipped {
        ", encoders from scratch with a vocabulary of their own"
    } else {
        ""
    };
    let line = format!("{}: {}, {verdict}{origin}", training.name, decision.describe());
    if plan.dry_run {
        output::answer(&line)?;
    } else {
        output::say(&line);
    }
    Ok(plan.dry_run || skipped)
}

fn train_one(
    context: &Context,
    interrupt: &Interrupt,
    folder: &Path,
    (store, job): (&Store, Job<'_>),
) -> Result<(), Failure> {
    let cancel = Arc::new(Cancel::new());
    let progress = TrainingProgress::new(job.training.name.as_str(), context.bars);
    let run_dir = context::run_folder(folder, job.training.name.as_str());
    if loquat_train::unfinished(&run_dir).is_some() {
        output::say(&format!(
            "{}: an earlier run did not end, it goes on if its inputs are these",
            job.training.name
        ));
    }
    let request = Request {
        training: job.training,
        resource: job.resource,
        table: job.table,
        run_dir: run_dir.clone(),
        backbones: job.backbones.to_vec(),
        origins: job.origins.clone(),
        cache_dir: Some(context::cache_folder(folder)),
        store,
        threads: context.threads_for(job.training.threads),
        cancel: &cancel,
        progress: &progress,
        code_version: CODE_VERSION,
    };
    interrupt.training(Arc::clone(&cancel));
    let trained = loquat_train::train(&request);
    interrupt.idle();
    progress.finish();
    let trained = trained?;
    conclude(context, store, &run_dir, &trained)
}

/// Prints the summary, and fails where the training did. The run's folder holds its files already.
fn conclude(context: &Context, store: &Store, run_dir: &Path, trained: &Trained) -> Result<(), Failure> {
    let reason = &trained.promotion_reason;
    let Some(record) = &trained.record else {
        return Err(match trained.outcome {
            Outcome::Cancelled => {
                Failure::new(ErrorCode::Cancelled, format!("nothing is registered: {reason}"))
            }
            _ => Failure::new(ErrorCode::Failed, format!("training failed, nothing is registered: {reason}")),
        });
    };
    let shown = format!("{}:{}", record.name, record.version);
    pin_endpoint(store, run_dir, record)?;
    output::answer(trained.report.summary(context.style.stdout).trim_end())?;
    let alias = if trained.promoted { "is the champion" } else { "is registered, no alias moved" };
    output::answer(&format!(
        "{shown} {alias}; report.html, report.json, report.md, model-card.md and endpoint.yaml lie in {}",
        run_dir.display()
    ))?;
    match trained.outcome {
        Outcome::Completed => Ok(()),
        Outcome::StoppedEarly | Outcome::Cancelled => Err(Failure::silent(ErrorCode::Cancelled)),
        Outcome::Failed => Err(Failure::silent(ErrorCode::Failed)),
    }
}

/// `endpoint.yaml` serves the champion; of a model that has none it serves the version.
fn pin_endpoint(store: &Store, run_dir: &Path, record: &VersionRecord) -> Result<(), Failure> {
    let name = Name::new(&record.name)?;
    if store.aliases(&name)?.contains_key("champion") {
        return Ok(());
    }
    let model = ModelReference { name: name.clone(), selector: Selector::Version(record.version) };
    output::write_whole(Some(&run_dir.join("endpoint.yaml")), &loquat_spec::to_yaml_endpoint(&name, &model))
}

fn chosen<'a>(resources: &'a Resources, names: &[String]) -> Result<Vec<&'a Located<Training>>, Failure> {
    let trainings = resources.trainings.iter().map(|located| located.value.name.as_str());
    let models = resources.models.iter().map(|located| located.value.name.as_str());
    let known: Vec<&str> = trainings.chain(models).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(Failure::unknown("Training or Model", unknown, &known));
    }
    let wanted = |located: &&Located<Training>| {
        names.is_empty() || names.iter().any(|name| name == located.value.name.as_str())
    };
    Ok(resources.trainings.iter().filter(wanted).collect())
}

/// The data set of a training.
pub(super) fn dataset_of<'a>(
    resources: &'a Resources,
    training: &Training,
) -> Result<&'a Located<Dataset>, Failure> {
    let found = resources.datasets.iter().find(|located| located.value.name == training.dataset);
    found.ok_or_else(|| {
        let known: Vec<&str> = resources.datasets.iter().map(|located| located.value.name.as_str()).collect();
        Failure::unknown("Dataset", training.dataset.as_str(), &known)
    })
}

/// The table, with a line on what its checks found; errors end the command.
pub(crate) fn checked(context: &Context, folder: &Path, table: Table) -> Result<Table, Failure> {
    if table.has_errors() {
        findings::say(&table.findings, context.style.stderr);
        return Err(Failure::new(
            ErrorCode::Failed,
            format!("the data of {} has errors, nothing is trained: mend them and run again", table.name),
        ));
    }
    output::say(&findings::in_one_line(&table, folder));
    Ok(table)
}
