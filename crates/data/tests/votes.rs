//! Rows on which annotators disagree, and domains of rows.

#[cfg(test)]
mod support;

use loquat_data::{LoadOptions, Part, Table, repair};
use loquat_spec::{Dataset, SourceFile, Split, SplitPart, Task};
use serde_json::{Value, json};
use support::{Folder, columns, dataset, found, json_lines, jsonl, load_rows, source};

fn labelled(labels: &[Value]) -> Table {
    let row = |(number, label): (usize, &Value)| json!({"text": format!("text {number}"), "label": label});
    load_rows(&labels.iter().enumerate().map(row).collect::<Vec<_>>(), 0, |_| ())
}

/// Of each row the label, and the share of each label.
fn said(table: &Table) -> Vec<(&str, Vec<(&str, f32)>)> {
    let name = |label: u32| table.labels[label as usize].as_str();
    let row = |row: &loquat_data::Row| {
        assert_eq!(row.labels.len(), 1);
        let shares = row.shares.iter().map(|(label, share)| (name(*label), *share));
        (name(row.labels[0]), shares.collect())
    };
    table.rows.iter().map(row).collect()
}

#[test]
fn shares_counts_and_lists_say_the_same() {
    let table = labelled(&[
        json!({"neutral": 0.25, "entailment": 0.75}),
        json!({"neutral": 1, "entailment": 3, "contradiction": 0}),
        json!(["entailment", "neutral", " entailment ", "entailment", ""]),
        json!({"neutral": 0.125, "entailment": 0.75, " neutral": 0.125}),
    ]);
    assert_eq!(table.labels, ["entailment", "neutral"]);
    let expected = ("entailment", vec![("entailment", 0.75), ("neutral", 0.25)]);
    assert_eq!(said(&table), vec![expected; 4]);
    assert!(table.has_shares() && found(&table, "label-tie").is_empty(), "{:#?}", table.findings);
}

#[test]
fn annotators_who_agree_leave_a_label_alone() {
    let table = labelled(&[json!({"x": 5, "y": 0}), json!(["y", "y"]), json!([7]), json!("x")]);
    let labels: Vec<&str> = said(&table).into_iter().map(|(label, _)| label).collect();
    assert_eq!(labels, ["x", "y", "7", "x"]);
    assert!(!table.has_shares() && table.rows.iter().all(|row| row.shares.is_empty()));
    // They are the same data as plain labels.
    assert_eq!(table.hash, labelled(&[json!("x"), json!("y"), json!(7), json!("x")]).hash);
}

#[test]
fn ties_go_to_the_first_label_by_name() {
    let table = labelled(&[json!("x"), json!({"y": 0.5, "b": 0.5}), json!(["y", "b", "a"])]);
    let labels: Vec<&str> = said(&table).into_iter().map(|(label, _)| label).collect();
    assert_eq!(labels, ["x", "b", "a"]);
    let [tie] = found(&table, "label-tie")[..] else { panic!("{:#?}", table.findings) };
    assert_eq!((tie.rows.as_slice(), tie.line), (&[1, 2][..], Some(2)));
    assert!(tie.remedy.contains("multi-label-classification"), "{}", tie.remedy);
}

#[test]
fn the_hash_tells_shares_and_domains_apart() {
    let one = |label: Value| labelled(&[label, json!("x"), json!("y")]).hash;
    let hashes = [one(json!({"x": 3, "y": 1})), one(json!({"x": 2, "y": 1})), one(json!("x"))];
    assert!(hashes[0] != hashes[1] && hashes[1] != hashes[2] && hashes[0] != hashes[2]);
    assert_eq!(hashes[0], one(json!(["x", "y", "x", "x"])));
    let domain = |name: &str| {
        let rows = [json!({"text": "a", "label": "x", "genre": name}), json!({"text": "b", "label": "y"})];
        load_rows(&rows, 0, |dataset| dataset.columns = columns(&[("domain", "genre")])).hash
    };
    assert_ne!(domain("letters"), domain("travel"));
}

#[test]
fn sets_of_labels_stay_sets() {
    let folder = Folder::new();
    folder.write(
        "a.jsonl",
        jsonl(&[json!({"text": "a", "labels": ["x", "y"]}), json!({"text": "b", "labels": ["x"]})]),
    );
    let table = folder.load(&dataset(Task::MultiLabelClassification, "a.jsonl"));
    assert_eq!(table.rows[0].labels, [0, 1]);
    assert!(!table.has_shares());
}

fn pair(number: usize, genre: Option<&str>) -> Value {
    let mut row =
        json!({"premise": format!("p {number}"), "hypothesis": format!("h {number}"), "label": (number % 2)});
    if let Some(genre) = genre {
        row["genre"] = json!(genre);
    }
    row
}

/// Training rows with a column, and two test files: one with the column, one with a constant.
fn genres(folder: &Folder) -> Dataset {
    let train: Vec<Value> = (0..4).map(|n| pair(n, Some(["fiction", "travel"][n / 2]))).collect();
    folder.write("train.jsonl", jsonl(&train));
    folder.write("matched.jsonl", jsonl(&[pair(10, Some("travel")), pair(11, None)]));
    folder.write("letters.jsonl", jsonl(&[pair(20, None), pair(21, None)]));
    let mut dataset = dataset(Task::TextPairClassification, "train.jsonl");
    let roles = ["premise", "hypothesis", "label"].map(|role| (role, role));
    dataset.columns = columns(&[&roles[..], &[("domain", "genre")]].concat());
    let letters = SourceFile { domain: Some("letters".to_owned()), ..source("letters.jsonl") };
    dataset.split = Split::Files {
        development: None,
        test: Some(SplitPart::Files(vec![source("matched.jsonl"), letters])),
    };
    dataset
}

#[test]
fn domains_come_from_a_column_or_from_the_file() {
    let folder = Folder::new();
    let table = folder.load(&genres(&folder));
    assert_eq!(table.domains, ["fiction", "letters", "travel"]);
    let domains: Vec<Option<&str>> = table
        .rows
        .iter()
        .map(|row| row.domain.map(|domain| table.domains[domain as usize].as_str()))
        .collect();
    let train = ["fiction", "fiction", "travel", "travel"].map(Some);
    assert_eq!(domains, [&train[..], &[Some("travel"), None, Some("letters"), Some("letters")]].concat());
    assert!(table.rows[4..].iter().all(|row| row.part == Part::Test));
    assert!(found(&table, "missing-column").is_empty(), "{:#?}", table.findings);
}

#[test]
fn a_column_of_domains_that_no_row_has_is_missed() {
    let folder = Folder::new();
    let mut dataset = genres(&folder);
    dataset.split =
        Split::Files { development: None, test: Some(SplitPart::Files(vec![source("letters.jsonl")])) };
    let table = folder.load(&dataset);
    let [missing] = found(&table, "missing-column")[..] else { panic!("{:#?}", table.findings) };
    assert!(missing.message.contains("`genre`") && missing.field.as_deref() == Some("spec.columns.domain"));
}

#[test]
fn a_repaired_file_keeps_shares_and_domains() {
    let folder = Folder::new();
    let mut rows: Vec<Value> = (0..12).map(|n| pair(n, None)).collect();
    rows.iter_mut().for_each(|row| row["label"] = json!("neutral"));
    rows[0]["label"] = json!({"Neutral": 1, "neutral": 2, "entailment": 1});
    rows[1]["label"] = json!("entailment");
    folder.write("a.jsonl", jsonl(&rows));
    let mut dataset = dataset(Task::TextPairClassification, "a.jsonl");
    dataset.files[0].domain = Some("letters".to_owned());
    let options = LoadOptions { base: folder.path().to_owned(), threads: 2, ..LoadOptions::default() };
    let done = repair(&dataset, &options, &folder.path().join("out.jsonl"), &|_, _| ()).unwrap();
    assert_eq!(done.domain_column.as_deref(), Some("domain"));
    let written = json_lines(&std::fs::read_to_string(folder.path().join("out.jsonl")).unwrap());
    assert_eq!(written[0]["label"], json!({"neutral": 3.0, "entailment": 1}));
    assert!(written.iter().all(|row| row["domain"] == "letters"));
}
