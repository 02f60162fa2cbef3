//! Encoders as pipelines ask them: texts become packed batches of tokens, shared out to threads by sequences.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use loquat_models::{
    Checkpoint, Head, Manifest, ModelError, PackedBatch, Problem, Prompts, load_tokenizer, math, word_shapes,
};
use loquat_spec::{Entity, Task};
use loquat_text::{Encoding, Pieces, Tokenizer, TokenizerError};

use crate::compute::Compute;
use crate::engine::Artifact;
use crate::error::InferError;
use crate::input::Input;
use crate::network::{Network, NetworkScratch};
use crate::tags::{Tags, first_tokens};
use crate::windows;

/// Most tokens computed in one pass of one thread: what keeps its states in the cache.
const PASS: usize = 1024;
/// Fewest tokens of a pass where there are threads to share out to; less is not worth a thread's start.
const SHARE: usize = 96;
/// Part of a window that it has in common with the one before.
const OVERLAP: usize = 4;

/// One row of numbers for each of several things.
pub(crate) type Rows = Vec<Vec<f32>>;

/// A loaded encoder with its tokenizer.
#[derive(Debug)]
pub(crate) struct EncoderEngine {
    manifest: Manifest,
    network: Network,
    tokenizer: Tokenizer,
    tags: Tags,
    /// What shapes of words add to the logits of their first tokens, `[SHAPE_ROWS, labels]`; empty: nothing.
    shapes: Vec<f32>,
    max_tokens: usize,
    file_bytes: u64,
    /// Buffers that no thread uses just now.
    buffers: Mutex<Vec<Buffers>>,
}

#[derive(Debug, Default)]
struct Buffers {
    batch: PackedBatch,
    scratch: NetworkScratch,
}

impl EncoderEngine {
    /// Loads an encoder, whose manifest says what it is for.
    pub(crate) fn load(
        artifact: Artifact<'_>,
        manifest: Manifest,
        compute: Compute,
    ) -> Result<Self, InferError> {
        let folder = artifact.folder;
        let network = Network::load(artifact, &manifest, head_of(manifest.task), compute)?;
        let tokenizer = load_tokenizer(folder)?;
        let limits = [network.max_tokens(), tokenizer.max_length(), manifest.max_tokens];
        let max_tokens = limits.into_iter().flatten().min();
        let max_tokens = max_tokens.ok_or_else(|| InferError::NoLimit { folder: folder.to_owned() })?;
        let shapes = match manifest.decoding {
            Some(_) => Checkpoint::open(folder)?.shapes(manifest.labels.len())?,
            None => Vec::new(),
        };
        Ok(Self {
            tags: Tags::new(&manifest.labels),
            shapes,
            file_bytes: weight_bytes(folder),
            buffers: Mutex::default(),
            manifest,
            network,
            tokenizer,
            max_tokens,
        })
    }

    /// The same model under another manifest for the same task.
    pub(crate) fn with_manifest(self, manifest: Manifest) -> Self {
        Self { tags: Tags::new(&manifest.labels), manifest, ..self }
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(crate) fn manifest_mut(&mut self) -> &mut Manifest {
        &mut self.manifest
    }

    /// Labels in the order of the logits, as the model's own configuration names them.
    pub(crate) fn own_labels(&self) -> &[String] {
        self.network.labels()
    }

    /// The most tokens of an input, special ones included.
    pub(crate) fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// Name of the architecture.
    pub(crate) fn architecture(&self) -> String {
        self.network.architecture()
    }

    /// The network itself.
    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    /// Bytes of the weights on disk.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// Bytes of the weights that lie in mapped files.
    pub(crate) fn shared_bytes(&self) -> u64 {
        self.network.shared_bytes()
    }

    /// What golden examples record: see [`crate::engine::Engine::outputs`].
    pub(crate) fn outputs(&self, inputs: &[Input], threads: usize) -> Result<Rows, InferError> {
        match self.manifest.task {
            Task::TokenClassification => Ok(self.tagged(inputs, threads)?.1),
            Task::Embedding => {
                let texts: Vec<&str> = inputs.iter().map(|input| input.text.as_str()).collect();
                let prompt = self.prompts().map_or("", Prompts::by_default);
                self.vectors(&texts, prompt, threads)
            }
            task => {
                let pairs: Vec<(&str, Option<&str>)> =
                    inputs.iter().map(|input| (input.text.as_str(), input.second.as_deref())).collect();
                let mut rows = self.run(&self.encoded(&pairs, threads)?, threads)?;
                for row in &mut rows {
                    self.probabilities(row, task);
                }
                Ok(rows)
            }
        }
    }

    /// The logits of every input with every second text, `[inputs * seconds][labels]`. Each text is cut into tokens once,
    /// and all pairs go through together.
    pub(crate) fn pair_logits(
        &self,
        inputs: &[Input],
        seconds: &[String],
        threads: usize,
    ) -> Result<Rows, InferError> {
        let pieces = |text: &str| self.tokenizer.pieces(text).map_err(|source| self.refused(source));
        let seconds = seconds.iter().map(|text| pieces(text)).collect::<Result<Vec<Pieces>, _>>()?;
        let mut pairs = Vec::with_capacity(inputs.len() * seconds.len());
        for input in inputs {
            let first = pieces(&input.text)?;
            let assemble = |second| self.tokenizer.assemble(&first, Some(second), Some(self.max_tokens));
            pairs.extend(seconds.iter().map(assemble));
        }
        self.run(&pairs, threads)
    }

    /// What may stand before a text that is embedded.
    pub(crate) fn prompts(&self) -> Option<&Prompts> {
        self.network.prompts()
    }

    /// A vector for each text, which `prompt` precedes.
    pub(crate) fn vectors(&self, texts: &[&str], prompt: &str, threads: usize) -> Result<Rows, InferError> {
        let prompted: Vec<Cow<'_, str>> = texts.iter().map(|text| after(prompt, text)).collect();
        let alone: Vec<(&str, Option<&str>)> = prompted.iter().map(|text| (&**text, None)).collect();
        self.run(&self.encoded(&alone, threads)?, threads)
    }

    /// The labelled spans of each text, and the probabilities that they come from.
    pub(crate) fn entities(
        &self,
        inputs: &[Input],
        threads: usize,
    ) -> Result<(Vec<Vec<Entity>>, Rows), InferError> {
        let (pieces, probabilities) = self.tagged(inputs, threads)?;
        let read = inputs.iter().zip(&pieces).zip(&probabilities);
        let found = read.map(|((input, pieces), own)| match self.manifest.decoding {
            None => self.tags.entities(&input.text, pieces, own),
            Some(decoding) => {
                let words = loquat_text::words(&input.text);
                let own = self.of_words(&words, pieces, own);
                self.tags.entities_of_words(&input.text, &words, (&own, decoding))
            }
        });
        let found = found.collect();
        Ok((found, probabilities))
    }

    /// The probabilities of the first token of each word, `[words][labels]`. A word without tokens is in no span.
    fn of_words(&self, words: &[Range<usize>], pieces: &Pieces, probabilities: &[f32]) -> Vec<f32> {
        let width = self.manifest.labels.len();
        let nothing: Vec<f32> =
            self.manifest.labels.iter().map(|label| f32::from(u8::from(label == "O"))).collect();
        let row = |token: Option<usize>| match token {
            Some(token) => &probabilities[token * width..][..width],
            None => nothing.as_slice(),
        };
        first_tokens(words, &pieces.offsets).into_iter().flat_map(row).copied().collect()
    }

    /// The last state of every token of each text, special ones included, `[texts][tokens][hidden]`.
    pub(crate) fn token_vectors(
        &self,
        inputs: &[Input],
        prompt: &str,
        threads: usize,
    ) -> Result<Vec<Rows>, InferError> {
        let prompted: Vec<Cow<'_, str>> = inputs.iter().map(|input| after(prompt, &input.text)).collect();
        let texts: Vec<(&str, Option<&str>)> = prompted.iter().map(|text| (&**text, None)).collect();
        let encodings = self.encoded(&texts, threads)?;
        let mut all = Vec::with_capacity(encodings.len());
        let Buffers { mut batch, mut scratch } = self.take_buffers();
        for pass in passes(&encodings, 1) {
            batch.clear();
            for encoding in &encodings[pass] {
                batch.push(&encoding.ids, &encoding.type_ids);
            }
            let states = self.network.states(&batch, &mut scratch)?;
            let width = states.len() / batch.tokens().max(1);
            let rows: Rows = states.chunks_exact(width.max(1)).map(<[f32]>::to_vec).collect();
            all.extend(batch.ranges().map(|range| rows[range].to_vec()));
        }
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner).push(Buffers { batch, scratch });
        Ok(all)
    }

    /// The tokenizer.
    pub(crate) fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The tokens of each text, and the probability per label of each, `[texts][tokens * labels]`. Long texts are read in
    /// windows.
    fn tagged(&self, inputs: &[Input], threads: usize) -> Result<(Vec<Pieces>, Rows), InferError> {
        let mut all = Vec::with_capacity(inputs.len());
        let mut encodings = Vec::with_capacity(inputs.len());
        let mut owners = Vec::with_capacity(inputs.len());
        for input in inputs {
            let pieces = self.tokenizer.pieces(&input.text).map_err(|source| self.refused(source))?;
            let first = encodings.len();
            encodings.extend(self.tokenizer.windows(&pieces, self.max_tokens, self.max_tokens / OVERLAP));
            owners.push(first..encodings.len());
            all.push(pieces);
        }
        let width = self.manifest.labels.len();
        let mut rows = self.run(&encodings, threads)?;
        for (row, encoding) in rows.iter_mut().zip(&encodings) {
            // Special tokens stand around the text's own.
            row.truncate(encoding.first.end * width);
            row.drain(..encoding.first.start * width);
        }
        let merge =
            |(owned, pieces): (Range<usize>, &Pieces)| windows::merged(&rows[owned], width, pieces.len());
        let mut merged: Rows = owners.into_iter().zip(&all).map(merge).collect();
        for ((row, pieces), input) in merged.iter_mut().zip(&all).zip(inputs) {
            self.add_shapes(row, pieces, &input.text);
            row.chunks_exact_mut(width).for_each(math::softmax);
        }
        Ok((all, merged))
    }

    /// Adds to the logits of the first token of each word what its shape and those beside it say.
    fn add_shapes(&self, logits: &mut [f32], pieces: &Pieces, text: &str) {
        if self.shapes.is_empty() {
            return;
        }
        let width = self.manifest.labels.len();
        let words = loquat_text::words(text);
        let firsts = first_tokens(&words, &pieces.offsets).into_iter();
        for (first, rows) in firsts.zip(word_shapes(text, &words)) {
            let Some(first) = first else { continue };
            for row in rows {
                let added = &self.shapes[row as usize * width..][..width];
                logits[first * width..][..width].iter_mut().zip(added).for_each(|(logit, add)| *logit += add);
            }
        }
    }

    fn encoded(&self, texts: &[(&str, Option<&str>)], threads: usize) -> Result<Vec<Encoding>, InferError> {
        let encoded = self.tokenizer.encode_batch(texts, Some(self.max_tokens), threads);
        encoded.map_err(|source| self.refused(source))
    }

    /// Turns logits into probabilities. A single logit is the strength of the one label.
    fn probabilities(&self, logits: &mut [f32], task: Task) {
        let each = task == Task::MultiLabelClassification
            || logits.len() == 1
            || self.network.problem() == Problem::MultiLabel;
        if each {
            logits.iter_mut().for_each(|logit| *logit = math::sigmoid32(*logit));
        } else {
            math::softmax(logits);
        }
    }

    /// The model's answer for each encoding: logits, logits of each token, or a vector.
    fn run(&self, encodings: &[Encoding], threads: usize) -> Result<Rows, InferError> {
        let passes = passes(encodings, threads);
        let next = AtomicUsize::new(0);
        // Passes are handed out as threads come free, so that long texts at one end hold up no one.
        let work = || -> Result<Vec<(usize, Rows)>, ModelError> {
            let mut buffers = self.take_buffers();
            let mut done = Vec::new();
            while let Some((number, pass)) = next_of(&next, &passes) {
                done.push((number, self.pass(&encodings[pass.clone()], &mut buffers)?));
            }
            self.buffers.lock().unwrap_or_else(PoisonError::into_inner).push(buffers);
            Ok(done)
        };
        let helpers = threads.min(passes.len()).saturating_sub(1);
        let mut done = std::thread::scope(|scope| {
            let helpers: Vec<_> = (0..helpers).map(|_| scope.spawn(work)).collect();
            let mut done = work()?;
            for helper in helpers {
                match helper.join() {
                    Ok(more) => done.extend(more?),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            Ok::<_, ModelError>(done)
        })?;
        done.sort_unstable_by_key(|(number, _)| *number);
        Ok(done.into_iter().flat_map(|(_, rows)| rows).collect())
    }

    fn pass(&self, encodings: &[Encoding], buffers: &mut Buffers) -> Result<Rows, ModelError> {
        let Buffers { batch, scratch } = buffers;
        batch.clear();
        for encoding in encodings {
            batch.push(&encoding.ids, &encoding.type_ids);
        }
        let mut rest = self.network.answer(batch, scratch)?;
        if self.network.head() == Head::Tokens {
            let width = self.network.labels().len();
            let cut = |encoding: &Encoding| {
                let (own, after) = rest.split_at(encoding.len() * width);
                rest = after;
                own.to_vec()
            };
            return Ok(encodings.iter().map(cut).collect());
        }
        let width = rest.len() / encodings.len().max(1);
        Ok(rest.chunks_exact(width.max(1)).map(<[f32]>::to_vec).collect())
    }

    fn take_buffers(&self) -> Buffers {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn refused(&self, source: TokenizerError) -> InferError {
        InferError::Tokenizer { source }
    }
}

/// A text that a prompt precedes.
fn after<'t>(prompt: &str, text: &'t str) -> Cow<'t, str> {
    if prompt.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(format!("{prompt}{text}")) }
}

/// The head that models for a task have.
pub(crate) fn head_of(task: Task) -> Head {
    match task {
        Task::TokenClassification => Head::Tokens,
        Task::Embedding => Head::Embedding,
        _ => Head::Sequence,
    }
}

/// Cuts encodings, in order, into passes: small enough for the cache, and enough of them for the threads.
fn passes(encodings: &[Encoding], threads: usize) -> Vec<Range<usize>> {
    let tokens: usize = encodings.iter().map(Encoding::len).sum();
    let most = match threads {
        0 | 1 => PASS,
        threads => tokens.div_ceil(threads * 4).clamp(SHARE, PASS),
    };
    let mut passes = Vec::new();
    let (mut first, mut held) = (0, 0);
    for (place, encoding) in encodings.iter().enumerate() {
        if place > first && held + encoding.len() > most {
            passes.push(first..place);
            (first, held) = (place, 0);
        }
        held += encoding.len();
    }
    if first < encodings.len() {
        passes.push(first..encodings.len());
    }
    passes
}

fn next_of<'p>(next: &AtomicUsize, passes: &'p [Range<usize>]) -> Option<(usize, &'p Range<usize>)> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    Some((number, passes.get(number)?))
}

/// Bytes of the weights on disk; 0 where they can't be told.
fn weight_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_weights = |name: &str| ["safetensors", "onnx", "onnx_data", "data"].contains(&name);
    let weights = entries
        .filter(|entry| entry.path().extension().and_then(|ending| ending.to_str()).is_some_and(is_weights));
    weights.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoding(tokens: usize) -> Encoding {
        Encoding { ids: vec![0; tokens], ..Encoding::default() }
    }

    #[test]
    fn passes_hold_every_encoding_once_and_stay_small() {
        for (lengths, threads) in [
            (vec![512; 9], 1),
            (vec![8; 1000], 4),
            (vec![2000, 1, 1, 3000, 5], 2),
            (vec![40; 3], 2),
            (Vec::new(), 2),
        ] {
            let encodings: Vec<Encoding> = lengths.iter().map(|length| encoding(*length)).collect();
            let passes = passes(&encodings, threads);
            let places: Vec<usize> = passes.iter().cloned().flatten().collect();
            assert_eq!(places, (0..lengths.len()).collect::<Vec<_>>());
            for pass in &passes {
                let tokens: usize = lengths[pass.clone()].iter().sum();
                assert!(tokens <= PASS || pass.len() == 1, "{tokens} tokens in {pass:?}");
            }
        }
        let many: Vec<Encoding> = (0..64).map(|_| encoding(32)).collect();
        assert!(passes(&many, 2).len() >= 4, "there is enough for two threads to share");
    }
}
