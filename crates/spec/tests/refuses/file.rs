//! What is wrong with files: their bytes, their YAML, their size; and the order of findings.

use loquat_spec::{SourceText, parse};

use crate::case::{Case, brief, check, endpoint, findings, resource};

#[test]
fn yaml_itself() {
    check(&[
        Case {
            name: "keys twice, all of them",
            text: endpoint("  model: n\n  requests: { timeout: 1s, timeout: 2s }\n"),
            found: &["6:3 duplicate-key spec.model", "7:28 duplicate-key spec.requests.timeout"],
            says: &["first on line 5"],
        },
        Case {
            name: "tabs",
            text: "kind: Dataset\nspec:\n\ttask: x\n".into(),
            found: &["3:2 invalid-yaml -"],
            says: &["indent with spaces"],
        },
        Case {
            name: "unquoted star",
            text: resource("Dataset", "  task: text-classification\n  source: { path: *.csv }\n"),
            found: &["6:19 invalid-yaml -"],
            says: &["in quotes"],
        },
        Case {
            name: "unquoted at",
            text: resource("Endpoint", "  model: @champion\n"),
            found: &["5:10 invalid-yaml -"],
            says: &["in quotes"],
        },
        Case {
            name: "open bracket, after a document with problems of its own",
            text: format!("{}---\nkind: [\n", endpoint("  colour: red\n")),
            found: &["6:3 unknown-field spec.colour", "9:1 invalid-yaml -"],
            says: &["not valid YAML"],
        },
        Case {
            name: "keys that are none",
            text: endpoint("  [a]: b\n  ~: c\n"),
            found: &["6:3 invalid-yaml -", "7:3 invalid-yaml -"],
            says: &["a list can't be a key"],
        },
        Case {
            name: "tags",
            text: endpoint("  default: !flag true\n  labels: !!set [a]\n"),
            found: &["6:12 invalid-yaml -", "7:11 invalid-yaml -"],
            says: &["remove the tag"],
        },
        Case {
            name: "an alias inside of itself",
            text: endpoint("  shadow: &a [*a]\n"),
            found: &["6:15 invalid-yaml -"],
            says: &["write the value out"],
        },
    ]);
}

#[test]
fn bytes_that_are_not_utf8_are_named() {
    let finding = SourceText::from_bytes("r.yaml".into(), b"kind: X\n# caf\xe9\n".to_vec()).unwrap_err();
    assert_eq!(brief(&finding), "2:6 invalid-utf8 -");
    assert_eq!(finding.message, "byte 13 is not UTF-8");
    assert!(SourceText::from_bytes("r.yaml".into(), "kind: é".into()).is_ok());
}

#[test]
fn deep_long_and_swelling_files_are_refused_quickly() {
    let mut swelling = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let previous = format!("*a{}, ", level - 1).repeat(10);
        swelling.push_str(&format!("a{level}: &a{level} [{previous}]\n"));
    }
    let mut chain = "a0: &a0 [x]\n".to_owned();
    for level in 1..5000 {
        chain.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    let block: String = (0..3000).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    let cases = [
        ("flow", "[".repeat(500_000)),
        ("flow maps", "{a: ".repeat(200_000)),
        ("block lists", "- ".repeat(200_000)),
        ("questions", "? ".repeat(200_000)),
        ("block", block),
        ("swelling", swelling),
        ("chain", chain),
        ("keys", (0..60_000).map(|key| format!("k{key}: 1\n")).collect()),
        ("large", "# x\n".repeat(2_000_000)),
    ];
    for (name, text) in cases {
        let start = std::time::Instant::now();
        let findings = findings(&text);
        assert_eq!(findings.len(), 1, "{name}: {:?}", findings.iter().take(3).collect::<Vec<_>>());
        assert!(matches!(findings[0].check, "invalid-yaml" | "too-large"), "{name}: {findings:?}");
        assert!(start.elapsed().as_secs() < 20, "{name} took {:?}", start.elapsed());
    }
}

#[test]
fn findings_come_in_the_order_of_files_and_places() {
    let files: Vec<SourceText> = ["b.yaml", "a.yaml"]
        .into_iter()
        .map(|path| SourceText {
            path: path.into(),
            text: format!("{}---\nkind: Nothing\n", endpoint("  x: 1\n")),
        })
        .collect();
    let findings = parse(&files).unwrap_err();
    let places: Vec<_> =
        findings.iter().map(|finding| (finding.file.clone().unwrap(), finding.line.unwrap())).collect();
    let expected = [("b.yaml", 6), ("b.yaml", 8), ("a.yaml", 3), ("a.yaml", 6), ("a.yaml", 8)];
    assert_eq!(places, expected.map(|(file, line)| (file.to_owned(), line)));
}
