//! `loquat report`: the training report of a version, or two versions side by side.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use loquat_spec::{ErrorCode, ModelReference};
use loquat_store::VersionRecord;

use crate::arguments::{Report, ReportFormat};
use crate::context::{Context, cache_folder};
use crate::failure::Failure;
use crate::{output, stores};

/// Programs that open a file in a browser, in the order tried.
const OPENERS: &[&[&str]] = &[&["xdg-open"], &["open"], &["cmd", "/c", "start", ""]];

/// Prints, writes or opens the report.
pub(crate) fn run(context: &Context, arguments: &Report) -> Result<u8, Failure> {
    let format = if arguments.open { ReportFormat::Html } else { arguments.format };
    let colour = arguments.output.is_none() && context.style.stdout;
    let text = match (&arguments.compare, &arguments.model) {
        (Some(pair), _) => rendered::comparison(context, pair, format)?,
        (None, Some(reference)) if format == ReportFormat::Json => stored(context, reference)?,
        (None, Some(reference)) => rendered::report(context, reference, format, colour)?,
        (None, None) => {
            return Err(Failure::new(ErrorCode::Invalid, "no model is named: write `loquat report NAME`"));
        }
    };
    if !arguments.open {
        output::write_whole(arguments.output.as_deref(), &text)?;
        return Ok(0);
    }
    let path = match &arguments.output {
        Some(path) => path.clone(),
        None => page(context)?,
    };
    output::write_whole(Some(&path), &text)?;
    open(&path)?;
    Ok(0)
}

/// The report as the registry keeps it.
fn stored(context: &Context, reference: &ModelReference) -> Result<String, Failure> {
    let (store, resolved) = stores::resolve(context, reference)?;
    store.report(reference)?.map_or_else(|| Err(none(&resolved.record)), |report| output::json(&report))
}

fn none(record: &VersionRecord) -> Failure {
    let shown = format!("{}:{}", record.name, record.version);
    let message = format!("{shown} has no report: it was {}, not trained here", record.outcome);
    Failure::new(ErrorCode::NotFound, message)
}

/// A place for a page that nobody named a file for.
fn page(context: &Context) -> Result<PathBuf, Failure> {
    let folder = cache_folder(&context.global.dir);
    std::fs::create_dir_all(&folder).map_err(|error| Failure::file("create", &folder, &error))?;
    Ok(folder.join("report.html"))
}

fn open(path: &Path) -> Result<(), Failure> {
    for opener in OPENERS {
        let mut command = Command::new(opener[0]);
        command.args(&opener[1..]).arg(path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if command.status().is_ok_and(|status| status.success()) {
            output::say(&format!("opened {}", path.display()));
            return Ok(());
        }
    }
    let message = format!("no browser could be started: open {} yourself", path.display());
    Err(Failure::new(ErrorCode::Unavailable, message))
}

#[cfg(feature = "train")]
mod rendered {
    use loquat_infer::Pipeline;
    use loquat_spec::{ModelReference, Selector};
    use loquat_store::{Store, VersionRecord};
    use loquat_train::{Contender, Report};

    use super::{Context, ErrorCode, Failure, ReportFormat, none, output};
    use crate::commands::reproduce;
    use crate::{stores, table};

    pub(super) fn report(
        context: &Context,
        reference: &ModelReference,
        format: ReportFormat,
        colour: bool,
    ) -> Result<String, Failure> {
        let (store, resolved) = stores::resolve(context, reference)?;
        let record = resolved.record;
        let report = parsed(&store, reference, &record)?.ok_or_else(|| none(&record))?;
        Ok(match format {
            ReportFormat::Markdown => report.markdown(),
            ReportFormat::Html => report.html(),
            ReportFormat::Text | ReportFormat::Json => report.summary(colour),
        })
    }

    fn parsed(
        store: &Store,
        reference: &ModelReference,
        record: &VersionRecord,
    ) -> Result<Option<Report>, Failure> {
        let Some(report) = store.report(reference)? else { return Ok(None) };
        serde_json::from_value(report).map(Some).map_err(|error| {
            let shown = format!("{}:{}", record.name, record.version);
            let message =
                format!("the report of {shown} can't be read by this loquat ({error}): use --format json");
            Failure::new(ErrorCode::Unsupported, message)
        })
    }

    /// A version with all that a comparison asks of it.
    struct Version {
        record: VersionRecord,
        shown: String,
        pipeline: Pipeline,
        report: Option<Report>,
    }

    fn version(context: &Context, reference: &ModelReference) -> Result<Version, Failure> {
        let (store, resolved) = stores::resolve(context, reference)?;
        let record = resolved.record;
        let fixed =
            ModelReference { name: reference.name.clone(), selector: Selector::Version(record.version) };
        let pipeline = Pipeline::from_store(&store, &fixed)?;
        let report = parsed(&store, &fixed, &record)?;
        Ok(Version { shown: format!("{}:{}", record.name, record.version), record, pipeline, report })
    }

    pub(super) fn comparison(
        context: &Context,
        pair: &[ModelReference],
        format: ReportFormat,
    ) -> Result<String, Failure> {
        let [left, right] = pair else {
            return Err(Failure::new(ErrorCode::Invalid, "--compare takes two versions"));
        };
        let (left, right) = (version(context, left)?, version(context, right)?);
        if left.pipeline.task() != right.pipeline.task() {
            let message =
                format!("{} and {} do different tasks and can't be compared", left.shown, right.shown);
            return Err(Failure::new(ErrorCode::Invalid, message));
        }
        let (dataset, training) = reproduce::resources(&right.record, &right.shown)?;
        let table = table::load(context, &context.global.dir, &dataset)?;
        fn contender(version: &Version) -> Contender<'_> {
            Contender {
                name: &version.shown,
                pipeline: &version.pipeline,
                report: version.report.as_ref(),
                data_hash: &version.record.data_hash,
            }
        }
        let threads = context.threads_for(training.threads);
        let found = loquat_train::compare([contender(&left), contender(&right)], &training, &table, threads)?;
        match format {
            ReportFormat::Html => Ok(found.html()),
            ReportFormat::Json => output::json(&found),
            ReportFormat::Text | ReportFormat::Markdown => Ok(found.markdown()),
        }
    }
}

#[cfg(not(feature = "train"))]
mod rendered {
    use loquat_spec::ModelReference;

    use super::{Context, Failure, ReportFormat};

    pub(super) fn report(
        _: &Context,
        _: &ModelReference,
        _: ReportFormat,
        _: bool,
    ) -> Result<String, Failure> {
        Err(Failure::built_without("train"))
    }

    pub(super) fn comparison(_: &Context, _: &[ModelReference], _: ReportFormat) -> Result<String, Failure> {
        Err(Failure::built_without("train"))
    }
}
