//! The linear model of words: a linear-chain conditional random field over pieces of words, quantised to eight bits.

use std::path::Path;

use loquat_text::words;
use safetensors::tensor::Dtype;
use serde::{Deserialize, Serialize};

use crate::artifact::{Stored, TensorReader, read_json, row_tensors, save_tensors, to_json, write};
use crate::chain::Chain;
use crate::error::ModelError;
use crate::linear::Calibration;
use crate::manifest::Manifest;
use crate::vocabulary::Vocabulary;
use crate::weight_rows::WeightRows;
use crate::word_features::WordFeatures;

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const MODEL_TYPE: &str = "loquat-tagger";
const PREFIX: &str = "words";

/// `config.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    model_type: String,
    features: WordFeatures,
    calibration: Calibration,
}

/// The weights of a tagger.
#[derive(Debug, Clone)]
pub struct TaggerWeights {
    /// What is read of words.
    pub features: WordFeatures,
    /// Hashes of the pieces known, ascending.
    pub hashes: Vec<u32>,
    /// Weights of each piece.
    pub rows: WeightRows,
    /// Added to the score of each label.
    pub bias: Vec<f32>,
    /// Of neighbouring labels, `[1 + labels, labels]`; the first row is the start of a text.
    pub transitions: Vec<f32>,
    /// From logarithms of probabilities to calibrated ones.
    pub calibration: Calibration,
}

/// A loaded tagger: text in, probability per label of each word out.
#[derive(Debug, Clone)]
pub struct Tagger {
    manifest: Manifest,
    vocabulary: Vocabulary,
    weights: TaggerWeights,
}

/// Buffers of one thread.
#[derive(Debug, Default)]
struct Scratch {
    values: Vec<(u32, f32)>,
    chain: Chain,
}

impl Tagger {
    /// A tagger; `None` when the hashes do not ascend.
    pub fn new(manifest: Manifest, weights: TaggerWeights) -> Option<Self> {
        let vocabulary =
            Vocabulary::new(weights.hashes.clone(), vec![Vocabulary::round_idf(1.0); weights.hashes.len()])?;
        Some(Self { manifest, vocabulary, weights })
    }

    /// What travels with the weights.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What travels with the weights, to be filled in.
    pub fn manifest_mut(&mut self) -> &mut Manifest {
        &mut self.manifest
    }

    /// Bytes of the loaded model.
    pub fn resident_bytes(&self) -> u64 {
        let plain = self.weights.hashes.len() + self.weights.bias.len() + self.weights.transitions.len();
        (self.vocabulary.resident_bytes() + self.weights.rows.resident_bytes() + plain * 4) as u64
    }

    /// Probability per label of each word of each text, `[texts][words * labels]`, with `threads` threads (one: the caller's
    /// own). Words are those of [`loquat_text::words`]. The result does not depend on `threads`.
    pub fn probabilities(&self, texts: &[&str], threads: usize) -> Vec<Vec<f32>> {
        let of = |texts: &[&str]| -> Vec<Vec<f32>> {
            let mut scratch = Scratch::default();
            texts.iter().map(|text| self.probabilities_of(text, &mut scratch)).collect()
        };
        if threads <= 1 || texts.len() < 2 * threads {
            return of(texts);
        }
        std::thread::scope(|scope| {
            let chunks = texts.chunks(texts.len().div_ceil(threads));
            let helpers: Vec<_> = chunks.map(|chunk| scope.spawn(move || of(chunk))).collect();
            let joined = helpers.into_iter().map(std::thread::ScopedJoinHandle::join);
            joined.flat_map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        })
    }

    fn probabilities_of(&self, text: &str, scratch: &mut Scratch) -> Vec<f32> {
        let words = words(text);
        let labels = self.weights.bias.len();
        let mut scores: Vec<f32> = self.weights.bias.repeat(words.len());
        let Scratch { values, chain } = scratch;
        values.clear();
        let mut open = 0;
        self.weights.features.for_each(text, &words, |word, hash, _| {
            if word != open {
                self.weights.rows.add(values, &mut scores[open * labels..][..labels]);
                values.clear();
                open = word;
            }
            values.extend(self.vocabulary.get(hash).map(|id| (id, 1.0)));
        });
        if !words.is_empty() {
            self.weights.rows.add(values, &mut scores[open * labels..][..labels]);
        }
        chain.set(&self.weights.transitions, labels);
        chain.marginals(&mut scores, None);
        for word in scores.chunks_exact_mut(labels.max(1)) {
            word.iter_mut().for_each(|probability| *probability = log(*probability));
            self.weights.calibration.apply(word);
        }
        scores
    }

    /// Writes the artifact's files into `folder`.
    pub fn save(&self, folder: &Path) -> Result<(), ModelError> {
        let weights = &self.weights;
        let config = Config {
            model_type: MODEL_TYPE.to_owned(),
            features: weights.features,
            calibration: weights.calibration.clone(),
        };
        write(&folder.join(CONFIG), &to_json(&config))?;
        self.manifest.save(folder)?;
        let floats = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let hashes = weights.hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect();
        let labels = weights.bias.len();
        let mut tensors: Vec<Stored> = row_tensors(PREFIX, &weights.rows, labels);
        tensors.extend([
            (format!("{PREFIX}.hashes"), Dtype::U32, vec![weights.hashes.len()], hashes),
            (format!("{PREFIX}.bias"), Dtype::F32, vec![labels], floats(&weights.bias)),
            ("transitions".to_owned(), Dtype::F32, vec![labels + 1, labels], floats(&weights.transitions)),
        ]);
        save_tensors(&folder.join(WEIGHTS), &tensors)
    }

    /// Reads the artifact in `folder`.
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        let manifest = Manifest::load(folder)?;
        let config: Config = read_json(&folder.join(CONFIG), "model configuration")?;
        if config.model_type != MODEL_TYPE {
            return Err(ModelError::Unsupported {
                path: folder.join(CONFIG),
                what: "model_type",
                found: config.model_type,
                supported: MODEL_TYPE,
            });
        }
        let path = folder.join(WEIGHTS);
        let bytes = crate::artifact::read(&path)?;
        let reader = TensorReader::new(path.clone(), &bytes)?;
        let labels = manifest.labels.len();
        let name = |part: &str| format!("{PREFIX}.{part}");
        let hashes = reader.numbers(&name("hashes"))?;
        let weights = TaggerWeights {
            features: config.features,
            rows: reader.rows(&name, hashes.len(), labels)?,
            bias: reader.floats(&name("bias"), &[labels])?,
            transitions: reader.floats("transitions", &[labels + 1, labels])?,
            calibration: config.calibration,
            hashes,
        };
        let problem = "is not in ascending order";
        Self::new(manifest, weights).ok_or(ModelError::Tensor { path, tensor: name("hashes"), problem })
    }
}

/// The logarithm of a probability, finite also of those that are nothing.
pub fn log(probability: f32) -> f32 {
    libm::logf(probability.max(1e-30))
}
