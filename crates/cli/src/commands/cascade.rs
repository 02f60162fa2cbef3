//! `loquat models cascade`, and what `train` and `up` calibrate on their own: how sure a cheap version must be to answer in place of
//! a dear one.

use std::borrow::Cow;
use std::path::Path;

use loquat_data::{Input as Columns, Part, Row, Table};
use loquat_infer::{Input, Pipeline};
use loquat_spec::{CascadeStage, Dataset, Endpoint, ErrorCode, ModelReference, Name, Resources, ZeroShot};
use loquat_store::{CascadeCalibration, Store, Tradeoff};
use loquat_train::{CalibrationError, CascadeTarget, calibrate_cascade};

use super::train::{Source, Tables, dataset_of};
use crate::arguments::{CONFIDENCE, Cascade, CascadeRows, TableFormat};
use crate::context::Context;
use crate::failure::Failure;
use crate::{output, resources, stores, table};

/// Calibrates the two versions, records it and prints what each agreement saves.
pub(crate) fn run(context: &Context, arguments: &Cascade) -> Result<(), Failure> {
    let folder: &Path = &context.global.dir;
    let resources = resources::load(context, folder)?;
    let store = stores::holding(context, &arguments.dear.name)?;
    let dataset = named(&resources, &arguments.dataset)?;
    let table = table::load(context, folder, dataset)?;
    let zero_shot = zero_shot(&resources, arguments);
    let inputs = inputs(&table, arguments.rows, zero_shot.is_some());
    if inputs.is_empty() && zero_shot.is_some() && !table.rows.is_empty() && table.rows.iter().all(is_pair) {
        let message = format!(
            "{} holds pairs of texts, and zero-shot-classification reads one text; name a Dataset of texts",
            table.name
        );
        return Err(Failure::new(ErrorCode::Invalid, message));
    }
    if inputs.is_empty() {
        let message = format!(
            "{} has no {} rows to measure on: add spec.split.test to it and train again, or name another Dataset, with --rows all where \
             neither version was trained on it",
            table.name,
            if arguments.rows == CascadeRows::Test { "test" } else { "usable" }
        );
        return Err(Failure::new(ErrorCode::Invalid, message));
    }
    let target = CascadeTarget { agreement: arguments.agreement, confidence: arguments.confidence };
    let pair = Pair::load(context, &store, [&arguments.cheap, &arguments.dear], zero_shot.as_ref())?;
    let calibration = calibrate_cascade(&pair.cheap, &pair.dear, &inputs, (target, &table.hash))?;
    store.record_cascade(&calibration)?;
    match arguments.format {
        TableFormat::Json => output::answer(&output::json(&calibration)?),
        TableFormat::Text => output::answer(&text(&calibration, &table, &arguments.cheap)),
    }
}

/// Calibrates the cascades that the folder's endpoints state and whose versions exist, where they are not calibrated. What can't be
/// is said and left to the endpoint's own version.
pub(super) fn calibrate_folder(
    context: &Context,
    source: Source<'_>,
    store: &Store,
    tables: &Tables,
) -> Result<(), Failure> {
    for located in &source.resources.endpoints {
        let endpoint = &located.value;
        for stage in &endpoint.cascade {
            let pair = (&stage.model, &endpoint.model);
            if let Err(failure) = calibrate_stage(context, (source, tables), store, (endpoint, stage)) {
                let why = failure.text().unwrap_or("its data has errors");
                output::say(&format!(
                    "warning: {}: {} is not asked before {}: {why}",
                    endpoint.name, pair.0, pair.1
                ));
            }
        }
    }
    Ok(())
}

fn calibrate_stage(
    context: &Context,
    (source, tables): (Source<'_>, &Tables),
    store: &Store,
    (endpoint, stage): (&Endpoint, &CascadeStage),
) -> Result<(), Failure> {
    let (cheap, dear) = (store.resolve(&stage.model)?.record, store.resolve(&endpoint.model)?.record);
    let known = store.cascades(&endpoint.model.name, dear.version)?;
    let (digests, zero_shot) = ((&*cheap.digest, &*dear.digest), endpoint.zero_shot.as_ref());
    if known.iter().any(|known| known.fits(digests, zero_shot, stage.agreement)) {
        return Ok(());
    }
    let names = [&endpoint.model.name, &stage.model.name];
    // What an entailment or embedding model was trained on are not the texts whose labels are asked for.
    let dataset = trained_on(source.resources, names).filter(|_| zero_shot.is_none()).ok_or_else(|| {
        let message = format!(
            "no Training of the folder tells rows to measure on; run loquat models cascade {} {} --dataset NAME --agreement {}",
            stage.model, endpoint.model, stage.agreement
        );
        Failure::new(ErrorCode::NotFound, message)
    })?;
    let table = match tables.get(dataset.name.as_str()) {
        Some(table) => Cow::Borrowed(table),
        None => Cow::Owned(table::load(context, source.folder, dataset)?),
    };
    let pair = Pair::load(context, store, [&stage.model, &endpoint.model], None)?;
    let target = CascadeTarget { agreement: stage.agreement, confidence: CONFIDENCE };
    let rows = inputs(&table, CascadeRows::Test, false);
    let calibration = calibrate_cascade(&pair.cheap, &pair.dear, &rows, (target, &table.hash))?;
    store.record_cascade(&calibration)?;
    output::answer(&format!("{}: {}", endpoint.name, in_one_line(&calibration)))
}

/// The versions of a cascade, loaded.
struct Pair {
    cheap: Pipeline,
    dear: Pipeline,
}

impl Pair {
    fn load(
        context: &Context,
        store: &Store,
        [cheap, dear]: [&ModelReference; 2],
        zero_shot: Option<&ZeroShot>,
    ) -> Result<Self, Failure> {
        let compute = context.compute()?;
        let load = |reference| Pipeline::from_store_on(store, reference, compute)?.answering(zero_shot);
        Ok(Self { cheap: load(cheap)?, dear: load(dear)? })
    }
}

/// The labels that both versions are asked about: those of the command, else of the Endpoint that states the cascade.
fn zero_shot(resources: &Resources, arguments: &Cascade) -> Option<ZeroShot> {
    if let Some(labels) = &arguments.labels {
        return Some(ZeroShot { template: arguments.template.clone(), labels: labels.clone() });
    }
    let states = |endpoint: &&Endpoint| {
        endpoint.model.name == arguments.dear.name
            && endpoint.cascade.iter().any(|stage| stage.model.name == arguments.cheap.name)
    };
    resources.endpoints.iter().map(|located| &located.value).find(states)?.zero_shot.clone()
}

/// The data set called `name`.
fn named<'a>(resources: &'a Resources, name: &str) -> Result<&'a Dataset, Failure> {
    let found = resources.datasets.iter().find(|located| located.value.name.as_str() == name);
    found.map(|located| &located.value).ok_or_else(|| {
        let known: Vec<&str> = resources.datasets.iter().map(|located| located.value.name.as_str()).collect();
        Failure::unknown("Dataset", name, &known)
    })
}

/// The data set of the first of `names` that a training has.
fn trained_on<'a>(resources: &'a Resources, names: [&Name; 2]) -> Option<&'a Dataset> {
    names.into_iter().find_map(|name| {
        let training = resources.trainings.iter().find(|located| located.value.name == *name)?;
        dataset_of(resources, &training.value).ok().map(|located| &located.value)
    })
}

fn is_pair(row: &Row) -> bool {
    matches!(row.input, Columns::Pair { .. })
}

/// What models see of the rows; `alone` is for models that read one text and no pairs.
fn inputs(table: &Table, rows: CascadeRows, alone: bool) -> Vec<Input> {
    let wanted = |row: &&Row| rows == CascadeRows::All || (row.part == Part::Test && !row.leaked);
    let input = |row: &Row| match &row.input {
        Columns::Text(text) => Some(Input::new(text.as_str())),
        Columns::Pair { premise, hypothesis } if !alone => {
            Some(Input::pair(premise.as_str(), hypothesis.as_str()))
        }
        Columns::Pair { .. } | Columns::Alike { .. } | Columns::Tokens { .. } | Columns::Spans { .. } => None,
    };
    table.rows.iter().filter(wanted).filter_map(input).collect()
}

fn text(calibration: &CascadeCalibration, table: &Table, cheap: &ModelReference) -> String {
    let head = ["AGREEMENT", "SURE BY", "EARLY", "FOUND", "AT LEAST", "SAVED"].map(str::to_owned);
    let mut rows = vec![head];
    rows.extend(calibration.tradeoffs.iter().map(|one| row(one, *one == calibration.chosen)));
    let (dear, chosen) = (&calibration.dear, &calibration.chosen);
    format!(
        "{}:{} before {}:{}, measured on {} of {}; the agreement holds beyond them with a probability of {}\n\n{}\n\
         recorded beside {}:{}, which answers the rest where an Endpoint of it states\n  \
         cascade: [{{ model: {cheap}, agreement: {} }}]\n",
        calibration.cheap.name,
        calibration.cheap.version,
        dear.name,
        dear.version,
        output::count(calibration.rows, "row"),
        table.name,
        calibration.confidence,
        output::columns(&rows),
        dear.name,
        dear.version,
        chosen.agreement
    )
}

fn row(one: &Tradeoff, chosen: bool) -> [String; 6] {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    [
        format!("{}{}", one.agreement, if chosen { " *" } else { "" }),
        format!("{:.4}", one.threshold),
        percent(one.early),
        percent(one.found),
        percent(one.least),
        percent(one.saving),
    ]
}

fn in_one_line(calibration: &CascadeCalibration) -> String {
    let (cheap, dear, chosen) = (&calibration.cheap, &calibration.dear, &calibration.chosen);
    format!(
        "{}:{} answers before {}:{} where it is sure by {:.4} or more: {:.1} % of {}, for an agreement of {}, which saves {:.1} % of the time",
        cheap.name,
        cheap.version,
        dear.name,
        dear.version,
        chosen.threshold,
        100.0 * chosen.early,
        output::count(calibration.rows, "test row"),
        chosen.agreement,
        100.0 * chosen.saving
    )
}

impl From<CalibrationError> for Failure {
    fn from(error: CalibrationError) -> Self {
        Self::from_error(error.code(), &error)
    }
}
