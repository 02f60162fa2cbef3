//! A Parquet file as its decoder reads it.

use std::fs::File;
use std::io::{BufReader, Error, ErrorKind, Read};

use parquet::errors::Result;
use parquet::file::reader::{ChunkReader, Length};

/// A file whose end is an error. The decoder skips what a damaged header states to be there, element by element, and takes
/// no notice of the end: a few bytes would keep it for minutes. In a sound file the footer follows whatever is skipped.
#[derive(Debug)]
pub(crate) struct ParquetFile(File);

impl ParquetFile {
    pub(crate) fn new(file: File) -> Self {
        Self(file)
    }

    pub(crate) fn try_clone(&self) -> Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }
}

impl Length for ParquetFile {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl ChunkReader for ParquetFile {
    type T = Ending<BufReader<File>>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(Ending(self.0.get_read(start)?))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<bytes::Bytes> {
        self.0.get_bytes(start, length)
    }
}

/// A reader that fails at its end.
#[derive(Debug)]
pub(crate) struct Ending<R>(R);

impl<R: Read> Read for Ending<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(buffer)? {
            0 if !buffer.is_empty() => {
                Err(Error::new(ErrorKind::UnexpectedEof, "the file ends within a page's header"))
            }
            read => Ok(read),
        }
    }
}
