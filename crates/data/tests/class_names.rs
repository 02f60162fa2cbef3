//! Classes that a Parquet file holds as numbers and names in its metadata.

#[cfg(test)]
mod support;

use std::fs::File;
use std::sync::Arc;

use loquat_spec::Task;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use support::{Folder, dataset, found};

const FEATURES: &str = r#"{"info": {"features": {"text": {"dtype": "string", "_type": "Value"},
    "label": {"names": ["calm", "angry"], "_type": "ClassLabel"}}}}"#;

/// A file of four texts with the classes 1, 0, 1 and -1, which stands for none.
#[expect(clippy::unwrap_used, reason = "a helper of tests")]
fn write(folder: &Folder, metadata: Option<&str>) {
    let schema = "message rows { required binary text (UTF8); required int64 label; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let entry = |text: &str| vec![KeyValue::new("huggingface".to_owned(), text.to_owned())];
    let properties = WriterProperties::builder().set_key_value_metadata(metadata.map(entry)).build();
    let file = File::create(folder.path().join("rows.parquet")).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let texts = ["go away", "good day", "not again", "what"].map(ByteArray::from);
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&texts, None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&[1, 0, 1, -1], None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
}

#[test]
fn classes_have_the_names_that_the_file_gives() {
    let folder = Folder::new();
    write(&folder, Some(FEATURES));
    let table = folder.load(&dataset(Task::TextClassification, "rows.parquet"));
    assert_eq!(table.labels, ["angry", "calm"]);
    let labels: Vec<&str> =
        table.rows.iter().map(|row| table.labels[row.labels[0] as usize].as_str()).collect();
    assert_eq!(labels, ["angry", "calm", "angry"]);
    assert_eq!(found(&table, "missing-label").len(), 1);
}

#[test]
fn without_names_or_with_what_is_none_numbers_stay() {
    let folder = Folder::new();
    for metadata in [None, Some("not json"), Some(r#"{"info": {"features": {"label": {"dtype": "int64"}}}}"#)]
    {
        write(&folder, metadata);
        let table = folder.load(&dataset(Task::TextClassification, "rows.parquet"));
        assert_eq!(table.labels, ["-1", "0", "1"], "{metadata:?}");
    }
}
