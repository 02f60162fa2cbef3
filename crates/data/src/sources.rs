//! Which files a Dataset names, in which order, and the part that each gives.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use loquat_spec::{Address, Dataset, SourceFile, Split, SplitPart};

use crate::checks;
use crate::findings::{Findings, Place, Report, did_you_mean};
use crate::split::{Part, part_of};
use crate::{DataError, LoadOptions, ReaderFormat};

/// How the rows of a file get their part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum PartRule {
    /// All of them the same.
    Fixed(Part),
    /// By hash of the group, else of the text.
    Hash { development: f64, test: f64 },
    /// By the split column.
    Column,
}

impl PartRule {
    /// The part of a row with `key`; `named` is what its split column says.
    pub(crate) fn part(self, key: u64, named: Option<Part>) -> Part {
        match self {
            Self::Fixed(part) => part,
            Self::Hash { development, test } => part_of(key, development, test),
            Self::Column => named.unwrap_or(Part::Train),
        }
    }
}

/// A file to read.
#[derive(Debug, Clone)]
pub(crate) struct PlannedFile {
    pub(crate) path: PathBuf,
    /// Its name in messages: as the user wrote it, relative to the resource where it is.
    pub(crate) name: String,
    pub(crate) format: Option<ReaderFormat>,
    pub(crate) language: Option<String>,
    pub(crate) domain: Option<String>,
    pub(crate) rule: PartRule,
}

/// The files of `dataset`, fetched first where they lie elsewhere: those of the source in the order declared, globs in
/// the order of names, then those of the development and of the test part. What can't be found is reported.
pub(crate) fn plan(dataset: &Dataset, options: &LoadOptions, findings: &mut Findings) -> Vec<PlannedFile> {
    let mut planned = Vec::new();
    let (rule, own) = rules(&dataset.split);
    expand(&dataset.files, options, (rule, "spec.source"), (&mut planned, findings));
    for (part, files) in own {
        let field = format!("spec.split.{}", part.as_str());
        expand(files, options, (PartRule::Fixed(part), &field), (&mut planned, findings));
    }
    drop_overlaps(planned, findings)
}

/// The rule for rows of the source, and the files of parts that have their own.
fn rules(split: &Split) -> (PartRule, Vec<(Part, &[SourceFile])>) {
    match split {
        Split::Hash { development, test } => {
            (PartRule::Hash { development: development.fraction(), test: test.fraction() }, Vec::new())
        }
        Split::Column(_) => (PartRule::Column, Vec::new()),
        Split::Files { development, test } => {
            let rule = match (share(development), share(test)) {
                (0.0, 0.0) => PartRule::Fixed(Part::Train),
                (development, test) => PartRule::Hash { development, test },
            };
            let own = [(Part::Development, development), (Part::Test, test)]
                .into_iter()
                .filter_map(|(part, of)| match of {
                    Some(SplitPart::Files(files)) => Some((part, files.as_slice())),
                    _ => None,
                })
                .collect();
            (rule, own)
        }
    }
}

fn share(part: &Option<SplitPart>) -> f64 {
    match part {
        Some(SplitPart::Share(share)) => share.fraction(),
        Some(SplitPart::Files(_)) | None => 0.0,
    }
}

/// Finds the files that `files` name and adds them to the plan, or to the findings what is wrong with them.
fn expand(
    files: &[SourceFile],
    options: &LoadOptions,
    (rule, field): (PartRule, &str),
    (planned, findings): (&mut Vec<PlannedFile>, &mut Findings),
) {
    for source in files {
        match found(&source.path, options) {
            Ok(paths) => planned.extend(paths.into_iter().map(|(path, name)| PlannedFile {
                path,
                name,
                format: source.format.map(ReaderFormat::from),
                language: source.language.clone(),
                domain: source.domain.clone(),
                rule,
            })),
            Err(error) => findings.add(unreadable(&error, &source.path, Some(field)), place(&source.path)),
        }
    }
}

fn place(name: &str) -> Option<Place> {
    Some(Place { file: name.to_owned(), line: None, row: None })
}

/// The report of a failure that concerns a whole file.
pub(crate) fn unreadable(error: &DataError, file: &str, field: Option<&str>) -> Report {
    Report {
        check: error.check(),
        subject: format!("file {file}"),
        field: field.map(str::to_owned),
        message: error.to_string(),
        remedy: error.remedy().to_owned(),
    }
}

/// The files that a path, glob or address names, in order, with their names in messages.
fn found(path: &str, options: &LoadOptions) -> Result<Vec<(PathBuf, String)>, DataError> {
    if !Address::is_meant(path) {
        return matches(path, &options.base);
    }
    let address: Address = path.parse().map_err(|source| DataError::Address { source })?;
    let sources = options.sources.as_ref();
    let sources = sources.ok_or_else(|| DataError::NoSources { address: path.to_owned() })?;
    let fetched =
        sources.files(&address).map_err(|source| DataError::Elsewhere { source: Box::new(source) })?;
    Ok(fetched.into_iter().map(|file| (file.path, file.name)).collect())
}

/// The files that a path or glob names.
fn matches(pattern: &str, base: &Path) -> Result<Vec<(PathBuf, String)>, DataError> {
    let whole = base.join(pattern);
    if whole.is_dir() {
        return Err(DataError::Folder { path: pattern.trim_end_matches('/').to_owned() });
    }
    // A file whose name holds special characters is meant as it stands.
    if whole.exists() {
        return Ok(vec![(whole, pattern.to_owned())]);
    }
    if !pattern.contains(['*', '?', '[']) {
        return Err(DataError::NotFound { path: pattern.to_owned(), hint: near(&whole) });
    }
    let root = glob::Pattern::escape(&base.to_string_lossy());
    let rooted = Path::new(&root).join(pattern);
    let found = glob::glob(&rooted.to_string_lossy())
        .map_err(|source| DataError::Pattern { pattern: pattern.to_owned(), source })?;
    let mut paths = Vec::new();
    for entry in found {
        let path = entry.map_err(|error| DataError::Io {
            file: error.path().display().to_string(),
            source: error.into(),
        })?;
        if path.is_file() {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(DataError::NoMatch { pattern: pattern.to_owned() });
    }
    paths.sort();
    Ok(paths.into_iter().map(|path| named(path, base)).collect())
}

fn named(path: PathBuf, base: &Path) -> (PathBuf, String) {
    let name = path.strip_prefix(base).unwrap_or(&path).display().to_string();
    (path, name)
}

/// A hint at the file of the same folder whose name is nearest.
fn near(missing: &Path) -> String {
    let (Some(folder), Some(name)) = (missing.parent(), missing.file_name()) else { return String::new() };
    let Ok(entries) = std::fs::read_dir(folder) else {
        return format!("; its folder {} does not exist either", folder.display());
    };
    let mut names: Vec<String> =
        entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect();
    names.sort();
    did_you_mean(&name.to_string_lossy(), names.iter().map(String::as_str))
}

/// Leaves each file in one place: a split's own files win over the source, the first place over later ones.
fn drop_overlaps(planned: Vec<PlannedFile>, findings: &mut Findings) -> Vec<PlannedFile> {
    let identity =
        |file: &PlannedFile| std::fs::canonicalize(&file.path).unwrap_or_else(|_| file.path.clone());
    let own = |file: &PlannedFile| {
        matches!(file.rule, PartRule::Fixed(Part::Test | Part::Development)).then_some(file.rule)
    };
    let owned: BTreeMap<PathBuf, PartRule> =
        planned.iter().rev().filter_map(|file| Some((identity(file), own(file)?))).collect();
    let mut seen = BTreeSet::new();
    let mut kept = Vec::new();
    for file in planned {
        let id = identity(&file);
        let elsewhere = owned.get(&id).is_some_and(|rule| *rule != file.rule);
        if elsewhere || !seen.insert(id) {
            findings.add(overlap(&file.name, elsewhere), place(&file.name));
        } else {
            kept.push(file);
        }
    }
    kept
}

fn overlap(name: &str, elsewhere: bool) -> Report {
    let how = match elsewhere {
        true => {
            "is named by the source and by a split; it is read as the split's, as its rows would leak otherwise"
        }
        false => "is named twice; it is read once, as its rows would count double otherwise",
    };
    Report {
        check: checks::OVERLAPPING_FILES,
        subject: name.to_owned(),
        field: Some("spec.source".to_owned()),
        message: format!("{name} {how}"),
        remedy: "write paths and globs that name each file once".to_owned(),
    }
}
