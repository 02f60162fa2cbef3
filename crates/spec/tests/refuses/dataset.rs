//! What is wrong with Datasets.

use crate::case::{Case, check, dataset, resource};

#[test]
fn fields_of_a_dataset() {
    check(&[
        Case {
            name: "unknown, misspelt and wrong at once",
            text: resource(
                "Dataset",
                "  task: text-clasification\n  sauce: { path: a.csv }\n  columns: { text: 5, label: [a] }\n  colour: red\n",
            ),
            found: &[
                "5:9 invalid-value spec.task",
                "6:3 unknown-field spec.sauce",
                "7:20 wrong-type spec.columns.text",
                "7:30 wrong-type spec.columns.label",
                "8:3 unknown-field spec.colour",
            ],
            says: &[
                "did you mean \"text-classification\"?",
                "did you mean \"source\"?",
                "put it in quotes: \"5\"",
            ],
        },
        Case {
            name: "source as text",
            text: resource("Dataset", "  task: text-classification\n  source: a.csv\n"),
            found: &["6:11 wrong-type spec.source"],
            says: &["write for example { path: data/tickets.jsonl }"],
        },
        Case {
            name: "source that names nothing",
            text: resource("Dataset", "  task: text-classification\n  source: { format: csv }\n"),
            found: &["6:3 missing-field spec.source"],
            says: &["add path: "],
        },
        Case {
            name: "source in two ways",
            text: resource(
                "Dataset",
                "  task: text-classification\n  source: { path: a, files: [{ path: b }] }\n",
            ),
            found: &["6:3 invalid-value spec.source"],
            says: &["keep one of path, url and files"],
        },
        Case {
            name: "addresses that lead nowhere",
            text: resource(
                "Dataset",
                "  task: text-classification\n  source:\n    files: [{ path: ftp://b/k }, { path: hf://o }, { path: gs:/// }, { path: \"https://me:key@b\" }]\n",
            ),
            found: &[
                "7:21 invalid-value spec.source.files[0].path",
                "7:42 invalid-value spec.source.files[1].path",
                "7:60 invalid-value spec.source.files[2].path",
                "7:78 invalid-value spec.source.files[3].path",
            ],
            says: &["s3://bucket/key", "hf://datasets/owner/name", "give its path"],
        },
        Case {
            name: "url and kafka",
            text: resource(
                "Dataset",
                "  task: text-classification\n  source: { url: \"https://x\" }\n  split: { test: { kafka: { topic: t } } }\n",
            ),
            found: &["7:20 not-yet-supported spec.split.test.kafka"],
            says: &["give its path"],
        },
        Case {
            name: "empty list and empty path",
            text: resource(
                "Dataset",
                "  task: text-classification\n  source: { files: [] }\n  split: { test: { path: \"\" } }\n",
            ),
            found: &["6:20 invalid-value spec.source.files", "7:26 invalid-value spec.split.test.path"],
            says: &["the list is empty", "the text is empty"],
        },
        Case {
            name: "file without a path",
            text: resource(
                "Dataset",
                "  task: text-classification\n  source: { files: [ { language: da } ] }\n",
            ),
            found: &["6:22 missing-field spec.source.files[0].path"],
            says: &["lacks path"],
        },
        Case {
            name: "tasks without data of their own or yet",
            text: resource("Dataset", "  task: zero-shot-classification\n  source: { path: a }\n"),
            found: &["5:9 invalid-value spec.task"],
            says: &["text-pair-classification"],
        },
        Case {
            name: "translation",
            text: resource(
                "Dataset",
                "  task: translation\n  source: { path: a }\n  columns: { source: de, target: en }\n",
            ),
            found: &["5:9 not-yet-supported spec.task"],
            says: &["supported: text-classification"],
        },
        Case {
            name: "languages",
            text: dataset("  languages: [de, \"\", de, \"x y\"]\n"),
            found: &["7:19 invalid-value spec.languages[1]"],
            says: &["the text is empty"],
        },
        Case {
            name: "languages twice or with spaces",
            text: dataset("  languages: [de, de, \"x y\"]\n"),
            found: &["7:19 duplicate-key spec.languages[1]", "7:23 invalid-value spec.languages[2]"],
            says: &["listed twice"],
        },
        Case {
            name: "pairs to embed of two forms, and half of one",
            text: resource(
                "Dataset",
                "  task: embedding\n  source: { path: a }\n  columns: { text_a: a, query: q, score: s }\n",
            ),
            found: &["7:3 missing-field spec.columns", "7:25 unknown-field spec.columns.query"],
            says: &["add text_b", "it takes text_a, text_b, score"],
        },
        Case {
            name: "languages of a translation",
            text: dataset("  languages: { source: de, target: en }\n"),
            found: &["7:14 invalid-value spec.languages"],
            says: &["[de, en]"],
        },
        Case {
            name: "delimiter where there is one label",
            text: resource(
                "Dataset",
                "  task: text-classification\n  source: { path: a, delimiter: \"\" }\n",
            ),
            found: &["6:22 invalid-value spec.source.delimiter", "6:33 invalid-value spec.source.delimiter"],
            says: &["multi-label-classification"],
        },
        Case {
            name: "status of a check",
            text: dataset(
                "  checks: { leakage: eror, near_duplicate: off, near-duplicate: error, one-class: off, leak: off }\n",
            ),
            found: &[
                "7:22 invalid-value spec.checks.leakage",
                "7:28 unknown-field spec.checks.near_duplicate",
                "7:83 invalid-value spec.checks.one-class",
                "7:88 unknown-field spec.checks.leak",
            ],
            says: &["did you mean \"error\"?", "always stops the run"],
        },
    ]);
}

#[test]
fn columns_are_those_of_the_task() {
    check(&[
        Case {
            name: "a role of another task",
            text: dataset("  columns: { text: t, labels: l }\n"),
            found: &["7:23 unknown-field spec.columns.labels"],
            says: &["did you mean \"label\"?", "text, label, id, language, domain, group, weight"],
        },
        Case {
            name: "a role that is missing",
            text: dataset("  columns: { text: t, group: g }\n"),
            found: &["7:3 missing-field spec.columns"],
            says: &["add label: and the name of its column"],
        },
        Case {
            name: "one column for two roles",
            text: dataset("  columns: { text: t, label: t }\n"),
            found: &["7:30 invalid-value spec.columns.label"],
            says: &["can't be both text and label"],
        },
        Case {
            name: "two forms mixed",
            text: resource(
                "Dataset",
                "  task: token-classification\n  source: { path: a }\n  columns: { tokens: t, tags: g, spans: s }\n",
            ),
            found: &["7:34 unknown-field spec.columns.spans"],
            says: &["tokens, tags, id"],
        },
        Case {
            name: "a flaw inside hides what follows from it",
            text: dataset("  columns: { text: t, lable: l }\n"),
            found: &["7:23 unknown-field spec.columns.lable"],
            says: &["did you mean \"label\"?"],
        },
    ]);
}

#[test]
fn splits() {
    check(&[
        Case {
            name: "a bare number",
            text: dataset("  split: { test: 0.1 }\n"),
            found: &["7:18 wrong-type spec.split.test"],
            says: &["write for example 10%"],
        },
        Case {
            name: "shares out of range",
            text: dataset("  split: { test: 110%, development: ten% }\n"),
            found: &["7:18 invalid-value spec.split.test", "7:37 invalid-value spec.split.development"],
            says: &["between 0% and 100%"],
        },
        Case {
            name: "nothing left for training",
            text: dataset("  split: { test: 50%, development: 50% }\n"),
            found: &["7:10 invalid-value spec.split"],
            says: &["less than 100%"],
        },
        Case {
            name: "says nothing",
            text: dataset("  split: {}\n"),
            found: &["7:3 missing-field spec.split"],
            says: &["add test: 10%"],
        },
        Case {
            name: "a column and a share",
            text: dataset("  split: { column: part, test: 10% }\n"),
            found: &["7:12 invalid-value spec.split.column"],
            says: &["keep the column, or the parts"],
        },
        Case {
            name: "delimiter in a part",
            text: dataset("  split: { test: { path: t.csv, delimiter: \",\" } }\n"),
            found: &["7:33 invalid-value spec.split.test.delimiter"],
            says: &["move it to spec.source"],
        },
    ]);
}
