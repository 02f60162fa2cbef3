//! Bytes as a row of choices, so that a fuzzer that changes bytes changes one decision of a well-formed request. Where the
//! bytes end every further choice is the first of its kind, the ordinary one.

/// Choices not yet made.
pub(crate) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number below `count`, of at most 256.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count
    }

    /// Whether what happens once in `count` times does.
    pub(crate) fn once_in(&mut self, count: usize) -> bool {
        self.below(count) + 1 == count
    }

    /// One of `list`.
    pub(crate) fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// Up to 24 bytes as they are.
    pub(crate) fn raw(&mut self) -> &'a [u8] {
        let count = self.below(25).min(self.0.len());
        let (raw, rest) = self.0.split_at(count);
        self.0 = rest;
        raw
    }
}
