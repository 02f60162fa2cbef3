//! Examination of the pages of Parquet files before they are decoded.
//!
//! The decoder allocates as many values as a page states, and a failed allocation ends the process, so counts are held
//! against what the page and its column can contain. The values themselves, and every other flaw, are left to the
//! decoder, which reports them. Layout: <https://parquet.apache.org/docs/file-format/data-pages/encodings/>.

use std::sync::Arc;

use parquet::basic::{Compression, Encoding, Type};
use parquet::column::page::{Page, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::RowGroupReader;
use parquet::file::serialized_reader::SerializedPageReader;

use crate::parquet_file::ParquetFile;

/// Most values of a block of deltas; writers use 128 or a few times that. Together with the blocks, of two bytes or
/// more, it bounds the values that a page of equal lengths can state.
const MOST_OF_BLOCK: u64 = 1 << 16;

/// Refuses a row group of `file` with a page that states more values than it can contain.
pub(crate) fn examine(file: &Arc<ParquetFile>, group: &dyn RowGroupReader) -> Result<()> {
    (0..group.num_columns()).try_for_each(|number| Column::open(file, group, number)?.examine())
}

/// A column of a row group. Both readers stand at the same page.
struct Column<'a> {
    metadata: &'a ColumnChunkMetaData,
    pages: Box<dyn PageReader>,
    /// The pages as stored, which tells their encoding without decompressing them.
    stored: SerializedPageReader<ParquetFile>,
}

impl<'a> Column<'a> {
    fn open(file: &Arc<ParquetFile>, group: &'a dyn RowGroupReader, number: usize) -> Result<Self> {
        let metadata = group.metadata().column(number);
        let pages = group.get_column_page_reader(number)?;
        let plain = metadata.clone().into_builder().set_compression(Compression::UNCOMPRESSED).build()?;
        // The number of rows matters only to readers with a page index.
        let stored = SerializedPageReader::new(Arc::clone(file), &plain, 0, None)?;
        Ok(Self { metadata, pages, stored })
    }

    fn examine(&mut self) -> Result<()> {
        while let Some(header) = self.pages.peek_next_page()? {
            if header.is_dict {
                self.stored.skip_next_page()?;
                if let Some(page) = self.pages.get_next_page()? {
                    self.dictionary(&page)?;
                }
                continue;
            }
            self.levels(header.num_levels.unwrap_or(0))?;
            if !self.next_is_delta()? {
                self.pages.skip_next_page()?;
            } else if let Some(page) = self.pages.get_next_page()? {
                self.deltas(&page)?;
            }
        }
        Ok(())
    }

    /// Every entry of a dictionary takes a byte or more, save the one possible value of width 0.
    fn dictionary(&self, page: &Page) -> Result<()> {
        let (stated, bytes) = (page.num_values() as usize, page.buffer().len());
        if stated > bytes.max(1) {
            return Err(self.damaged(&format!("a dictionary of {bytes} bytes states {stated} values")));
        }
        Ok(())
    }

    fn levels(&self, stated: usize) -> Result<()> {
        let whole = self.metadata.num_values();
        if stated as i128 > i128::from(whole) {
            return Err(self.damaged(&format!("a page states {stated} values, the whole column {whole}")));
        }
        Ok(())
    }

    /// Whether the next page has byte arrays with their lengths as deltas; leaves that page behind in `stored`.
    fn next_is_delta(&mut self) -> Result<bool> {
        if !matches!(self.metadata.column_type(), Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY) {
            self.stored.skip_next_page()?;
            return Ok(false);
        }
        Ok(self.stored.get_next_page()?.is_some_and(|page| streams(page.encoding()) > 0))
    }

    fn deltas(&self, page: &Page) -> Result<()> {
        let mut rest = Rest(page.buffer());
        self.skip_levels(page, &mut rest).ok_or_else(|| self.damaged("a page ends within its levels"))?;
        for _ in 0..streams(page.encoding()) {
            self.skip_lengths(page.num_values(), &mut rest)?;
        }
        Ok(())
    }

    /// Leaves `rest` where the values begin; `None` if they don't.
    fn skip_levels(&self, page: &Page, rest: &mut Rest<'_>) -> Option<()> {
        let column = self.metadata.column_descr();
        match page {
            Page::DataPage { num_values, def_level_encoding, rep_level_encoding, .. } => {
                rest.skip_level(column.max_rep_level(), *rep_level_encoding, *num_values)?;
                rest.skip_level(column.max_def_level(), *def_level_encoding, *num_values)
            }
            Page::DataPageV2 { def_levels_byte_len, rep_levels_byte_len, .. } => {
                rest.take(u64::from(*rep_levels_byte_len))?;
                rest.take(u64::from(*def_levels_byte_len)).map(drop)
            }
            Page::DictionaryPage { .. } => None,
        }
    }

    /// Leaves `rest` behind a stream of at most `values` lengths.
    fn skip_lengths(&self, values: u32, rest: &mut Rest<'_>) -> Result<()> {
        let ends = || self.damaged("a page ends within its lengths");
        let header = rest.delta_header().ok_or_else(ends)?;
        if header.count > u64::from(values) {
            return Err(self.damaged(&format!("a page of {values} values states {} lengths", header.count)));
        }
        if header.block > MOST_OF_BLOCK || header.miniblocks == 0 {
            let Header { block, miniblocks, .. } = header;
            return Err(
                self.damaged(&format!("a page states blocks of {block} lengths in {miniblocks} parts"))
            );
        }
        rest.skip_blocks(&header).ok_or_else(ends)
    }

    fn damaged(&self, flaw: &str) -> ParquetError {
        ParquetError::General(format!(
            "column `{}`: {flaw}; the file is damaged",
            self.metadata.column_path().string()
        ))
    }
}

/// How many streams of lengths stand before the bytes.
fn streams(encoding: Encoding) -> usize {
    match encoding {
        Encoding::DELTA_LENGTH_BYTE_ARRAY => 1,
        // Prefixes, then suffixes.
        Encoding::DELTA_BYTE_ARRAY => 2,
        _ => 0,
    }
}

/// What a stream of deltas states of itself.
struct Header {
    /// Values of a block.
    block: u64,
    miniblocks: u64,
    /// Values of the stream.
    count: u64,
}

/// What is left of a page. `None` everywhere means that the page ends too early.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, bytes: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(bytes).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    /// An unsigned LEB128 integer.
    fn integer(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = u64::from(*self.take(1)?.first()?);
            value |= (byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// Skips the levels of a page of version 1, which columns without levels lack.
    fn skip_level(&mut self, most: i16, encoding: Encoding, values: u32) -> Option<()> {
        if most <= 0 {
            return Some(());
        }
        let bytes = if encoding == Encoding::RLE {
            u64::from(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
        } else {
            // Bit-packed: as many bits as the highest level takes.
            let width = u64::from(i16::BITS - most.leading_zeros());
            (u64::from(values) * width).div_ceil(8)
        };
        self.take(bytes).map(drop)
    }

    fn delta_header(&mut self) -> Option<Header> {
        let header = Header { block: self.integer()?, miniblocks: self.integer()?, count: self.integer()? };
        // The first value.
        self.integer()?;
        Some(header)
    }

    /// Skips the blocks behind a header.
    fn skip_blocks(&mut self, header: &Header) -> Option<()> {
        let miniblock = header.block / header.miniblocks;
        // The header has the first value.
        let mut left = header.count.saturating_sub(1);
        while left > 0 {
            // The smallest delta.
            self.integer()?;
            for width in self.take(header.miniblocks)? {
                // Miniblocks behind the last value have a width but no bytes.
                if left > 0 {
                    self.take(u64::from(*width) * miniblock / 8)?;
                }
                left = left.saturating_sub(miniblock);
            }
        }
        Some(())
    }
}
