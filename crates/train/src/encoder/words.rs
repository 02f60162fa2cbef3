//! Words as encoders see them: the first token of each, and its shape where the tokenizer folds case.

use std::ops::Range;

use loquat_infer::first_tokens;
use loquat_models::{EncoderScratch, PackedBatch, SHAPE_ROWS, word_shapes};
use loquat_text::{Encoding, Tokenizer};
use rayon::prelude::*;

use super::backbone::Loaded;
use super::features::passes;
use crate::error::{Halt, TrainError};
use crate::run::Run;
use crate::tagging::{TaggedRow, Tagging};

/// A row as an encoder reads it, cut to what it takes.
pub(super) struct Tokens {
    pub(super) encoding: Encoding,
    /// The first token of each word; none for what the tokenizer leaves out or what is cut off.
    pub(super) firsts: Vec<Option<usize>>,
}

/// Whether a tokenizer sees no difference between capitals and small letters.
pub(super) fn folds_case(tokenizer: &Tokenizer) -> bool {
    let ids = |text: &str| tokenizer.pieces(text).map(|pieces| pieces.ids).ok();
    ids("Name").is_some_and(|upper| Some(upper) == ids("name"))
}

/// Number of features that shapes of words are.
pub(super) fn shape_features(tokenizer: &Tokenizer) -> usize {
    if folds_case(tokenizer) { SHAPE_ROWS } else { 0 }
}

/// The tokens of the rows that are trained on.
pub(super) fn tokens(run: &Run<'_>, loaded: &Loaded, tagging: &Tagging) -> Result<Vec<Tokens>, TrainError> {
    let of = |row: &usize| -> Result<Tokens, TrainError> {
        let TaggedRow { text, words, .. } = &tagging.rows[*row];
        let pieces = loaded.tokenizer.pieces(text).map_err(|source| TrainError::Tokenizer { source })?;
        let encoding = loaded.tokenizer.assemble(&pieces, None, Some(loaded.max_tokens));
        let own = encoding.first.clone();
        let firsts = first_tokens(words, &encoding.offsets[own.clone()]).into_iter();
        Ok(Tokens { firsts: firsts.map(|first| Some(first? + own.start)).collect(), encoding })
    };
    run.pool.install(|| run.problem.pool.par_iter().map(of).collect())
}

/// The features of every word of the rows that are trained on: the state of its first token, then ones for its shapes,
/// `[words, size]`. A word without a token has zeros.
pub(super) fn compute(
    run: &Run<'_>,
    loaded: &Loaded,
    (tagging, size): (&Tagging, usize),
) -> Result<Vec<f32>, Halt> {
    let rows = tokens(run, loaded, tagging)?;
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|place| (rows[*place].encoding.len(), *place));
    let lengths: Vec<usize> = rows.iter().map(|row| row.encoding.len()).collect();
    let passes = passes(&order, &lengths);
    run.request.progress.stage("features", Some(passes.len() as u64));
    let hidden = size - shape_features(&loaded.tokenizer);
    let pass = |scratch: &mut EncoderScratch, pass: &Range<usize>| -> Result<Vec<Vec<f32>>, Halt> {
        if run.is_stopping() {
            return Err(Halt::Cancelled);
        }
        let mut batch = PackedBatch::default();
        let own = &order[pass.clone()];
        own.iter().for_each(|place| batch.push(&rows[*place].encoding.ids, &rows[*place].encoding.type_ids));
        let states = loaded.encoder.states(&batch, scratch)?;
        let of = |(place, range): (&usize, Range<usize>)| {
            let row = &tagging.rows[run.problem.pool[*place]];
            let states = &states[range.start * hidden..range.end * hidden];
            features(row, &rows[*place].firsts, (states, hidden), size)
        };
        let found = own.iter().zip(batch.ranges()).map(of).collect();
        run.request.progress.advance(1);
        Ok(found)
    };
    let parts: Vec<Result<Vec<Vec<f32>>, Halt>> =
        run.pool.install(|| passes.par_iter().map_init(EncoderScratch::default, pass).collect());
    let mut of_rows: Vec<Vec<f32>> = vec![Vec::new(); rows.len()];
    for (pass, part) in passes.into_iter().zip(parts) {
        order[pass].iter().zip(part?).for_each(|(place, values)| of_rows[*place] = values);
    }
    Ok(of_rows.concat())
}

fn features(
    row: &TaggedRow,
    firsts: &[Option<usize>],
    (states, hidden): (&[f32], usize),
    size: usize,
) -> Vec<f32> {
    let mut values = vec![0.0; firsts.len() * size];
    let shapes = word_shapes(&row.text, &row.words);
    for ((value, first), shapes) in values.chunks_exact_mut(size).zip(firsts).zip(shapes) {
        if let Some(first) = first {
            value[..hidden].copy_from_slice(&states[first * hidden..][..hidden]);
        }
        if size > hidden {
            shapes.iter().for_each(|row| value[hidden + *row as usize] = 1.0);
        }
    }
    values
}

/// Weights `[labels, hidden + shapes]` parted into `[labels, hidden]` and a table `[shapes, labels]`.
pub(super) fn parted(weights: &[f32], (labels, shapes): (usize, usize)) -> (Vec<f32>, Vec<f32>) {
    let size = weights.len() / labels.max(1);
    let hidden = size - shapes;
    let of_states = weights.chunks_exact(size).flat_map(|row| &row[..hidden]).copied().collect();
    let at = |(shape, label): (usize, usize)| weights[label * size + hidden + shape];
    let table = (0..shapes).flat_map(|shape| (0..labels).map(move |label| (shape, label))).map(at).collect();
    (of_states, table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_parted_into_states_and_shapes() {
        // Two labels, two states, three shapes.
        let weights = [1.0, 2.0, 10.0, 11.0, 12.0, 3.0, 4.0, 20.0, 21.0, 22.0];
        let (states, table) = parted(&weights, (2, 3));
        assert_eq!(states, [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(table, [10.0, 20.0, 11.0, 21.0, 12.0, 22.0]);
    }
}
