//! A repaired file: nothing left to repair, every change accounted for, the source as it was.

#[cfg(test)]
mod support;

use loquat_data::{DataError, LoadOptions, Repair, Table, repair};
use loquat_spec::{Dataset, Severity, Split, SplitPart, Task};
use serde_json::{Value, json};
use support::{Folder, columns, dataset, json_lines, jsonl, source};

fn sentence(number: usize) -> String {
    (0..12).map(|place| format!("word{} ", number * 12 + place)).collect()
}

fn row(number: usize, label: &str) -> Value {
    json!({"text": sentence(number), "label": label, "note": number})
}

/// A data set with a fault of every kind that can be repaired.
fn faulty(folder: &Folder) -> Dataset {
    let mut rows: Vec<Value> = (0..40).map(|n| row(n, ["refund", "late"][n % 2])).collect();
    let faults = [
        json!({"text": "", "label": "late"}),
        json!({"text": sentence(100)}),
        json!({"text": format!("MÃ¼ller {}", sentence(101)), "label": "late", "note": 7}),
        json!({"text": format!("mail jo.do@post-box.io {}", sentence(102)), "label": "Refund"}),
        json!({"text": format!("nul \0 {}", sentence(103)), "label": "refnud"}),
        row(3, "late"),
        json!({"text": sentence(4).replacen("word48", "other", 1), "label": "refund"}),
        row(6, "late"),
        json!({"text": (200..280).map(sentence).collect::<String>(), "label": "late"}),
        json!({"text": 7, "label": "late"}),
    ];
    rows.extend(faults);
    let mut bytes = jsonl(&rows).into_bytes();
    bytes.extend_from_slice(b"{\"text\": \"caf\xe9 au lait\", \"label\": \"late\"}\n{not json\n");
    folder.write("train.jsonl", bytes);
    let test = [row(2, "refund"), row(300, "late"), row(301, "nowhere"), row(302, "refund")];
    folder.write("test.jsonl", jsonl(&test));
    let mut dataset = dataset(Task::TextClassification, "train.jsonl");
    dataset.split =
        Split::Files { development: None, test: Some(SplitPart::Files(vec![source("test.jsonl")])) };
    dataset
}

fn mended(folder: &Folder, dataset: &Dataset, name: &str) -> Result<Repair, DataError> {
    let options =
        LoadOptions { base: folder.path().to_owned(), threads: 2, cache: None, ..LoadOptions::default() };
    repair(dataset, &options, &folder.path().join(name), &|_, _| ())
}

/// The repaired file as a data set of its own.
fn second_check(folder: &Folder, first: &Dataset, done: &Repair) -> Table {
    let mut second = first.clone();
    second.files = vec![source("out.jsonl")];
    second.split = Split::Column(done.split_column.clone());
    folder.load(&second)
}

#[test]
fn a_second_check_of_the_repaired_file_is_clean() {
    let folder = Folder::new();
    let dataset = faulty(&folder);
    let before: Vec<Vec<u8>> =
        ["train.jsonl", "test.jsonl"].map(|name| std::fs::read(folder.path().join(name)).unwrap()).into();
    let done = mended(&folder, &dataset, "out.jsonl").unwrap();
    let after: Vec<Vec<u8>> =
        ["train.jsonl", "test.jsonl"].map(|name| std::fs::read(folder.path().join(name)).unwrap()).into();
    assert!(before == after, "the source was written");

    let table = second_check(&folder, &dataset, &done);
    let left: Vec<_> = table.findings.iter().filter(|found| found.severity != Severity::Info).collect();
    assert!(left.is_empty(), "{left:#?}");
    assert_eq!((done.rows_read, done.rows_written, table.rows_read), (56, 45, 45));
    assert!(done.left.is_empty(), "{:#?}", done.left);

    let rows = json_lines(&std::fs::read_to_string(folder.path().join("out.jsonl")).unwrap());
    assert_eq!(rows[0], json!({"text": sentence(0), "label": "refund", "note": 0, "split": "train"}));
    let texts: Vec<&str> = rows.iter().map(|row| row["text"].as_str().unwrap()).collect();
    assert!(texts.contains(&"café au lait") && texts.contains(&format!("Müller {}", sentence(101)).as_str()));
    assert!(texts.iter().any(|text| text.starts_with("mail [mail] ")));
    assert_eq!(rows.iter().filter(|row| row["split"] == "test").count(), 2);
}

#[test]
fn the_account_names_every_change_and_hides_personal_data() {
    let folder = Folder::new();
    let done = mended(&folder, &faulty(&folder), "out.jsonl").unwrap();
    assert!(done.changes.ends_with("out.jsonl.changes.jsonl"));
    let account = std::fs::read_to_string(&done.changes).unwrap();
    assert!(!account.contains("jo.do@"), "{account}");
    let entries = json_lines(&account);
    let dropped: Vec<(u64, &str)> = entries
        .iter()
        .filter(|entry| entry["action"] == "dropped")
        .map(|entry| (entry["row"].as_u64().unwrap(), entry["check"].as_str().unwrap()))
        .collect();
    // The rows of text 6 disagree, one against one; row 45 repeats row 3.
    let expected = [
        (6, "label-conflict"),
        (40, "empty-row"),
        (41, "missing-label"),
        (45, "duplicate"),
        (46, "near-duplicate"),
        (47, "label-conflict"),
        (48, "length-outlier"),
        (49, "wrong-type"),
        (51, "invalid-row"),
        (52, "leakage"),
        (54, "unseen-label"),
    ];
    assert_eq!(dropped, expected);
    let changed: Vec<&Value> = entries.iter().filter(|entry| entry["action"] == "changed").collect();
    let kinds: Vec<(u64, &str)> = changed
        .iter()
        .map(|entry| (entry["row"].as_u64().unwrap(), entry["check"].as_str().unwrap()))
        .collect();
    let expected = [
        (42, "mojibake"),
        (43, "personal-data"),
        (43, "label-spelling"),
        (44, "nul"),
        (44, "label-spelling"),
        (50, "invalid-utf8"),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(changed[2]["before"], "Refund");
    assert_eq!(changed[2]["after"], "refund");
    assert_eq!((&changed[2]["column"], &changed[2]["line"]), (&json!("label"), &json!(44)));
    assert_eq!(done.rows_changed, 4);
}

#[test]
fn tags_and_spans_are_mended_in_place() {
    let folder = Folder::new();
    folder.write("a.conll", "in\tO\nRome\tI-place\n\nNew\tB-place\nYork\tI-place\n");
    let done = mended(&folder, &dataset(Task::TokenClassification, "a.conll"), "out.jsonl").unwrap();
    let rows = json_lines(&std::fs::read_to_string(folder.path().join("out.jsonl")).unwrap());
    assert_eq!(rows[0]["tags"], json!(["O", "B-place"]));
    assert_eq!((done.rows_written, done.rows_changed), (2, 1));

    let span = |start: usize, end: usize| json!([{"start": start, "end": end, "label": "place"}]);
    let spans = [json!({"text": "in Oslo now", "spans": span(2, 6)}), json!({"text": "off", "spans": []})];
    folder.write("s.jsonl", jsonl(&spans));
    let mut spans = dataset(Task::TokenClassification, "s.jsonl");
    spans.columns = columns(&[("spans", "spans")]);
    mended(&folder, &spans, "out.jsonl").unwrap();
    let rows = json_lines(&std::fs::read_to_string(folder.path().join("out.jsonl")).unwrap());
    assert_eq!(rows[0]["spans"], span(3, 7));
}

#[test]
fn what_is_turned_off_is_not_repaired() {
    let folder = Folder::new();
    let mut dataset = faulty(&folder);
    let off = ["mojibake", "personal-data", "duplicate", "label-spelling"];
    dataset.checks = off.map(|name| (name.to_owned(), None)).into_iter().collect();
    mended(&folder, &dataset, "out.jsonl").unwrap();
    let text = std::fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
    assert!(["MÃ¼ller", "jo.do@post-box.io", "refnud"].iter().all(|kept| text.contains(kept)), "{text}");
    assert_eq!(text.matches("word36 ").count(), 2);
}

#[test]
fn the_source_and_other_formats_are_refused() {
    let folder = Folder::new();
    let dataset = faulty(&folder);
    for name in ["train.jsonl", "out.csv", "out"] {
        let error = mended(&folder, &dataset, name).unwrap_err();
        assert!(matches!(error, DataError::Target { .. }), "{error}");
    }
    assert!(!folder.path().join("out.csv").exists());
}
