//! N-gram counts of every row, computed once for each kind of n-gram and shared by all folds and trials.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use loquat_text::{Ngrams, Normalisation, Prepared};

/// Counts of one kind of n-gram: for each row the n-grams with their counts, ascending.
#[derive(Debug)]
pub(super) struct Counts {
    /// Hash of each distinct n-gram, ascending; its place is its number.
    pub(super) hashes: Vec<u32>,
    /// Where each row begins in `numbers`; one longer than the rows.
    starts: Vec<usize>,
    /// Number and count of each n-gram of each row.
    entries: Vec<(u32, u32)>,
}

impl Counts {
    pub(super) fn row(&self, row: usize) -> &[(u32, u32)] {
        &self.entries[self.starts[row]..self.starts[row + 1]]
    }

    /// Counts with scoped threads and not in the pool: a pool's thread that waits here could pick up another trial
    /// that waits for these very counts.
    fn new(texts: &[Cow<'_, str>], normalisation: Normalisation, ngrams: Ngrams) -> Self {
        let threads = rayon::current_num_threads().max(1);
        let part = |texts: &[Cow<'_, str>]| {
            let (mut prepared, mut found) = (Prepared::default(), Vec::new());
            let mut row = |text: &Cow<'_, str>| count(text, normalisation, ngrams, &mut prepared, &mut found);
            let rows: Vec<_> = texts.iter().map(&mut row).collect();
            let mut hashes: Vec<u32> = rows.iter().flatten().map(|(hash, _)| *hash).collect();
            hashes.sort_unstable();
            hashes.dedup();
            (rows, hashes)
        };
        let parts: Vec<_> = std::thread::scope(|scope| {
            let chunks = texts.chunks(texts.len().div_ceil(threads).max(1));
            let started: Vec<_> = chunks.map(|chunk| scope.spawn(move || part(chunk))).collect();
            started
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        let mut rows = Vec::with_capacity(texts.len());
        let mut hashes = Vec::new();
        for (part_rows, part_hashes) in parts {
            rows.extend(part_rows);
            hashes.extend(part_hashes);
        }
        hashes.sort();
        hashes.dedup();
        let mut starts = Vec::with_capacity(rows.len() + 1);
        starts.push(0);
        for row in &rows {
            starts.push(starts.last().copied().unwrap_or(0) + row.len());
        }
        let index = Index::new(&hashes);
        let entries = rows.into_iter().flatten().map(|(hash, count)| (index.number(hash), count)).collect();
        Self { hashes, starts, entries }
    }
}

fn count(
    text: &str,
    normalisation: Normalisation,
    ngrams: Ngrams,
    prepared: &mut Prepared,
    found: &mut Vec<u32>,
) -> Vec<(u32, u32)> {
    found.clear();
    prepared.fill(text, normalisation);
    ngrams.for_each(prepared, |hash, _, _| found.push(hash));
    found.sort_unstable();
    found.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u32)).collect()
}

/// Finds the place of a hash in the ascending list by the position that its value suggests.
struct Index<'h> {
    hashes: &'h [u32],
    /// First place for each value of the upper bits.
    first: Vec<u32>,
    shift: u32,
}

impl<'h> Index<'h> {
    fn new(hashes: &'h [u32]) -> Self {
        let bits = (hashes.len().max(2)).ilog2().min(24);
        let shift = 32 - bits;
        let mut first = vec![0u32; (1 << bits) + 1];
        for hash in hashes {
            first[(hash >> shift) as usize + 1] += 1;
        }
        for place in 1..first.len() {
            first[place] += first[place - 1];
        }
        Self { hashes, first, shift }
    }

    fn number(&self, hash: u32) -> u32 {
        let bucket = (hash >> self.shift) as usize;
        let range = self.first[bucket] as usize..self.first[bucket + 1] as usize;
        let within = self.hashes[range].iter().position(|h| *h == hash);
        self.first[bucket] + within.expect("every hash of a row stands in the list made from all rows") as u32
    }
}

/// Counts by what they count, each made once.
type CountsByKind = BTreeMap<(Normalisation, Ngrams), Arc<OnceLock<Counts>>>;

/// All rows' texts with the counts made so far.
#[derive(Debug)]
pub(super) struct Corpus<'t> {
    texts: Vec<Cow<'t, str>>,
    counts: Mutex<CountsByKind>,
}

impl<'t> Corpus<'t> {
    pub(super) fn new(texts: Vec<Cow<'t, str>>) -> Self {
        Self { texts, counts: Mutex::default() }
    }

    /// The counts of one kind of n-gram, made at the first call.
    pub(super) fn counts(&self, normalisation: Normalisation, ngrams: Ngrams) -> CountsRef {
        let cell = {
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(counts.entry((normalisation, ngrams)).or_default())
        };
        cell.get_or_init(|| Counts::new(&self.texts, normalisation, ngrams));
        CountsRef(cell)
    }
}

/// Counts that have been made.
pub(super) struct CountsRef(Arc<OnceLock<Counts>>);

impl std::ops::Deref for CountsRef {
    type Target = Counts;

    fn deref(&self) -> &Counts {
        self.0.get().expect("a reference is handed out only after the counts were made")
    }
}
