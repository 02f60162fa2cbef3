//! Growing buffers that begin at a cache line, so that a vector never straddles two.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// One cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for i8 {}
    impl Sealed for u8 {}
    impl Sealed for i32 {}
}

/// Numbers of which every bit pattern is a value and that need no dropping.
pub trait Plain: Copy + sealed::Sealed {}
impl Plain for f32 {}
impl Plain for i8 {}
impl Plain for u8 {}
impl Plain for i32 {}

/// A growing buffer of numbers whose first one lies at a multiple of 64 bytes. States between layers are best kept in one:
/// a store that straddles two cache lines takes twice as long.
#[derive(Debug, Clone)]
pub struct Aligned<T> {
    lines: Vec<Line>,
    length: usize,
    of: PhantomData<T>,
}

impl<T: Plain> Aligned<T> {
    /// A buffer of `length` zeros.
    pub(crate) fn zeros(length: usize) -> Self {
        let mut buffer = Self::default();
        buffer.sized(length);
        buffer
    }

    /// A buffer that begins with `elements` and goes on with zeros up to `length`.
    pub(crate) fn padded(elements: &[T], length: usize) -> Self {
        let mut buffer = Self::zeros(length);
        buffer.as_mut_slice()[..elements.len()].copy_from_slice(elements);
        buffer
    }

    /// The first `length` elements, whatever they hold from earlier use; memory grows and never shrinks.
    pub fn sized(&mut self, length: usize) -> &mut [T] {
        let lines = (length * size_of::<T>()).div_ceil(size_of::<Line>());
        if self.lines.len() < lines {
            self.lines.resize(lines, Line([0; 64]));
        }
        self.length = length;
        self.as_mut_slice()
    }

    /// All elements.
    pub(crate) fn as_slice(&self) -> &[T] {
        // SAFETY: `sized` made the lines hold at least `length` elements, a line's alignment suffices for every `Plain`,
        // and the bytes of a line are initialised.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.length) }
    }

    /// All elements, to be changed.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        // SAFETY: as for `as_slice`, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.length) }
    }
}

impl<T: Plain> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.as_slice()
    }
}

impl<T: Plain> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.as_mut_slice()
    }
}

impl<T> Default for Aligned<T> {
    fn default() -> Self {
        Self { lines: Vec::new(), length: 0, of: PhantomData }
    }
}
