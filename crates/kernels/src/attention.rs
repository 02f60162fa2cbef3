//! Scaled dot-product attention (Vaswani et al. 2017) over packed sequences.

use std::fmt;

use crate::activation::exponentials;
use crate::kernels::Kernels;
use crate::linear::blocks;
use crate::matrix::Matrix;
use crate::scratch::Scratch;
use crate::simd::{MOST_LANES, MOST_ROWS, Operation, Simd, TILE_VECTORS};
use crate::tile::{Operands, TILE_WIDTH, Tile, product_f32};

/// Which keys a query sees. Where a sequence has more keys than queries, the queries are its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// All of its sequence.
    Full,
    /// Those up to its own position.
    Causal,
    /// Those at most this many positions away.
    Window(usize),
}

/// Adds to scores what depends on position, such as disentangled or relative attention.
pub trait ScoreBias: Sync {
    /// Adds to `scores`, `[keys]`, of one query with consecutive keys of its sequence, after they were scaled.
    fn add(&self, place: ScorePlace, scores: &mut [f32]);
}

/// Whose scores they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScorePlace {
    /// The head.
    pub head: usize,
    /// The query's row among all queries.
    pub row: usize,
    /// The query's position in its sequence.
    pub query: usize,
    /// The row among all keys of the first scored key.
    pub first_key: usize,
    /// The first scored key's position in its sequence.
    pub key: usize,
}

/// Attention of many sequences at once.
#[derive(Clone, Copy)]
pub struct Attention<'a> {
    /// `[queries, heads * size]`.
    pub queries: Matrix<'a>,
    /// `[keys, heads * size]`.
    pub keys: Matrix<'a>,
    /// `[keys, heads * size]`.
    pub values: Matrix<'a>,
    /// Queries of each sequence.
    pub query_lengths: &'a [usize],
    /// Keys of each sequence; the same slice where a sequence attends to itself.
    pub key_lengths: &'a [usize],
    /// Number of heads.
    pub heads: usize,
    /// Factor of the scores, as a rule `1 / sqrt(size)`.
    pub scale: f32,
    /// Which keys a query sees.
    pub span: Span,
    /// What is added to the scores.
    pub bias: Option<&'a dyn ScoreBias>,
}

impl<'a> Attention<'a> {
    /// Every query sees its whole sequence; `joint` holds queries, keys and values side by side,
    /// `[tokens, 3 * heads * size]`.
    ///
    /// # Panics
    /// When the width of `joint` is not three times a whole number of heads.
    pub fn joint(joint: Matrix<'a>, lengths: &'a [usize], heads: usize) -> Self {
        let width = joint.width() / 3;
        assert!(
            heads > 0 && joint.width() == 3 * width && width.is_multiple_of(heads),
            "three times whole heads"
        );
        Self {
            queries: joint.columns(0, width),
            keys: joint.columns(width, width),
            values: joint.columns(2 * width, width),
            query_lengths: lengths,
            key_lengths: lengths,
            heads,
            scale: 1.0 / ((width / heads) as f32).sqrt(),
            span: Span::Full,
            bias: None,
        }
    }

    fn check(&self, out: &[f32]) {
        let width = self.queries.width();
        assert!(self.heads > 0 && width.is_multiple_of(self.heads), "{width} columns are whole heads");
        assert!(
            self.keys.width() == width && self.values.width() == width,
            "queries, keys, values are as wide"
        );
        assert_eq!(
            self.query_lengths.len(),
            self.key_lengths.len(),
            "as many sequences of queries as of keys"
        );
        assert_eq!(self.queries.row_count(), self.query_lengths.iter().sum(), "a row for each query");
        assert_eq!(self.keys.row_count(), self.key_lengths.iter().sum(), "a row for each key");
        assert_eq!(self.values.row_count(), self.keys.row_count(), "a value for each key");
        assert_eq!(out.len(), self.queries.row_count() * width, "a row of the result for each query");
        let mut lengths = self.query_lengths.iter().zip(self.key_lengths);
        if self.span != Span::Full {
            assert!(
                lengths.all(|(queries, keys)| queries <= keys),
                "in a span, queries are the last of the keys"
            );
        } else {
            assert!(lengths.all(|(queries, keys)| *queries == 0 || *keys > 0), "a query needs a key");
        }
    }
}

impl fmt::Debug for Attention<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Attention")
            .field("query_lengths", &self.query_lengths)
            .field("key_lengths", &self.key_lengths)
            .field("heads", &self.heads)
            .field("span", &self.span)
            .finish_non_exhaustive()
    }
}

impl Kernels {
    /// `out = softmax(scale * Q K^T + bias) V` for each sequence and head, `[queries, heads * size]`.
    ///
    /// # Panics
    /// When a shape does not fit.
    pub fn attention(self, attention: &Attention<'_>, out: &mut [f32], scratch: &mut Scratch) {
        attention.check(out);
        self.run(Attend { attention, out, scratch });
    }
}

struct Attend<'a> {
    attention: &'a Attention<'a>,
    out: &'a mut [f32],
    scratch: &'a mut Scratch,
}

impl Operation for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { attention, out, scratch } = self;
        let (mut first_query, mut first_key) = (0, 0);
        for (queries, keys) in attention.query_lengths.iter().zip(attention.key_lengths) {
            for head in 0..attention.heads {
                let part = Part { attention, head, first_query, queries: *queries, first_key, keys: *keys };
                attend_part(simd, part, out, scratch);
            }
            first_query += queries;
            first_key += keys;
        }
    }
}

/// One head of one sequence.
#[derive(Clone, Copy)]
struct Part<'a> {
    attention: &'a Attention<'a>,
    head: usize,
    first_query: usize,
    queries: usize,
    first_key: usize,
    keys: usize,
}

impl Part<'_> {
    fn size(&self) -> usize {
        self.attention.queries.width() / self.attention.heads
    }

    /// Columns of this head in a matrix of all heads.
    fn of<'a>(&self, matrix: Matrix<'a>, first: usize, rows: usize) -> Matrix<'a> {
        matrix.columns(self.head * self.size(), self.size()).rows(first, rows)
    }

    /// Keys that the query sees, and never none.
    fn seen(&self, query: usize) -> (usize, usize) {
        let position = query + self.keys.saturating_sub(self.queries);
        match self.attention.span {
            Span::Full => (0, self.keys),
            Span::Causal => (0, position + 1),
            Span::Window(radius) => {
                let end = position.saturating_add(radius).min(self.keys - 1) + 1;
                (position.saturating_sub(radius), end)
            }
        }
    }
}

#[inline(always)]
fn attend_part<S: Simd>(simd: S, part: Part<'_>, out: &mut [f32], scratch: &mut Scratch) {
    let keys = Padded { rows: part.size(), stride: part.keys.next_multiple_of(S::LANES) };
    let values = Padded { rows: part.keys, stride: part.size().next_multiple_of(S::LANES) };
    transpose_keys(simd, part, keys, scratch.keys.sized(keys.length()));
    copy_values(simd, part, values, scratch.values.sized(values.length()));
    let scores = scratch.scores.sized(S::ROWS * keys.stride);
    for (first, rows) in blocks(part.queries, S::ROWS) {
        // Whole vectors, so that the first one is aligned.
        let from = part.seen(first).0 / S::LANES * S::LANES;
        let block = Block { part, first, rows, from, to: part.seen(first + rows - 1).1 };
        block.score(simd, (scratch.keys.as_slice(), keys), scores);
        let mut sums = [0.0; MOST_ROWS];
        for (row, sum) in sums[..rows].iter_mut().enumerate() {
            *sum = block.weigh(simd, row, &mut scores[row * keys.stride..][..block.to]);
        }
        block.mix(simd, (scores, keys.stride), (scratch.values.as_slice(), values), &sums, out);
    }
}

/// A matrix of which each row is filled up to whole vectors.
#[derive(Clone, Copy)]
struct Padded {
    rows: usize,
    stride: usize,
}

impl Padded {
    fn length(self) -> usize {
        self.rows * self.stride
    }
}

/// Writes the scaled keys of the part to `to`, `[size, keys]`, in squares of a vector's width.
#[inline(always)]
fn transpose_keys<S: Simd>(simd: S, part: Part<'_>, shape: Padded, to: &mut [f32]) {
    let keys = part.of(part.attention.keys, part.first_key, part.keys);
    let mut square = [simd.splat(0.0); MOST_LANES];
    for first in (0..shape.stride).step_by(S::LANES) {
        for index in (0..shape.rows).step_by(S::LANES) {
            for (row, vector) in square[..S::LANES].iter_mut().enumerate() {
                let key = if first + row < part.keys { &keys.row(first + row)[index..] } else { &[] };
                *vector = simd.mul(simd.load(key), simd.splat(part.attention.scale));
            }
            simd.transpose(&mut square);
            for (row, vector) in square[..S::LANES.min(shape.rows - index)].iter().enumerate() {
                simd.store(*vector, &mut to[(index + row) * shape.stride + first..]);
            }
        }
    }
}

/// Writes the values of the part to `to`, `[keys, size]`.
#[inline(always)]
fn copy_values<S: Simd>(simd: S, part: Part<'_>, shape: Padded, to: &mut [f32]) {
    let values = part.of(part.attention.values, part.first_key, part.keys);
    for (position, to) in to.chunks_exact_mut(shape.stride).enumerate() {
        // A last vector that the value does not fill ends in zeros.
        for (value, to) in values.row(position).chunks(S::LANES).zip(to.chunks_exact_mut(S::LANES)) {
            simd.store(simd.load(value), to);
        }
    }
}

/// Consecutive queries of a part and the keys that any of them sees.
#[derive(Clone, Copy)]
struct Block<'a> {
    part: Part<'a>,
    /// The first query's place among the sequence's queries.
    first: usize,
    rows: usize,
    from: usize,
    to: usize,
}

impl Block<'_> {
    /// Writes the products of queries and keys to `scores`, columns `from..to` and what fills the last vector.
    #[inline(always)]
    fn score<S: Simd>(&self, simd: S, (keys, shape): (&[f32], Padded), scores: &mut [f32]) {
        assert!(keys.len() >= shape.length() && scores.len() >= self.rows * shape.stride, "padded buffers");
        let queries =
            self.part.of(self.part.attention.queries, self.part.first_query + self.first, self.rows);
        for column in (self.from..self.to).step_by(TILE_VECTORS * S::LANES) {
            let vectors = (self.to - column).div_ceil(S::LANES).min(TILE_VECTORS);
            let operands = Operands {
                a: queries.as_ptr(),
                a_stride: queries.stride(),
                b: keys[column..].as_ptr(),
                b_stride: shape.stride,
                depth: shape.rows,
                c: scores[column..].as_mut_ptr(),
                c_stride: shape.stride,
            };
            // SAFETY: the queries are `rows` rows of `depth`; keys and scores have rows of `stride`, and since `stride` and
            // `from` are whole vectors, those that begin before `to <= stride` end within a row.
            unsafe { product_f32(simd, self.rows, vectors, operands) }
        }
    }

    /// Turns the scores of one query, up to key `to`, into weights that are yet to be divided by the returned sum.
    #[inline(always)]
    fn weigh<S: Simd>(&self, simd: S, row: usize, scores: &mut [f32]) -> f32 {
        let query = self.first + row;
        let (from, to) = self.part.seen(query);
        if let Some(bias) = self.part.attention.bias {
            let place = ScorePlace {
                head: self.part.head,
                row: self.part.first_query + query,
                query,
                first_key: self.part.first_key + from,
                key: from,
            };
            bias.add(place, &mut scores[from..to]);
        }
        if self.part.attention.span != Span::Full {
            scores[self.from..from].fill(0.0);
            scores[to..].fill(0.0);
        }
        exponentials(simd, &mut scores[from..to])
    }

    /// Writes the means of the values, weighted by `scores` over `sums`, to the queries' rows of `out`.
    #[inline(always)]
    fn mix<S: Simd>(
        &self,
        simd: S,
        (scores, stride): (&[f32], usize),
        (values, shape): (&[f32], Padded),
        sums: &[f32],
        out: &mut [f32],
    ) {
        assert!(values.len() >= shape.length() && scores.len() >= self.rows * stride, "padded buffers");
        assert!(self.to <= shape.rows && self.to <= stride, "keys that are there");
        let (size, width) = (self.part.size(), self.part.attention.queries.width());
        let mut tile = Tile::<f32>::zeros();
        for column in (0..size).step_by(TILE_VECTORS * S::LANES) {
            let vectors = (size - column).div_ceil(S::LANES).min(TILE_VECTORS);
            let operands = Operands {
                a: scores[self.from..].as_ptr(),
                a_stride: stride,
                b: values[self.from * shape.stride + column..].as_ptr(),
                b_stride: shape.stride,
                depth: self.to - self.from,
                c: tile.0.as_mut_ptr(),
                c_stride: TILE_WIDTH,
            };
            // SAFETY: checked above: scores are `rows` rows of `stride >= to`, and values `[keys, stride]` with
            // `keys >= to`, in whole vectors.
            unsafe { product_f32(simd, self.rows, vectors, operands) }
            for (row, sum) in sums[..self.rows].iter().enumerate() {
                let factor = simd.splat(1.0 / sum);
                let place =
                    (self.part.first_query + self.first + row) * width + self.part.head * size + column;
                let columns = (vectors * S::LANES).min(size - column);
                let mixed = tile.0[row * TILE_WIDTH..][..columns].chunks(S::LANES);
                for (mixed, out) in mixed.zip(out[place..][..columns].chunks_mut(S::LANES)) {
                    simd.store(simd.mul(simd.load(mixed), factor), out);
                }
            }
        }
    }
}
