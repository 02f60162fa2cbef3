//! Features of the training rows under each backbone: computed once, kept on disk under the hash of all that they depend on.

use std::ops::Range;
use std::path::{Path, PathBuf};

use loquat_infer::{Input, Kernels};
use loquat_models::{EncoderScratch, PackedBatch};
use loquat_text::Encoding;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::backbone::{Backbone, Loaded};
use super::{starts, words};
use crate::error::{Halt, TrainError};
use crate::journal::Record;
use crate::request::sha256;
use crate::run::Run;

/// Form of the file and of what is computed; another number, and all is computed again.
const FORMAT: &str = "features 1";
/// Most tokens of a pass, small enough for the cache.
const PASS: usize = 1024;
const DIGEST: usize = 32;

/// The features of the rows that are trained on, under one backbone.
#[derive(Debug)]
pub(crate) struct Features {
    /// `[rows trained on, size]`; where words are labelled, of their words.
    values: Vec<f32>,
    pub(crate) size: usize,
    /// How many of them are shapes of words; the last ones.
    pub(crate) shapes: usize,
    /// The most tokens of a text that were read.
    pub(crate) max_tokens: usize,
    /// For each row of the table, or each word, its place among those trained on; test rows have none.
    places: Vec<u32>,
}

impl Features {
    /// Of a row that is trained on, or of a word.
    pub(crate) fn row(&self, row: usize) -> &[f32] {
        &self.values[self.places[row] as usize * self.size..][..self.size]
    }
}

/// Computes the features under every backbone of the run, or reads them where they were kept. Test rows stay sealed.
pub(crate) fn prepare(run: &Run<'_>) -> Result<(), Halt> {
    let (named, given) = (run.request.training.backbones.len(), run.request.backbones.len());
    if named != given {
        return Err(TrainError::Backbones { named, given }.into());
    }
    if run.problem.backbones == 0 || run.problem.features.get().is_some() {
        return Ok(());
    }
    let starts = starts::prepare(run)?;
    if run.past.started.is_none() {
        run.journal.append(&Record::Started { elapsed: run.elapsed() })?;
    }
    let started = run.past.started.unwrap_or_else(|| run.elapsed());
    run.spent.get_or_init(|| started);
    let mut all = Vec::new();
    for backbone in run.starts.get_or_init(|| starts) {
        all.push(of_backbone(run, backbone)?);
    }
    // Only one thread comes here, so the cell is empty.
    let _already = run.problem.features.set(all);
    Ok(())
}

fn of_backbone(run: &Run<'_>, backbone: &Backbone) -> Result<Features, Halt> {
    let problem = &run.problem;
    let kernels = Kernels::detect();
    let loaded = backbone.load(kernels)?;
    let shapes = problem.tagging.as_ref().map_or(0, |_| words::shape_features(&loaded.tokenizer));
    let size = match &problem.tagging {
        Some(_) => loaded.encoder.hidden() + shapes,
        None => loaded.encoder.feature_size(),
    };
    let units = problem.units(&problem.pool);
    let mut places = vec![u32::MAX; problem.workspace.targets().labels.len()];
    units.iter().zip(0..).for_each(|(unit, place)| places[*unit] = place);
    let inputs: Vec<Input> = problem.pool.iter().map(|row| problem.input(*row)).collect();
    let texts: Vec<Text<'_>> =
        inputs.iter().map(|input| (input.text.as_str(), input.second.as_deref())).collect();
    let file = run.request.cache_dir.as_ref().map(|folder| {
        let key = key(backbone, &loaded, (kernels, problem.tagging.is_some()), &texts);
        folder.join("features").join(format!("{key}.f32"))
    });
    let kept = file.as_deref().and_then(|file| read(file, units.len() * size));
    let values = match kept {
        Some(values) => values,
        None => {
            let values = match &problem.tagging {
                Some(tagging) => words::compute(run, &loaded, (tagging, size))?,
                None => compute(run, &loaded, &texts)?,
            };
            if let Some(file) = &file {
                write(file, &values)?;
            }
            values
        }
    };
    Ok(Features { values, size, shapes, max_tokens: loaded.max_tokens, places })
}

/// A text, or two that are read together.
pub(crate) type Text<'t> = (&'t str, Option<&'t str>);

fn key(
    backbone: &Backbone,
    loaded: &Loaded,
    (kernels, of_words): (Kernels, bool),
    texts: &[Text<'_>],
) -> String {
    let mut all = Sha256::new();
    let kind = if of_words { "words" } else { "texts" };
    let (digest, most, path) = (&backbone.digest, loaded.max_tokens, kernels.path());
    all.update(format!("{FORMAT} {kind}\n{digest}\n{most}\n{path}\n"));
    for text in texts.iter().flat_map(|(first, second)| std::iter::once(first).chain(second)) {
        all.update((text.len() as u64).to_le_bytes());
        all.update(text);
    }
    all.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The features of texts, `[texts, size]`. Those of one do not depend on the texts beside it, so neither on threads.
pub(crate) fn compute(run: &Run<'_>, loaded: &Loaded, texts: &[Text<'_>]) -> Result<Vec<f32>, Halt> {
    let threads = run.pool.current_num_threads();
    let encoded = loaded.tokenizer.encode_batch(texts, Some(loaded.max_tokens), threads);
    let encodings = encoded.map_err(|source| TrainError::Tokenizer { source })?;
    // Texts of a length together, so that passes are alike.
    let mut order: Vec<usize> = (0..encodings.len()).collect();
    order.sort_by_key(|place| (encodings[*place].len(), *place));
    let lengths: Vec<usize> = encodings.iter().map(Encoding::len).collect();
    let passes = passes(&order, &lengths);
    run.request.progress.stage("features", Some(passes.len() as u64));
    let pass = |scratch: &mut EncoderScratch, pass: &Range<usize>| -> Result<Vec<f32>, Halt> {
        if run.is_stopping() {
            return Err(Halt::Cancelled);
        }
        let mut batch = PackedBatch::default();
        let own = &order[pass.clone()];
        own.iter().for_each(|place| batch.push(&encodings[*place].ids, &encodings[*place].type_ids));
        let values = loaded.encoder.features(&batch, scratch)?.to_vec();
        run.request.progress.advance(1);
        Ok(values)
    };
    let parts: Vec<Result<Vec<f32>, Halt>> =
        run.pool.install(|| passes.par_iter().map_init(EncoderScratch::default, pass).collect());
    let size = loaded.encoder.feature_size();
    let mut values = vec![0.0; texts.len() * size];
    for (pass, part) in passes.into_iter().zip(parts) {
        for (place, features) in order[pass].iter().zip(part?.chunks_exact(size)) {
            values[place * size..][..size].copy_from_slice(features);
        }
    }
    Ok(values)
}

/// Cuts texts in `order` into passes of at most [`PASS`] tokens, or of one text.
pub(super) fn passes(order: &[usize], lengths: &[usize]) -> Vec<Range<usize>> {
    let mut passes = Vec::new();
    let (mut first, mut held) = (0, 0);
    for (place, text) in order.iter().enumerate() {
        let tokens = lengths[*text];
        if place > first && held + tokens > PASS {
            passes.push(first..place);
            (first, held) = (place, 0);
        }
        held += tokens;
    }
    passes.push(first..order.len());
    passes
}

/// The numbers in `file` if it is whole: the last bytes are the hash of those before.
pub(super) fn read(file: &Path, length: usize) -> Option<Vec<f32>> {
    let bytes = std::fs::read(file).ok()?;
    let (numbers, digest) = bytes.split_at_checked(length * 4)?;
    if digest.len() != DIGEST || Sha256::digest(numbers)[..] != *digest {
        return None;
    }
    Some(numbers.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

/// Writes beside the place and renames, so that a killed run leaves nothing half.
pub(super) fn write(file: &Path, values: &[f32]) -> Result<(), TrainError> {
    let folder = file.parent().unwrap_or(file);
    std::fs::create_dir_all(folder).map_err(TrainError::file("create", folder))?;
    let mut bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    let beside: PathBuf = file.with_extension(format!("{}.part", std::process::id()));
    std::fs::write(&beside, bytes).map_err(TrainError::file("write", &beside))?;
    std::fs::rename(&beside, file).map_err(TrainError::file("write", file))
}

/// Hash of all backbones, part of the inputs.
pub(crate) fn digest(backbones: &[Backbone]) -> String {
    let lines: Vec<String> = backbones.iter().map(|one| format!("{} {}", one.name, one.digest)).collect();
    sha256(lines.join("\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("features/x.f32");
        let values = [0.5, -1.25, f32::MIN_POSITIVE, 3.0];
        write(&file, &values).unwrap();
        assert_eq!(read(&file, 4).unwrap(), values);
        assert_eq!(read(&file, 3), None, "another number of values");
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[2] ^= 1;
        std::fs::write(&file, &bytes).unwrap();
        assert_eq!(read(&file, 4), None, "a changed byte");
        std::fs::write(&file, &bytes[..20]).unwrap();
        assert_eq!(read(&file, 4), None, "a torn file");
    }

    #[test]
    fn passes_hold_every_text_once() {
        let lengths = [3, 2000, 600, 500, 1, 1];
        let order: Vec<usize> = (0..lengths.len()).collect();
        assert_eq!(passes(&order, &lengths), [0..1, 1..2, 2..3, 3..6]);
    }
}
