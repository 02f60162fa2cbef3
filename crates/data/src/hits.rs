//! Row indices that a check collects: all counted, the first ones kept.

use std::collections::BinaryHeap;

/// Rows that a check found.
#[derive(Debug, Clone)]
pub(crate) struct Hits {
    limit: usize,
    count: usize,
    /// The smallest indices so far, the largest of them on top.
    kept: BinaryHeap<u32>,
}

impl Hits {
    /// None yet; of those to come the first `limit` are kept.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, count: 0, kept: BinaryHeap::new() }
    }

    /// Counts a row and keeps it when it is among the first.
    pub(crate) fn add(&mut self, index: u32) {
        self.count += 1;
        if self.kept.len() < self.limit {
            self.kept.push(index);
        } else if let Some(mut top) = self.kept.peek_mut()
            && index < *top
        {
            *top = index;
        }
    }

    /// How many rows there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The rows kept, in order.
    pub(crate) fn sorted(&self) -> Vec<u32> {
        self.kept.clone().into_sorted_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rows_are_kept_in_whatever_order_they_come() {
        let mut hits = Hits::new(3);
        for index in [9, 2, 7, 1, 8, 0] {
            hits.add(index);
        }
        assert_eq!((hits.count(), hits.sorted()), (6, vec![0, 1, 2]));
    }
}
