//! Whatever the bytes, readers end, and end without a panic.

#[cfg(test)]
mod support;

use std::io::Cursor;

use loquat_data::{ReaderFormat, read_records_from};
use loquat_spec::Task;
use proptest::prelude::*;
use support::{Folder, codecs, dataset, parquet};

const FORMATS: [ReaderFormat; 6] = [
    ReaderFormat::Jsonl,
    ReaderFormat::Csv,
    ReaderFormat::Tsv,
    ReaderFormat::Parquet,
    ReaderFormat::Conll,
    ReaderFormat::Lines,
];

fn read_all(bytes: &[u8], format: ReaderFormat) {
    let Ok(records) = read_records_from(Cursor::new(bytes.to_vec()), format, "sample") else { return };
    // Every record takes at least a byte, an error as well, but for what the end of the file brings.
    assert!(records.count() <= bytes.len() + 1);
}

/// Bytes that look like data here and there.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..20),
        "[a-z,\"\t\r\n\\\\ #{}:\\[\\]]{0,20}".prop_map(String::into_bytes),
        Just(b"{\"text\":\"a\",\"label\":\"b\"}\n".to_vec()),
        Just(b"\xef\xbb\xbf".to_vec()),
        Just(b"\xff\xfe".to_vec()),
        Just(b"New\tB-LOC\n".to_vec()),
        Just(b"PAR1".to_vec()),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_reader_panics(bytes in bytes()) {
        for format in FORMATS {
            read_all(&bytes, format);
        }
    }

    #[test]
    fn no_decompressor_panics(bytes in bytes(), prefix in 0..3usize) {
        let folder = Folder::new();
        let marks: [&[u8]; 3] = [b"", b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd"];
        let file = folder.write("a.jsonl", [marks[prefix], &bytes].concat());
        if let Ok(records) = loquat_data::read_records(Some(&file), None) {
            records.for_each(drop);
        }
    }

    #[test]
    fn loading_never_panics(bytes in bytes(), task in 0..5usize, format in 0..5usize) {
        let folder = Folder::new();
        let name = ["a.jsonl", "a.csv", "a.tsv", "a.parquet", "a.conll"][format];
        folder.write(name, bytes);
        let table = folder.load(&dataset(Task::ALL[task], name));
        prop_assert!(table.rows.len() <= table.rows_read);
        prop_assert!(!table.rows.is_empty() || table.has_errors());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_damage_to_a_parquet_file_panics(
        codec in 0..4usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        end in any::<prop::sample::Index>(),
        cut in proptest::bool::weighted(0.1),
    ) {
        let folder = Folder::new();
        let path = folder.path().join("a.parquet");
        parquet(&path, &[Some(b"one"), None, Some(b"three"), Some(b"three")], codecs()[codec]);
        let mut bytes = std::fs::read(&path).unwrap();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if cut {
            bytes.truncate(end.index(bytes.len()));
        }
        if let Ok(records) = read_records_from(Cursor::new(bytes), ReaderFormat::Parquet, "sample") {
            // A damaged count of rows may be huge; what matters is that each step ends.
            records.take(10_000).for_each(drop);
        }
    }
}
