//! Embedding lookup.

use crate::kernels::Kernels;
use crate::simd::{Operation, Simd};

impl Kernels {
    /// Writes row `ids[i]` of `table`, `[entries, width]`, to row `i` of `out`, `[ids, width]`.
    ///
    /// # Panics
    /// When an id is beyond the table, or the lengths do not fit.
    pub fn embed(self, table: &[f32], width: usize, ids: &[u32], out: &mut [f32]) {
        assert_eq!(out.len(), ids.len() * width, "a row for each id");
        for (id, out) in ids.iter().zip(out.chunks_exact_mut(width)) {
            out.copy_from_slice(entry(table, width, *id));
        }
    }

    /// Writes row `ids[i]` of `table`, `[entries, width]`, times `scales[ids[i]]` to row `i` of `out`, `[ids, width]`.
    ///
    /// # Panics
    /// When an id is beyond the table, or the lengths do not fit.
    pub fn embed_bytes(self, table: &[i8], scales: &[f32], width: usize, ids: &[u32], out: &mut [f32]) {
        assert_eq!(out.len(), ids.len() * width, "a row for each id");
        self.run(ScaleEntries { table, scales, width, ids, out });
    }

    /// Adds row `ids[i]` of `table`, `[entries, width]`, to row `i` of `out`, `[ids, width]`.
    ///
    /// # Panics
    /// When an id is beyond the table, or the lengths do not fit.
    pub fn embed_add(self, table: &[f32], width: usize, ids: &[u32], out: &mut [f32]) {
        assert_eq!(out.len(), ids.len() * width, "a row for each id");
        self.run(AddEntries { table, width, ids, out });
    }
}

fn entry<T>(table: &[T], width: usize, id: u32) -> &[T] {
    &table[id as usize * width..][..width]
}

struct AddEntries<'a> {
    table: &'a [f32],
    width: usize,
    ids: &'a [u32],
    out: &'a mut [f32],
}

impl Operation for AddEntries<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (id, out) in self.ids.iter().zip(self.out.chunks_exact_mut(self.width)) {
            let entry = entry(self.table, self.width, *id);
            for (numbers, entry) in out.chunks_mut(S::LANES).zip(entry.chunks(S::LANES)) {
                simd.store(simd.add(simd.load(numbers), simd.load(entry)), numbers);
            }
        }
    }
}

struct ScaleEntries<'a> {
    table: &'a [i8],
    scales: &'a [f32],
    width: usize,
    ids: &'a [u32],
    out: &'a mut [f32],
}

impl Operation for ScaleEntries<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (id, out) in self.ids.iter().zip(self.out.chunks_exact_mut(self.width)) {
            let scale = simd.splat(self.scales[*id as usize]);
            let entry = entry(self.table, self.width, *id);
            for (numbers, entry) in out.chunks_mut(S::LANES).zip(entry.chunks(S::LANES)) {
                simd.store(simd.mul(simd.load_bytes(entry), scale), numbers);
            }
        }
    }
}
