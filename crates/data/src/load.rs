//! Reads a data set in one pass, checks it and shares it out.
//!
//! Files are cut into records one after another; decoding, normalising and hashing run in parallel on even pieces,
//! and the pieces are joined in order, so that the result depends on neither threads nor timing.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use loquat_spec::Dataset;
use rayon::prelude::*;

use crate::checks;
use crate::columns::{LabelColumn, Layout};
use crate::extract::{Draft, Extractor, Outcome};
use crate::findings::{Findings, Place, Report, did_you_mean};
use crate::lines::LIMIT;
use crate::reader::{Raw, Reader, ReaderOptions, Record};
use crate::sources::{self, PlannedFile};
use crate::split::group_key;
use crate::table::{Location, Row, Table};
use crate::{DataError, content};

/// Most records, and most bytes but for the last record, of one piece of work.
const PIECE_RECORDS: usize = 16_384;
const PIECE_BYTES: usize = 8 << 20;

/// Most columns watched for values that rows in several languages share.
const CANDIDATES: usize = 16;

/// Most columns named when one is missing.
const COLUMNS_NAMED: usize = 40;

/// Where and how a data set is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadOptions {
    /// Folder of the resource file, where relative paths start.
    pub base: PathBuf,
    /// Threads that decode; 0 means one for each core.
    pub threads: usize,
    /// Folder for temporary files (compressed Parquet is unpacked there); the system's when absent.
    pub cache: Option<PathBuf>,
}

/// Reads and checks `dataset`.
///
/// Everything that is wrong with the data becomes a finding of the table, errors too: ask [`Table::has_errors`] before
/// using the rows. Rows with an error are left out. `small-class` depends on the folds and is asked for separately,
/// with [`crate::small_classes`].
///
/// # Errors
/// When the task's data can't be read at all, or threads can't be started.
pub fn load(dataset: &Dataset, options: &LoadOptions) -> Result<Table, DataError> {
    let layout = Layout::new(dataset)?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build()
        .map_err(|source| DataError::Threads { source })?;
    let mut loader = Loader {
        layout: &layout,
        findings: Findings::new(dataset),
        rows: Vec::new(),
        labels: Words::default(),
        languages: Words::default(),
        candidates: None,
        values: Vec::new(),
        rows_read: 0,
        unlabelled: 0,
    };
    let files = sources::plan(dataset, &options.base, &mut loader.findings);
    for (number, file) in (0..).zip(&files) {
        pool.install(|| loader.read_file(number, file, options.cache.as_deref()));
    }
    Ok(loader.finish(dataset, &files))
}

/// Words numbered in the order of their first use.
#[derive(Default)]
struct Words {
    numbers: HashMap<String, u32>,
}

impl Words {
    fn number(&mut self, word: String) -> u32 {
        let next = self.numbers.len() as u32;
        *self.numbers.entry(word).or_insert(next)
    }

    /// The words sorted, and the sorted place of each number.
    fn sorted(self) -> (Vec<String>, Vec<u32>) {
        let mut words: Vec<(String, u32)> = self.numbers.into_iter().collect();
        words.sort();
        let mut places = vec![0; words.len()];
        for (place, (_, number)) in (0..).zip(&words) {
            places[*number as usize] = place;
        }
        (words.into_iter().map(|(word, _)| word).collect(), places)
    }
}

struct Loader<'a> {
    layout: &'a Layout,
    findings: Findings,
    rows: Vec<Row>,
    labels: Words,
    languages: Words,
    /// Columns that may be a group, fixed by the first piece.
    candidates: Option<Vec<String>>,
    /// Hashes of the candidates' values, row by row.
    values: Vec<u64>,
    rows_read: usize,
    /// Rows with input and no label.
    unlabelled: usize,
}

/// What is known of a file once it is read.
struct Progress<'a> {
    file: &'a PlannedFile,
    number: u32,
    /// Records decoded.
    records: usize,
    /// Of each role, how many records have its column.
    present: Vec<usize>,
    /// Columns seen.
    columns: BTreeSet<String>,
    /// Row and line of rows without text, label or part.
    empty: Vec<(usize, u64)>,
    unlabelled: Vec<(usize, u64)>,
    no_split: Vec<(usize, u64)>,
}

/// A record that was decoded and extracted, on its way from a worker to the table.
struct Extracted {
    line: u64,
    present: u32,
    outcome: Outcome,
}

type Piece = Vec<Result<Raw, DataError>>;

impl Loader<'_> {
    fn read_file(&mut self, number: u32, file: &PlannedFile, scratch: Option<&Path>) {
        let options = ReaderOptions { file: &file.name, scratch, limit: LIMIT };
        let mut reader = match Reader::open(Some(&file.path), file.format, &options) {
            Ok(reader) => reader,
            Err(error) => return self.fail_file(&error, file),
        };
        let mut progress = Progress {
            file,
            number,
            records: 0,
            present: vec![0; self.layout.roles.len()],
            columns: BTreeSet::new(),
            empty: Vec::new(),
            unlabelled: Vec::new(),
            no_split: Vec::new(),
        };
        let mut piece = next_piece(&mut reader);
        while !piece.is_empty() {
            // The next piece is cut while this one is decoded.
            let (decoded, next) = rayon::join(|| decode(piece, &file.name), || next_piece(&mut reader));
            self.take_piece(decoded, &mut progress);
            piece = next;
        }
        self.finish_file(progress);
    }

    fn fail_file(&mut self, error: &DataError, file: &PlannedFile) {
        let place = Place { file: file.name.clone(), line: error.line(), row: None };
        self.findings.add(sources::unreadable(error, &file.name, None), Some(place));
    }

    fn take_piece(&mut self, decoded: Vec<Result<Option<Record>, DataError>>, progress: &mut Progress<'_>) {
        for record in decoded.iter().flatten().flatten() {
            for column in record.value.keys() {
                if progress.columns.len() < COLUMNS_NAMED && !progress.columns.contains(column) {
                    progress.columns.insert(column.clone());
                }
            }
        }
        let layout = self.layout;
        let candidates = self.candidates.get_or_insert_with(|| candidates(layout, &progress.columns));
        let extractor = Extractor { layout, candidates };
        let extracted: Vec<_> = decoded
            .into_par_iter()
            .filter_map(|record| match record {
                Err(error) => Some(Err(error)),
                Ok(None) => None,
                Ok(Some(record)) => {
                    let (line, present) = (record.line, layout.present(&record.value));
                    Some(Ok(Extracted { line, present, outcome: extractor.extract(record) }))
                }
            })
            .collect();
        for record in extracted {
            match record {
                Ok(extracted) => self.take_record(extracted, progress),
                Err(error) => self.take_failure(&error, progress.file),
            }
        }
    }

    fn take_record(&mut self, extracted: Extracted, progress: &mut Progress<'_>) {
        let (number, line) = (self.rows_read, extracted.line);
        self.rows_read += 1;
        progress.records += 1;
        for (role, count) in progress.present.iter_mut().enumerate() {
            *count += (extracted.present >> role & 1) as usize;
        }
        match extracted.outcome {
            Outcome::Kept(draft) => {
                self.keep(*draft, Location { file: progress.number, line }, progress.file)
            }
            Outcome::Empty => progress.empty.push((number, line)),
            Outcome::Unlabelled => progress.unlabelled.push((number, line)),
            Outcome::NoSplit => progress.no_split.push((number, line)),
            Outcome::Faulty(report) => self.findings.add(*report, place(progress.file, number, line)),
        }
    }

    fn take_failure(&mut self, error: &DataError, file: &PlannedFile) {
        if error.ends_file() {
            return self.fail_file(error, file);
        }
        let number = self.rows_read;
        self.rows_read += 1;
        let report = Report {
            check: error.check(),
            subject: String::new(),
            field: None,
            message: format!("{}; the row is left out", error.cause()),
            remedy: error.remedy().to_owned(),
        };
        self.findings.add(report, place(file, number, error.line().unwrap_or_default()));
    }

    fn keep(&mut self, draft: Draft, location: Location, file: &PlannedFile) {
        let number = self.rows_read - 1;
        let language = draft.language.or_else(|| file.language.clone());
        let split_key = draft.group.as_deref().map_or(draft.key, group_key);
        let mut labels: Vec<u32> = draft.labels.into_iter().map(|label| self.labels.number(label)).collect();
        labels.sort_unstable();
        self.values.extend(draft.candidates);
        self.rows.push(Row {
            id: draft.id,
            input: draft.input,
            labels,
            language: language.map(|language| self.languages.number(language)),
            group: draft.group,
            weight: draft.weight,
            part: file.rule.part(split_key, draft.split),
            key: draft.key,
            leaked: false,
            location,
            number,
        });
    }

    fn finish_file(&mut self, progress: Progress<'_>) {
        let layout = self.layout;
        let missing: Vec<usize> = (0..layout.roles.len())
            .filter(|role| progress.records > 0 && progress.present[*role] == 0)
            .filter(|role| Some(*role) != layout.language || progress.file.language.is_none())
            .collect();
        for role in &missing {
            self.findings.add(missing_column(layout, *role, &progress), place_of_file(progress.file));
        }
        let label = match layout.label {
            LabelColumn::One(role) | LabelColumn::Many { column: role, .. } => Some(role),
            LabelColumn::InInput => None,
        };
        let is_missing = |role: Option<usize>| role.is_some_and(|role| missing.contains(&role));
        let no_input =
            missing.iter().any(|role| crate::columns::INPUT_ROLES.contains(&layout.roles[*role].role));
        self.unlabelled += progress.unlabelled.len();
        let lists = [
            (no_input, &progress.empty, empty_row()),
            (is_missing(label) || no_input, &progress.unlabelled, missing_label()),
            (is_missing(layout.split), &progress.no_split, no_part(layout)),
        ];
        for (explained, rows, report) in lists {
            if !explained {
                for (number, line) in rows {
                    self.findings.add(report.clone(), place(progress.file, *number, *line));
                }
            }
        }
    }

    fn finish(self, dataset: &Dataset, files: &[PlannedFile]) -> Table {
        let Self {
            mut findings, mut rows, labels, languages, candidates, values, rows_read, unlabelled, ..
        } = self;
        let (labels, label_places) = labels.sorted();
        let (languages, language_places) = languages.sorted();
        for row in &mut rows {
            for label in &mut row.labels {
                *label = label_places[*label as usize];
            }
            row.labels.sort_unstable();
            row.language = row.language.map(|language| language_places[language as usize]);
        }
        let mut table = Table {
            name: dataset.name.to_string(),
            task: dataset.task,
            labels,
            languages,
            rows,
            findings: Vec::new(),
            hash: String::new(),
            rows_read,
            files: files.iter().map(|file| file.name.clone()).collect(),
        };
        let shared = content::SharedValues { columns: candidates.unwrap_or_default(), values, unlabelled };
        content::check(&mut table, dataset, &shared, &mut findings);
        table.findings = findings.finish();
        table.hash = table.content_hash();
        table
    }
}

/// Records for one round of decoding; none at the end of the file.
fn next_piece(reader: &mut Reader) -> Piece {
    let mut piece = Vec::new();
    let mut bytes = 0;
    while piece.len() < PIECE_RECORDS && bytes < PIECE_BYTES {
        let Some(raw) = reader.next_raw() else { break };
        bytes += raw.as_ref().map_or(0, Raw::size);
        piece.push(raw);
    }
    piece
}

fn decode(piece: Piece, file: &str) -> Vec<Result<Option<Record>, DataError>> {
    piece.into_par_iter().map(|raw| raw.and_then(|raw| raw.decode(file))).collect()
}

/// Columns whose values may show which rows belong together; none where a group is given already.
fn candidates(layout: &Layout, columns: &BTreeSet<String>) -> Vec<String> {
    if layout.group.is_some() || layout.label == LabelColumn::InInput {
        return Vec::new();
    }
    columns.iter().filter(|column| layout.is_candidate(column)).take(CANDIDATES).cloned().collect()
}

fn place(file: &PlannedFile, row: usize, line: u64) -> Option<Place> {
    Some(Place { file: file.name.clone(), line: Some(line), row: Some(row) })
}

fn place_of_file(file: &PlannedFile) -> Option<Place> {
    Some(Place { file: file.name.clone(), line: None, row: None })
}

fn missing_column(layout: &Layout, role: usize, progress: &Progress<'_>) -> Report {
    let column = layout.column(role);
    let hint = did_you_mean(column, progress.columns.iter().map(String::as_str));
    let exist: Vec<String> = progress.columns.iter().map(|column| format!("`{column}`")).collect();
    let field = layout.field(role);
    Report {
        check: checks::MISSING_COLUMN,
        subject: format!("{:08} {column}", progress.number),
        message: format!(
            "{} has no column `{column}`{hint}; it has {}",
            progress.file.name,
            if exist.is_empty() { "none".to_owned() } else { exist.join(", ") }
        ),
        remedy: format!("name the column in `{field}`"),
        field: Some(field),
    }
}

fn empty_row() -> Report {
    Report {
        check: checks::EMPTY_ROW,
        subject: String::new(),
        field: None,
        message: "no text; dropped, as there is nothing to learn from".to_owned(),
        remedy: "fill the text in, or remove the row".to_owned(),
    }
}

fn missing_label() -> Report {
    Report {
        check: checks::MISSING_LABEL,
        subject: String::new(),
        field: None,
        message: "no label; dropped, as it can neither teach nor test".to_owned(),
        remedy: "label the row, or remove it".to_owned(),
    }
}

fn no_part(layout: &Layout) -> Report {
    let column = layout.split.map_or("split", |role| layout.column(role));
    Report {
        check: checks::UNKNOWN_SPLIT,
        subject: String::new(),
        field: layout.split.map(|role| layout.field(role)),
        message: format!(
            "column `{column}` says nothing; the row is left out, as guessing its part could leak it"
        ),
        remedy: "write train, development or test".to_owned(),
    }
}
