//! Parquet files whose pages state more values than they contain.

#[cfg(test)]
mod support;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use loquat_data::{DataError, read_records};
use parquet::basic::{Compression, Encoding};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::{Value, json};
use support::{Folder, codecs};

/// Rows of a file, one in four without a text.
const ROWS: usize = 1_200;
/// Texts of a file.
const TEXTS: usize = ROWS - ROWS / 4;
/// A stream of lengths begins with 128 values a block, 4 miniblocks and the number of texts.
const LENGTHS: [u8; 5] = [0x80, 0x01, 0x04, 0x84, 0x07];
/// The same with 16383 texts.
const TOO_MANY: [u8; 5] = [0x80, 0x01, 0x04, 0xff, 0x7f];

struct Layout {
    encoding: Option<Encoding>,
    version: WriterVersion,
    codec: Compression,
}

fn text(row: usize) -> Option<String> {
    (row % 4 != 3).then(|| format!("text {}{}", row / 7, "!".repeat(row % 5)))
}

/// Writes the column `text` of `rows`, with a dictionary where the layout has no encoding.
fn write(path: &Path, layout: &Layout, rows: &[Option<String>]) {
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(layout.encoding.is_none())
        .set_statistics_enabled(EnabledStatistics::None)
        .set_writer_version(layout.version)
        .set_compression(layout.codec);
    let properties = layout.encoding.into_iter().fold(properties, |p, encoding| p.set_encoding(encoding));
    let schema = Arc::new(
        parse_message_type("message rows { optional binary text (UTF8); }").expect("a file is written"),
    );
    let file = File::create(path).expect("a file is written");
    let mut writer =
        SerializedFileWriter::new(file, schema, Arc::new(properties.build())).expect("a file is written");
    let mut group = writer.next_row_group().expect("a file is written");
    let mut column = group.next_column().expect("a file is written").expect("a file is written");
    let texts: Vec<ByteArray> = rows.iter().flatten().map(|text| text.as_str().into()).collect();
    let levels: Vec<i16> = rows.iter().map(|row| i16::from(row.is_some())).collect();
    column.typed::<ByteArrayType>().write_batch(&texts, Some(&levels), None).expect("a file is written");
    column.close().expect("a file is written");
    group.close().expect("a file is written");
    writer.close().expect("a file is written");
}

/// Why nothing of the file is read.
fn refusal(path: &Path) -> String {
    let read: Vec<_> = read_records(Some(path), None).expect("the metadata is whole").collect();
    match &read[..] {
        [Err(DataError::Parquet { row: 1, reason, .. })] => reason.clone(),
        other => panic!("{other:?}"),
    }
}

/// Where `part` begins in `bytes`.
fn places(bytes: &[u8], part: &[u8]) -> Vec<usize> {
    (0..bytes.len()).filter(|&start| bytes[start..].starts_with(part)).collect()
}

fn layouts() -> Vec<Layout> {
    let mut layouts = Vec::new();
    for encoding in [Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY] {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            let of = |codec| Layout { encoding: Some(encoding), version, codec };
            layouts.extend(codecs().map(of));
        }
    }
    layouts
}

#[test]
fn lengths_as_deltas_are_read() {
    let folder = Folder::new();
    let path = folder.path().join("a.parquet");
    let rows: Vec<_> = (0..ROWS).map(text).collect();
    let expected: Vec<Value> = rows.iter().map(|text| json!({"text": text})).collect();
    // No value, one value (no block), one block to its end, and one value more.
    for count in [0, 1, 129, 130, ROWS] {
        for layout in layouts() {
            write(&path, &layout, &rows[..count]);
            let read = read_records(Some(&path), None).unwrap();
            let read: Vec<Value> = read.map(|record| Value::Object(record.unwrap().value)).collect();
            assert_eq!(read, expected[..count], "{:?} {:?}", layout.encoding, layout.codec);
        }
    }
}

#[test]
fn a_count_of_lengths_beyond_the_values_is_refused() {
    let folder = Folder::new();
    let path = folder.path().join("a.parquet");
    let rows: Vec<_> = (0..ROWS).map(text).collect();
    assert_eq!(TEXTS, 900);
    for layout in layouts().iter().filter(|layout| layout.codec == Compression::UNCOMPRESSED) {
        write(&path, layout, &rows);
        let bytes = std::fs::read(&path).unwrap();
        let streams = places(&bytes, &LENGTHS);
        assert_eq!(streams.len(), if layout.encoding == Some(Encoding::DELTA_BYTE_ARRAY) { 2 } else { 1 });
        for start in streams {
            let mut damaged = bytes.clone();
            damaged[start..start + TOO_MANY.len()].copy_from_slice(&TOO_MANY);
            let damaged = folder.write("b.parquet", damaged);
            let reason = refusal(&damaged);
            assert!(
                reason.ends_with(
                    "column `text`: a page of 1200 values states 16383 lengths; the file is damaged"
                ),
                "{reason}"
            );
        }
    }
}

/// What a file of three equal texts says when `header`, found once, ends in another number.
fn with_number(encoding: Option<Encoding>, header: &[u8]) -> String {
    let folder = Folder::new();
    let path = folder.path().join("a.parquet");
    let layout = Layout { encoding, version: WriterVersion::PARQUET_1_0, codec: Compression::UNCOMPRESSED };
    write(&path, &layout, &vec![Some("a".to_owned()); 3]);
    let mut bytes = std::fs::read(&path).expect("a file is read");
    let found = places(&bytes, header);
    assert_eq!(found.len(), 1, "{bytes:x?}");
    // 63, as Thrift writes it.
    bytes[found[0] + header.len() - 1] = 0x7e;
    refusal(&folder.write("b.parquet", bytes))
}

#[test]
fn a_dictionary_of_more_values_than_bytes_is_refused() {
    let reason = with_number(None, &[0x4c, 0x15, 2]);
    assert!(reason.ends_with("a dictionary of 5 bytes states 63 values; the file is damaged"), "{reason}");
}

#[test]
fn a_page_of_more_values_than_its_column_is_refused() {
    let reason = with_number(Some(Encoding::PLAIN), &[0x2c, 0x15, 6]);
    assert!(reason.ends_with("a page states 63 values, the whole column 3; the file is damaged"), "{reason}");
}
