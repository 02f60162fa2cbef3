//! What becomes of the columns of each task: labels, pairs, sentences.

#[cfg(test)]
mod support;

use loquat_data::{DataError, Input, LoadOptions, load};
use loquat_spec::Task;
use serde_json::json;
use support::{Folder, columns, dataset, found, load_rows};

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
fn pairs_to_embed_are_read_with_scores_or_negatives() {
    let rows = [
        json!({"a": "x y", "b": "z", "s": 4.5}),
        json!({"a": "x", "b": "y z", "s": "2"}),
        json!({"a": "x", "b": "z", "s": null}),
        json!({"a": "x", "b": "w", "s": "much"}),
        json!({"a": " ", "b": "z", "s": 1}),
        json!({"a": "x Y", "b": "z", "s": 1}),
    ];
    let scored = columns(&[("text_a", "a"), ("text_b", "b"), ("score", "s")]);
    let table = load_rows(&rows, 0, |dataset| {
        dataset.task = Task::Embedding;
        dataset.columns = scored.clone();
    });
    let scores: Vec<Option<f32>> = table
        .rows
        .iter()
        .map(|row| match &row.input {
            Input::Alike { score, .. } => *score,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(scores, [Some(4.5), Some(2.0), Some(1.0)]);
    let of = |check| found(&table, check).iter().flat_map(|finding| finding.rows.clone()).collect::<Vec<_>>();
    assert_eq!((of("wrong-type"), of("empty-row"), of("missing-label")), (vec![3], vec![4], vec![2]));
    // The same pair with another score says two things of one.
    assert_eq!(of("label-conflict"), [0, 5]);

    let rows = [
        json!({"q": "x", "p": "y", "n": "z"}),
        json!({"q": "x", "p": "w", "n": ""}),
        json!({"q": "x", "p": null, "n": "z"}),
    ];
    let asked = columns(&[("query", "q"), ("positive", "p"), ("negative", "n")]);
    let table = load_rows(&rows, 0, |dataset| {
        dataset.task = Task::Embedding;
        dataset.columns = asked.clone();
    });
    let negatives: Vec<Option<&str>> = table
        .rows
        .iter()
        .map(|row| match &row.input {
            Input::Alike { negative, score: None, .. } => negative.as_deref(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(negatives, [Some("z"), None]);
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
