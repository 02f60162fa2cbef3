//! What becomes of the columns of each task: labels, pairs, sentences.

#[cfg(test)]
mod support;

use loquat_data::{DataError, Input, LoadOptions, load};
use loquat_spec::Task;
use serde_json::json;
use support::{Folder, dataset, found, load_rows};

#[test]
fn labels_are_read_as_lists_and_as_delimited_text() {
    let rows = [
        json!({"text": "a", "labels": ["y", "x", "x"]}),
        json!({"text": "b", "labels": "z; x"}),
        json!({"text": "c", "labels": []}),
        json!({"text": "d", "labels": [1]}),
    ];
    let table = load_rows(&rows, 0, |dataset| {
        dataset.task = Task::MultiLabelClassification;
        dataset.delimiter = Some(";".to_owned());
    });
    assert_eq!(table.labels, ["1", "x", "y", "z"]);
    let labels: Vec<&[u32]> = table.rows.iter().map(|row| row.labels.as_slice()).collect();
    assert_eq!(labels, [&[1, 2][..], &[1, 3], &[], &[0]]);
    assert!(!table.has_errors(), "{:#?}", table.findings);
}

#[test]
fn pairs_and_sentences_are_read() {
    let rows = [
        json!({"premise": "a", "hypothesis": "b", "label": "x"}),
        json!({"premise": "a", "hypothesis": "", "label": "x"}),
        json!({"premise": "a b", "hypothesis": "c", "label": "y"}),
        json!({"premise": "a", "hypothesis": "b c", "label": "y"}),
    ];
    let table = load_rows(&rows, 0, |dataset| dataset.task = Task::TextPairClassification);
    assert_eq!(found(&table, "empty-row")[0].rows, [1]);
    assert!(
        matches!(&table.rows[1].input, Input::Pair { premise, hypothesis } if premise == "a b" && hypothesis == "c")
    );
    assert!(found(&table, "label-conflict").is_empty() && found(&table, "duplicate").is_empty());

    let folder = Folder::new();
    folder.write("a.conll", "New\tB-LOC\nYork\tI-LOC\n\nhi\tO\n");
    let table = folder.load(&dataset(Task::TokenClassification, "a.conll"));
    assert_eq!((table.labels.as_slice(), table.rows.len()), (&["LOC".to_owned()][..], 2));
    assert_eq!((table.rows[1].location.line, table.rows[1].labels.len()), (4, 0));
}

#[test]
fn tasks_without_a_reader_are_refused() {
    let folder = Folder::new();
    folder.write("a.jsonl", "{}");
    let options =
        LoadOptions { base: folder.path().to_owned(), threads: 1, cache: None, ..LoadOptions::default() };
    for task in [Task::Translation, Task::ZeroShotClassification] {
        let error = load(&dataset(task, "a.jsonl"), &options).unwrap_err();
        assert!(matches!(error, DataError::UnsupportedTask { .. }));
        assert!(error.to_string().contains("not yet supported"), "{error}");
    }
}
