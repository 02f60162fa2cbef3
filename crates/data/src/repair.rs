//! Writes a data set repaired: what can be mended in a row is mended, rows that can't stay are left out, and every
//! change is accounted for. The source is only read.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use loquat_spec::{CheckName, Dataset, Finding, Severity};
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use tempfile::NamedTempFile;

use crate::columns::Layout;
use crate::content::{alike, misspelt};
use crate::extract::{Extractor, Outcome};
use crate::findings::Findings;
use crate::lines::LIMIT;
use crate::load::{LoadOptions, OnProgress};
use crate::mending::{Change, Mending};
use crate::reader::{Raw, Reader, ReaderOptions};
use crate::reading::{Read, Reading, next_piece, part};
use crate::sources::{self, PlannedFile};
use crate::split::Part;
use crate::survey::Survey;
use crate::{DataError, checks};

/// Checks whose rows can't stay as they are and can't be mended either.
const DROPPED: &[CheckName] = &[
    checks::LEAKAGE,
    checks::NEAR_LEAKAGE,
    checks::GROUP_LEAKAGE,
    checks::PREMISE_LEAKAGE,
    checks::DUPLICATE,
    checks::NEAR_DUPLICATE,
    checks::SAME_PAIR,
    checks::MOJIBAKE,
    checks::LANGUAGE_MISMATCH,
    checks::LENGTH_OUTLIER,
    checks::LOOSE_TAG,
    checks::CUT_SPAN,
    checks::PERSONAL_DATA,
    checks::UNSEEN_LABEL,
];

/// What a repair did.
#[derive(Debug, Clone, PartialEq)]
pub struct Repair {
    /// Rows read, usable or not.
    pub rows_read: usize,
    /// Rows written.
    pub rows_written: usize,
    /// Rows written with a change.
    pub rows_changed: usize,
    /// The account of every change.
    pub changes: PathBuf,
    /// Column of the repaired file that says which part a row belongs to.
    pub split_column: String,
    /// Column of the repaired file with the language that its source file declared, where one did.
    pub language_column: Option<String>,
    /// The same with the domain.
    pub domain_column: Option<String>,
    /// What can't be repaired row by row: errors and warnings about the data as a whole.
    pub left: Vec<Finding>,
}

/// Writes the usable rows of `dataset` to `file` as jsonl, repaired, with all their columns and one that says which
/// part each belongs to; and to `file` with `.changes.jsonl` added one object for each change: the row, its file and
/// line, the check, what was done (`changed` or `dropped`), and the column with its value before and after. Personal
/// data is masked and its value left out of the account.
///
/// Checks that the Dataset turns off repair nothing. Reads the data three times, the source is never written.
///
/// # Errors
/// As [`crate::load`]; and when `file` is no jsonl file, is a file of the source, or can't be written.
pub fn repair(
    dataset: &Dataset,
    options: &LoadOptions,
    file: &Path,
    progress: OnProgress<'_>,
) -> Result<Repair, DataError> {
    let read = |mending: &Mending| {
        let reading = Reading { keep: false, limit: usize::MAX, mending: Some(mending), progress };
        reading.read(dataset, options)
    };
    // The first look learns how labels are written, the second what is wrong beyond that.
    let mending = mending(&read(&Mending::default())?);
    let Read { survey, findings, .. } = read(&mending)?;
    let planned = sources::plan(dataset, options, &mut Findings::new(dataset, 0));
    refuse_source(file, &planned)?;
    let dropped = dropped(&survey, &findings)?;
    let writing = Writing {
        layout: Layout::new(dataset)?,
        mending,
        dropped,
        files: planned,
        target: file.to_owned(),
        scratch: options.cache.as_deref(),
    };
    let repaired = writing.run()?;
    let is_row_by_row = |check: CheckName| {
        DROPPED.contains(&check) || [checks::LABEL_CONFLICT, checks::LABEL_SPELLING].contains(&check)
    };
    let left = findings.finish().into_iter().filter(|finding| {
        finding.severity != Severity::Info && finding.rows.is_empty() && !is_row_by_row(finding.check)
            || LEFT.contains(&finding.check)
    });
    Ok(Repair { rows_read: survey.rows_read, left: left.collect(), ..repaired })
}

/// Findings with rows that only a person can mend.
const LEFT: &[CheckName] =
    &[checks::TRANSLATION_LEAKAGE, checks::LABEL_CUE, checks::UNDECLARED_LANGUAGE, checks::UNDECLARED_LABEL];

/// What is mended, and how labels are written: each as its most frequent spelling.
fn mending(read: &Read) -> Mending {
    let (survey, findings) = (&read.survey, &read.findings);
    let mut counts = vec![0; survey.labels.len()];
    for part in Part::ALL {
        counts.iter_mut().zip(survey.label_counts(part)).for_each(|(sum, count)| *sum += count);
    }
    let mut labels = BTreeMap::new();
    if findings.is_on(checks::LABEL_SPELLING) {
        let name = |label: u32| survey.labels[label as usize].clone();
        for (rare, common) in misspelt(&survey.labels, &counts) {
            labels.insert(name(rare), name(common));
        }
        for spellings in alike(&survey.labels).into_values() {
            let meant =
                spellings.iter().copied().max_by_key(|label| (counts[*label as usize], u32::MAX - label));
            for label in spellings.iter().filter(|label| Some(**label) != meant) {
                labels.insert(name(*label), meant.map_or_else(String::new, name));
            }
        }
        // A slip of a spelling that is itself replaced goes all the way.
        let direct = labels.clone();
        labels.values_mut().for_each(|meant| {
            if let Some(further) = direct.get(meant) {
                meant.clone_from(further);
            }
        });
    }
    Mending {
        labels,
        mojibake: findings.is_on(checks::MOJIBAKE),
        personal: findings.is_on(checks::PERSONAL_DATA),
        tags: findings.is_on(checks::LOOSE_TAG),
        spans: findings.is_on(checks::CUT_SPAN),
    }
}

/// The rows that are left out, by number, and why.
fn dropped(survey: &Survey, findings: &Findings) -> Result<HashMap<usize, CheckName>, DataError> {
    let mut dropped = HashMap::new();
    for (check, rows) in findings.rows() {
        if DROPPED.contains(&check) && findings.is_on(check) {
            for row in rows {
                dropped.entry(*row).or_insert(check);
            }
        }
    }
    if findings.is_on(checks::LABEL_CONFLICT) {
        outvoted(survey, findings, &mut dropped)?;
    }
    Ok(dropped)
}

/// A row, and what it says of its text: its set of labels, and a hash of tags or spans.
type Vote = (usize, (u32, u64));

/// Of the rows of a text under different labels, those that are not with the majority; all where there is none.
fn outvoted(
    survey: &Survey,
    findings: &Findings,
    dropped: &mut HashMap<usize, CheckName>,
) -> Result<(), DataError> {
    let rows = findings.rows().filter(|(check, _)| *check == checks::LABEL_CONFLICT);
    let rows: std::collections::HashSet<usize> = rows.flat_map(|(_, rows)| rows.iter().copied()).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let mut texts: HashMap<u64, Vec<Vote>> = HashMap::new();
    survey.briefs.for_each(|_, brief| {
        if rows.contains(&(brief.number as usize)) {
            let says = (brief.labels, brief.says);
            texts.entry(brief.key).or_default().push((brief.number as usize, says));
        }
    })?;
    for votes in texts.into_values() {
        let count = |says| votes.iter().filter(|(_, other)| *other == says).count();
        for (row, says) in &votes {
            if 2 * count(*says) <= votes.len() {
                dropped.insert(*row, checks::LABEL_CONFLICT);
            }
        }
    }
    Ok(())
}

/// Refuses a file to write that is no jsonl file, or one of the source.
pub(crate) fn refuse_source(file: &Path, planned: &[PlannedFile]) -> Result<(), DataError> {
    let refuse = |problem| Err(DataError::Target { path: file.display().to_string(), problem });
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_lowercase();
    if !name.ends_with(".jsonl") && !name.ends_with(".ndjson") {
        return refuse("rows are written as jsonl only so far; end the name in .jsonl");
    }
    let same = |other: &Path| match (file.canonicalize(), other.canonicalize()) {
        (Ok(file), Ok(other)) => file == other,
        _ => false,
    };
    let account = account(file);
    if planned.iter().any(|planned| same(&planned.path) || planned.path == account) {
        return refuse("is a file of the source, which is never written; name another file");
    }
    Ok(())
}

/// Where the changes of `file` are accounted for.
fn account(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".changes.jsonl");
    PathBuf::from(name)
}

/// The second look at the data, which writes.
struct Writing<'a> {
    layout: Layout,
    mending: Mending,
    dropped: HashMap<usize, CheckName>,
    files: Vec<PlannedFile>,
    target: PathBuf,
    scratch: Option<&'a Path>,
}

/// A record on its way to the file.
struct Written {
    line: u64,
    /// What stays of it, or the check that leaves it out.
    row: Result<Map<String, Value>, CheckName>,
    changes: Vec<Change>,
}

impl Writing<'_> {
    fn run(&self) -> Result<Repair, DataError> {
        let changes = account(&self.target);
        let failed = |path: &Path| {
            let file = path.display().to_string();
            move |source: io::Error| DataError::Io { file: file.clone(), source }
        };
        let mut out = Output::new(&self.target).map_err(failed(&self.target))?;
        let mut log = Output::new(&changes).map_err(failed(&changes))?;
        let mut repair = Repair {
            rows_read: 0,
            rows_written: 0,
            rows_changed: 0,
            changes: changes.clone(),
            split_column: String::new(),
            language_column: None,
            domain_column: None,
            left: Vec::new(),
        };
        repair.split_column = self.layout.split.map_or("split", |role| self.layout.column(role)).to_owned();
        let has_language = self.files.iter().any(|file| file.language.is_some());
        repair.language_column = has_language.then(|| match self.layout.language {
            Some(role) => self.layout.column(role).to_owned(),
            None => "language".to_owned(),
        });
        let has_domain = self.files.iter().any(|file| file.domain.is_some());
        repair.domain_column = has_domain.then(|| match self.layout.domain {
            Some(role) => self.layout.column(role).to_owned(),
            None => "domain".to_owned(),
        });
        let mut number = 0;
        for file in &self.files {
            let options = ReaderOptions { file: &file.name, scratch: self.scratch, limit: LIMIT };
            // What can't be opened is a finding of the check already.
            let Ok(mut reader) = Reader::open(Some(&file.path), file.format, &options) else { continue };
            loop {
                let piece = next_piece(&mut reader);
                if piece.is_empty() {
                    break;
                }
                let written: Vec<Option<Written>> =
                    piece.into_par_iter().map(|raw| self.written(raw, file, &repair)).collect();
                for mut written in written.into_iter().flatten() {
                    if let (Ok(_), Some(check)) = (&written.row, self.dropped.get(&number)) {
                        written.row = Err(check);
                    }
                    written.log(&mut log, (number, &file.name)).map_err(failed(&changes))?;
                    if let Ok(row) = written.row {
                        repair.rows_written += 1;
                        repair.rows_changed += usize::from(!written.changes.is_empty());
                        out.line(&Value::Object(row)).map_err(failed(&self.target))?;
                    }
                    number += 1;
                }
            }
        }
        out.finish(&self.target).map_err(failed(&self.target))?;
        log.finish(&changes).map_err(failed(&changes))?;
        Ok(repair)
    }

    /// What becomes of a record; `None` for what is none.
    fn written(&self, raw: Result<Raw, DataError>, file: &PlannedFile, names: &Repair) -> Option<Written> {
        let line = raw.as_ref().map_or_else(|error| error.line().unwrap_or_default(), |raw| raw.line);
        let mut changes = Vec::new();
        let decoded = raw.and_then(|raw| self.mending.decode(raw, &file.name, &self.layout, &mut changes));
        let record = match decoded {
            Ok(None) => return None,
            Ok(Some(record)) => record,
            Err(error) => return Some(Written { line, row: Err(error.check()), changes }),
        };
        let mut object = record.value.clone();
        let extractor = Extractor { layout: &self.layout, candidates: &[] };
        let row = match extractor.extract(record.value) {
            Outcome::Kept(draft) => {
                let part = part(&draft, file).as_str();
                object.insert(names.split_column.clone(), Value::from(part));
                for (own, of_file, column) in [
                    (&draft.language, &file.language, &names.language_column),
                    (&draft.domain, &file.domain, &names.domain_column),
                ] {
                    if let (None, Some(constant), Some(column)) = (own, of_file, column) {
                        object.insert(column.clone(), Value::from(constant.as_str()));
                    }
                }
                Ok(object)
            }
            Outcome::LeftOut => Ok(object),
            Outcome::Empty => Err(checks::EMPTY_ROW),
            Outcome::Unlabelled => Err(checks::MISSING_LABEL),
            Outcome::NoSplit => Err(checks::UNKNOWN_SPLIT),
            Outcome::Faulty(report) => Err(report.check),
        };
        Some(Written { line, row, changes })
    }
}

impl Written {
    fn log(&self, log: &mut Output, (number, file): (usize, &str)) -> io::Result<()> {
        for change in &self.changes {
            let mut entry = json!({
                "row": number, "file": file, "line": self.line, "check": change.check, "action": "changed",
            });
            if let Some(column) = &change.column {
                entry["column"] = Value::from(column.as_str());
            }
            if let Some((before, after)) = &change.values {
                entry["before"] = before.clone();
                entry["after"] = after.clone();
            }
            log.line(&entry)?;
        }
        match self.row {
            Ok(_) => Ok(()),
            Err(check) => log.line(&json!({
                "row": number, "file": file, "line": self.line, "check": check, "action": "dropped",
            })),
        }
    }
}

/// A file that appears under its name once it is whole.
struct Output {
    file: BufWriter<NamedTempFile>,
}

impl Output {
    fn new(target: &Path) -> io::Result<Self> {
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
        let file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        Ok(Self { file: BufWriter::new(file) })
    }

    fn line(&mut self, value: &Value) -> io::Result<()> {
        writeln!(self.file, "{value}")
    }

    fn finish(self, target: &Path) -> io::Result<()> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist(target).map_err(|error| error.error)?;
        Ok(())
    }
}
