//! Reads a data set in one pass, checks it and shares it out.
//!
//! Files are cut into records one after another; decoding, normalising and hashing run in parallel on even pieces,
//! and the pieces are joined in order, so that the result depends on neither threads nor timing.

use std::collections::BTreeSet;
use std::path::Path;

use loquat_spec::Dataset;
use loquat_text::Prepared;
use rayon::prelude::*;

use crate::checks;
use crate::columns::{LabelColumn, Layout};
use crate::extract::{Draft, Extractor, Outcome};
use crate::file_account::{FileAccount, place};
use crate::findings::{Findings, Place, Report};
use crate::glance::{Glance, Look};
use crate::lines::LIMIT;
use crate::load::{LoadOptions, OnProgress};
use crate::mending::Mending;
use crate::numbers::Numbers;
use crate::reader::{Raw, Reader, ReaderOptions, Record};
use crate::sources::{self, PlannedFile};
use crate::split::{Part, group_key};
use crate::survey::Survey;
use crate::table::{Location, Row};
use crate::{DataError, content};

/// Most records, and most bytes but for the last record, of one piece of work.
const PIECE_RECORDS: usize = 16_384;
const PIECE_BYTES: usize = 4 << 20;

/// Most columns watched for values that rows in several languages share.
const CANDIDATES: usize = 16;

/// Most columns named when one is missing.
const COLUMNS_NAMED: usize = 40;

/// Rows whose language is looked at before only a sample is: the detector takes longer than all other checks together.
const DETECTED: usize = 50_000;

/// How a data set is read.
pub(crate) struct Reading<'a> {
    /// Whether the rows are kept.
    pub(crate) keep: bool,
    /// Most rows kept of a finding.
    pub(crate) limit: usize,
    /// What is mended in each record before it is looked at.
    pub(crate) mending: Option<&'a Mending>,
    pub(crate) progress: OnProgress<'a>,
}

/// A data set that was read.
pub(crate) struct Read {
    pub(crate) survey: Survey,
    pub(crate) findings: Findings,
    /// The rows, where they are kept.
    pub(crate) rows: Vec<Row>,
    /// Indices of the rows whose text stands in an earlier part.
    pub(crate) leaked: Vec<u32>,
}

impl Reading<'_> {
    /// Reads and checks all files.
    pub(crate) fn read(&self, dataset: &Dataset, options: &LoadOptions) -> Result<Read, DataError> {
        let layout = Layout::new(dataset)?;
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(options.threads)
            .build()
            .map_err(|source| DataError::Threads { source })?;
        let mut findings = Findings::new(dataset, self.limit);
        let files = sources::plan(dataset, options, &mut findings);
        let scratch = options.cache.as_deref();
        let names = files.iter().map(|file| file.name.clone()).collect();
        let has_languages = layout.language.is_some()
            || !dataset.languages.is_empty()
            || files.iter().any(|file| file.language.is_some());
        let loader = Loader {
            layout: &layout,
            survey: Survey::new(dataset.task, names, self.limit, scratch),
            look: Look {
                language: has_languages && findings.is_on(checks::LANGUAGE_MISMATCH),
                sketch: [checks::NEAR_DUPLICATE, checks::NEAR_LEAKAGE, checks::LABEL_CUE]
                    .into_iter()
                    .any(|check| findings.is_on(check)),
            },
            findings,
            rows: Vec::new(),
            keep: self.keep,
            has_languages,
            candidates: None,
            bytes: 0,
            total: total(&files),
            mending: self.mending,
            progress: self.progress,
            folds: options.folds,
        };
        pool.install(|| loader.read(dataset, &files, scratch))
    }
}

/// Bytes of all files; `None` where one is compressed, since decompressed bytes are counted.
fn total(files: &[PlannedFile]) -> Option<u64> {
    let sizes = files.iter().map(|file| {
        let plain = crate::format::compression(&file.path).is_none();
        let plain = plain && file.format != Some(crate::ReaderFormat::Parquet);
        plain.then(|| std::fs::metadata(&file.path).ok()).flatten().map(|metadata| metadata.len())
    });
    sizes.sum()
}

struct Loader<'a> {
    layout: &'a Layout,
    survey: Survey,
    look: Look,
    findings: Findings,
    rows: Vec<Row>,
    keep: bool,
    /// Most folds of a cross-validation; 0 for none.
    folds: usize,
    has_languages: bool,
    /// Columns that may be a group, fixed by the first piece.
    candidates: Option<Vec<String>>,
    /// Bytes read, of how many.
    bytes: u64,
    total: Option<u64>,
    mending: Option<&'a Mending>,
    progress: OnProgress<'a>,
}

/// A record that was decoded and extracted, on its way from a worker to the table.
struct Extracted {
    line: u64,
    present: u32,
    outcome: Outcome,
    glance: Option<Glance>,
}

pub(crate) type Piece = Vec<Result<Raw, DataError>>;

impl Loader<'_> {
    fn read(
        mut self,
        dataset: &Dataset,
        files: &[PlannedFile],
        scratch: Option<&Path>,
    ) -> Result<Read, DataError> {
        for (number, file) in (0..).zip(files) {
            self.read_file(number, file, scratch)?;
        }
        let Self { mut survey, mut findings, mut rows, folds, .. } = self;
        let places = survey.complete();
        rows.iter_mut().for_each(|row| places.settle(row));
        let leaked = content::check(&survey, (dataset, folds), &mut findings)?;
        Ok(Read { survey, findings, rows, leaked })
    }

    fn read_file(
        &mut self,
        number: u32,
        file: &PlannedFile,
        scratch: Option<&Path>,
    ) -> Result<(), DataError> {
        let options = ReaderOptions { file: &file.name, scratch, limit: LIMIT };
        let mut reader = match Reader::open(Some(&file.path), file.format, &options) {
            Ok(reader) => reader,
            Err(error) => {
                self.fail_file(&error, file);
                return Ok(());
            }
        };
        let mut account = FileAccount::new(file, number, self.layout.roles.len());
        let mut piece = next_piece(&mut reader);
        while !piece.is_empty() {
            // A line's end counts too.
            self.bytes += piece.iter().flatten().map(|raw| raw.size() as u64 + 1).sum::<u64>();
            // The next piece is cut while this one is decoded.
            let (layout, mending) = (self.layout, self.mending);
            let (decoded, next) = rayon::join(
                || decode(piece, &file.name, mending.map(|mending| (mending, layout))),
                || next_piece(&mut reader),
            );
            self.take_piece(decoded, &mut account)?;
            (self.progress)(self.bytes, self.total);
            piece = next;
        }
        self.survey.unlabelled += account.report(self.layout, &mut self.findings);
        Ok(())
    }

    fn fail_file(&mut self, error: &DataError, file: &PlannedFile) {
        let place = Place { file: file.name.clone(), line: error.line(), row: None };
        self.findings.add(sources::unreadable(error, &file.name, None), Some(place));
    }

    fn take_piece(
        &mut self,
        decoded: Vec<Result<Option<Record>, DataError>>,
        account: &mut FileAccount<'_>,
    ) -> Result<(), DataError> {
        for record in decoded.iter().flatten().flatten() {
            for column in record.value.keys() {
                if account.columns.len() < COLUMNS_NAMED && !account.columns.contains(column) {
                    account.columns.insert(column.clone());
                }
            }
        }
        let (layout, look, has_languages) = (self.layout, self.look, self.has_languages);
        let candidates = self.candidates.get_or_insert_with(|| {
            if has_languages { candidates(layout, &account.columns) } else { Vec::new() }
        });
        if self.survey.candidates.len() != candidates.len() {
            self.survey.candidates.clone_from(candidates);
        }
        let extractor = Extractor { layout, candidates };
        let one_in = self.survey.rows_read / DETECTED + 1;
        let extracted: Vec<_> = decoded
            .into_par_iter()
            .enumerate()
            .map_init(Prepared::default, |prepared, (number, record)| match record {
                Err(error) => Some(Err(error)),
                Ok(None) => None,
                Ok(Some(record)) => {
                    let (line, present) = (record.line, layout.present(&record.value));
                    let outcome = extractor.extract(record.value);
                    let look = Look { language: look.language && number % one_in == 0, ..look };
                    let glance = match &outcome {
                        Outcome::Kept(draft) => Some(Glance::new(&draft.input, look, prepared)),
                        _ => None,
                    };
                    Some(Ok(Extracted { line, present, outcome, glance }))
                }
            })
            .flatten_iter()
            .collect();
        for record in extracted {
            match record {
                Ok(extracted) => self.take_record(extracted, account)?,
                Err(error) => self.take_failure(&error, account.file),
            }
        }
        Ok(())
    }

    fn take_record(&mut self, extracted: Extracted, account: &mut FileAccount<'_>) -> Result<(), DataError> {
        let (number, line) = (self.survey.rows_read, extracted.line);
        let limit = self.survey.limit;
        account.records += 1;
        for (role, count) in account.present.iter_mut().enumerate() {
            *count += (extracted.present >> role & 1) as usize;
        }
        match (extracted.outcome, extracted.glance) {
            (Outcome::Kept(draft), Some(glance)) => {
                self.keep(*draft, &glance, (Location { file: account.number, line }, account.file))?;
            }
            (Outcome::Empty | Outcome::Kept(_), _) => account.empty.push((number, line), limit),
            (Outcome::Unlabelled, _) => account.unlabelled.push((number, line), limit),
            (Outcome::LeftOut, _) => self.survey.left_out += 1,
            (Outcome::NoSplit, _) => account.no_split.push((number, line), limit),
            (Outcome::Faulty(report), _) => self.findings.add(*report, place(account.file, number, line)),
        }
        self.survey.rows_read += 1;
        Ok(())
    }

    fn take_failure(&mut self, error: &DataError, file: &PlannedFile) {
        if error.ends_file() {
            return self.fail_file(error, file);
        }
        let number = self.survey.rows_read;
        self.survey.rows_read += 1;
        let report = Report {
            check: error.check(),
            subject: String::new(),
            field: None,
            message: format!("{}; the row is left out", error.cause()),
            remedy: error.remedy().to_owned(),
        };
        self.findings.add(report, place(file, number, error.line().unwrap_or_default()));
    }

    fn keep(
        &mut self,
        draft: Draft,
        glance: &Glance,
        (location, file): (Location, &PlannedFile),
    ) -> Result<(), DataError> {
        let part = part(&draft, file);
        let language = draft.language.as_deref().or(file.language.as_deref());
        let domain = draft.domain.as_deref().or(file.domain.as_deref());
        let Numbers { labels, shares, language, domain } =
            self.survey.take(&draft, glance, (location, part, (language, domain)))?;
        if self.keep {
            self.rows.push(Row {
                id: draft.id,
                input: draft.input,
                labels,
                shares,
                language,
                domain,
                group: draft.group,
                weight: draft.weight,
                part,
                key: draft.key,
                leaked: false,
                location,
                number: self.survey.rows_read,
            });
        }
        Ok(())
    }
}

/// The part of a row of `file`.
pub(crate) fn part(draft: &Draft, file: &PlannedFile) -> Part {
    file.rule.part(draft.group.as_deref().map_or(draft.key, group_key), draft.split)
}

/// Records for one round of decoding; none at the end of the file.
pub(crate) fn next_piece(reader: &mut Reader) -> Piece {
    let mut piece = Vec::new();
    let mut bytes = 0;
    while piece.len() < PIECE_RECORDS && bytes < PIECE_BYTES {
        let Some(raw) = reader.next_raw() else { break };
        bytes += raw.as_ref().map_or(0, Raw::size);
        piece.push(raw);
    }
    piece
}

fn decode(
    piece: Piece,
    file: &str,
    mending: Option<(&Mending, &Layout)>,
) -> Vec<Result<Option<Record>, DataError>> {
    let decode = |raw: Raw| match mending {
        Some((mending, layout)) => mending.decode(raw, file, layout, &mut Vec::new()),
        None => raw.decode(file),
    };
    piece.into_par_iter().map(|raw| raw.and_then(decode)).collect()
}

/// Columns whose values may show which rows belong together; none where a group is given already.
fn candidates(layout: &Layout, columns: &BTreeSet<String>) -> Vec<String> {
    if layout.group.is_some() || matches!(layout.label, LabelColumn::InInput | LabelColumn::Unlabelled) {
        return Vec::new();
    }
    columns.iter().filter(|column| layout.is_candidate(column)).take(CANDIDATES).cloned().collect()
}
