//! The pairs of a run: cut by groups, and as tokens of the backbone that is tuned.

use std::sync::Arc;

use loquat_nn::{Contrast, PairedText, TextEmbedder};
use loquat_spec::PairData;

use super::pairs::Pairs;
use super::scoring::Vectors;
use super::texts::Contrastive;
use crate::encoder;
use crate::error::{Halt, TrainError};
use crate::random::mix;
use crate::run::Run;

/// Of the groups of pairs, one in so many is held out, where there is no development part.
const HELD_OUT: u64 = 5;
/// Of the other groups, one in so many tells when to stop.
const WATCHED: u64 = 10;
/// What cosines are multiplied by, as sentence-transformers does.
const SCALE: f32 = 20.0;
/// Indices that name random choices.
const HELD: u64 = 0x4E1D;
const WATCH: u64 = 0x3A7D;

/// The pairs, cut and as tokens of the backbone that is tuned.
pub(super) struct Embeddings<'t> {
    pub(super) pairs: Pairs<'t>,
    pub(super) data: PairData,
    /// Whether the second text of a pair looks for the first too: where no negatives are given, which are those of the first.
    pub(super) both_ways: bool,
    pub(super) split: Split,
    /// Texts of the rows that are trained on, by number.
    pub(super) numbers: Vec<u32>,
    pub(super) tokens: Vec<Arc<PairedText>>,
    /// Their vectors under each backbone as it is.
    pub(super) untuned: Vec<Vectors>,
}

/// The rows of the pool.
#[derive(Debug, Default)]
pub(super) struct Split {
    pub(super) learned: Vec<usize>,
    /// Those that tell when to stop.
    pub(super) watched: Vec<usize>,
    /// Those that score.
    pub(super) held_out: Vec<usize>,
}

impl<'t> Embeddings<'t> {
    /// The pairs of the run as tokens of the backbone at `place`, with the vectors of all backbones as they are.
    pub(super) fn new(run: &'t Run<'_>, open: &[Contrastive], place: usize) -> Result<Self, Halt> {
        let problem = &run.problem;
        let pairs = Pairs::new(problem.table);
        let split = split(run)?;
        let numbers = pairs.numbers(&problem.pool);
        let both_ways = problem.pool.iter().all(|row| pairs.rows[*row].negative.is_none());
        let data = problem.pairs.unwrap_or(PairData::Together);
        let (tokens, untuned) = (Vec::new(), Vec::new());
        let mut all = Self { pairs, data, both_ways, split, numbers, tokens, untuned };
        for backbone in open {
            let prompted =
                |number: &u32| format!("{}{}", backbone.prompt(), all.pairs.texts[*number as usize]);
            let texts: Vec<String> = all.numbers.iter().map(prompted).collect();
            let texts: Vec<encoder::Text<'_>> = texts.iter().map(|text| (text.as_str(), None)).collect();
            let values = encoder::compute(run, &backbone.loaded, &texts)?;
            all.untuned.push(Vectors::new(&all.numbers, all.pairs.texts.len(), values));
        }
        all.tokens = all.tokens_of(run, &open[place])?;
        Ok(all)
    }

    /// The texts as tokens of a backbone.
    pub(super) fn tokens_of(
        &self,
        run: &Run<'_>,
        open: &Contrastive,
    ) -> Result<Vec<Arc<PairedText>>, TrainError> {
        let of = |number: &u32| (*number, self.pairs.texts[*number as usize]);
        let texts: Vec<(u32, &str)> = self.numbers.iter().map(of).collect();
        open.tokens(&texts, run.pool.current_num_threads())
    }

    /// What is learned from these pairs.
    pub(super) fn contrast(&self) -> Contrast {
        match self.data {
            PairData::Scored => Contrast::Ordered { scale: SCALE },
            PairData::Together => Contrast::Together { scale: SCALE, both_ways: self.both_ways },
        }
    }

    /// A text as tokens.
    pub(super) fn token(&self, number: u32) -> Arc<PairedText> {
        let place = self.numbers.binary_search(&number).unwrap_or_default();
        Arc::clone(&self.tokens[place])
    }

    /// The vectors of the texts of `rows` under a model.
    pub(super) fn vectors(&self, run: &Run<'_>, model: &TextEmbedder, rows: &[usize]) -> Vectors {
        let numbers = self.pairs.numbers(rows);
        let texts: Vec<Arc<PairedText>> = numbers.iter().map(|number| self.token(*number)).collect();
        let values = run.pool.install(|| model.vectors(&texts));
        Vectors::new(&numbers, self.pairs.texts.len(), values)
    }
}

/// Cuts the pool by groups: the development part is held out where there is one, else a fifth of the rows.
fn split(run: &Run<'_>) -> Result<Split, TrainError> {
    let problem = &run.problem;
    let mut split = Split::default();
    let drawn = |row: usize, index, one_in: u64| {
        mix(run.seed(), &[index, u64::from(problem.groups[row])]).is_multiple_of(one_in)
    };
    for row in problem.pool.iter().copied() {
        let is_held_out = if problem.has_development() {
            problem.table.rows[row].part == loquat_data::Part::Development
        } else {
            drawn(row, HELD, HELD_OUT)
        };
        let part = match is_held_out {
            true => &mut split.held_out,
            false if drawn(row, WATCH, WATCHED) => &mut split.watched,
            false => &mut split.learned,
        };
        part.push(row);
    }
    if split.learned.len() < 2 || split.held_out.len() < 2 {
        return Err(TrainError::TooFewPairs { pairs: problem.pool.len() });
    }
    Ok(split)
}
