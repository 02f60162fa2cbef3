//! Builders that the tests of this crate share.
#![expect(dead_code, reason = "each test binary uses some of the builders")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loquat_data::{LoadOptions, Table, load};
use loquat_spec::{Columns, Dataset, Finding, Name, Share, SourceFile, Split, Task};
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

/// A folder with files, gone at the end of the test.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn load(&self, dataset: &Dataset) -> Table {
        let options =
            LoadOptions { base: self.path().to_owned(), threads: 2, cache: None, ..LoadOptions::default() };
        load(dataset, &options).unwrap()
    }
}

/// Reads rows of a text classification, for so many folds.
pub(crate) fn load_rows(
    rows: &[serde_json::Value],
    folds: usize,
    adjust: impl FnOnce(&mut Dataset),
) -> Table {
    let folder = Folder::new();
    folder.write("a.jsonl", jsonl(rows));
    let mut dataset = dataset(Task::TextClassification, "a.jsonl");
    adjust(&mut dataset);
    let options = LoadOptions { base: folder.path().to_owned(), threads: 2, folds, ..LoadOptions::default() };
    load(&dataset, &options).unwrap()
}

pub(crate) fn source(path: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), format: None, language: None, domain: None }
}

pub(crate) fn share(text: &str) -> Share {
    Share::parse(text).unwrap()
}

pub(crate) fn hash_split(development: &str, test: &str) -> Split {
    Split::Hash { development: share(development), test: share(test) }
}

pub(crate) fn columns(pairs: &[(&str, &str)]) -> Columns {
    let roles = pairs.iter().map(|(role, column)| (role.to_string(), column.to_string()));
    Columns { roles: roles.collect::<BTreeMap<_, _>>() }
}

/// Everything of `path` as training data of `task`.
pub(crate) fn dataset(task: Task, path: &str) -> Dataset {
    Dataset {
        name: Name::new("sample").unwrap(),
        task,
        languages: Vec::new(),
        files: vec![source(path)],
        delimiter: None,
        columns: Columns::default(),
        split: hash_split("0%", "0%"),
        checks: BTreeMap::new(),
    }
}

pub(crate) fn jsonl(rows: &[serde_json::Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

pub(crate) fn json_lines(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn found<'a>(table: &'a Table, check: &str) -> Vec<&'a Finding> {
    table.findings.iter().filter(|finding| finding.check == check).collect()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

/// A Parquet file with the columns `text` (may be null), `labels` (a list), `raw` (bytes without annotation) and
/// `number`.
pub(crate) fn parquet(path: &Path, texts: &[Option<&[u8]>], compression: Compression) {
    let schema = "message rows {
        optional binary text (UTF8);
        required group labels (LIST) { repeated group list { required binary element (UTF8); } }
        required binary raw;
        required int64 number;
    }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let mut writer = SerializedFileWriter::new(File::create(path).unwrap(), schema, properties).unwrap();
    let half = texts.len().div_ceil(2).max(1);
    for texts in texts.chunks(half) {
        let mut group = writer.next_row_group().unwrap();
        let bytes = |text: &[u8]| ByteArray::from(text.to_vec());
        let present: Vec<ByteArray> = texts.iter().flatten().map(|text| bytes(text)).collect();
        let levels: Vec<i16> = texts.iter().map(|text| i16::from(text.is_some())).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&present, Some(&levels), None).unwrap();
        column.close().unwrap();
        // Two labels a row.
        let labels: Vec<ByteArray> = texts.iter().flat_map(|_| [bytes(b"a"), bytes(b"b")]).collect();
        let definition = vec![1; labels.len()];
        let repetition: Vec<i16> = texts.iter().flat_map(|_| [0, 1]).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&labels, Some(&definition), Some(&repetition)).unwrap();
        column.close().unwrap();
        let raw: Vec<ByteArray> = texts.iter().map(|_| bytes("Käse".as_bytes())).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&raw, None, None).unwrap();
        column.close().unwrap();
        let numbers: Vec<i64> = (0..texts.len() as i64).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&numbers, None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.close().unwrap();
}

pub(crate) fn codecs() -> [Compression; 4] {
    [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::ZSTD(ZstdLevel::default()),
    ]
}
