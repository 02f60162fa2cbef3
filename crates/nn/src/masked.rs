//! A model that fills gaps in texts: masked language modelling (Devlin et al. 2018), with which a backbone gets used to texts of
//! a kind before it learns a task.
//!
//! The pieces that it chooses from are those of the texts, not the whole vocabulary: a step costs less, and the embeddings of
//! pieces that the texts never hold stay as they are.

use std::collections::BTreeMap;
use std::path::Path;

use loquat_kernels::{Activation, Kernels};
use loquat_models::{Checkpoint, PackedBatch, Tensor};

use crate::bert::Bert;
use crate::classifier::{Pass, passes};
use crate::dropout::Dropout;
use crate::error::NnError;
use crate::fine_tune::{FineTune, Outcome, Watch};
use crate::gpu::Gpu;
use crate::learner::Learner;
use crate::linear::Linear;
use crate::loss::Targets;
use crate::norm::Norm;
use crate::parameter::Parameter;
use crate::random::{hash, mix, shuffle};
use crate::rows::for_rows;

/// Share of a text's tokens that are gaps.
const GAPS: f64 = 0.15;
/// Of ten gaps, those that show the mask, and those that show any other piece; the last shows the piece itself.
const MASKED: u64 = 8;
const OTHER: u64 = 1;
const EPSILON: f32 = 1e-12;
/// Names of the head's parameters in checkpoints that have one: dense layer, norm, biases of the pieces.
const HEADS: [[&str; 3]; 3] = [
    ["cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.bias"],
    ["lm_head.dense", "lm_head.layer_norm", "lm_head.bias"],
    ["vocab_transform", "vocab_layer_norm", "vocab_projector.bias"],
];
const OWN: [&str; 5] = [
    "loquat.gaps.weight",
    "loquat.gaps.bias",
    "loquat.norm.weight",
    "loquat.norm.bias",
    "loquat.pieces.bias",
];

/// The tokens that gaps are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    /// What a gap shows.
    pub mask: u32,
    /// What may stand in a gap, rising; tokens that are none of these are never gaps.
    pub pieces: Vec<u32>,
}

/// An encoder that fills gaps: the head turns the state of a gap into a vector that is compared with the embeddings of all
/// pieces.
#[derive(Debug, Clone)]
pub struct GapFiller {
    kernels: Kernels,
    trunk: Bert,
    dense: Linear,
    norm: Norm,
    /// The embeddings of the pieces as they were packed last, and a bias each.
    pieces: Linear,
    vocabulary: Vocabulary,
}

/// The numbers that a head begins with.
struct Head {
    weight: Vec<f32>,
    bias: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
    pieces: Vec<f32>,
}

impl Head {
    /// Those of the checkpoint, else the ones that leave states as they are but for the activation and the norm.
    fn of(checkpoint: &Checkpoint, vocabulary: &Vocabulary, hidden: usize) -> Result<Self, NnError> {
        let Some([dense, norm, pieces]) =
            HEADS.into_iter().find(|[dense, ..]| checkpoint.contains(&format!("{dense}.weight")))
        else {
            let identity = (0..hidden * hidden).map(|place| f32::from(u8::from(place % (hidden + 1) == 0)));
            return Ok(Self {
                weight: identity.collect(),
                bias: vec![0.0; hidden],
                scale: vec![1.0; hidden],
                shift: vec![0.0; hidden],
                pieces: vec![0.0; vocabulary.pieces.len()],
            });
        };
        let read = |name: String, length: Option<usize>| -> Result<Vec<f32>, NnError> {
            let problem = |problem| NnError::Tensor { tensor: name.clone(), problem };
            let tensor = checkpoint.tensor(&name)?.ok_or_else(|| problem("is missing"))?;
            let values = tensor.to_f32().ok_or_else(|| problem("is not of floating point"))?;
            let fits = length.is_none_or(|length| length == values.len());
            if fits { Ok(values) } else { Err(problem("has another width than the states")) }
        };
        let of_all = read(pieces.to_owned(), None)?;
        let own = vocabulary.pieces.iter().map(|id| of_all.get(*id as usize).copied().unwrap_or(0.0));
        Ok(Self {
            pieces: own.collect(),
            weight: read(format!("{dense}.weight"), Some(hidden * hidden))?,
            bias: read(format!("{dense}.bias"), Some(hidden))?,
            scale: read(format!("{norm}.weight"), Some(hidden))?,
            shift: read(format!("{norm}.bias"), Some(hidden))?,
        })
    }
}

/// A token that is to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gap {
    /// Its place in the text.
    token: usize,
    /// What stands there for the model.
    shown: u32,
    /// Place of what stood there among the pieces.
    truth: u32,
}

impl GapFiller {
    /// The trunk of `checkpoint` with the head that it has, else one that leaves the states nearly as they are.
    ///
    /// # Errors
    /// When the architecture has no backward pass yet, or a tensor does not fit.
    pub fn new(kernels: Kernels, checkpoint: &Checkpoint, vocabulary: Vocabulary) -> Result<Self, NnError> {
        let trunk = Bert::load(checkpoint)?;
        let (hidden, count) = (trunk.hidden(), vocabulary.pieces.len());
        let known = vocabulary
            .pieces
            .iter()
            .chain([&vocabulary.mask])
            .all(|id| (*id as usize) < trunk.words().rows());
        if !known {
            let tensor = "word_embeddings.weight".to_owned();
            return Err(NnError::Tensor { tensor, problem: "has fewer rows than the tokenizer has tokens" });
        }
        let Head { weight, bias, scale, shift, pieces } = Head::of(checkpoint, &vocabulary, hidden)?;
        let own = |place: usize, shape, values| Parameter::new(vec![OWN[place].to_owned()], shape, values, 0);
        let embeddings = Parameter::new(Vec::new(), [count, hidden], vec![0.0; count * hidden], 0);
        let mut model = Self {
            kernels,
            dense: Linear::new(own(0, [hidden, hidden], weight), own(1, [1, hidden], bias)),
            norm: Norm::new(own(2, [1, hidden], scale), own(3, [1, hidden], shift), EPSILON),
            pieces: Linear::new(embeddings, own(4, [1, count], pieces)),
            trunk,
            vocabulary,
        };
        model.pack();
        Ok(model)
    }

    /// Width of the states.
    pub fn hidden(&self) -> usize {
        self.trunk.hidden()
    }

    /// The same model, with its blocks on a GPU where one is given.
    ///
    /// # Errors
    /// When the GPU does not take them.
    pub fn on(mut self, gpu: Option<&Gpu>) -> Result<Self, NnError> {
        if let Some(gpu) = gpu {
            self.trunk.move_to(gpu)?;
        }
        Ok(self)
    }

    /// The tensors of the trunk as they are now, under their names in the checkpoint.
    pub fn trunk_tensors(&self) -> BTreeMap<String, Tensor> {
        let mut tensors = BTreeMap::new();
        self.trunk.parameters().into_iter().for_each(|one| one.tensors(&one.values, &mut tensors));
        tensors
    }

    /// The gaps of a text, which follow from `seed`: at least one where a token may be one.
    fn gaps(&self, ids: &[u32], seed: u64) -> Vec<Gap> {
        let Vocabulary { mask, pieces } = &self.vocabulary;
        let place = |token: usize| Some((token, pieces.binary_search(&ids[token]).ok()? as u32));
        let mut tokens: Vec<(usize, u32)> = (0..ids.len()).filter_map(place).collect();
        let count = ((tokens.len() as f64 * GAPS).round() as usize).max(1);
        shuffle(&mut tokens, seed);
        tokens.truncate(count);
        tokens.sort_unstable();
        let gap = |(token, truth): (usize, u32)| {
            let drawn = mix(seed, &[token as u64]);
            let any = pieces[(hash(drawn) % pieces.len().max(1) as u64) as usize];
            let shown = match drawn % 10 {
                0..MASKED => *mask,
                drawn if drawn < MASKED + OTHER => any,
                _ => ids[token],
            };
            Gap { token, shown, truth }
        };
        tokens.into_iter().map(gap).collect()
    }

    /// Adds the gradients of the mean loss of `total` gaps, some of which are those of `texts`, and gives the sum of their losses.
    fn fill(&mut self, texts: &[(&[u32], &[Gap])], pass: Pass) -> f64 {
        let (kernels, hidden) = (self.kernels, self.trunk.hidden());
        let mut batch = PackedBatch::default();
        for (ids, gaps) in texts {
            let mut shown = ids.to_vec();
            gaps.iter().for_each(|gap| shown[gap.token] = gap.shown);
            batch.push(&shown, &vec![0; shown.len()]);
        }
        let dropout = Dropout { share: pass.dropout, seed: pass.seed };
        let (states, kept) = self.trunk.forward(kernels, &batch, dropout);
        let of_text = |(range, (_, gaps)): (std::ops::Range<usize>, &(&[u32], &[Gap]))| {
            gaps.iter().map(move |gap| range.start + gap.token).collect::<Vec<_>>()
        };
        let places: Vec<usize> = batch.ranges().zip(texts).flat_map(of_text).collect();
        let taken: Vec<f32> =
            places.iter().flat_map(|token| &states[token * hidden..][..hidden]).copied().collect();
        let truths = texts.iter().flat_map(|(_, gaps)| *gaps).map(|gap| gap.truth);
        let (loss, taken) = self.answer(&taken, truths, pass.total);
        let mut of_states = vec![0.0; states.len()];
        for (token, gradient) in places.into_iter().zip(taken.chunks_exact(hidden)) {
            of_states[token * hidden..][..hidden].copy_from_slice(gradient);
        }
        self.trunk.backward(kernels, (&batch, &kept), of_states, dropout);
        loss
    }

    /// The loss of the states of gaps, `[gaps, hidden]`, and the gradients of these states, divided by `total`.
    fn answer(&mut self, taken: &[f32], truths: impl Iterator<Item = u32>, total: f32) -> (f64, Vec<f32>) {
        let (kernels, hidden) = (self.kernels, self.trunk.hidden());
        let inner = self.dense.forward(kernels, taken);
        let mut activated = inner.clone();
        for_rows(&mut activated, hidden, |_, numbers| kernels.activate(Activation::Gelu, numbers));
        let vectors = self.norm.forward(kernels, &activated);
        let mut logits = self.pieces.forward(kernels, &vectors);
        let mut loss = 0.0;
        for (logits, truth) in logits.chunks_exact_mut(self.vocabulary.pieces.len()).zip(truths) {
            loss += Targets::SingleLabel.loss(logits, &[truth], &[]);
            logits.iter_mut().for_each(|gradient| *gradient /= total);
        }
        let mut gradients = self.pieces.backward(kernels, &vectors, &logits);
        self.spread_pieces();
        self.norm.backward(kernels, &activated, &mut gradients);
        for_rows(&mut gradients, hidden, |rows, gradients| {
            let input = &inner[rows.start * hidden..rows.end * hidden];
            kernels.activate_backward(Activation::Gelu, input, gradients);
        });
        (loss, self.dense.backward(kernels, taken, &gradients))
    }

    /// Moves the gradients of the pieces' embeddings to those of the trunk, whose they are.
    fn spread_pieces(&mut self) {
        let hidden = self.trunk.hidden();
        let gradients = self.pieces.weight.gradient.chunks_exact(hidden);
        for (id, gradient) in self.vocabulary.pieces.iter().zip(gradients) {
            self.trunk.words_mut().add_to_row(*id, gradient);
        }
        self.pieces.weight.gradient.fill(0.0);
    }
}

impl Learner for GapFiller {
    /// The ids of a text.
    type Example = Vec<u32>;

    fn length(example: &Vec<u32>) -> usize {
        example.len()
    }

    fn weight(_: &Vec<u32>) -> f32 {
        1.0
    }

    /// The gaps, which [`Learner::learn`] draws, are counted there.
    fn total(&self, _: &[&Vec<u32>]) -> f32 {
        1.0
    }

    fn learn(&mut self, batch: &[&Vec<u32>], pass: Pass) -> f64 {
        let drawn = |(ids, number): (&&Vec<u32>, u64)| self.gaps(ids, mix(pass.seed, &[number, 0]));
        let gaps: Vec<Vec<Gap>> = batch.iter().zip(0..).map(drawn).collect();
        let total = gaps.iter().map(Vec::len).sum::<usize>() as f32;
        if total == 0.0 {
            return 0.0;
        }
        let texts: Vec<(&[u32], &[Gap])> =
            batch.iter().zip(&gaps).map(|(ids, gaps)| (ids.as_slice(), gaps.as_slice())).collect();
        let mut loss = 0.0;
        for (own, number) in passes(&texts, |(ids, _)| ids.len()).into_iter().zip(0..) {
            let seed = mix(pass.seed, &[number]);
            loss += self.fill(own, Pass { seed, total, ..pass });
        }
        // Each text counts once, so that the loss of an epoch is that of a gap.
        loss / f64::from(total) * batch.len() as f64
    }

    fn pack(&mut self) {
        let hidden = self.trunk.hidden();
        let words = &self.trunk.words().values;
        let rows = self.pieces.weight.values.chunks_exact_mut(hidden);
        for (id, row) in self.vocabulary.pieces.iter().zip(rows) {
            row.copy_from_slice(&words[*id as usize * hidden..][..hidden]);
        }
        self.trunk.pack(self.kernels);
        self.dense.pack(self.kernels);
        self.pieces.pack(self.kernels);
    }

    fn failure(&self) -> Option<NnError> {
        self.trunk.failure()
    }

    fn parameters(&self) -> Vec<&Parameter> {
        let own = self.dense.parameters().into_iter().chain(self.norm.parameters());
        self.trunk.parameters().into_iter().chain(own).chain([&self.pieces.bias]).collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let own = self.dense.parameters_mut().into_iter().chain(self.norm.parameters_mut());
        self.trunk.parameters_mut().into_iter().chain(own).chain([&mut self.pieces.bias]).collect()
    }
}

impl FineTune {
    /// Trains `model` to fill gaps in `texts`, which are ids with special tokens, as [`FineTune::train`] does otherwise.
    ///
    /// # Errors
    /// As [`FineTune::train`].
    pub fn fill_gaps(
        &self,
        model: &mut GapFiller,
        texts: &[Vec<u32>],
        place: (Option<&Path>, &str),
        watch: &dyn Watch<GapFiller>,
    ) -> Result<Option<Outcome>, NnError> {
        self.teach(model, texts, place, watch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn model(name: &str, pieces: std::ops::Range<u32>) -> GapFiller {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/reference").join(name);
        let vocabulary = Vocabulary { mask: 4, pieces: pieces.collect() };
        GapFiller::new(Kernels::detect(), &Checkpoint::open(&folder).unwrap(), vocabulary).unwrap()
    }

    const TEXTS: [&[u32]; 2] = [&[2, 17, 23, 42, 5, 8, 3], &[2, 9, 30, 3]];
    const GAPS_OF_TEXTS: [&[Gap]; 2] = [
        &[Gap { token: 2, shown: 4, truth: 23 - 5 }, Gap { token: 4, shown: 40, truth: 0 }],
        &[Gap { token: 1, shown: 9, truth: 9 - 5 }],
    ];

    fn learned(model: &mut GapFiller) -> f64 {
        let texts: Vec<(&[u32], &[Gap])> = TEXTS.into_iter().zip(GAPS_OF_TEXTS).collect();
        model.fill(&texts, Pass { dropout: 0.0, seed: 1, total: 3.0 })
    }

    #[test]
    fn gaps_are_drawn_as_in_the_paper() {
        let model = model("bert-plain", 5..61);
        let ids: Vec<u32> = [2].into_iter().chain((0..40).map(|place| 5 + place)).chain([3]).collect();
        let (mut masked, mut same, mut all) = (0.0, 0.0, 0.0);
        for seed in 0..500 {
            let gaps = model.gaps(&ids, seed);
            assert_eq!(gaps.len(), 6);
            for gap in gaps {
                assert!(gap.token > 0 && gap.token < 41, "special tokens are no gaps");
                assert_eq!(ids[gap.token], model.vocabulary.pieces[gap.truth as usize]);
                masked += f64::from(u8::from(gap.shown == 4));
                same += f64::from(u8::from(gap.shown == ids[gap.token]));
                all += 1.0;
            }
        }
        assert!(
            (masked / all - 0.8_f64).abs() < 0.03 && (same / all - 0.1_f64).abs() < 0.03,
            "{masked} {same} {all}"
        );
        assert_eq!(model.gaps(&ids, 3), model.gaps(&ids, 3));
        assert_eq!(model.gaps(&[2, 9, 3], 0).len(), 1, "a short text has a gap too");
        assert!(model.gaps(&[2, 3], 0).is_empty());
    }

    /// What `tests/reference/make_masked.py` wrote, of the trunk in transformers under such a head.
    #[test]
    fn loss_and_gradients_are_those_of_pytorch() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/masked.json");
        let reference: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let mut model = model("bert-plain", 5..61);
        let loss = learned(&mut model) / 3.0;
        assert!((loss - reference["loss"].as_f64().unwrap()).abs() < 1e-4, "{loss}");
        let mut compared = 0;
        for parameter in model.parameters() {
            let known = reference["gradients"].get(parameter.names.concat());
            let Some(known) = known.and_then(Value::as_array) else { continue };
            compared += 1;
            for (found, known) in parameter.gradient.iter().zip(known) {
                let known = known.as_f64().unwrap();
                let near = (f64::from(*found) - known).abs() < 1e-4 + 1e-3 * known.abs();
                assert!(near, "{}: {found} {known}", parameter.names.concat());
            }
        }
        assert_eq!(compared, reference["gradients"].as_object().unwrap().len());
    }

    #[test]
    fn gradients_are_the_slopes_of_the_loss() {
        const STEP: f32 = 2e-3;
        let mut model = model("bert-plain", 5..61);
        learned(&mut model);
        let gradients: Vec<Vec<f32>> =
            model.parameters().into_iter().map(|one| one.gradient.clone()).collect();
        for (number, gradient) in gradients.iter().enumerate() {
            for place in (0..gradient.len()).step_by((gradient.len() / 5).max(1)) {
                let mut loss = |step: f32| {
                    let before = model.parameters()[number].values[place];
                    model.parameters_mut()[number].values[place] = before + step;
                    model.pack();
                    let loss = learned(&mut model) / 3.0;
                    model.parameters_mut()[number].values[place] = before;
                    loss
                };
                let slope = (loss(STEP) - loss(-STEP)) / f64::from(2.0 * STEP);
                let found = f64::from(gradient[place]);
                assert!(
                    (slope - found).abs() < 5e-3 + 0.02 * found.abs(),
                    "{number}[{place}]: {slope} {found}"
                );
            }
        }
    }

    #[test]
    fn the_head_of_a_checkpoint_is_where_training_starts() {
        let plain = model("bert-plain", 5..61);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/reference/bert-plain");
        let numbers = |count: usize| (0..count).map(|place| place as f32 / 100.0).collect::<Vec<f32>>();
        let [dense, norm, pieces] = HEADS[0];
        let tensors = [
            (format!("{dense}.weight"), vec![16, 16]),
            (format!("{dense}.bias"), vec![16]),
            (format!("{norm}.weight"), vec![16]),
            (format!("{norm}.bias"), vec![16]),
            (pieces.to_owned(), vec![61]),
        ];
        let tensors = tensors.map(|(name, shape)| {
            let values = numbers(shape.iter().product());
            (name, Tensor::from_f32(shape, &values))
        });
        let checkpoint = Checkpoint::open(&folder).unwrap().with_tensors(tensors.into());
        let headed =
            GapFiller::new(Kernels::detect(), &checkpoint, Vocabulary { mask: 4, pieces: vec![7, 60] })
                .unwrap();
        let own = headed.parameters().len() - 5;
        let found: Vec<&[f32]> = headed.parameters()[own..].iter().map(|one| one.values.as_slice()).collect();
        assert_eq!(found, [&numbers(256)[..], &numbers(16), &numbers(16), &numbers(16), &[0.07, 0.6]]);
        assert_ne!(plain.parameters()[own].values, numbers(256));
    }

    #[test]
    fn only_pieces_of_the_texts_change_their_embeddings() {
        let mut model = model("bert-plain", 5..50);
        learned(&mut model);
        let hidden = model.trunk.hidden();
        let words = model.trunk.words();
        let moved = |id: usize| words.gradient[id * hidden..][..hidden].iter().any(|one| *one != 0.0);
        assert!(moved(49) && !moved(55));
    }
}
