//! The journal of a run: what was finished, so that a killed run continues instead of starting over.
//!
//! One JSON object a line, `{"sum":"…","record":{…}}`, appended and never rewritten; the sum is the start of
//! the record's SHA-256. The first record names the inputs. A torn or damaged line ends what is believed: it
//! and all after it is cut off and done again. Time spent is the largest `elapsed` found.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cuts::Plan;
use crate::error::TrainError;
use crate::few_shot::FewShotPlan;
use crate::linear::Parameters;

/// Format of the journal. 1.0: the first. Journals of another format are started over.
const FORMAT: &str = "1.0";
const SUM_DIGITS: usize = 16;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Record {
    /// The inputs that everything else belongs to.
    Start { format: String, inputs: String },
    /// How much of the nested cross-validation is attempted.
    Plan { plan: Plan, elapsed: f64 },
    /// A trial met a fold.
    Fold(FoldRecord),
    /// A search stopped proposing after so many rounds.
    Cut { search: u32, rounds: usize, timeout: bool, elapsed: f64 },
    /// An outer fold is done: what was answered for its rows.
    Outer { fold: usize, answers: OuterAnswers, elapsed: f64 },
    /// In how many texts a backbone fills gaps, repetitions included.
    Adaptation { examples: usize, elapsed: f64 },
    /// What encoders start from is there.
    Started { elapsed: f64 },
    /// What is fine-tuned, and for how long; nothing where there was no time.
    FineTune { parameters: Option<Parameters>, elapsed: f64 },
    /// How a contrastive fine-tune of few rows is scored; nothing where there was no time.
    FewShot { plan: Option<FewShotPlan>, elapsed: f64 },
    /// The test split was looked at.
    TestLook { rows: usize, metric: String, value: f64, elapsed: f64 },
    /// The run ended normally; the next one starts over.
    Finished { elapsed: f64 },
}

/// What a trial reached on a fold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FoldRecord {
    pub(crate) search: u32,
    pub(crate) trial: usize,
    pub(crate) fold: usize,
    /// The metric, larger is better; absent when the fit failed.
    pub(crate) utility: Option<f64>,
    /// Why the fit failed.
    pub(crate) failure: Option<String>,
    pub(crate) seconds: f64,
    pub(crate) elapsed: f64,
}

/// What an outer fold gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OuterAnswers {
    /// The metric as reported.
    pub(crate) value: f64,
    /// Best inner search score, as reported.
    pub(crate) best_inner: f64,
    pub(crate) trials: usize,
    /// Answered labels of the fold's rows.
    pub(crate) predicted: Vec<Vec<u32>>,
    /// Loss of the fold's rows, where the task has one.
    pub(crate) losses: Vec<f64>,
}

/// What earlier runs with the same inputs finished.
#[derive(Debug, Clone, Default)]
pub(crate) struct Past {
    pub(crate) elapsed: f64,
    /// The plan and when it was made.
    pub(crate) plan: Option<(Plan, f64)>,
    pub(crate) folds: BTreeMap<(u32, usize, usize), FoldRecord>,
    pub(crate) cuts: BTreeMap<u32, (usize, bool)>,
    pub(crate) outer: BTreeMap<usize, OuterAnswers>,
    /// The fine-tune that was planned, where its turn came.
    pub(crate) fine_tune: Option<Option<Parameters>>,
    /// Texts in which gaps are filled, where that was decided.
    pub(crate) adaptation: Option<usize>,
    /// The contrastive fine-tune that was planned, likewise.
    pub(crate) few_shot: Option<Option<FewShotPlan>>,
    /// When all was there that encoders start from.
    pub(crate) started: Option<f64>,
    finished: bool,
}

/// The journal, open for appending by any thread.
#[derive(Debug)]
pub(crate) struct Journal {
    /// `None`: nothing is kept, as when a version is reproduced.
    file: Option<(PathBuf, Mutex<File>)>,
}

impl Journal {
    /// A journal that keeps nothing.
    pub(crate) fn none() -> Self {
        Self { file: None }
    }

    /// Opens the journal at `path` for `inputs`. A journal of other inputs, or of a finished run, is emptied.
    pub(crate) fn open(path: &Path, inputs: &str) -> Result<(Self, Past), TrainError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(TrainError::file("open", path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(TrainError::Busy { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(TrainError::file("lock", path)(source)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(TrainError::file("read", path))?;
        let (records, length) = believed(&bytes);
        let start = Record::Start { format: FORMAT.to_owned(), inputs: inputs.to_owned() };
        let mut past = Past::default();
        let known = records.first() == Some(&start);
        if known {
            records.into_iter().for_each(|record| past.add(record));
        }
        let keep = if known && !past.finished { length } else { 0 };
        if keep == 0 {
            past = Past::default();
        }
        file.set_len(keep as u64).map_err(TrainError::file("shorten", path))?;
        file.seek(SeekFrom::End(0)).map_err(TrainError::file("read", path))?;
        let journal = Self { file: Some((path.to_owned(), Mutex::new(file))) };
        if keep == 0 {
            journal.append(&start)?;
        }
        Ok((journal, past))
    }

    /// Appends a record; it is in the hands of the operating system when this returns, so a killed process
    /// keeps it.
    pub(crate) fn append(&self, record: &Record) -> Result<(), TrainError> {
        let Some((path, file)) = &self.file else { return Ok(()) };
        let line = line(record)?;
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(line.as_bytes()).map_err(TrainError::file("write", path))
    }

    /// The inputs of the run that the journal at `path` belongs to, where it did not end normally.
    pub(crate) fn unfinished(path: &Path) -> Option<String> {
        let (records, _) = believed(&std::fs::read(path).ok()?);
        let finished = records.iter().any(|record| matches!(record, Record::Finished { .. }));
        match records.into_iter().next()? {
            Record::Start { inputs, .. } if !finished => Some(inputs),
            _ => None,
        }
    }
}

impl Past {
    fn add(&mut self, record: Record) {
        let elapsed = match record {
            Record::Start { .. } => 0.0,
            Record::Plan { plan, elapsed } => {
                self.plan = Some((plan, elapsed));
                elapsed
            }
            Record::Fold(record) => {
                let elapsed = record.elapsed;
                self.folds.insert((record.search, record.trial, record.fold), record);
                elapsed
            }
            Record::Cut { search, rounds, timeout, elapsed } => {
                self.cuts.insert(search, (rounds, timeout));
                elapsed
            }
            Record::Outer { fold, answers, elapsed } => {
                self.outer.insert(fold, answers);
                elapsed
            }
            Record::Adaptation { examples, elapsed } => {
                self.adaptation = Some(examples);
                elapsed
            }
            Record::Started { elapsed } => {
                self.started = Some(elapsed);
                elapsed
            }
            Record::FineTune { parameters, elapsed } => {
                self.fine_tune = Some(parameters);
                elapsed
            }
            Record::FewShot { plan, elapsed } => {
                self.few_shot = Some(plan);
                elapsed
            }
            Record::TestLook { elapsed, .. } => elapsed,
            Record::Finished { elapsed } => {
                self.finished = true;
                elapsed
            }
        };
        self.elapsed = self.elapsed.max(elapsed);
    }
}

fn line(record: &Record) -> Result<String, TrainError> {
    let json = serde_json::to_string(record)?;
    Ok(format!("{{\"sum\":\"{}\",\"record\":{json}}}\n", sum(json.as_bytes())))
}

fn sum(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().take(SUM_DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
}

/// The records up to the first line that is torn or damaged, and their length in bytes.
fn believed(bytes: &[u8]) -> (Vec<Record>, usize) {
    let mut records = Vec::new();
    let mut length = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some(record) = read_line(line) else { break };
        records.push(record);
        length += line.len();
    }
    (records, length)
}

fn read_line(line: &[u8]) -> Option<Record> {
    let rest = line.strip_prefix(b"{\"sum\":\"")?.strip_suffix(b"}\n")?;
    let (found, rest) = rest.split_at_checked(SUM_DIGITS)?;
    let json = rest.strip_prefix(b"\",\"record\":")?;
    (sum(json).as_bytes() == found).then(|| serde_json::from_slice(json).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(trial: usize, utility: f64) -> Record {
        Record::Fold(FoldRecord {
            search: 0,
            trial,
            fold: 1,
            utility: Some(utility),
            failure: None,
            seconds: 0.5,
            elapsed: trial as f64,
        })
    }

    fn written(path: &Path) -> Past {
        Journal::open(path, "inputs").unwrap().1
    }

    #[test]
    fn gives_back_what_was_appended_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let values = [0.1 + 0.2, 1.0 / 3.0, f64::MIN_POSITIVE, 0.987_654_321_098_765_4];
        {
            let (journal, past) = Journal::open(&path, "inputs").unwrap();
            assert!(past.folds.is_empty());
            for (trial, value) in values.iter().enumerate() {
                journal.append(&fold(trial, *value)).unwrap();
            }
        }
        let past = written(&path);
        for (trial, value) in values.iter().enumerate() {
            assert_eq!(past.folds[&(0, trial, 1)].utility.map(f64::to_bits), Some(value.to_bits()));
        }
        assert_eq!(past.elapsed, 3.0);
    }

    #[test]
    fn survives_a_cut_at_every_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        {
            let (journal, _) = Journal::open(&path, "inputs").unwrap();
            (0..3).for_each(|trial| journal.append(&fold(trial, 0.5)).unwrap());
        }
        let whole = std::fs::read(&path).unwrap();
        for length in 0..=whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let kept = written(&path).folds.len();
            let lines = whole[..length].iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(kept, lines.saturating_sub(1), "cut at byte {length}");
            // What follows a torn line must be readable again.
            let (journal, _) = Journal::open(&path, "inputs").unwrap();
            journal.append(&fold(9, 0.5)).unwrap();
            drop(journal);
            assert_eq!(written(&path).folds.len(), kept + 1);
        }
    }

    #[test]
    fn starts_over_for_other_inputs_and_after_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        {
            let (journal, _) = Journal::open(&path, "inputs").unwrap();
            journal.append(&fold(0, 0.5)).unwrap();
        }
        assert_eq!(Journal::unfinished(&path).as_deref(), Some("inputs"));
        assert!(Journal::open(&path, "others").unwrap().1.folds.is_empty());
        {
            let (journal, _) = Journal::open(&path, "inputs").unwrap();
            journal.append(&fold(0, 0.5)).unwrap();
            journal.append(&Record::Finished { elapsed: 4.0 }).unwrap();
        }
        assert_eq!(Journal::unfinished(&path), None);
        let past = written(&path);
        assert!(past.folds.is_empty() && past.elapsed == 0.0);
    }

    #[test]
    fn refuses_a_second_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let first = Journal::open(&path, "inputs").unwrap();
        assert!(matches!(Journal::open(&path, "inputs"), Err(TrainError::Busy { .. })));
        drop(first);
    }
}
