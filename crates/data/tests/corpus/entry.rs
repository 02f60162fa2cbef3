//! What must hold for any bytes given to a reader; the fuzz targets named for formats call it too.

use std::io::Cursor;

use loquat_data::{ReaderFormat, read_records_from};

/// Most records read from one input: a damaged Parquet file may announce more rows than anyone could wait for.
const MOST_RECORDS: usize = 10_000;

/// Reads `bytes` to the end. Lines never go back, nothing follows a failure that ends the file, and every record takes
/// at least a byte.
pub(crate) fn records(bytes: &[u8], format: ReaderFormat) {
    let Ok(mut records) = read_records_from(Cursor::new(bytes.to_vec()), format, "fuzzed") else { return };
    let mut last = 0;
    let mut seen = 0;
    while seen < MOST_RECORDS
        && let Some(record) = records.next()
    {
        seen += 1;
        match record {
            Ok(record) => {
                assert!(record.line > last, "line {} after line {last}", record.line);
                last = record.line;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                if error.ends_file() {
                    assert!(records.next().is_none(), "records after {error}");
                    break;
                }
            }
        }
    }
    if format != ReaderFormat::Parquet {
        // The end of the file may bring a failure of its own.
        assert!(seen <= bytes.len() + 1, "{seen} records");
    }
}
