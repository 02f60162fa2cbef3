//! Parquet files, row by row, as objects.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::{ReaderIter, TreeBuilder};
use parquet::record::{Field, Row};
use serde_json::{Map, Number, Value};

use crate::DataError;
use crate::class_names::ClassNames;
use crate::parquet_file::ParquetFile;
use crate::parquet_pages::examine;

/// Longest reason kept of a decoder's message, which may quote whole values.
const REASON: usize = 200;

/// A row's number, from 1, and the row.
type Numbered = (u64, Map<String, Value>);

/// A reader of rows.
pub(crate) struct Parquet {
    reader: SerializedFileReader<ParquetFile>,
    /// The bytes of `reader`, whose pages are examined first.
    opened: Arc<ParquetFile>,
    file: String,
    classes: ClassNames,
    group: usize,
    rows: Option<ReaderIter>,
    row: u64,
}

impl Parquet {
    /// Reads the metadata of `opened`, called `file` in messages.
    pub(crate) fn new(opened: File, file: &str) -> Result<Self, DataError> {
        let (reader, opened) = guarded(|| {
            let opened = ParquetFile::new(opened);
            let own = opened.try_clone()?;
            Ok((SerializedFileReader::new(opened)?, Arc::new(own)))
        })
        .map_err(|reason| failure(file, 0, reason))?;
        let classes = ClassNames::of(reader.metadata().file_metadata());
        Ok(Self { reader, opened, file: file.to_owned(), classes, group: 0, rows: None, row: 0 })
    }

    /// The next row's number, from 1, and the row. Nothing is read after a failure.
    pub(crate) fn next(&mut self) -> Option<Result<Numbered, DataError>> {
        let row = match self.advance()? {
            Ok(row) => row,
            Err(reason) => {
                self.group = usize::MAX;
                self.rows = None;
                return Some(Err(failure(&self.file, self.row + 1, reason)));
            }
        };
        self.row += 1;
        Some(self.object(row).map(|object| (self.row, object)))
    }

    fn advance(&mut self) -> Option<Result<Row, String>> {
        loop {
            if let Some(rows) = &mut self.rows {
                match catch_unwind(AssertUnwindSafe(|| rows.next())) {
                    Ok(Some(row)) => return Some(row.map_err(|error| error.to_string())),
                    Ok(None) => self.rows = None,
                    Err(_) => return Some(Err(PANICKED.to_owned())),
                }
            }
            if self.group >= self.reader.num_row_groups() {
                return None;
            }
            let (reader, opened, group) = (&self.reader, &self.opened, self.group);
            let rows = guarded(|| {
                let rows = reader.get_row_group(group)?;
                examine(opened, &*rows)?;
                let schema = reader.metadata().file_metadata().schema_descr_ptr();
                TreeBuilder::new().as_iter(schema, &*rows)
            });
            match rows {
                Ok(rows) => self.rows = Some(rows),
                Err(reason) => return Some(Err(reason)),
            }
            self.group += 1;
        }
    }

    fn object(&self, row: Row) -> Result<Map<String, Value>, DataError> {
        row.into_columns()
            .into_iter()
            .map(|(name, field)| value(field).map(|value| self.classes.named(name, value)))
            .collect::<Result<_, usize>>()
            .map_err(|byte| DataError::InvalidUtf8 { file: self.file.clone(), line: self.row, byte })
    }
}

const PANICKED: &str = "the decoder met an impossible state; the file is damaged";

/// Runs a step of the decoder, which panics on some damaged files.
fn guarded<T>(step: impl FnOnce() -> parquet::errors::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(step)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err(PANICKED.to_owned()),
    }
}

fn failure(file: &str, row: u64, reason: String) -> DataError {
    let file = file.to_owned();
    // The decoder reports text that is not UTF-8 with this message only, and can't go on after it.
    if let Some((_, rest)) = reason.split_once("valid_up_to: ")
        && let Ok(valid) = rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<usize>()
    {
        return DataError::Parquet { file, row, reason: format!("invalid UTF-8 at byte {}", valid + 1) };
    }
    DataError::Parquet { file, row, reason: reason.chars().take(REASON).collect() }
}

/// The field as JSON; an `Err` is the first byte, from 1, of a byte column that is not UTF-8.
fn value(field: Field) -> Result<Value, usize> {
    Ok(match field {
        Field::Null => Value::Null,
        Field::Bool(value) => Value::Bool(value),
        Field::Byte(value) => value.into(),
        Field::Short(value) => value.into(),
        Field::Int(value) | Field::Date(value) | Field::TimeMillis(value) => value.into(),
        Field::Long(value)
        | Field::TimeMicros(value)
        | Field::TimestampMillis(value)
        | Field::TimestampMicros(value) => value.into(),
        Field::UByte(value) => value.into(),
        Field::UShort(value) => value.into(),
        Field::UInt(value) => value.into(),
        Field::ULong(value) => value.into(),
        Field::Float16(value) => float(value.to_f64()),
        Field::Float(value) => float(f64::from(value)),
        Field::Double(value) => float(value),
        Field::Decimal(_) => Value::String(field.to_string()),
        Field::Str(text) => Value::String(text),
        // Some writers leave text columns without their annotation.
        Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => Value::String(text.to_owned()),
            Err(error) => return Err(error.valid_up_to() + 1),
        },
        Field::Group(row) => Value::Object(
            row.into_columns()
                .into_iter()
                .map(|(name, field)| value(field).map(|value| (name, value)))
                .collect::<Result<_, _>>()?,
        ),
        Field::ListInternal(list) => {
            list.elements().iter().cloned().map(value).collect::<Result<Vec<_>, _>>()?.into()
        }
        Field::MapInternal(map) => map
            .entries()
            .iter()
            .map(|(key, entry)| Ok::<_, usize>((key_text(key), value(entry.clone())?)))
            .collect::<Result<Map<_, _>, _>>()?
            .into(),
    })
}

fn key_text(key: &Field) -> String {
    match key {
        Field::Str(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Not-a-number and infinities, which JSON lacks, become null.
fn float(value: f64) -> Value {
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}
