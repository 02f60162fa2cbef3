//! `loquat check`: resources, then data.

use std::path::Path;

use loquat_spec::{Dataset, ErrorCode, Finding, Located, Model, ModelSource, Resources, Severity};

use crate::arguments::{Check, FindingFormat};
use crate::context::Context;
use crate::failure::Failure;
use crate::findings::Checked;
use crate::{findings, imports, output, resources, table};

/// The check that reports data which can't be read at all.
const UNREADABLE: &str = "unreadable";

/// Exit status when errors were found.
const FOUND_ERRORS: u8 = 1;

/// Checks the folder and prints what was found; the status is 1 when errors were.
pub(crate) fn run(context: &Context, arguments: &Check) -> Result<u8, Failure> {
    let folder = context.folder(arguments.folder.as_deref());
    if let Some(file) = &arguments.fix {
        return fix(context, folder, arguments.dataset.as_deref(), file);
    }
    let checked = match resources::read(folder)? {
        Err(findings) => Checked { resources: 0, rows: 0, findings },
        Ok(resources) => data(context, folder, &resources, arguments.dataset.as_deref())?,
    };
    let text = match arguments.format {
        FindingFormat::Text => checked.text(context.style.stdout),
        FindingFormat::Json => output::json(&checked)?,
        FindingFormat::Sarif => output::json(&checked.sarif())?,
    };
    output::answer(&text)?;
    Ok(if checked.has_errors() { FOUND_ERRORS } else { 0 })
}

/// Writes the one Dataset, or the one named, repaired into `file` and says what was done.
fn fix(context: &Context, folder: &Path, only: Option<&str>, file: &Path) -> Result<u8, Failure> {
    let resources = resources::load_if_any(context, folder)?;
    let datasets = chosen(&resources, only)?;
    let dataset = match datasets.as_slice() {
        [dataset] => dataset,
        [] => return Err(resources::none_in(folder)),
        _ => {
            let message = "the folder has several Datasets: name the one to repair with --dataset";
            return Err(Failure::new(ErrorCode::Invalid, message));
        }
    };
    let repair = table::repair(context, folder, dataset, file)?;
    findings::say(&repair.left, context.style.stderr);
    let mut text = format!(
        "{}: {} of {} kept, {} of them changed; {} accounts for every change\n",
        file.display(),
        output::thousands(repair.rows_written),
        output::count(repair.rows_read, "row"),
        output::thousands(repair.rows_changed),
        repair.changes.display()
    );
    if !repair.left.is_empty() {
        text.push_str(&format!(
            "{} above can't be repaired row by row\n",
            output::count(repair.left.len(), "finding")
        ));
    }
    // The file as the resource would name it; its other columns keep their names.
    let split = format!("split: {{ column: {} }}", repair.split_column);
    let constants = [("language", repair.language_column), ("domain", repair.domain_column)];
    let constants = constants.into_iter().filter_map(|(role, column)| Some(format!("{role}: {}, ", column?)));
    let constants: String = constants.collect();
    let columns =
        if constants.is_empty() { String::new() } else { format!("; columns: {{ {constants}… }}") };
    text.push_str(&format!("to use it: source: {{ path: {} }}; {split}{columns}\n", file.display(),));
    output::answer(&text)?;
    Ok(0)
}

fn data(
    context: &Context,
    folder: &Path,
    resources: &Resources,
    only: Option<&str>,
) -> Result<Checked, Failure> {
    let number = resources::count(resources);
    if number == 0 {
        return Err(resources::none_in(folder));
    }
    let mut checked = Checked { resources: number, rows: 0, findings: Vec::new() };
    if only.is_none() {
        checked.findings.extend(resources.models.iter().filter_map(|model| unusable(folder, model)));
    }
    for dataset in chosen(resources, only)? {
        match table::check(context, folder, dataset, resources::folds(resources, &dataset.name)) {
            Ok(audit) => {
                checked.rows += audit.rows_read;
                checked.findings.extend(audit.findings.into_iter().map(|finding| placed(folder, finding)));
            }
            Err(failure) if failure.code == ErrorCode::Unsupported => return Err(failure),
            Err(failure) => checked.findings.push(unreadable(dataset, &failure)),
        }
    }
    Ok(checked)
}

/// Files of the data are named relative to the resources; the reader of a finding stands elsewhere.
fn placed(folder: &Path, finding: Finding) -> Finding {
    let file = finding.file.map(|file| folder.join(file));
    let file = file.map(|file| file.strip_prefix(".").unwrap_or(&file).display().to_string());
    Finding { file, ..finding }
}

fn chosen<'a>(resources: &'a Resources, only: Option<&str>) -> Result<Vec<&'a Dataset>, Failure> {
    let datasets = resources.datasets.iter().map(|located| &located.value);
    let chosen: Vec<&Dataset> =
        datasets.filter(|dataset| only.is_none_or(|only| dataset.name.as_str() == only)).collect();
    match only {
        Some(only) if chosen.is_empty() => {
            let names: Vec<&str> =
                resources.datasets.iter().map(|located| located.value.name.as_str()).collect();
            Err(Failure::unknown("Dataset", only, &names))
        }
        _ => Ok(chosen),
    }
}

/// What is wrong with a model's folder; one of a hub is looked at when it is fetched.
fn unusable(folder: &Path, model: &Located<Model>) -> Option<Finding> {
    let ModelSource::Folder(path) = &model.value.source else { return None };
    let error = loquat_infer::source_files(&imports::place(folder, path)).err()?;
    Some(Finding {
        severity: Severity::Error,
        check: UNREADABLE,
        resource: Some(model.value.name.to_string()),
        file: Some(model.path.display().to_string()),
        line: Some(model.line),
        column: None,
        field: Some("spec.source.path".to_owned()),
        rows: Vec::new(),
        message: error.to_string(),
        remedy: "name a folder that holds a model".to_owned(),
    })
}

fn unreadable(dataset: &Dataset, failure: &Failure) -> Finding {
    Finding {
        severity: Severity::Error,
        check: UNREADABLE,
        resource: Some(dataset.name.to_string()),
        file: None,
        line: None,
        column: None,
        field: Some("spec.source".to_owned()),
        rows: Vec::new(),
        message: failure.text().unwrap_or("the data can't be read").to_owned(),
        remedy: "name files that exist and can be read".to_owned(),
    }
}
