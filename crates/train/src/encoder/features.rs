//! Features of the training rows under each backbone: computed once, kept on disk under the hash of all that they depend on.

use std::ops::Range;
use std::path::{Path, PathBuf};

use loquat_infer::Kernels;
use loquat_models::{EncoderScratch, PackedBatch};
use loquat_text::Encoding;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::backbone::{Backbone, Loaded};
use crate::error::{Halt, TrainError};
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
    /// `[rows trained on, size]`.
    values: Vec<f32>,
    pub(crate) size: usize,
    /// The most tokens of a text that were read.
    pub(crate) max_tokens: usize,
    /// For each row of the table its place among the rows trained on; test rows have none.
    places: Vec<u32>,
}

impl Features {
    /// Of a row that is trained on.
    pub(crate) fn row(&self, row: usize) -> &[f32] {
        &self.values[self.places[row] as usize * self.size..][..self.size]
    }
}

/// Computes the features under every backbone of the run, or reads them where they were kept. Test rows stay sealed.
pub(crate) fn prepare(run: &Run<'_>) -> Result<(), Halt> {
    let (named, given) = (run.problem.backbones, run.request.backbones.len());
    if named != given {
        return Err(TrainError::Backbones { named, given }.into());
    }
    if given == 0 || run.problem.features.get().is_some() {
        return Ok(());
    }
    let mut all = Vec::new();
    for backbone in &run.request.backbones {
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
    let size = loaded.encoder.feature_size();
    let mut places = vec![u32::MAX; problem.table.rows.len()];
    problem.pool.iter().zip(0..).for_each(|(row, place)| places[*row] = place);
    let texts: Vec<&str> = problem.pool.iter().map(|row| problem.table.rows[*row].text()).collect();
    let file = run.request.cache_dir.as_ref().map(|folder| {
        let key = key(backbone, &loaded, kernels, &texts);
        folder.join("features").join(format!("{key}.f32"))
    });
    let kept = file.as_deref().and_then(|file| read(file, texts.len() * size));
    let values = match kept {
        Some(values) => values,
        None => {
            let values = compute(run, &loaded, &texts)?;
            if let Some(file) = &file {
                write(file, &values)?;
            }
            values
        }
    };
    Ok(Features { values, size, max_tokens: loaded.max_tokens, places })
}

fn key(backbone: &Backbone, loaded: &Loaded, kernels: Kernels, texts: &[&str]) -> String {
    let mut all = Sha256::new();
    all.update(format!("{FORMAT}\n{}\n{}\n{}\n", backbone.digest, loaded.max_tokens, kernels.path()));
    for text in texts {
        all.update((text.len() as u64).to_le_bytes());
        all.update(text);
    }
    all.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A row's features do not depend on the rows beside it, so neither on threads.
fn compute(run: &Run<'_>, loaded: &Loaded, texts: &[&str]) -> Result<Vec<f32>, Halt> {
    let pairs: Vec<(&str, Option<&str>)> = texts.iter().map(|text| (*text, None)).collect();
    let threads = run.pool.current_num_threads();
    let encoded = loaded.tokenizer.encode_batch(&pairs, Some(loaded.max_tokens), threads);
    let encodings = encoded.map_err(|source| TrainError::Tokenizer { source })?;
    // Texts of a length together, so that passes are alike.
    let mut order: Vec<usize> = (0..encodings.len()).collect();
    order.sort_by_key(|place| (encodings[*place].len(), *place));
    let passes = passes(&order, &encodings);
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
fn passes(order: &[usize], encodings: &[Encoding]) -> Vec<Range<usize>> {
    let mut passes = Vec::new();
    let (mut first, mut held) = (0, 0);
    for (place, text) in order.iter().enumerate() {
        let tokens = encodings[*text].len();
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
fn read(file: &Path, length: usize) -> Option<Vec<f32>> {
    let bytes = std::fs::read(file).ok()?;
    let (numbers, digest) = bytes.split_at_checked(length * 4)?;
    if digest.len() != DIGEST || Sha256::digest(numbers)[..] != *digest {
        return None;
    }
    Some(numbers.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

/// Writes beside the place and renames, so that a killed run leaves nothing half.
fn write(file: &Path, values: &[f32]) -> Result<(), TrainError> {
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
        let encodings: Vec<Encoding> =
            lengths.iter().map(|length| Encoding { ids: vec![0; *length], ..Encoding::default() }).collect();
        let order: Vec<usize> = (0..lengths.len()).collect();
        assert_eq!(passes(&order, &encodings), [0..1, 1..2, 2..3, 3..6]);
    }
}
