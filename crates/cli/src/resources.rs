//! Reads the resource files of a folder.

use std::path::{Path, PathBuf};

use loquat_spec::{ErrorCode, Finding, Name, Resources, SourceText};

use crate::context::Context;
use crate::failure::Failure;
use crate::findings;

/// Endings of resource files.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// Reads and validates the resources of the folder itself, its files in order of their names. Hidden files are no
/// resources, nor are files that Loquat wrote, such as one of keys. The inner error holds every problem of every file.
pub(crate) fn read(folder: &Path) -> Result<Result<Resources, Vec<Finding>>, Failure> {
    let mut sources = Vec::new();
    for path in paths(folder)? {
        let bytes = std::fs::read(&path).map_err(|error| Failure::file("read", &path, &error))?;
        if !is_written(&path, &bytes) {
            sources.push((path, bytes));
        }
    }
    Ok(parse(sources))
}

/// Whether Loquat wrote the file: its JSON says in which version of a format it is.
fn is_written(path: &Path, bytes: &[u8]) -> bool {
    path.extension().is_some_and(|ending| ending == "json")
        && serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(bytes)
            .is_ok_and(|object| object.contains_key("formatVersion"))
}

/// Validates resource files, given with their places.
pub(crate) fn parse(sources: Vec<(PathBuf, Vec<u8>)>) -> Result<Resources, Vec<Finding>> {
    let mut files = Vec::new();
    let mut problems = Vec::new();
    for (path, bytes) in sources {
        match SourceText::from_bytes(path, bytes) {
            Ok(file) => files.push(file),
            Err(problem) => problems.push(*problem),
        }
    }
    let parsed = loquat_spec::parse(&files);
    if problems.is_empty() {
        return parsed;
    }
    problems.extend(parsed.err().unwrap_or_default());
    Err(problems)
}

/// Reads and validates the resources of the folder, of which there must be some; problems are shown and end the
/// command.
#[cfg(feature = "train")]
pub(crate) fn load(context: &Context, folder: &Path) -> Result<Resources, Failure> {
    let resources = load_if_any(context, folder)?;
    if count(&resources) == 0 { Err(none_in(folder)) } else { Ok(resources) }
}

/// Like [`load`], but a folder without resources is an empty set of resources.
pub(crate) fn load_if_any(context: &Context, folder: &Path) -> Result<Resources, Failure> {
    read(folder)?.map_err(|found| shown(context, &found))
}

/// The failure of resources whose problems are shown here.
pub(crate) fn shown(context: &Context, found: &[Finding]) -> Failure {
    findings::say(found, context.style.stderr);
    Failure::silent(ErrorCode::Invalid)
}

/// Number of resources.
pub(crate) fn count(resources: &Resources) -> usize {
    resources.datasets.len() + resources.trainings.len() + resources.models.len() + resources.endpoints.len()
}

/// The most folds of a training on a data set; 0 without one.
pub(crate) fn folds(resources: &Resources, dataset: &Name) -> usize {
    let trainings = resources.trainings.iter().map(|located| &located.value);
    trainings
        .filter(|training| training.dataset == *dataset)
        .map(|training| training.folds)
        .max()
        .unwrap_or(0)
}

/// The failure of a folder without resources.
pub(crate) fn none_in(folder: &Path) -> Failure {
    Failure::new(
        ErrorCode::NotFound,
        format!(
            "no resource (in *.yaml, *.yml, *.json) in {0}: `loquat init text-classification {0}` writes a starter",
            folder.display()
        ),
    )
}

/// The resource files of a folder, ordered by name.
pub(crate) fn paths(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    if folder.is_file() {
        let parent =
            folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let message = format!("{} is a file: name its folder, {}", folder.display(), parent.display());
        return Err(Failure::new(ErrorCode::Invalid, message));
    }
    let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| Failure::file("read", folder, &error))?.path();
        // Shown as a person would write it, without `./` before it.
        let path = path.strip_prefix(".").map(Path::to_owned).unwrap_or(path);
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let ending = path.extension().and_then(|ending| ending.to_str());
        if !hidden && ending.is_some_and(|ending| ENDINGS.contains(&ending)) && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn unreadable(folder: &Path, error: &std::io::Error) -> Failure {
    let failure = Failure::file("read the folder", folder, error);
    let hint = "the first argument is a folder of resources; names of resources follow it";
    match failure.text() {
        Some(text) => Failure::new(failure.code, format!("{text}: {hint}")),
        None => failure,
    }
}
