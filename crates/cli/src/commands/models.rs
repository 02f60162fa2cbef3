//! `loquat models`: the registry.

use std::path::Path;

use loquat_spec::{ErrorCode, ModelReference, Name, Selector, SourceText};
use loquat_store::{CascadeCalibration, ModelSummary, VersionRecord};

use crate::arguments::{Cascade, ModelsCommand, TableFormat};
use crate::context::Context;
use crate::failure::Failure;
use crate::{output, stores};

/// Runs a command of the registry.
pub(crate) fn run(context: &Context, command: &ModelsCommand) -> Result<u8, Failure> {
    match command {
        ModelsCommand::List { format } => list(context, *format),
        ModelsCommand::Show { model, format } => show(context, model, *format),
        ModelsCommand::Promote { model, alias } => promote(context, model, alias),
        ModelsCommand::Rollback { name, alias } => rollback(context, name, alias),
        ModelsCommand::Diff { old, new } => diff(context, old, new),
        ModelsCommand::Export { model, folder } => export(context, model, folder),
        ModelsCommand::Import { name, folder } => import(context, name, folder),
        ModelsCommand::Rm { model } => remove(context, model),
        ModelsCommand::Gc => collect(context),
        ModelsCommand::Reproduce { model } => reproduce(context, model),
        ModelsCommand::Cascade(arguments) => cascade(context, arguments),
    }?;
    Ok(0)
}

#[cfg(feature = "train")]
fn reproduce(context: &Context, model: &ModelReference) -> Result<(), Failure> {
    super::reproduce::run(context, model)
}

#[cfg(not(feature = "train"))]
fn reproduce(_: &Context, _: &ModelReference) -> Result<(), Failure> {
    Err(Failure::built_without("train"))
}

#[cfg(feature = "train")]
fn cascade(context: &Context, arguments: &Cascade) -> Result<(), Failure> {
    super::cascade::run(context, arguments)
}

#[cfg(not(feature = "train"))]
fn cascade(_: &Context, _: &Cascade) -> Result<(), Failure> {
    Err(Failure::built_without("train"))
}

fn list(context: &Context, format: TableFormat) -> Result<(), Failure> {
    let models = stores::existing(context)?.models()?;
    if format == TableFormat::Json {
        return output::answer(&output::json(&models)?);
    }
    let head = ["MODEL", "ALIASES", "SCORE", "SIZE", "OUTCOME", "CREATED"].map(str::to_owned);
    let mut rows = vec![head];
    for model in &models {
        // Newest first: it is the one that is looked for.
        rows.extend(model.versions.iter().rev().map(|record| row(model, record)));
    }
    output::answer(&output::columns(&rows))
}

fn row(model: &ModelSummary, record: &VersionRecord) -> [String; 6] {
    let aliases = model.aliases.iter().filter(|(_, version)| **version == record.version);
    let aliases: Vec<&str> = aliases.map(|(alias, _)| alias.as_str()).collect();
    [
        format!("{}:{}", record.name, record.version),
        aliases.join(","),
        score(record),
        output::bytes(record.bytes),
        record.outcome.clone(),
        to_the_second(&record.created),
    ]
}

/// The metric that the training optimised, else the first that there is.
fn score(record: &VersionRecord) -> String {
    let source = SourceText { path: "record.yaml".into(), text: record.resource.clone() };
    let training = loquat_spec::parse(&[source]).ok().and_then(|parsed| parsed.trainings.into_iter().next());
    let metric = training.map(|training| training.value.metric.as_str());
    let wanted = record.metrics.iter().find(|(name, _)| metric == Some(name.as_str()));
    let found = wanted.or_else(|| record.metrics.iter().next());
    found.map_or_else(|| "-".to_owned(), |(name, value)| format!("{name} {value:.4}"))
}

/// `2026-01-02T03:04:05Z` of a time with a fraction.
fn to_the_second(time: &str) -> String {
    match time.split_once('.') {
        Some((whole, _)) if time.ends_with('Z') => format!("{whole}Z"),
        _ => time.to_owned(),
    }
}

fn show(context: &Context, reference: &ModelReference, format: TableFormat) -> Result<(), Failure> {
    let (store, resolved) = stores::resolve(context, reference)?;
    let record = resolved.record;
    if format == TableFormat::Json {
        return output::answer(&output::json(&record)?);
    }
    let aliases = store.aliases(&reference.name)?;
    let aliases: Vec<String> = aliases
        .into_iter()
        .filter(|(_, version)| *version == record.version)
        .map(|(alias, _)| alias)
        .collect();
    let known = |text: &str| if text.is_empty() { "unknown".to_owned() } else { text.to_owned() };
    let mut rows = vec![
        ["model".to_owned(), format!("{}:{}", record.name, record.version)],
        ["aliases".to_owned(), if aliases.is_empty() { "none".to_owned() } else { aliases.join(", ") }],
        ["outcome".to_owned(), record.outcome.clone()],
        ["created".to_owned(), record.created.clone()],
        ["size".to_owned(), output::bytes(record.bytes)],
        ["artifact".to_owned(), resolved.path.display().to_string()],
        ["digest".to_owned(), record.digest.clone()],
        ["weights".to_owned(), record.weights_digest.clone()],
        ["data".to_owned(), known(&record.data_hash)],
        ["code".to_owned(), known(&record.code_version)],
        ["seed".to_owned(), record.seed.to_string()],
    ];
    rows.extend(record.parent.map(|parent| ["parent".to_owned(), format!("{}:{parent}", record.name)]));
    rows.extend(record.origin.as_ref().map(|origin| ["origin".to_owned(), origin.clone()]));
    rows.extend(record.metrics.iter().map(|(metric, value)| [metric.clone(), format!("{value:.4}")]));
    let cascades = store.cascades(&reference.name, record.version)?;
    rows.extend(cascades.iter().map(|calibration| ["cascade".to_owned(), in_short(calibration)]));
    let mut text = output::columns(&rows);
    if !record.resource.is_empty() {
        text.push('\n');
        text.push_str(&record.resource);
    }
    output::answer(&text)
}

fn in_short(calibration: &CascadeCalibration) -> String {
    let (cheap, chosen) = (&calibration.cheap, &calibration.chosen);
    format!(
        "{}:{} answers {:.1} % first for an agreement of {}, which saves {:.1} % of the time",
        cheap.name,
        cheap.version,
        100.0 * chosen.early,
        chosen.agreement,
        100.0 * chosen.saving
    )
}

fn promote(context: &Context, reference: &ModelReference, alias: &Name) -> Result<(), Failure> {
    let (store, resolved) = stores::resolve(context, reference)?;
    let version = resolved.record.version;
    let name = &reference.name;
    let previous = store.set_alias(name, alias, version)?;
    output::answer(&match previous {
        Some(previous) if previous == version => format!("{name}@{alias} is version {version} already"),
        Some(previous) => format!("{name}@{alias} is version {version}, before {previous}"),
        None => format!("{name}@{alias} is version {version}"),
    })
}

fn rollback(context: &Context, name: &Name, alias: &Name) -> Result<(), Failure> {
    let version = stores::holding(context, name)?.rollback(name, alias)?;
    output::answer(&format!("{name}@{alias} is version {version} again"))
}

fn diff(context: &Context, old: &ModelReference, new: &ModelReference) -> Result<(), Failure> {
    let (_, left) = stores::resolve(context, old)?;
    let (_, right) = stores::resolve(context, new)?;
    let differences = left.record.differences(&right.record);
    if differences.is_empty() {
        return output::answer(&format!("{old} and {new} are the same"));
    }
    let name = |record: &VersionRecord| format!("{}:{}", record.name, record.version);
    let mut rows = vec![["FIELD".to_owned(), name(&left.record), name(&right.record)]];
    let cell = |value: Option<String>| value.map_or_else(|| "-".to_owned(), |value| shortened(&value));
    rows.extend(differences.into_iter().map(|found| [found.field, cell(found.left), cell(found.right)]));
    output::answer(&output::columns(&rows))
}

/// A digest's beginning says as much as the whole.
fn shortened(value: &str) -> String {
    let digest = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digest { value[..12].to_owned() } else { value.trim_end().to_owned() }
}

fn export(context: &Context, reference: &ModelReference, folder: &Path) -> Result<(), Failure> {
    let store = stores::holding(context, &reference.name)?;
    let record = store.export(reference, folder)?;
    output::answer(&format!("{}:{} is in {}", record.name, record.version, folder.display()))
}

fn import(context: &Context, name: &Name, folder: &Path) -> Result<(), Failure> {
    let store = stores::open(context)?;
    let record = store.import(name, folder)?;
    let reference = format!("{}:{}", record.name, record.version);
    output::answer(&format!(
        "{reference} is registered, no alias moved; `loquat models promote {reference}` makes it the champion"
    ))
}

fn remove(context: &Context, reference: &ModelReference) -> Result<(), Failure> {
    let Selector::Version(version) = reference.selector else {
        let message = format!("rm takes a version, not an alias: write {}:VERSION", reference.name);
        return Err(Failure::new(ErrorCode::Invalid, message));
    };
    stores::holding(context, &reference.name)?.remove(&reference.name, version)?;
    output::answer(&format!("{reference} is removed; `loquat models gc` frees its space"))
}

fn collect(context: &Context) -> Result<(), Failure> {
    let report = stores::existing(context)?.gc()?;
    let objects = output::count(report.objects.len(), "artifact");
    let leftovers = output::count(report.leftovers, "leftover");
    output::answer(&format!("removed {objects} and {leftovers}, {}", output::bytes(report.bytes)))
}
