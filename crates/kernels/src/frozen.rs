//! Numbers that are only read: in memory of their own, or in a mapped file, whose memory all that map it share.

use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::ops::{Deref, Range};
use std::sync::Arc;

use memmap2::Mmap;

use crate::aligned::{Aligned, Plain};

/// The bytes of a file, mapped for reading. Every process that maps the file uses the same memory, which the system takes
/// back when it is short of it.
#[derive(Debug)]
pub struct Mapping(Mmap);

impl Mapping {
    /// Maps a whole file, which nothing may write to or cut from then on: its numbers would change, or reading would end the
    /// process. Deleting it, or renaming another into its place, is safe.
    ///
    /// # Errors
    /// When the system can't map it.
    pub fn of(file: &File) -> io::Result<Arc<Self>> {
        // SAFETY: the caller hands over a file that is not written to any more. Whatever it holds, its bytes are read as
        // plain numbers alone.
        unsafe { Mmap::map(file) }.map(|map| Arc::new(Self(map)))
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Numbers that are only read.
#[derive(Debug, Clone)]
pub struct Frozen<T>(Place<T>);

#[derive(Debug, Clone)]
enum Place<T> {
    Own(Vec<T>),
    Lines(Aligned<T>),
    /// Inside of the mapping and aligned, which was checked.
    Mapped {
        mapping: Arc<Mapping>,
        start: usize,
        length: usize,
        of: PhantomData<T>,
    },
}

impl<T: Plain> Frozen<T> {
    /// The numbers that lie in these bytes of a mapping, in the order of this machine; `None` where they do not lie inside of
    /// it, or not as the machine reads them.
    pub fn mapped(mapping: &Arc<Mapping>, bytes: Range<usize>) -> Option<Self> {
        let slice = mapping.bytes().get(bytes.clone())?;
        let whole = slice.len().is_multiple_of(size_of::<T>());
        let aligned = slice.as_ptr().addr().is_multiple_of(align_of::<T>());
        let length = slice.len() / size_of::<T>();
        (whole && aligned && cfg!(target_endian = "little")).then(|| {
            let mapping = Arc::clone(mapping);
            Self(Place::Mapped { mapping, start: bytes.start, length, of: PhantomData })
        })
    }

    /// All numbers.
    pub fn as_slice(&self) -> &[T] {
        match &self.0 {
            Place::Own(numbers) => numbers,
            Place::Lines(numbers) => numbers.as_slice(),
            Place::Mapped { mapping, start, length, .. } => {
                let bytes = &mapping.bytes()[*start..][..length * size_of::<T>()];
                // SAFETY: the bytes are as many as `length` numbers have and aligned for them, as `mapped` checked, a
                // mapping never moves, and every bit pattern is a value of a `Plain` type.
                unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), *length) }
            }
        }
    }

    /// The bytes of all numbers, as they lie in memory.
    pub fn bytes(&self) -> &[u8] {
        let numbers = self.as_slice();
        // SAFETY: a slice of numbers that have no padding, as long in bytes.
        unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), size_of_val(numbers)) }
    }

    /// How many of its bytes lie in a mapping: all or none.
    pub fn shared_bytes(&self) -> usize {
        match &self.0 {
            Place::Own(_) | Place::Lines(_) => 0,
            Place::Mapped { length, .. } => length * size_of::<T>(),
        }
    }
}

impl<T: Plain> Deref for Frozen<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.as_slice()
    }
}

impl<T> From<Vec<T>> for Frozen<T> {
    fn from(numbers: Vec<T>) -> Self {
        Self(Place::Own(numbers))
    }
}

impl<T> From<Aligned<T>> for Frozen<T> {
    fn from(numbers: Aligned<T>) -> Self {
        Self(Place::Lines(numbers))
    }
}
