//! What is found across parts, groups and classes: leakage, translations, classes too small.

#[cfg(test)]
mod support;

use loquat_spec::{Dataset, SourceFile, Split, SplitPart, Task};
use serde_json::{Value, json};
use support::{Folder, columns, dataset, found, hash_split, jsonl, load_rows, source};

fn pair(text: &str, label: &str) -> Value {
    json!({"text": text, "label": label})
}

#[test]
fn leaked_rows_are_marked_and_counted() {
    let folder = Folder::new();
    folder.write("train.jsonl", jsonl(&[pair("a", "x"), pair("b", "y")]));
    folder.write("dev.jsonl", jsonl(&[pair("A ", "x"), pair("c", "y")]));
    folder.write("test.jsonl", jsonl(&[pair("d", "x"), pair("B", "y"), pair("c", "y"), pair("new", "z")]));
    let mut dataset = dataset(Task::TextClassification, "train.jsonl");
    dataset.split = Split::Files {
        development: Some(SplitPart::Files(vec![source("dev.jsonl")])),
        test: Some(SplitPart::Files(vec![source("test.jsonl")])),
    };
    let table = folder.load(&dataset);
    let leaked: Vec<usize> = table.rows.iter().filter(|row| row.leaked).map(|row| row.number).collect();
    assert_eq!(leaked, [2, 5, 6]);
    let [development, test] = found(&table, "leakage")[..] else { panic!("{:#?}", table.findings) };
    assert_eq!((development.rows.as_slice(), development.file.as_deref()), (&[2][..], Some("dev.jsonl")));
    assert_eq!((test.rows.as_slice(), test.line), (&[5, 6][..], Some(2)));
    assert!(test.message.starts_with("2 of 4 test rows"), "{}", test.message);
    let [unseen] = found(&table, "unseen-label")[..] else { panic!("{:#?}", table.findings) };
    assert_eq!(unseen.rows, [7]);
}

#[test]
fn groups_across_given_parts_are_found() {
    let folder = Folder::new();
    let row = |text: &str, label: &str, who: i64| json!({"text": text, "label": label, "who": who});
    folder.write("train.jsonl", jsonl(&[row("a", "x", 1), row("b", "y", 2)]));
    folder.write("test.jsonl", jsonl(&[row("c", "x", 1), row("d", "y", 3)]));
    let mut dataset = dataset(Task::TextClassification, "train.jsonl");
    dataset.columns = columns(&[("group", "who")]);
    dataset.split =
        Split::Files { development: None, test: Some(SplitPart::Files(vec![source("test.jsonl")])) };
    let table = folder.load(&dataset);
    let [finding] = found(&table, "group-leakage")[..] else { panic!("{:#?}", table.findings) };
    assert_eq!(finding.rows, [2]);
    assert!(table.has_groups() && table.rows.iter().all(|row| !row.leaked));
}

#[test]
fn parts_that_stay_empty_are_reported() {
    let table =
        load_rows(&[pair("a", "x"), pair("b", "y")], 0, |dataset| dataset.split = hash_split("0%", "0.001%"));
    assert_eq!(found(&table, "empty-split").len(), 1);
    let table =
        load_rows(&[pair("a", "x"), pair("b", "y")], 0, |dataset| dataset.split = hash_split("0%", "100%"));
    assert_eq!(found(&table, "no-text")[0].message, "no row is left for training");
}

#[test]
fn classes_smaller_than_the_folds_are_named_and_kept() {
    let mut rows: Vec<Value> = (0..6).map(|n| pair(&format!("a{n}"), "big")).collect();
    rows.extend([pair("b", "small"), pair("c", "small")]);
    let table = load_rows(&rows, 5, |_| ());
    let [finding] = &found(&table, "small-class")[..] else { panic!("{:?}", table.findings) };
    assert_eq!((finding.rows.as_slice(), finding.line), (&[6, 7][..], Some(7)));
    let named = finding.message.contains("1 class") && finding.message.contains("small (2)");
    assert!(named, "{}", finding.message);
    assert!(found(&load_rows(&rows, 2, |_| ()), "small-class").is_empty());
    let off =
        |dataset: &mut Dataset| dataset.checks = [("small-class".to_owned(), None)].into_iter().collect();
    assert!(found(&load_rows(&rows, 5, off), "small-class").is_empty());
    assert_eq!(table.rows.len(), 8);
}

/// Rows in three languages; `id` is shared by the versions of a text when `parallel`, else each language counts anew.
fn languages(parallel: bool) -> Vec<Value> {
    let mut rows = Vec::new();
    for (shift, language) in ["en", "de", "fr"].into_iter().enumerate() {
        for id in 0..60_usize {
            let topic = if parallel { id } else { id * 7 + shift * 31 + id / 9 };
            rows.push(json!({
                "text": format!("{language} text {id}"), "label": format!("topic {}", topic % 4), "topic": topic % 4,
                "lang": language, "id": id, "note": format!("{language}{id}"),
            }));
        }
    }
    rows
}

#[test]
fn translations_without_a_group_propose_the_column() {
    let roles = [("language", "lang"), ("id", "id")];
    let table = load_rows(&languages(true), 0, |dataset| dataset.columns = columns(&roles));
    let [finding] = found(&table, "translation-leakage")[..] else { panic!("{:#?}", table.findings) };
    assert!(finding.message.contains("180 of 180 rows share their `id`"), "{}", finding.message);
    assert!(finding.message.contains("translations of each other across folds"));
    assert!(finding.remedy.contains("`group: id`"));
    assert_eq!((finding.rows.len(), finding.line), (180, Some(1)));

    let grouped = [("language", "lang"), ("group", "id")];
    let table = load_rows(&languages(true), 0, |dataset| dataset.columns = columns(&grouped));
    assert!(found(&table, "translation-leakage").is_empty());
}

#[test]
fn running_numbers_and_shared_attributes_are_no_translations() {
    let table = load_rows(&languages(false), 0, |dataset| dataset.columns = columns(&[("language", "lang")]));
    assert!(found(&table, "translation-leakage").is_empty(), "{:#?}", table.findings);
    let table = load_rows(&languages(true), 0, |_| ());
    assert!(found(&table, "translation-leakage").is_empty());
}

#[test]
fn translations_are_found_across_files_with_a_language_each() {
    let folder = Folder::new();
    let mut dataset = dataset(Task::TextClassification, "en.csv");
    dataset.files.clear();
    for language in ["en", "de"] {
        let rows: String = (0..40).map(|n| format!("{language} {n},l{},s{n}\n", n % 3)).collect();
        folder.write(&format!("{language}.csv"), format!("text,label,sentence\n{rows}"));
        dataset
            .files
            .push(SourceFile { language: Some(language.to_owned()), ..source(&format!("{language}.csv")) });
    }
    let table = folder.load(&dataset);
    assert_eq!(table.languages, ["de", "en"]);
    assert!(found(&table, "translation-leakage")[0].remedy.contains("`group: sentence`"));
}
