//! What the checks of resemblance, encoding, language, length, personal data, pairs and entities find, and what they
//! leave alone.

#[cfg(test)]
mod support;

use loquat_data::{LoadOptions, Table, check};
use loquat_spec::{Dataset, Severity, Split, SplitPart, Task};
use serde_json::{Value, json};
use support::{Folder, columns, dataset, found, jsonl, source};

/// Sentences of different words: a number of one is in no other.
fn sentence(number: usize) -> String {
    const WORDS: [&str; 12] = [
        "parcel", "late", "weather", "invoice", "garden", "window", "letter", "bottle", "engine", "violin",
        "market", "candle",
    ];
    (0..12).map(|place| format!("{}{} ", WORDS[(number + place) % 12], number * 12 + place)).collect()
}

fn row(text: &str, label: &str) -> Value {
    json!({"text": text, "label": label})
}

fn plain(count: usize) -> Vec<Value> {
    (0..count).map(|n| row(&sentence(n), ["x", "y"][n % 2])).collect()
}

fn load_rows(rows: &[Value], adjust: impl Fn(&mut Dataset)) -> Table {
    let folder = Folder::new();
    folder.write("a.jsonl", jsonl(rows));
    let mut dataset = dataset(Task::TextClassification, "a.jsonl");
    adjust(&mut dataset);
    folder.load(&dataset)
}

/// The rows of the only finding of a check.
fn rows_of(table: &Table, check: &str) -> Vec<usize> {
    match found(table, check)[..] {
        [] => Vec::new(),
        [finding] => finding.rows.clone(),
        _ => panic!("{:#?}", table.findings),
    }
}

#[test]
fn clean_rows_have_no_finding_but_the_shares() {
    let table = load_rows(&plain(60), |_| ());
    let checks: Vec<&str> = table.findings.iter().map(|finding| finding.check).collect();
    assert_eq!(checks, ["class-shares"]);
}

#[test]
fn texts_without_labels_are_checked_as_texts() {
    let folder = Folder::new();
    let mut rows: Vec<Value> = (0..40).map(|n| json!({ "text": sentence(n) })).collect();
    rows.push(json!({ "text": sentence(7) }));
    rows.push(json!({ "text": "write to someone@mailhost.org" }));
    folder.write("a.jsonl", jsonl(&rows));
    let dataset = Dataset { columns: columns(&[("text", "text")]), ..dataset(Task::Embedding, "a.jsonl") };
    let table = folder.load(&dataset);
    let checks: Vec<&str> = table.findings.iter().map(|finding| finding.check).collect();
    assert_eq!(checks, ["duplicate", "personal-data"], "{:#?}", table.findings);
    assert_eq!((table.rows.len(), table.labels.len()), (42, 0));
}

#[test]
fn texts_but_for_a_word_are_found_inside_a_part_and_across() {
    let folder = Folder::new();
    let mut rows = plain(40);
    let edited = |n: usize| sentence(n).replacen(&format!("{} ", n * 12 + 3), "another ", 1);
    rows.push(row(&edited(5), "y"));
    folder.write("train.jsonl", jsonl(&rows));
    folder.write(
        "test.jsonl",
        jsonl(&[row(&edited(9), "y"), row(&sentence(200), "x"), row(&sentence(7), "y")]),
    );
    let mut dataset = dataset(Task::TextClassification, "train.jsonl");
    dataset.split =
        Split::Files { development: None, test: Some(SplitPart::Files(vec![source("test.jsonl")])) };
    let table = folder.load(&dataset);
    assert_eq!(rows_of(&table, "near-duplicate"), [40]);
    assert_eq!(rows_of(&table, "near-leakage"), [41]);
    // The same text is leakage, and said once.
    assert_eq!(rows_of(&table, "leakage"), [43]);
    assert!(found(&table, "near-leakage")[0].message.contains("1 of 3 test rows"));

    let off = ["near-duplicate", "near-leakage", "leakage", "label-cue"].map(|name| (name.to_owned(), None));
    dataset.checks = off.into_iter().collect();
    let table = folder.load(&dataset);
    assert!(
        ["near-duplicate", "near-leakage", "leakage"].iter().all(|check| found(&table, check).is_empty())
    );
    assert_eq!(table.rows.iter().filter(|row| row.leaked).count(), 1);
}

#[test]
fn checking_says_what_loading_says() {
    let folder = Folder::new();
    let mut rows = plain(300);
    rows.extend((0..20).map(|n| row(&sentence(n).replacen("a", "o", 1), "y")));
    rows.push(row("", "x"));
    rows.push(row(&sentence(3), "z"));
    folder.write("a.jsonl", jsonl(&rows));
    let dataset = dataset(Task::TextClassification, "a.jsonl");
    let options =
        LoadOptions { base: folder.path().to_owned(), threads: 2, cache: None, ..LoadOptions::default() };
    let table = folder.load(&dataset);
    let bytes = std::sync::Mutex::new((0, None));
    let audit = check(&dataset, &options, &|read, total| *bytes.lock().unwrap() = (read, total)).unwrap();
    assert_eq!((audit.rows_read, &audit.findings), (table.rows_read, &table.findings));
    let size = std::fs::metadata(folder.path().join("a.jsonl")).unwrap().len();
    assert_eq!(bytes.into_inner().unwrap(), (size, Some(size)));
}

#[test]
fn a_severity_may_be_set_for_the_new_checks() {
    let mut rows = plain(30);
    rows.push(row("MÃ¼ller aus KÃ¶ln", "x"));
    let table = load_rows(&rows, |dataset| {
        dataset.checks.insert("mojibake".to_owned(), Some(Severity::Error));
    });
    assert_eq!(found(&table, "mojibake")[0].severity, Severity::Error);
    assert!(table.has_errors());
}

#[test]
fn personal_data_is_counted_and_never_shown() {
    let mut rows = plain(30);
    let secrets = ["ann.lee@post-box.io", "+44 20 7946 0958", "4111 1111 1111 1111"];
    rows.extend(secrets.map(|secret| row(&format!("please write to {secret} about it"), "x")));
    let table = load_rows(&rows, |_| ());
    let findings = found(&table, "personal-data");
    let rows: Vec<usize> = findings.iter().flat_map(|finding| finding.rows.clone()).collect();
    assert_eq!(rows, [30, 32, 31]);
    let all = format!("{:?}", table.findings);
    assert!(secrets.iter().all(|secret| !all.contains(secret)), "{all}");
}

#[test]
fn a_text_far_longer_than_the_others_is_out_of_the_way() {
    let mut rows = plain(40);
    rows.push(row(&(100..180).map(sentence).collect::<String>(), "x"));
    assert_eq!(rows_of(&load_rows(&rows, |_| ()), "length-outlier"), [40]);
}

#[test]
fn labels_a_letter_apart_are_found_where_one_is_rare() {
    let mut rows: Vec<Value> = (0..60).map(|n| row(&sentence(n), ["refund", "level 1"][n % 2])).collect();
    rows.push(row(&sentence(70), "refnud"));
    rows.push(row(&sentence(71), "level 2"));
    let table = load_rows(&rows, |_| ());
    let [finding] = found(&table, "label-spelling")[..] else { panic!("{:#?}", table.findings) };
    assert!(finding.message.contains("\"refnud\"") && finding.message.contains("\"refund\""));
    assert_eq!(finding.rows, [60]);
    rows = (0..20).map(|n| row(&sentence(n), ["card_lost", "Card lost"][n % 2])).collect();
    assert_eq!(found(&load_rows(&rows, |_| ()), "label-spelling")[0].rows.len(), 20);
}

#[test]
fn a_heading_of_one_label_is_a_cue_and_a_heading_of_all_is_none() {
    let headed = |only: bool| -> Vec<Value> {
        let text = |n: usize| match only && n % 2 == 1 {
            true => sentence(n),
            false => format!("Form seven of the north office: {}", sentence(n)),
        };
        (0..80).map(|n| row(&text(n), ["claim", "other"][n % 2])).collect()
    };
    let table = load_rows(&headed(true), |_| ());
    let [finding] = found(&table, "label-cue")[..] else { panic!("{:#?}", table.findings) };
    assert!(finding.message.contains("Form seven of the north") && finding.message.contains("claim"));
    assert!(found(&load_rows(&headed(false), |_| ()), "label-cue").is_empty());
}

#[test]
fn texts_in_another_language_than_they_say_are_found() {
    let german = [
        "Die Lieferung ist gestern leider wieder nicht angekommen, obwohl sie fest zugesagt war.",
        "Ich möchte die Bestellung zurückgeben und mein Geld so schnell wie möglich wiederhaben.",
        "Können Sie mir bitte sagen, wann die Rechnung für den letzten Monat verschickt wird?",
        "Das Gerät schaltet sich nach wenigen Minuten ohne erkennbaren Grund von selbst aus.",
    ];
    let english = [
        "The parcel did not arrive yesterday although the driver had promised that it would.",
        "I would like to return the whole order and get my money back as soon as possible.",
        "Could you please tell me when the invoice for the last month is going to be sent?",
        "The device switches itself off after a few minutes without any reason that I can see.",
    ];
    let row = |text: &str, n: usize, language: &str| {
        let label = ["x", "y"][n % 2];
        json!({"text": text, "label": label, "lang": language})
    };
    let mut rows: Vec<Value> = english.iter().enumerate().map(|(n, text)| row(text, n, "en-GB")).collect();
    rows.extend(german.iter().enumerate().map(|(n, text)| row(text, n, "en-GB")));
    rows.extend(["ok danke", "ja bitte"].iter().enumerate().map(|(n, text)| row(text, n, "en-GB")));
    let adjust = |dataset: &mut Dataset| dataset.columns = columns(&[("language", "lang")]);
    let table = load_rows(&rows, adjust);
    assert_eq!(rows_of(&table, "language-mismatch"), [4, 5, 6, 7]);
    assert!(found(&table, "language-mismatch")[0].message.contains("`de`"));
    // Without a column, the declared languages count.
    let table = load_rows(&rows, |dataset| dataset.languages = vec!["en".to_owned()]);
    assert_eq!(rows_of(&table, "language-mismatch"), [4, 5, 6, 7]);
    let table = load_rows(&rows, |dataset| dataset.languages = vec!["en".to_owned(), "DE".to_owned()]);
    assert!(found(&table, "language-mismatch").is_empty());
}

#[test]
fn entities_that_cannot_be_right_are_found() {
    let folder = Folder::new();
    let mut text = String::new();
    for n in 0..8 {
        text.push_str(&format!("visit{n}\tO\nOslo\tB-place\nnow{n}\tO\n\n"));
    }
    text.push_str("see\tO\nOslo\tB-person\n\nin\tO\nRome\tI-place\nand\tO\nNew\tB-place\nYork\tI-place\n");
    folder.write("a.conll", text);
    let table = folder.load(&dataset(Task::TokenClassification, "a.conll"));
    assert_eq!(rows_of(&table, "entity-conflict"), [8]);
    assert!(found(&table, "entity-conflict")[0].message.contains("\"Oslo\" is place 8 times and person 1"));
    assert_eq!(rows_of(&table, "loose-tag"), [9]);

    let span = |start: usize, end: usize| json!([{"start": start, "end": end, "label": "place"}]);
    let rows = [
        json!({"text": "in Oslo now", "spans": span(3, 7)}),
        json!({"text": "in Oslo too", "spans": span(3, 6)}),
        json!({"text": "to Oslo yes", "spans": span(2, 7)}),
        json!({"text": "我在东京住", "spans": span(2, 4)}),
    ];
    folder.write("a.jsonl", jsonl(&rows));
    let mut spans = dataset(Task::TokenClassification, "a.jsonl");
    spans.columns = columns(&[("spans", "spans")]);
    assert_eq!(rows_of(&folder.load(&spans), "cut-span"), [1, 2]);
}

#[test]
fn pairs_of_one_text_and_premises_on_both_sides_are_found() {
    let folder = Folder::new();
    let pair = |premise: &str, hypothesis: &str| json!({"premise": premise, "hypothesis": hypothesis, "label": premise.len() % 2});
    folder.write(
        "train.jsonl",
        jsonl(&[pair("a cat sits", "it sits"), pair("One", " one "), pair("dogs run", "fast")]),
    );
    folder.write("test.jsonl", jsonl(&[pair("A  cat sits", "it stands"), pair("birds", "fly")]));
    let mut dataset = dataset(Task::TextPairClassification, "train.jsonl");
    dataset.split =
        Split::Files { development: None, test: Some(SplitPart::Files(vec![source("test.jsonl")])) };
    let table = folder.load(&dataset);
    assert_eq!(rows_of(&table, "same-pair"), [1]);
    assert_eq!(rows_of(&table, "premise-leakage"), [3]);
    assert!(found(&table, "leakage").is_empty());
}

#[test]
fn labels_that_a_part_lacks_are_noted() {
    let folder = Folder::new();
    folder.write("train.jsonl", jsonl(&plain(6)));
    folder.write("test.jsonl", jsonl(&[row(&sentence(50), "x")]));
    let mut dataset = dataset(Task::TextClassification, "train.jsonl");
    dataset.split =
        Split::Files { development: None, test: Some(SplitPart::Files(vec![source("test.jsonl")])) };
    let table = folder.load(&dataset);
    let [finding] = found(&table, "absent-label")[..] else { panic!("{:#?}", table.findings) };
    assert_eq!(finding.severity, Severity::Info);
    assert!(finding.message.contains("1 label of training without a test row (y)"), "{}", finding.message);
}
