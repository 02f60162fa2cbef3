//! What each check finds, and what it says.

#[cfg(test)]
mod support;

use loquat_data::{CHECKS, LoadOptions, Part, Table, load};
use loquat_spec::{Dataset, Finding, Severity, Split, SplitPart, Task};
use serde_json::{Value, json};
use support::{Folder, columns, dataset, found, jsonl, load_rows, source};

/// A finding that is expected.
struct Expected {
    severity: Severity,
    check: &'static str,
    rows: &'static [usize],
    /// Line of the first row.
    line: Option<usize>,
    /// Words of the message.
    says: &'static [&'static str],
}

fn expect(found: &[&Finding], expected: &Expected) -> Result<(), String> {
    let [finding] = found else { return Err(format!("{} findings of {}", found.len(), expected.check)) };
    let matches = finding.severity == expected.severity
        && finding.rows == expected.rows
        && finding.line == expected.line
        && finding.resource.as_deref() == Some("sample")
        && !finding.remedy.is_empty()
        && expected.says.iter().all(|words| finding.message.contains(words));
    if matches { Ok(()) } else { Err(format!("{finding:#?}")) }
}

struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    adjust: fn(&mut Dataset),
    expected: Expected,
    /// Usable rows.
    kept: usize,
}

fn rows(rows: &[Value]) -> Vec<u8> {
    jsonl(rows).into_bytes()
}

fn pair(text: &str, label: &str) -> Value {
    json!({"text": text, "label": label})
}

/// Two good rows, then `extra`.
fn with(extra: &[&[u8]]) -> Vec<u8> {
    let mut bytes = rows(&[pair("good one", "x"), pair("good two", "y")]);
    for line in extra {
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
    }
    bytes
}

fn error(
    check: &'static str,
    rows: &'static [usize],
    line: usize,
    says: &'static [&'static str],
) -> Expected {
    Expected { severity: Severity::Error, check, rows, line: Some(line), says }
}

fn warning(
    check: &'static str,
    rows: &'static [usize],
    line: usize,
    says: &'static [&'static str],
) -> Expected {
    Expected { severity: Severity::Warning, check, rows, line: Some(line), says }
}

fn whole(check: &'static str, says: &'static [&'static str]) -> Expected {
    Expected { severity: Severity::Error, check, rows: &[], line: None, says }
}

fn no_change(_: &mut Dataset) {}

fn broken_rows() -> Vec<Case> {
    let case = |name, bytes, expected, kept| Case { name, bytes, adjust: no_change, expected, kept };
    vec![
        case(
            "invalid utf-8",
            with(&[b"{\"text\":\"\xe9\"}"]),
            error("invalid-utf8", &[2], 3, &["byte 10"]),
            2,
        ),
        case("raw nul", with(&[b"{\"text\":\"\0\"}"]), error("nul", &[2], 3, &["byte 10"]), 2),
        case(
            "escaped nul",
            with(&[br#"{"text":"a\u0000b","label":"x"}"#]),
            error("nul", &[2], 3, &["column `text`"]),
            2,
        ),
        case("not json", with(&[b"{", b"{}x"]), error("invalid-row", &[2, 3], 3, &["2 rows", "JSON"]), 2),
        case(
            "a number for text",
            with(&[br#"{"text":7,"label":"x"}"#]),
            error("wrong-type", &[2], 3, &["column `text`", "a number", "text is needed"]),
            2,
        ),
        case(
            "a share that is no number",
            with(&[br#"{"text":"a","label":{"b":"often"}}"#]),
            error("wrong-type", &[2], 3, &["column `label`", "text as the share of a label"]),
            2,
        ),
        case(
            "a vote that is no label",
            with(&[br#"{"text":"a","label":["x",{}]}"#]),
            error("wrong-type", &[2], 3, &["column `label`", "a list with an object"]),
            2,
        ),
        case(
            "shares that say nothing",
            with(&[
                br#"{"text":"a","label":{"x":0.5,"y":-0.5}}"#,
                br#"{"text":"b","label":{"x":0,"y":0.0}}"#,
                br#"{"text":"c","label":{"x":1e300}}"#,
                br#"{"text":"d","label":{" ":1}}"#,
            ]),
            error("invalid-shares", &[2, 3, 4, 5], 3, &["column `label`", "\"y\" the share -0.5", "4 rows"]),
            2,
        ),
        case(
            "no votes",
            with(&[
                br#"{"text":"a","label":{}}"#,
                br#"{"text":"b","label":[]}"#,
                br#"{"text":"c","label":[""]}"#,
            ]),
            warning("missing-label", &[2, 3, 4], 3, &["3 rows", "dropped"]),
            2,
        ),
        case(
            "tied votes",
            with(&[br#"{"text":"a","label":{"y":2,"x":2}}"#, br#"{"text":"b","label":["y","x","y"]}"#]),
            warning("label-tie", &[2], 3, &["1 row", "the first by name"]),
            4,
        ),
        case(
            "empty, blank and absent texts",
            with(&[
                br#"{"text":"","label":"x"}"#,
                br#"{"text":" \u00a0\t","label":"x"}"#,
                br#"{"label":"x"}"#,
                br#"{"text":null,"label":"x"}"#,
            ]),
            warning("empty-row", &[2, 3, 4, 5], 3, &["4 rows", "dropped"]),
            2,
        ),
        case(
            "empty and absent labels",
            with(&[br#"{"text":"a","label":" "}"#, br#"{"text":"b"}"#, br#"{"text":"c","label":null}"#]),
            warning("missing-label", &[2, 3, 4], 3, &["3 rows", "dropped"]),
            2,
        ),
        Case {
            name: "weights",
            bytes: rows(&[
                json!({"text": "a", "label": "x", "w": 2}),
                json!({"text": "b", "label": "y", "w": "0.5"}),
                json!({"text": "c", "label": "y", "w": -1}),
            ]),
            adjust: |dataset| dataset.columns = columns(&[("weight", "w")]),
            expected: error("invalid-weight", &[2], 3, &["column `w`", "-1"]),
            kept: 2,
        },
        Case {
            name: "parts",
            bytes: rows(&[
                json!({"text": "a", "label": "x", "fold": "train"}),
                json!({"text": "b", "label": "y", "fold": "train"}),
                json!({"text": "c", "label": "y", "fold": "exam"}),
            ]),
            adjust: |dataset| dataset.split = Split::Column("fold".to_owned()),
            expected: error("unknown-split", &[2], 3, &["\"exam\""]),
            kept: 2,
        },
    ]
}

fn content() -> Vec<Case> {
    vec![
        Case {
            name: "a column that no row has",
            bytes: rows(&[json!({"text": "a", "labl": "x"}), json!({"text": "b", "labl": "y"})]),
            adjust: no_change,
            expected: whole("missing-column", &["`label`", "did you mean `labl`", "`labl`, `text`"]),
            kept: 0,
        },
        Case {
            name: "an optional column that no row has",
            bytes: with(&[]),
            adjust: |dataset| dataset.columns = columns(&[("group", "customer")]),
            expected: whole("missing-column", &["`customer`"]),
            kept: 2,
        },
        Case {
            name: "labels missing everywhere",
            bytes: rows(&[pair("a", ""), pair("b", "")]),
            adjust: no_change,
            expected: whole("no-labels", &["no row has a label"]),
            kept: 0,
        },
        Case {
            name: "no text",
            bytes: rows(&[pair("", "x"), pair(" ", "y")]),
            adjust: no_change,
            expected: whole("no-text", &["none of the 2 rows"]),
            kept: 0,
        },
        Case {
            name: "no row",
            bytes: Vec::new(),
            adjust: no_change,
            expected: whole("no-text", &["no row"]),
            kept: 0,
        },
        Case {
            name: "one class",
            bytes: rows(&[pair("a", "x"), pair("b", "x")]),
            adjust: no_change,
            expected: whole("one-class", &["\"x\""]),
            kept: 2,
        },
        Case {
            name: "duplicates after normalisation",
            bytes: rows(&[pair("Ｈello  there", "x"), pair("b", "y"), pair(" hello there", "x")]),
            adjust: no_change,
            expected: warning("duplicate", &[2], 3, &["1 row"]),
            kept: 3,
        },
        Case {
            name: "conflicts",
            bytes: rows(&[pair("a", "x"), pair("b", "y"), pair("A", "y")]),
            adjust: no_change,
            expected: warning("label-conflict", &[0, 2], 1, &["1 text in 2 rows"]),
            kept: 3,
        },
        Case {
            name: "spelling",
            bytes: rows(&[pair("a", "Refund"), pair("b", "refund"), pair("c", "other")]),
            adjust: no_change,
            expected: warning("label-spelling", &[0, 1], 1, &["\"Refund\" and \"refund\""]),
            kept: 3,
        },
        Case {
            name: "undeclared languages",
            bytes: rows(&[
                json!({"text": "a", "label": "x", "lang": "en"}),
                json!({"text": "b", "label": "y", "lang": "EN"}),
                json!({"text": "c", "label": "y", "lang": "eng_Latn"}),
                json!({"text": "d", "label": "y", "lang": "pt-PT"}),
                json!({"text": "e", "label": "y", "lang": "pt-BR"}),
            ]),
            adjust: |dataset| {
                dataset.columns = columns(&[("language", "lang")]);
                dataset.languages = vec!["en".to_owned(), "pt-br".to_owned()];
            },
            expected: warning("undeclared-language", &[3], 4, &["`pt-PT`", "did you mean `pt-br`"]),
            kept: 5,
        },
        Case {
            name: "undeclared labels",
            bytes: rows(&[pair("a", "en"), pair("b", "de")]),
            adjust: |dataset| {
                dataset.task = Task::LanguageIdentification;
                dataset.languages = vec!["en".to_owned()];
            },
            expected: warning("undeclared-label", &[1], 2, &["`de`"]),
            kept: 2,
        },
        Case {
            name: "tags",
            bytes: rows(&[
                json!({"tokens": ["a", "b"], "tags": ["O", "B-LOC"]}),
                json!({"tokens": ["a", "b"], "tags": ["O"]}),
            ]),
            adjust: |dataset| dataset.task = Task::TokenClassification,
            expected: error("invalid-tags", &[1], 2, &["1 tags for 2 tokens"]),
            kept: 1,
        },
        Case {
            name: "spans",
            bytes: rows(&[
                json!({"text": "über", "spans": [{"start": 0, "end": 4, "label": "X"}]}),
                json!({"text": "über", "spans": [{"start": 0, "end": 5, "label": "X"}]}),
            ]),
            adjust: |dataset| {
                dataset.task = Task::TokenClassification;
                dataset.columns = columns(&[("spans", "spans")]);
            },
            expected: error("invalid-spans", &[1], 2, &["4 characters"]),
            kept: 1,
        },
    ]
}

#[test]
fn every_fault_is_found_with_its_rows_and_place() {
    let mut failures = Vec::new();
    for case in broken_rows().into_iter().chain(content()) {
        let folder = Folder::new();
        folder.write("a.jsonl", case.bytes);
        let mut dataset = dataset(Task::TextClassification, "a.jsonl");
        (case.adjust)(&mut dataset);
        let table = folder.load(&dataset);
        if let Err(reason) = expect(&found(&table, case.expected.check), &case.expected) {
            failures.push(format!("{}: {reason}", case.name));
        }
        if table.rows.len() != case.kept {
            failures.push(format!("{}: {} rows kept", case.name, table.rows.len()));
        }
        let is_error = case.expected.severity == Severity::Error;
        if table.has_errors() != is_error {
            failures.push(format!("{}: {:#?}", case.name, table.findings));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn load_one(rows: &[Value], adjust: impl FnOnce(&mut Dataset)) -> Table {
    load_rows(rows, 0, adjust)
}

#[test]
fn good_rows_give_class_shares_and_nothing_else() {
    let table = load_one(&[pair("a", "x"), pair("b", "y"), pair("c", "y")], no_change);
    let [shares] = table.findings.as_slice() else { panic!("{:#?}", table.findings) };
    assert_eq!((shares.check, shares.severity), ("class-shares", Severity::Info));
    assert_eq!(shares.message, "train: 3 rows, 2 classes: y 66.7 %, x 33.3 %");
}

#[test]
fn severities_follow_the_dataset() {
    let rows = [pair("a", "x"), pair("a", "x"), pair("b", "y"), pair("", "y")];
    let table = load_one(&rows, |dataset| {
        dataset.checks.insert("duplicate".to_owned(), Some(Severity::Error));
        dataset.checks.insert("empty-row".to_owned(), None);
        dataset.checks.insert("class-shares".to_owned(), None);
    });
    let [duplicate] = table.findings.as_slice() else { panic!("{:#?}", table.findings) };
    assert_eq!((duplicate.check, duplicate.severity), ("duplicate", Severity::Error));
    assert_eq!((table.rows.len(), table.rows_read), (3, 4));
}

#[test]
fn checks_that_do_not_exist_or_are_fixed_are_refused() {
    let table = load_one(&[pair("a", "x"), pair("b", "y")], |dataset| {
        dataset.checks.insert("duplicates".to_owned(), None);
        dataset.checks.insert("one-class".to_owned(), None);
    });
    let findings = found(&table, "unknown-check");
    assert_eq!(findings.len(), 2);
    assert!(findings[0].message.contains("did you mean `duplicate`"), "{}", findings[0].message);
    assert_eq!(findings[1].field.as_deref(), Some("spec.checks.one-class"));
    assert!(table.has_errors());
}

#[test]
fn names_of_checks_are_kebab_case_and_unique() {
    let mut names: Vec<_> = CHECKS.iter().map(|check| check.name).collect();
    assert!(
        names
            .iter()
            .all(|name| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'))
    );
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), CHECKS.len());
}

#[test]
fn the_documented_checks_are_those_that_exist() {
    let page = include_str!("../../../docs/checks.md");
    let table = page.split("## Of data").nth(1).unwrap().split("### ").next().unwrap();
    let documented: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    let severity = |check: &loquat_data::Check| match (check.severity, check.adjustable) {
        (Severity::Error, false) => "error, always",
        (Severity::Error, true) => "error",
        (Severity::Warning, _) => "warning",
        (Severity::Info, _) => "info",
    };
    let existing: Vec<String> = CHECKS
        .iter()
        .map(|check| format!("| `{}` | {} | {} |", check.name, severity(check), check.about))
        .collect();
    assert_eq!(documented, existing);
}

#[test]
fn resources_may_name_exactly_the_checks_that_exist() {
    let own = CHECKS.iter().map(|check| check.name).filter(|name| *name != "unknown-check");
    let mut own: Vec<&str> = own.collect();
    let mut declared = loquat_spec::CHECKS.to_vec();
    own.sort_unstable();
    declared.sort_unstable();
    assert_eq!(own, declared);
}

#[test]
fn compressed_parquet_is_unpacked_into_the_cache_and_leaves_nothing_there() {
    let folder = Folder::new();
    let plain = folder.path().join("a.parquet");
    support::parquet(&plain, &[Some(b"one"), None, Some(b"two")], support::codecs()[1]);
    folder.write("b.parquet.zst", support::zstd(&std::fs::read(&plain).unwrap()));
    let mut dataset = dataset(Task::MultiLabelClassification, "b.parquet.zst");
    dataset.columns = columns(&[("id", "number"), ("group", "raw")]);
    let cache = folder.path().join("cache");
    let options = LoadOptions {
        base: folder.path().to_owned(),
        threads: 1,
        cache: Some(cache.clone()),
        ..LoadOptions::default()
    };
    let table = load(&dataset, &options).unwrap();
    assert_eq!((table.rows.len(), table.labels.len()), (2, 2));
    assert_eq!((table.rows[0].id.as_deref(), table.rows[0].group.as_deref()), (Some("0"), Some("Käse")));
    assert_eq!(found(&table, "empty-row")[0].rows, [1]);
    assert_eq!(std::fs::read_dir(cache).unwrap().count(), 0);
}

#[test]
fn files_that_can_not_be_found_are_all_named() {
    let folder = Folder::new();
    folder.write("tickets.jsonl", jsonl(&[pair("a", "x")]));
    folder.write("notes.docx", "x");
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    let mut dataset = dataset(Task::TextClassification, "ticket.jsonl");
    dataset.files.extend(["*.csv", "folder", "notes.docx", "gone/a.jsonl", "a[.jsonl"].map(source));
    let table = folder.load(&dataset);
    let findings = found(&table, "unreadable");
    let says = |file: &str| {
        let finding = findings.iter().find(|finding| finding.file.as_deref() == Some(file));
        finding.unwrap_or_else(|| panic!("{file}: {findings:#?}")).message.clone()
    };
    assert_eq!(says("ticket.jsonl"), "ticket.jsonl: no such file (did you mean `tickets.jsonl`?)");
    assert_eq!(says("*.csv"), "*.csv: matches no file");
    assert!(says("folder").contains("folder/*.jsonl"));
    assert!(says("notes.docx").contains("format"));
    assert!(says("gone/a.jsonl").contains("its folder"));
    assert!(says("a[.jsonl").contains("not a valid glob"));
    assert!(table.has_errors() && table.rows.is_empty());
}

#[test]
fn a_file_of_the_source_and_of_a_split_is_read_as_the_splits() {
    let folder = Folder::new();
    folder.write("a.jsonl", jsonl(&[pair("a", "x"), pair("b", "y")]));
    folder.write("test.jsonl", jsonl(&[pair("c", "x")]));
    let mut dataset = dataset(Task::TextClassification, "*.jsonl");
    dataset.files.push(source("a.jsonl"));
    dataset.split =
        Split::Files { development: None, test: Some(SplitPart::Files(vec![source("test.jsonl")])) };
    let table = folder.load(&dataset);
    assert_eq!(found(&table, "overlapping-files").len(), 2, "{:#?}", table.findings);
    assert_eq!(table.rows.len(), 3);
    assert_eq!(table.indices(Part::Test), [2]);
}

#[test]
fn a_weight_of_nothing_leaves_a_row_out() {
    let row = |n: usize, weight: f32| json!({"text": format!("text {n}"), "label": n % 2, "w": weight});
    let weighted = |dataset: &mut Dataset| dataset.columns = columns(&[("weight", "w")]);
    let table = load_one(&[row(0, 1.0), row(1, 0.5), row(2, 0.0), row(3, 2.0)], weighted);
    let kept: Vec<usize> = table.rows.iter().map(|row| row.number).collect();
    assert_eq!(kept, [0, 1, 3]);
    let table = load_one(&[row(0, 0.0), row(1, 0.0)], weighted);
    assert!(found(&table, "no-text")[0].message.contains("weight 0"), "{:?}", table.findings);
}

#[test]
fn row_numbers_are_bounded_and_counts_are_not() {
    let mut rows = vec![pair("a", "x"), pair("b", "y")];
    rows.extend((0..1500).map(|_| pair("", "x")));
    let table = load_one(&rows, no_change);
    let [finding] = found(&table, "empty-row")[..] else { panic!("{:#?}", table.findings) };
    assert_eq!(finding.rows.len(), 1000);
    assert!(finding.message.starts_with("1500 rows"));
}
