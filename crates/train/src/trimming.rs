//! The artifact of an encoder with the vocabulary that its languages need, if it answers as before.

use std::collections::BTreeSet;
use std::path::Path;

use loquat_infer::{Input, Pipeline};
use loquat_models::{Checkpoint, load_tokenizer};
use loquat_store::Staging;
use loquat_text::{Scripts, Tokenizer, Trimmed as Vocabulary};

use crate::artifact::folder_bytes;
use crate::error::{Halt, TrainError};
use crate::problem::answer;
use crate::report_origins::TrimmingReport;
use crate::run::Run;

const MANIFEST: &str = "loquat.json";

/// What became of an artifact.
pub(crate) struct Trimmed {
    pub(crate) staging: Staging,
    /// Nothing where its tokenizer or its embeddings can't be trimmed.
    pub(crate) report: Option<TrimmingReport>,
    pub(crate) note: String,
}

/// Trims the artifact in `whole`. Gives it as it was where an answer to a held-out row would change.
pub(crate) fn trim(run: &Run<'_>, whole: Staging) -> Result<Trimmed, Halt> {
    match narrowed(run, &whole) {
        Ok((narrow, report)) => {
            let (staging, note) = (narrow.unwrap_or(whole), report.note());
            Ok(Trimmed { staging, note, report: Some(report) })
        }
        Err(Halt::Error(error @ (TrainError::Tokenizer { .. } | TrainError::Model(_)))) => {
            let note = format!("the vocabulary was not trimmed: {error}");
            Ok(Trimmed { staging: whole, report: None, note })
        }
        Err(halt) => Err(halt),
    }
}

/// The trimmed artifact, if it answers as before and is smaller.
fn narrowed(run: &Run<'_>, whole: &Staging) -> Result<(Option<Staging>, TrimmingReport), Halt> {
    let problem = &run.problem;
    run.request.progress.stage("trimming the vocabulary", None);
    let tokenizer = load_tokenizer(whole.path()).map_err(TrainError::from)?;
    let (scripts, trimmed) = chosen(run, &tokenizer)?;
    let narrow = run.request.store.stage()?;
    let checkpoint = Checkpoint::open(whole.path()).map_err(TrainError::from)?;
    checkpoint.save_trimmed(&trimmed, narrow.path()).map_err(TrainError::from)?;
    let (from, to) = (whole.path().join(MANIFEST), narrow.path().join(MANIFEST));
    std::fs::copy(from, &to).map_err(TrainError::file("write", &to))?;
    let (rows, on) = match problem.test.is_empty() {
        true => (&problem.pool, "train"),
        false => (&problem.test, "test"),
    };
    let held_out: Vec<Input> = rows.iter().map(|row| problem.input(*row)).collect();
    let unchanged = unchanged(run, (whole.path(), narrow.path()), &held_out)?;
    let whole_bytes = folder_bytes(whole.path())?;
    let tokens = tokenizer.vocabulary_size();
    let mut report = TrimmingReport {
        scripts: scripts.names().into_iter().map(str::to_owned).collect(),
        tokens,
        kept: tokens,
        bytes_before: whole_bytes,
        bytes: whole_bytes,
        rows: rows.len(),
        on: on.to_owned(),
        unchanged,
    };
    let bytes = folder_bytes(narrow.path())?;
    if unchanged < 1.0 || bytes >= whole_bytes {
        return Ok((None, report));
    }
    (report.kept, report.bytes) = (trimmed.kept.len(), bytes);
    Ok((Some(narrow), report))
}

/// The scripts that are kept, and the tokenizer that knows them and the training texts.
fn chosen(run: &Run<'_>, tokenizer: &Tokenizer) -> Result<(Scripts, Vocabulary), TrainError> {
    let inputs: Vec<Input> = run.problem.pool.iter().map(|row| run.problem.input(*row)).collect();
    let texts: Vec<&str> = inputs.iter().flat_map(texts_of).collect();
    let mut scripts = Scripts::of_languages(run.request.origins.languages.iter().map(String::as_str));
    scripts.extend(Scripts::of_texts(texts.iter().copied()));
    let alone: Vec<(&str, Option<&str>)> = texts.iter().map(|text| (*text, None)).collect();
    let encoded = tokenizer.encode_batch(&alone, None, run.pool.current_num_threads());
    let encoded = encoded.map_err(|source| TrainError::Tokenizer { source })?;
    let seen: BTreeSet<u32> = encoded.iter().flat_map(|text| text.ids.iter().copied()).collect();
    let trimmed = tokenizer.trimmed(&scripts, &seen).map_err(|source| TrainError::Tokenizer { source })?;
    Ok((scripts, trimmed))
}

fn texts_of(input: &Input) -> impl Iterator<Item = &str> {
    std::iter::once(input.text.as_str()).chain(input.second.as_deref())
}

/// Share of `inputs` that both artifacts answer alike: the same labels of texts, else the same numbers.
fn unchanged(run: &Run<'_>, folders: (&Path, &Path), inputs: &[Input]) -> Result<f64, TrainError> {
    let answers = |folder: &Path| -> Result<Vec<Vec<f32>>, TrainError> {
        Ok(Pipeline::load(folder)?.outputs(inputs, run.pool.current_num_threads())?)
    };
    let thresholds = Pipeline::load(folders.0)?.manifest().thresholds.clone();
    let labels_texts = run.problem.tagging.is_none() && run.problem.classes > 0;
    let labels = |scores: &Vec<f32>| labels_texts.then(|| answer(scores, thresholds.as_deref()));
    let same = |(before, after): &(&Vec<f32>, &Vec<f32>)| {
        before == after || (labels_texts && labels(before) == labels(after))
    };
    let (before, after) = (answers(folders.0)?, answers(folders.1)?);
    let count = before.iter().zip(&after).filter(same).count();
    Ok(count as f64 / inputs.len().max(1) as f64)
}
