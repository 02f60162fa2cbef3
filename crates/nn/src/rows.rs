//! Sharing the rows of a matrix out to the threads of the caller's pool.

use std::ops::Range;

use rayon::prelude::*;

/// Fewest rows worth a task of their own.
const LEAST: usize = 16;
/// Rows whose sums are taken together; fixed, so that the order of a sum does not depend on threads.
const SUMMED: usize = 64;
/// Tokens of the sequences that attention takes together.
const TOKENS: usize = 192;

/// Calls `work` with every part of the rows of `out`, `[rows, width]`, at once.
pub(crate) fn for_rows(out: &mut [f32], width: usize, work: impl Fn(Range<usize>, &mut [f32]) + Sync) {
    let rows = out.len() / width.max(1);
    let part = rows.div_ceil(2 * rayon::current_num_threads()).next_multiple_of(LEAST).max(LEAST);
    let call = |(number, out): (usize, &mut [f32])| {
        let first = number * part;
        work(first..first + out.len() / width, out);
    };
    out.par_chunks_mut(part * width).enumerate().for_each(call);
}

/// Calls `work` with parts of a fixed size of the rows of `out`, each of which adds to sums of its own; the sums of all
/// parts are added to `sums` in order.
pub(crate) fn with_sums(
    out: &mut [f32],
    width: usize,
    sums: &mut [f32],
    work: impl Fn(Range<usize>, &mut [f32], &mut [f32]) + Sync,
) {
    let length = sums.len();
    let call = |(number, out): (usize, &mut [f32])| {
        let mut own = vec![0.0; length];
        let first = number * SUMMED;
        work(first..first + out.len() / width, out, &mut own);
        own
    };
    let parts: Vec<Vec<f32>> = out.par_chunks_mut(SUMMED * width).enumerate().map(call).collect();
    for part in parts {
        sums.iter_mut().zip(part).for_each(|(sum, own)| *sum += own);
    }
}

/// Calls `work` with groups of sequences: their numbers, their tokens, and their rows of `out`, `[tokens, width]`.
pub(crate) fn for_sequences(
    out: &mut [f32],
    width: usize,
    lengths: &[usize],
    work: impl Fn(Range<usize>, Range<usize>, &mut [f32]) + Sync,
) {
    let mut groups = Vec::new();
    let (mut rest, mut first, mut token) = (out, 0, 0);
    while first < lengths.len() {
        let (mut end, mut held) = (first, 0);
        while end < lengths.len() && (end == first || held + lengths[end] <= TOKENS) {
            held += lengths[end];
            end += 1;
        }
        let (own, after) = std::mem::take(&mut rest).split_at_mut(held * width);
        groups.push((first..end, token..token + held, own));
        (rest, first, token) = (after, end, token + held);
    }
    groups.into_par_iter().for_each(|(sequences, tokens, out)| work(sequences, tokens, out));
}

/// Adds the rows of `from`, `[rows, width]`, to `sums`, `[width]`.
pub(crate) fn add_rows(from: &[f32], sums: &mut [f32]) {
    for row in from.chunks_exact(sums.len()) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
}

/// Adds `from` to `to`.
pub(crate) fn add(from: &[f32], to: &mut [f32]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
}
