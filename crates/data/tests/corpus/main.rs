//! Replays the corpora of the fuzz targets for readers.

mod entry;

use std::path::{Path, PathBuf};

use loquat_data::ReaderFormat;

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target)
}

fn replay(target: &str, format: ReaderFormat) {
    let mut replayed = 0;
    for file in std::fs::read_dir(folder(target)).expect("the corpus can be read") {
        let path = file.expect("the corpus can be read").path();
        eprintln!("{}", path.display());
        entry::records(&std::fs::read(&path).expect("the corpus can be read"), format);
        replayed += 1;
    }
    assert!(replayed > 0, "the corpus of {target} is empty");
}

#[test]
fn no_jsonl_file_of_the_corpus_panics() {
    replay("jsonl", ReaderFormat::Jsonl);
}

#[test]
fn no_csv_file_of_the_corpus_panics() {
    replay("csv", ReaderFormat::Csv);
}

#[test]
fn no_tsv_file_of_the_corpus_panics() {
    replay("tsv", ReaderFormat::Tsv);
}

#[test]
fn no_conll_file_of_the_corpus_panics() {
    replay("conll", ReaderFormat::Conll);
}

#[test]
fn no_text_file_of_the_corpus_panics() {
    replay("lines", ReaderFormat::Lines);
}

#[test]
fn no_parquet_file_of_the_corpus_panics() {
    replay("parquet", ReaderFormat::Parquet);
}
