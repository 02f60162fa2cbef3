//! `loquat report`: the training report of a version.

use loquat_spec::ErrorCode;
use serde_json::Value;

use crate::arguments::{Report, ReportFormat};
use crate::context::Context;
use crate::failure::Failure;
use crate::{output, stores};

/// Prints or writes the report.
pub(crate) fn run(context: &Context, arguments: &Report) -> Result<u8, Failure> {
    if arguments.compare.is_some() {
        return Err(Failure::not_yet_supported(
            "--compare",
            "`loquat models diff A B` compares two versions",
        ));
    }
    if arguments.format == ReportFormat::Html || arguments.open {
        return Err(Failure::not_yet_supported("the HTML report", "use --format markdown or json"));
    }
    let Some(reference) = &arguments.model else {
        return Err(Failure::new(ErrorCode::Invalid, "no model is named: write `loquat report NAME`"));
    };
    let (store, resolved) = stores::resolve(context, reference)?;
    let record = resolved.record;
    let Some(mut report) = store.report(reference)? else {
        return Err(Failure::new(
            ErrorCode::NotFound,
            format!(
                "{}:{} has no report: it was {}, not trained here",
                record.name, record.version, record.outcome
            ),
        ));
    };
    // A version's number is given after its report is written, and an import may give another name.
    if let Some(report) = report.as_object_mut() {
        report.insert("name".to_owned(), record.name.into());
        report.insert("version".to_owned(), record.version.into());
    }
    let colour = arguments.output.is_none() && context.style.stdout;
    let text = match arguments.format {
        ReportFormat::Json => output::json(&report)?,
        ReportFormat::Markdown => rendered::markdown(report)?,
        ReportFormat::Text | ReportFormat::Html => rendered::summary(report, colour)?,
    };
    output::write_whole(arguments.output.as_deref(), &text)?;
    Ok(0)
}

#[cfg(feature = "train")]
mod rendered {
    use super::{ErrorCode, Failure, Value};

    pub(super) fn markdown(report: Value) -> Result<String, Failure> {
        Ok(parsed(report)?.markdown())
    }

    pub(super) fn summary(report: Value, colour: bool) -> Result<String, Failure> {
        Ok(parsed(report)?.summary(colour))
    }

    fn parsed(report: Value) -> Result<loquat_train::Report, Failure> {
        serde_json::from_value(report).map_err(|error| {
            let message = format!("the report can't be read by this loquat ({error}): use --format json");
            Failure::new(ErrorCode::Unsupported, message)
        })
    }
}

#[cfg(not(feature = "train"))]
mod rendered {
    use super::{Failure, Value};

    pub(super) fn markdown(_: Value) -> Result<String, Failure> {
        Err(Failure::built_without("train"))
    }

    pub(super) fn summary(_: Value, _: bool) -> Result<String, Failure> {
        Err(Failure::built_without("train"))
    }
}
