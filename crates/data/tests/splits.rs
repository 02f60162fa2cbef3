//! Splits: disjoint, complete, stable, and the same in every release.

#[cfg(test)]
mod support;

use std::collections::BTreeMap;

use loquat_data::{Part, Table, group_key, normalised, part_of, text_key};
use loquat_spec::{Split, SplitPart, Task};
use proptest::prelude::*;
use serde_json::json;
use support::{Folder, columns, dataset, found, hash_split, jsonl, share, source};

/// Computed apart from this crate with Python's `hashlib` and `unicodedata`; never to be changed.
#[test]
fn keys_never_change_between_releases() {
    let cases = [
        ("hello world", "hello world", 0xb94d27b9934d3e08),
        ("  Hello\tWORLD \n", "hello world", 0xb94d27b9934d3e08),
        ("Where is my parcel?", "where is my parcel?", 0xc34ddb857c34aefa),
        ("Straße 5", "straße 5", 0x458a0f61b0a01746),
        ("ﬁne ｆｏｏ", "fine foo", 0x235bffd266b7d100),
        ("ÀÉ  Б Ж", "àé б ж", 0xb6a3bd48d3e7aa34),
        ("我的包裹在哪里", "我的包裹在哪里", 0x6800fc2f0cb06213),
        ("ｱｲｳ Ⅻ", "アイウ xii", 0x304352e8c5220290),
        ("मेरा पार्सल", "मेरा पार्सल", 0xc7c91e6ebb8d37cd),
    ];
    for (text, expected, key) in cases {
        assert_eq!(normalised(text), expected);
        assert_eq!(text_key(text), key, "{text:?}");
    }
    let groups = [
        ("customer-1", 0xe83f10dcd2c68747),
        ("customer-2", 0x61d19062e76c3dd0),
        ("Customer-1", 0xcad77cd8e62a1431),
        ("北京", 0x68c77e155132565e),
    ];
    for (group, key) in groups {
        assert_eq!(group_key(group), key, "{group:?}");
    }
}

/// Computed apart from this crate as well: `t` test, `d` development, `r` training, of `row 0`, `row 1`, ….
#[test]
fn assignments_never_change_between_releases() {
    let expected = "rrdrdtrtrrdrrtrrdrrrrrrrdtdrrrrrrtrrrrrrrtrtdddtrrdrdtrrrrrrtrrrrtrrrrrrrrtrtrdr";
    let assigned: String = (0..expected.len())
        .map(|number| match part_of(text_key(&format!("Row  {number}")), 0.15, 0.2) {
            Part::Train => 'r',
            Part::Development => 'd',
            Part::Test => 't',
        })
        .collect();
    assert_eq!(assigned, expected);
}

#[test]
fn the_edges_of_the_key_range_fall_where_they_should() {
    assert_eq!(part_of(0, 0.1, 0.1), Part::Test);
    assert_eq!(part_of(u64::MAX, 0.1, 0.1), Part::Train);
    assert_eq!(part_of(0, 0.0, 0.0), Part::Train);
    assert_eq!(part_of(0, 0.1, 0.0), Part::Development);
    assert_eq!(part_of(u64::MAX / 2, 0.0, 1.0), Part::Test);
}

fn load_texts(texts: &[String], groups: bool, development: &str, test: &str) -> Table {
    let folder = Folder::new();
    let rows: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(number, text)| json!({"text": text, "label": (["x", "y"][number % 2]), "who": text.len() % 5}))
        .collect();
    folder.write("a.jsonl", jsonl(&rows));
    let mut dataset = dataset(Task::TextClassification, "a.jsonl");
    dataset.split = hash_split(development, test);
    if groups {
        dataset.columns = columns(&[("group", "who")]);
    }
    folder.load(&dataset)
}

fn parts(table: &Table) -> BTreeMap<String, Part> {
    table.rows.iter().map(|row| (row.text().to_owned(), row.part)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn parts_are_disjoint_and_complete(
        texts in proptest::collection::vec("[a-zA-ZäÄ ]{1,8}", 1..60),
        groups: bool,
    ) {
        let table = load_texts(&texts, groups, "20%", "30%");
        let mut indices: Vec<usize> = Part::ALL.into_iter().flat_map(|part| table.indices(part)).collect();
        indices.sort_unstable();
        prop_assert_eq!(indices, (0..table.rows.len()).collect::<Vec<_>>());
        let mut part_of_unit = BTreeMap::new();
        for row in &table.rows {
            let unit = row.group.clone().unwrap_or_else(|| normalised(row.text()));
            prop_assert_eq!(*part_of_unit.entry(unit).or_insert(row.part), row.part);
            prop_assert!(groups || !row.leaked);
        }
    }

    #[test]
    fn adding_rows_never_moves_old_ones(
        texts in proptest::collection::vec("[a-z]{1,6}", 1..40),
        more in proptest::collection::vec("[a-z]{1,6}", 0..40),
        at in any::<prop::sample::Index>(),
        groups: bool,
    ) {
        let before = parts(&load_texts(&texts, groups, "20%", "30%"));
        let mut grown = texts.clone();
        let at = at.index(texts.len() + 1);
        grown.splice(at..at, more);
        let after = parts(&load_texts(&grown, groups, "20%", "30%"));
        for (text, part) in before {
            prop_assert_eq!(after[&text], part);
        }
    }

    #[test]
    fn a_development_part_leaves_the_test_part_alone(texts in proptest::collection::vec("[a-z]{1,6}", 1..40)) {
        let without = parts(&load_texts(&texts, false, "0%", "30%"));
        let with = parts(&load_texts(&texts, false, "25%", "30%"));
        for (text, part) in without {
            prop_assert_eq!(part == Part::Test, with[&text] == Part::Test);
        }
    }

    #[test]
    fn normalising_leaves_no_double_white_space(text in "\\PC{0,40}[ \t\n\u{a0}]{0,3}\\PC{0,5}") {
        let normalised = normalised(&text);
        prop_assert!(!normalised.contains("  ") && normalised.trim() == normalised);
        prop_assert_eq!(text_key(&text), text_key(&format!(" {text}\n")));
    }
}

#[test]
fn shares_are_about_what_was_asked_for() {
    let texts: Vec<String> = (0..4000).map(|number| format!("text {number}")).collect();
    let table = load_texts(&texts, false, "10%", "20%");
    let (development, test) = (table.indices(Part::Development).len(), table.indices(Part::Test).len());
    assert!((340..460).contains(&development), "{development}");
    assert!((730..870).contains(&test), "{test}");
}

#[test]
fn a_column_names_the_part_of_each_row() {
    let folder = Folder::new();
    let row = |text: &str, part: &str| json!({"text": text, "label": text, "fold": part});
    let rows = [
        row("a", "train"),
        row("b", "Training"),
        row("c", "validation"),
        row("d", "dev"),
        row("e", " TEST "),
    ];
    folder.write("a.jsonl", jsonl(&rows));
    let mut dataset = dataset(Task::TextClassification, "a.jsonl");
    dataset.split = Split::Column("fold".to_owned());
    let table = folder.load(&dataset);
    let parts: Vec<Part> = table.rows.iter().map(|row| row.part).collect();
    assert_eq!(parts, [Part::Train, Part::Train, Part::Development, Part::Development, Part::Test]);
}

#[test]
fn files_and_shares_mix() {
    let folder = Folder::new();
    let rows = |from: usize| {
        jsonl(
            &(from..from + 200).map(|n| json!({"text": format!("t{n}"), "label": n % 2})).collect::<Vec<_>>(),
        )
    };
    folder.write("data/b.jsonl", rows(200));
    folder.write("data/a.jsonl", rows(0));
    folder.write("test.jsonl", rows(400));
    let mut dataset = dataset(Task::TextClassification, "data/*.jsonl");
    dataset.split = Split::Files {
        development: Some(SplitPart::Share(share("50%"))),
        test: Some(SplitPart::Files(vec![source("test.jsonl")])),
    };
    let table = folder.load(&dataset);
    assert_eq!(table.files, ["data/a.jsonl", "data/b.jsonl", "test.jsonl"]);
    assert_eq!(table.rows[0].text(), "t0");
    assert_eq!(table.indices(Part::Test), (400..600).collect::<Vec<_>>());
    let development = table.indices(Part::Development).len();
    assert!((150..250).contains(&development), "{development}");
    assert!(found(&table, "overlapping-files").is_empty());
}

#[test]
fn the_result_depends_on_neither_threads_nor_names() {
    let text = jsonl(
        &(0..500)
            .map(|n| json!({"text": format!("t{n}"), "label": n % 7, "lang": n % 3}))
            .collect::<Vec<_>>(),
    );
    let mut hashes = Vec::new();
    for (name, threads) in [("a.jsonl", 1), ("b.jsonl", 4)] {
        let folder = Folder::new();
        folder.write(name, &text);
        let mut dataset = dataset(Task::TextClassification, name);
        dataset.columns = columns(&[("language", "lang")]);
        let options = loquat_data::LoadOptions {
            base: folder.path().to_owned(),
            threads,
            ..loquat_data::LoadOptions::default()
        };
        let table = loquat_data::load(&dataset, &options).unwrap();
        assert_eq!(table.hash, table.content_hash());
        hashes.push((table.hash, table.labels));
    }
    assert_eq!(hashes[0], hashes[1]);
}

#[test]
fn the_hash_follows_content_order_and_part() {
    let hash = |rows: &[serde_json::Value], test: &str| {
        let folder = Folder::new();
        folder.write("a.jsonl", jsonl(rows));
        let mut dataset = dataset(Task::TextClassification, "a.jsonl");
        dataset.split = hash_split("0%", test);
        folder.load(&dataset).hash
    };
    let (a, b) = (json!({"text": "a", "label": "x"}), json!({"text": "b", "label": "y"}));
    let base = hash(&[a.clone(), b.clone()], "0%");
    assert_eq!(base, hash(&[a.clone(), b.clone()], "0%"));
    assert_ne!(base, hash(&[b.clone(), a.clone()], "0%"));
    assert_ne!(base, hash(&[a.clone(), b], "100%"));
    assert_ne!(base, hash(&[a, json!({"text": "b", "label": "z"})], "0%"));
}
