//! Columns of small records that grow without bound: in memory while they are short, in a temporary file beyond.
//!
//! The checks of the whole keep what they need of each row here, so that a file of any size is checked in bounded
//! memory.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::DataError;

/// Bytes of a log that stay in memory, and that are written and read at once.
const HELD: usize = 2 << 20;

/// Bytes of keys that are sorted at once.
const SORTED: usize = 48 << 20;

/// A record of fixed size.
pub(crate) trait Fixed: Copy {
    /// Its size in bytes.
    const SIZE: usize;
    /// Appends its bytes.
    fn write(self, bytes: &mut Vec<u8>);
    /// Reads it back from as many bytes.
    fn read(bytes: &[u8]) -> Self;
}

impl Fixed for u32 {
    const SIZE: usize = 4;

    fn write(self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Self {
        bytes.iter().rev().fold(0, |value, byte| value << 8 | Self::from(*byte))
    }
}

impl Fixed for u64 {
    const SIZE: usize = 8;

    fn write(self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Self {
        bytes.iter().rev().fold(0, |value, byte| value << 8 | Self::from(*byte))
    }
}

/// A column of records.
#[derive(Debug)]
pub(crate) struct Log<T> {
    scratch: Option<PathBuf>,
    /// What is not in the file.
    tail: Vec<u8>,
    file: Option<Mutex<File>>,
    /// Bytes in the file.
    written: u64,
    length: usize,
    records: PhantomData<T>,
}

impl<T: Fixed> Log<T> {
    /// An empty column whose file, if it comes to one, lies in `scratch` or else where the system keeps such files.
    pub(crate) fn new(scratch: Option<&Path>) -> Self {
        Self {
            scratch: scratch.map(Path::to_owned),
            tail: Vec::new(),
            file: None,
            written: 0,
            length: 0,
            records: PhantomData,
        }
    }

    /// Number of records.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Appends a record.
    pub(crate) fn push(&mut self, record: T) -> Result<(), DataError> {
        record.write(&mut self.tail);
        self.length += 1;
        if self.tail.len() >= HELD { self.spill().map_err(scratch_error) } else { Ok(()) }
    }

    fn spill(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            let file = match &self.scratch {
                Some(folder) => {
                    std::fs::create_dir_all(folder)?;
                    tempfile::tempfile_in(folder)?
                }
                None => tempfile::tempfile()?,
            };
            self.file = Some(Mutex::new(file));
        }
        if let Some(file) = &mut self.file {
            let file = file.get_mut().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(self.written))?;
            file.write_all(&self.tail)?;
            self.written += self.tail.len() as u64;
            self.tail.clear();
        }
        Ok(())
    }

    /// Replaces the content of `records` by `count` records from number `from` on.
    pub(crate) fn read(&self, from: usize, count: usize, records: &mut Vec<T>) -> Result<(), DataError> {
        let (start, size) = ((from * T::SIZE) as u64, count * T::SIZE);
        let in_file = (self.written.saturating_sub(start) as usize).min(size);
        let mut bytes = vec![0; in_file];
        if in_file > 0
            && let Some(file) = &self.file
        {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(start)).map_err(scratch_error)?;
            file.read_exact(&mut bytes).map_err(scratch_error)?;
        }
        if in_file < size {
            let tail = (start + in_file as u64 - self.written) as usize;
            bytes.extend_from_slice(&self.tail[tail..tail + size - in_file]);
        }
        records.clear();
        records.extend(bytes.chunks_exact(T::SIZE).map(T::read));
        Ok(())
    }

    /// The record with this number.
    pub(crate) fn get(&self, number: usize) -> Result<Option<T>, DataError> {
        let mut records = Vec::new();
        if number < self.length {
            self.read(number, 1, &mut records)?;
        }
        Ok(records.first().copied())
    }

    /// Visits every record with its number, in order.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(usize, T)) -> Result<(), DataError> {
        let step = HELD / T::SIZE;
        let mut records = Vec::new();
        for from in (0..self.length).step_by(step) {
            self.read(from, step.min(self.length - from), &mut records)?;
            for (number, record) in (from..).zip(&records) {
                visit(number, *record);
            }
        }
        Ok(())
    }
}

fn scratch_error(source: io::Error) -> DataError {
    DataError::Scratch { source }
}

/// What a scan hands its entries to: a key, and what belongs to it.
pub(crate) type Take<'a, P> = &'a mut dyn FnMut(u64, P);

/// Visits the entries of each key that has more than one, in the order of what belongs to them, a slice of all
/// entries of many keys at a time.
///
/// `scan` gives all entries, at most `count`, each time that it is called: as often as it takes to sort all of them in
/// bounded memory. Keys come in no order that means anything.
pub(crate) fn for_each_run<P: Copy + Ord + Send + Sync>(
    count: usize,
    scan: impl Fn(Take<'_, P>) -> Result<(), DataError>,
    mut visit: impl FnMut(Runs<'_, P>) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let bytes = count.saturating_mul(size_of::<(u64, P)>());
    let shares = bytes.div_ceil(SORTED).max(1) as u64;
    let mut entries: Vec<(u64, P)> = Vec::new();
    for share in 0..shares {
        entries.clear();
        scan(&mut |key, payload| {
            // The key's own bits may be anything, so they are mixed first.
            let spread = u128::from(key.wrapping_mul(0x9E37_79B9_7F4A_7C15)) * u128::from(shares);
            if (spread >> 64) as u64 == share {
                entries.push((key, payload));
            }
        })?;
        entries.par_sort_unstable();
        visit(Runs { entries: &entries })?;
    }
    Ok(())
}

/// Sorted entries.
pub(crate) struct Runs<'a, P> {
    entries: &'a [(u64, P)],
}

impl<'a, P: Copy + Sync> Runs<'a, P> {
    /// The entries of each key that has more than one.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a [(u64, P)]> {
        self.entries.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > 1)
    }

    /// The same, in parallel.
    pub(crate) fn par_iter(&self) -> impl ParallelIterator<Item = &'a [(u64, P)]>
    where
        P: Send,
    {
        self.entries.par_chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spilled_reads_back_in_place_and_in_order() {
        let mut log = Log::<u64>::new(None);
        let count = 3 * HELD / 8 + 17;
        for value in 0..count as u64 {
            log.push(value * 3).unwrap();
        }
        let mut sum = 0;
        log.for_each(|number, value| sum += usize::from(value == 3 * number as u64)).unwrap();
        assert_eq!((sum, log.len()), (count, count));
        let mut read = Vec::new();
        let border = 3 * HELD / 8;
        log.read(border - 2, 4, &mut read).unwrap();
        let expected: Vec<u64> = (border as u64 - 2..border as u64 + 2).map(|value| value * 3).collect();
        assert_eq!(read, expected);
        assert_eq!(log.get(count).unwrap(), None);
    }

    #[test]
    fn runs_are_complete_in_one_share_and_in_many() {
        for count in [1000_usize, 2 * SORTED / 16] {
            let mut runs = 0;
            let scan = |take: Take<'_, u32>| {
                (0..1000_u32).for_each(|number| take(u64::from(number % 300), number));
                Ok(())
            };
            for_each_run(count, scan, |entries| {
                for run in entries.iter() {
                    assert!(run.is_sorted() && run.len() == 3 + usize::from(run[0].0 < 100));
                    runs += 1;
                }
                Ok(())
            })
            .unwrap();
            assert_eq!(runs, 300);
        }
    }
}
