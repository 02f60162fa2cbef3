//! Fitting the linear-chain conditional random field: stochastic gradients of the likelihood of whole rows, with a rate for each
//! weight (AdaGrad, Duchi, Hazan and Singer 2011).

use loquat_models::{Chain, NEVER, WordFeatures, log};
use pulp::Arch;

use super::pieces::{NAMES, Pieces};
use super::rows::{TaggedRow, Tagging};
use crate::linear::{LinearError, Parameters, Random};

/// What each weight's sum of squares starts from.
const START: f32 = 1.0;
/// Errors of a word's probabilities below which nothing is learned from it.
const SMALL: f32 = 0.004;
const UNKNOWN: u32 = u32::MAX;

/// One trial of the linear family on words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CrfConfig {
    pub(super) features: WordFeatures,
    /// Words of training that a piece must occur in.
    min_words: u32,
    rate: f32,
    penalty: f32,
    epochs: usize,
    /// Share of the words whose names are hidden while learning, so that what surrounds them is learned.
    hidden: f64,
}

/// Fitted weights.
#[derive(Debug)]
pub(super) struct Fitted {
    pub(super) tags: usize,
    stride: usize,
    /// For each piece its row; [`UNKNOWN`]: none.
    pub(super) places: Vec<u32>,
    /// A row a piece, `[stride]` weights and `[stride]` sums of squares.
    rows: Vec<f32>,
    pub(super) bias: Vec<f32>,
    /// `[1 + tags, tags]`.
    pub(super) transitions: Vec<f32>,
}

impl CrfConfig {
    /// Reads the parameters that [`super::space()`] describes.
    pub(crate) fn from_parameters(parameters: &Parameters) -> Result<Self, LinearError> {
        let text = |name: &'static str| {
            parameters.get(name).and_then(|value| value.as_str()).ok_or(LinearError::Parameter { name })
        };
        let number = |name: &'static str| {
            parameters.get(name).and_then(|value| value.as_f64()).ok_or(LinearError::Parameter { name })
        };
        let parsed =
            |name: &'static str| text(name)?.parse::<u32>().map_err(|_| LinearError::Parameter { name });
        let features = text("features")?.strip_prefix("window").and_then(|text| text.split_once("+affixes"));
        let features = features.and_then(|(window, affixes)| {
            Some(WordFeatures { window: window.parse().ok()?, affixes: affixes.parse().ok()? })
        });
        Ok(Self {
            features: features.ok_or(LinearError::Parameter { name: "features" })?,
            min_words: parsed("min-words")?,
            rate: number("rate")? as f32,
            penalty: number("penalty")? as f32,
            epochs: parsed("epochs")? as usize,
            hidden: number("hidden-words")?,
        })
    }

    /// Fits on `train` and gives the logarithms of the probabilities of each word of `eval`, `[words, tags]`.
    pub(crate) fn margins(
        &self,
        tagging: &Tagging,
        (train, eval): (&[usize], &[usize]),
        seed: u64,
    ) -> Result<Vec<f32>, LinearError> {
        let cell = tagging.pieces(self.features);
        let pieces = cell.get().expect("pieces are made before they are handed out");
        let fitted = self.fit(tagging, (pieces, train), seed)?;
        let mut chain = Chain::default();
        chain.set(&fitted.transitions, fitted.tags);
        let mut margins = Vec::new();
        for row in eval {
            let mut scores = fitted.scores(pieces, *row);
            chain.marginals(&mut scores, None);
            margins.extend(scores.into_iter().map(log));
        }
        Ok(margins)
    }

    /// Fits on the rows `train`. The result depends on the arguments alone.
    pub(super) fn fit(
        &self,
        tagging: &Tagging,
        (pieces, train): (&Pieces, &[usize]),
        seed: u64,
    ) -> Result<Fitted, LinearError> {
        let mut fitted = Fitted::new(tagging.tags.len(), self.known(pieces, train)?);
        let mut order = train.to_vec();
        let mut random = Random::new(seed);
        let mut state = State {
            scores: Vec::new(),
            pairs: Vec::new(),
            active: Vec::new(),
            ends: Vec::new(),
            chain: Chain::default(),
            sums: Vec::new(),
        };
        state.sums = vec![START; fitted.bias.len() + fitted.transitions.len()];
        for epoch in 0..self.epochs {
            random.shuffle(&mut order);
            let left = 1.0 - epoch as f32 / self.epochs as f32;
            let rate = self.rate * left.max(0.05);
            for row in &order {
                let words = pieces.row(*row);
                let learn = Learn { rate, penalty: self.penalty, row: &tagging.rows[*row] };
                state.read(words, &fitted, (&mut random, self.hidden));
                Arch::new().dispatch(
                    #[inline(always)]
                    || state.learn(&mut fitted, &learn),
                );
            }
        }
        if fitted.rows.iter().chain(&fitted.bias).chain(&fitted.transitions).all(|value| value.is_finite()) {
            Ok(fitted)
        } else {
            Err(LinearError::Diverged)
        }
    }

    /// The row of each piece that occurs often enough in `train`.
    fn known(&self, pieces: &Pieces, train: &[usize]) -> Result<Vec<u32>, LinearError> {
        let mut counts = vec![0u32; pieces.hashes.len()];
        for entry in train.iter().flat_map(|row| pieces.row(*row)).flatten() {
            counts[(entry & !NAMES) as usize] += 1;
        }
        let mut next = 0;
        let place = |count: u32| {
            if count < self.min_words {
                return UNKNOWN;
            }
            next += 1;
            next - 1
        };
        let places: Vec<u32> = counts.into_iter().map(place).collect();
        if next == 0 { Err(LinearError::NoFeatures { min_rows: self.min_words }) } else { Ok(places) }
    }
}

impl Fitted {
    fn new(tags: usize, places: Vec<u32>) -> Self {
        let stride = tags.next_multiple_of(8);
        let count = places.iter().filter(|place| **place != UNKNOWN).count();
        let mut row = vec![0.0; 2 * stride];
        row[stride..].fill(START);
        let mut transitions = vec![0.0; (1 + tags) * tags];
        // Tags are O, then B and I of each kind: an inside tag follows its own kind alone.
        for from in 0..=tags {
            for to in (2..tags).step_by(2) {
                if from != to && from != to + 1 {
                    transitions[from * tags + to] = NEVER;
                }
            }
        }
        Self { tags, stride, places, rows: row.repeat(count), bias: vec![0.0; tags], transitions }
    }

    /// Weights of the piece with this number.
    pub(super) fn weights(&self, number: usize) -> Option<&[f32]> {
        let place = self.places[number];
        (place != UNKNOWN).then(|| &self.rows[place as usize * 2 * self.stride..][..self.tags])
    }

    /// Scores of each word of a row, `[words, tags]`.
    fn scores(&self, pieces: &Pieces, row: usize) -> Vec<f32> {
        let mut scores = Vec::new();
        for word in pieces.row(row) {
            let first = scores.len();
            scores.extend_from_slice(&self.bias);
            for weights in word.iter().filter_map(|entry| self.weights((entry & !NAMES) as usize)) {
                scores[first..].iter_mut().zip(weights).for_each(|(score, weight)| *score += weight);
            }
        }
        scores
    }
}

struct Learn<'l> {
    rate: f32,
    penalty: f32,
    row: &'l TaggedRow,
}

/// What one row is learned with.
struct State {
    scores: Vec<f32>,
    pairs: Vec<f32>,
    /// Rows of weights of each word, one word after the other.
    active: Vec<u32>,
    ends: Vec<usize>,
    chain: Chain,
    /// Sums of squares of bias and transitions.
    sums: Vec<f32>,
}

impl State {
    /// Finds the rows of weights of each word, without those of names where they are hidden.
    fn read<'p>(
        &mut self,
        words: impl Iterator<Item = &'p [u32]>,
        fitted: &Fitted,
        (random, hidden): (&mut Random, f64),
    ) {
        self.active.clear();
        self.ends.clear();
        for word in words {
            let hide = hidden > 0.0 && random.unit() < hidden;
            let seen = word.iter().filter(|entry| !hide || **entry & NAMES == 0);
            let places = seen.map(|entry| fitted.places[(entry & !NAMES) as usize]);
            self.active.extend(places.filter(|place| *place != UNKNOWN));
            self.ends.push(self.active.len());
        }
    }

    #[inline(always)]
    fn learn(&mut self, fitted: &mut Fitted, learn: &Learn<'_>) {
        let (tags, stride) = (fitted.tags, fitted.stride);
        let mut sum = vec![0.0_f32; stride];
        self.scores.clear();
        let mut from = 0;
        for end in &self.ends {
            sum[..tags].copy_from_slice(&fitted.bias);
            for place in &self.active[from..*end] {
                let weights = &fitted.rows[*place as usize * 2 * stride..][..stride];
                sum.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight);
            }
            self.scores.extend_from_slice(&sum[..tags]);
            from = *end;
        }
        self.pairs.clear();
        self.pairs.resize(fitted.transitions.len(), 0.0);
        self.chain.set(&fitted.transitions, tags);
        self.chain.marginals(&mut self.scores, Some(&mut self.pairs));
        let mut from = 0;
        for (word, end) in self.ends.iter().enumerate() {
            let gradient = &mut sum;
            gradient.fill(0.0);
            gradient[..tags].copy_from_slice(&self.scores[word * tags..][..tags]);
            gradient[learn.row.tags[word] as usize] -= 1.0;
            gradient.iter_mut().for_each(|slope| *slope *= learn.row.weight);
            let largest = gradient.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
            if largest > SMALL {
                for place in &self.active[from..*end] {
                    let row = &mut fitted.rows[*place as usize * 2 * stride..][..2 * stride];
                    let (weights, sums) = row.split_at_mut(stride);
                    step(weights, sums, gradient, learn);
                }
                step(&mut fitted.bias, &mut self.sums[..tags], &gradient[..tags], learn);
            }
            from = *end;
        }
        let mut before = 0;
        for tag in &learn.row.tags {
            self.pairs[before * tags + *tag as usize] -= 1.0;
            before = *tag as usize + 1;
        }
        self.pairs.iter_mut().for_each(|slope| *slope *= learn.row.weight);
        step(&mut fitted.transitions, &mut self.sums[tags..], &self.pairs, learn);
    }
}

#[inline(always)]
fn step(weights: &mut [f32], sums: &mut [f32], gradient: &[f32], learn: &Learn<'_>) {
    for ((weight, sum), slope) in weights.iter_mut().zip(sums).zip(gradient) {
        // What can't follow has no probability, so no slope, and stays where it is.
        let slope = if *weight == NEVER { 0.0 } else { slope + learn.penalty * *weight };
        *sum += slope * slope;
        *weight -= learn.rate * slope / sum.sqrt();
    }
}
