//! What holds for any text: nothing panics, and what is written is read back.

use std::time::Duration;

use loquat_spec::{KINDS, SourceText, parse, schema};
use proptest::prelude::*;

fn file(text: String) -> SourceText {
    SourceText { path: "r.yaml".into(), text }
}

/// Pieces of resource files, put together at random: most of it is YAML, little of it is right.
fn piece() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        "apiVersion: loquat.dev/v1alpha1\n",
        "kind: Dataset\n",
        "kind: Training\n",
        "kind: Endpoint\n",
        "metadata: { name: a }\n",
        "metadata:\n  name: b\n",
        "spec:\n",
        "spec: {}\n",
        "---\n",
        "...\n",
        "  task: text-classification\n",
        "  dataset: a\n",
        "  model: a@b\n",
        "  source: { path: x }\n",
        "  source: { files: [ { path: a } ] }\n",
        "  split: { test: 10% }\n",
        "  split: { test: { path: t } }\n",
        "  columns: { text: t, label: l }\n",
        "  languages: [de]\n",
        "  languages: { source: a }\n",
        "  checks: { leakage: off }\n",
        "  search: { families: [encoder], seed: 1 }\n",
        "  scaling: { minReplicas: 0 }\n",
        "  metric: macro-f1\n",
        "  constraints: { memory: 1e99GB }\n",
        "  requests: { timeout: 99999999999999999999d }\n",
        "- ",
        "? ",
        ": ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "&a ",
        "*a ",
        "!t ",
        "!!int ",
        "|\n",
        ">\n",
        "\"",
        "'",
        "\t",
        "\u{0}",
        "\r\n",
        "%YAML 1.2\n",
        "#",
        "~",
        ".nan",
        "-0",
        "1e400",
        "0x",
        "é",
        "\u{feff}",
        "\u{2028}",
        "<<: ",
    ])
    .prop_map(str::to_owned);
    prop_oneof![4 => fixed, 1 => "\\PC{0,8}", 1 => "[ \\n]{1,6}"]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        let _ = parse(&[file(text)]);
    }

    #[test]
    fn shuffled_pieces_never_panic(pieces in prop::collection::vec(piece(), 0..40)) {
        let text = pieces.concat();
        let lines = text.lines().count();
        if let Err(findings) = parse(&[file(text)]) {
            for finding in findings {
                prop_assert!(finding.line.is_some_and(|line| line >= 1 && line <= lines + 2), "{finding:?}");
                prop_assert!(!finding.message.is_empty() && !finding.remedy.is_empty());
            }
        }
    }

    #[test]
    fn arbitrary_bytes_are_text_or_a_finding(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        match SourceText::from_bytes("r.yaml".into(), bytes.clone()) {
            Ok(source) => prop_assert_eq!(source.text.into_bytes(), bytes),
            Err(finding) => prop_assert_eq!(finding.check, "invalid-utf8"),
        }
    }

    #[test]
    fn trainings_are_read_back_as_written(
        folds in 2_usize..=100, trials in 1_usize..=100_000, seed in 0_u64..(1 << 53), seconds in 1_u64..1_000_000,
        calibration: bool, threads in prop::option::of(1_usize..4096), kilobytes in 1_u64..1_000_000,
    ) {
        let threads_line = threads.map(|threads| format!("  resources: {{ threads: {threads} }}\n")).unwrap_or_default();
        let text = format!(
            "apiVersion: loquat.dev/v1alpha1\nkind: Dataset\nmetadata: {{ name: d }}\nspec: {{ task: text-classification, source: {{ path: a }} }}\n---\n\
             apiVersion: loquat.dev/v1alpha1\nkind: Training\nmetadata: {{ name: t }}\nspec:\n  dataset: d\n  crossValidation: {{ folds: {folds} }}\n  \
             search: {{ trials: {trials}, seed: {seed}, timeout: {seconds}s }}\n  calibration: {calibration}\n  constraints: {{ memory: {kilobytes}kB }}\n{threads_line}"
        );
        let resources = parse(&[file(text)]).map_err(|findings| TestCaseError::fail(format!("{findings:?}")))?;
        let training = &resources.trainings[0].value;
        prop_assert_eq!((training.folds, training.search.trials, training.search.seed), (folds, trials, seed));
        prop_assert_eq!(training.search.timeout, Some(Duration::from_secs(seconds)));
        prop_assert_eq!((training.calibration, training.threads), (calibration, threads));
        prop_assert_eq!(training.constraints.memory.map(|memory| memory.0), Some(kilobytes * 1000));
    }

    #[test]
    fn texts_survive_as_json_and_as_yaml(path in "[^\\x00]{1,30}", column in "[^\\x00]{1,10}") {
        prop_assume!(!path.trim().is_empty() && !column.trim().is_empty() && !path.contains("://"));
        let text = serde_json::json!({
            "apiVersion": "loquat.dev/v1alpha1", "kind": "Dataset", "metadata": {"name": "d"},
            "spec": {"task": "text-classification", "source": {"path": path}, "split": {"column": column}},
        });
        // YAML reads JSON; the characters that it forbids raw are escaped by JSON or kept out here.
        let text = text.to_string();
        prop_assume!(text.chars().all(|c| !c.is_control() && !matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}' | '\u{2028}' | '\u{2029}' | '\u{85}')));
        let resources = parse(&[file(text)]).map_err(|findings| TestCaseError::fail(format!("{findings:?}")))?;
        prop_assert_eq!(&resources.datasets[0].value.files[0].path, &path);
        prop_assert_eq!(&resources.datasets[0].value.split, &loquat_spec::Split::Column(column));
    }

    #[test]
    fn schema_lookup_takes_any_word(word in "\\PC{0,12}") {
        let known = KINDS.iter().any(|kind| kind.eq_ignore_ascii_case(&word));
        prop_assert_eq!(schema(&word).is_some(), known);
    }
}
