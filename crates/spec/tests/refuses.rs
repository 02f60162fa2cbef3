//! What is wrong with resource files: where it stands, what it is called, and what to do about it.

use loquat_spec::{Finding, RESOURCE_CHECKS, SourceText, parse};

/// A resource file and what is found in it, as `line:column check field`, in order.
struct Case {
    name: &'static str,
    text: String,
    found: &'static [&'static str],
    /// Words that the messages and remedies hold together.
    says: &'static [&'static str],
}

fn findings(text: &str) -> Vec<Finding> {
    let file = SourceText { path: "r.yaml".into(), text: text.to_owned() };
    parse(&[file]).err().unwrap_or_default()
}

fn brief(finding: &Finding) -> String {
    let (line, column) = (finding.line.unwrap_or(0), finding.column.unwrap_or(0));
    format!("{line}:{column} {} {}", finding.check, finding.field.as_deref().unwrap_or("-"))
}

fn check(cases: &[Case]) {
    let mut failures = Vec::new();
    for case in cases {
        let findings = findings(&case.text);
        let found: Vec<String> = findings.iter().map(brief).collect();
        let said: String =
            findings.iter().map(|finding| format!("{}; {}\n", finding.message, finding.remedy)).collect();
        let silent: Vec<_> = case.says.iter().filter(|words| !said.contains(**words)).collect();
        if found != case.found || !silent.is_empty() {
            failures.push(format!("{}: found {found:#?}\n{said}missing words {silent:?}", case.name));
        }
        for finding in &findings {
            assert!(RESOURCE_CHECKS.contains(&finding.check), "{finding:?}");
            assert!(!finding.message.is_empty() && !finding.remedy.is_empty(), "{finding:?}");
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn resource(kind: &str, spec: &str) -> String {
    format!("apiVersion: loquat.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: x }}\nspec:\n{spec}")
}

/// The spec starts on line 5, after its task and source on line 7.
fn dataset(rest: &str) -> String {
    resource("Dataset", &format!("  task: text-classification\n  source: {{ path: a.csv }}\n{rest}"))
}

/// A Dataset `d` of `task` on lines 1 to 4; the training's `spec` is on line 9, `rest` starts on line 11.
fn training_on(task: &str, rest: &str) -> String {
    let dataset = format!(
        "apiVersion: loquat.dev/v1alpha1\nkind: Dataset\nmetadata: {{ name: d }}\nspec: {{ task: {task}, source: {{ path: a }} }}\n---\n"
    );
    dataset + &resource("Training", &format!("  dataset: d\n{rest}"))
}

fn training(rest: &str) -> String {
    training_on("text-classification", rest)
}

/// `rest` starts on line 6.
fn endpoint(rest: &str) -> String {
    resource("Endpoint", &format!("  model: m@champion\n{rest}"))
}

#[test]
fn the_shape_of_a_resource() {
    check(&[
        Case {
            name: "a list",
            text: "- a\n".into(),
            found: &["1:1 wrong-type -"],
            says: &["a resource is a mapping; found a list"],
        },
        Case { name: "text", text: "hello\n".into(), found: &["1:1 wrong-type -"], says: &["found text"] },
        Case {
            name: "another tool's resource",
            text: "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: x }\n".into(),
            found: &["1:13 invalid-value apiVersion"],
            says: &["\"apps/v1\"", "loquat.dev/v1alpha1"],
        },
        Case {
            name: "no kind",
            text: "apiVersion: loquat.dev/v1alpha1\n".into(),
            found: &["1:1 missing-field kind"],
            says: &["Dataset, Training, Model, Endpoint"],
        },
        Case {
            name: "kind that is no text",
            text: "kind: [Dataset]\n".into(),
            found: &["1:7 wrong-type kind"],
            says: &["a list"],
        },
        Case {
            name: "misspelt kind",
            text: "kind: Datset\n".into(),
            found: &["1:7 invalid-value kind"],
            says: &["did you mean \"Dataset\"?"],
        },
        Case {
            name: "only a kind",
            text: "kind: Dataset\n".into(),
            found: &[
                "1:1 missing-field apiVersion",
                "1:1 missing-field metadata",
                "1:1 missing-field spec",
            ],
            says: &["add spec: "],
        },
        Case {
            name: "empty spec and metadata",
            text: "apiVersion: loquat.dev/v1alpha1\nkind: Training\nmetadata: {}\nspec: {}\n".into(),
            found: &["3:1 missing-field metadata.name", "4:1 missing-field spec.dataset"],
            says: &["add dataset: Name of the Dataset to learn from"],
        },
        Case {
            name: "empty values",
            text: "apiVersion: loquat.dev/v1alpha1\nkind: Training\nmetadata:\nspec:\n".into(),
            found: &["3:1 wrong-type metadata", "4:1 wrong-type spec"],
            says: &["no value is given"],
        },
        Case {
            name: "status and other fields of Kubernetes",
            text: "apiVersion: loquat.dev/v1alpha1\nkind: Endpoint\nmetadata: { name: x, namespace: n, labels: { a: b }, annotations: {} }\n\
                   spec: { model: m }\nstatus: {}\n"
                .into(),
            found: &[
                "3:22 not-yet-supported metadata.namespace",
                "3:36 not-yet-supported metadata.labels",
                "3:54 not-yet-supported metadata.annotations",
                "5:1 unknown-field status",
            ],
            says: &["metadata takes a name only"],
        },
        Case {
            name: "names that break the rule",
            text: "apiVersion: loquat.dev/v1alpha1\nkind: Endpoint\nmetadata: { name: My_Tickets }\nspec: { model: \"A b:0\" }\n"
                .into(),
            found: &["3:19 invalid-value metadata.name", "4:16 invalid-value spec.model"],
            says: &["write for example my-tickets", "the version after ':'", "a-b@champion"],
        },
    ]);
}

#[test]
fn every_planned_kind_is_not_yet_supported() {
    for kind in loquat_spec::LATER_KINDS {
        let findings = findings(&resource(kind, "  endpoint: x\n"));
        assert_eq!(findings.iter().map(brief).collect::<Vec<_>>(), ["2:7 not-yet-supported kind"], "{kind}");
        assert!(findings[0].remedy.contains("Dataset, Training, Model, Endpoint"));
    }
}

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
            says: &["did you mean \"label\"?", "text, label, id, language, group, weight"],
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

#[test]
fn fields_of_a_training() {
    check(&[
        Case {
            name: "wrong values",
            text: training(
                "  crossValidation: { folds: 1 }\n  search: { families: [], trials: 0, timeout: 10, seed: -1 }\n  calibration: 1\n  \
                 constraints: { artifact: 10Mb, memory: 0MB, latency: 0ms }\n  promote: if_better\n  resources: { threads: 0, gpu: 1 }\n",
            ),
            found: &[
                "11:29 invalid-value spec.crossValidation.folds",
                "12:23 invalid-value spec.search.families",
                "12:35 invalid-value spec.search.trials",
                "12:47 wrong-type spec.search.timeout",
                "12:57 invalid-value spec.search.seed",
                "13:16 wrong-type spec.calibration",
                "14:28 invalid-value spec.constraints.artifact",
                "14:42 invalid-value spec.constraints.memory",
                "14:56 invalid-value spec.constraints.latency",
                "15:12 invalid-value spec.promote",
                "16:25 invalid-value spec.resources.threads",
                "16:33 not-yet-supported spec.resources.gpu",
            ],
            says: &["at least 2", "write for example 10m", "kB, MB, GB", "did you mean \"if-better\"?"],
        },
        Case {
            name: "parts that do not exist yet",
            text: training("  search: { families: [linear, encoder] }\n"),
            found: &["9:1 not-yet-supported spec.backbones"],
            says: &["training encoders from scratch", "name what they start from"],
        },
        Case {
            name: "what helps encoders alone",
            text: training("  unlabelled: d\n  teacher: big@champion\n  trimVocabulary: true\n"),
            found: &[
                "11:3 invalid-value spec.unlabelled",
                "11:15 invalid-value spec.unlabelled",
                "12:3 invalid-value spec.teacher",
                "13:3 invalid-value spec.trimVocabulary",
            ],
            says: &["has students", "vocabulary of pieces", "those of spec.dataset"],
        },
        Case {
            name: "no such texts, no such reference, and a teacher of words",
            text: training_on(
                "token-classification",
                "  search: { families: [encoder] }\n  backbones: [./a]\n  unlabelled: raw\n  teacher: big@champion\n",
            ),
            found: &["13:15 unknown-resource spec.unlabelled", "14:12 not-yet-supported spec.teacher"],
            says: &["no Dataset is named \"raw\"", "a teacher for token-classification"],
        },
        Case {
            name: "backbones that nothing starts from",
            text: training("  backbones: [./a]\n"),
            found: &["11:3 invalid-value spec.backbones"],
            says: &["add encoder to spec.search.families"],
        },
        Case {
            name: "backbones that are none, and one twice",
            text: training(
                "  search: { families: [encoder] }\n  backbones: [\"ftp://a/b\", \"hf://a\", ./c, ./c]\n",
            ),
            found: &[
                "12:15 not-yet-supported spec.backbones[0]",
                "12:28 invalid-value spec.backbones[1]",
                "12:43 invalid-value spec.backbones[3]",
            ],
            says: &["name a folder, or hf://owner/name", "write hf://owner/name", "twice"],
        },
        Case {
            name: "no such family, and one twice",
            text: training("  search: { families: [linear, lineer] }\n"),
            found: &["11:32 invalid-value spec.search.families[1]"],
            says: &["did you mean \"linear\"?"],
        },
        Case {
            name: "a family twice",
            text: training("  search: { families: [linear, linear] }\n"),
            found: &["11:32 invalid-value spec.search.families[1]"],
            says: &["twice"],
        },
        Case {
            name: "a metric of another task",
            text: training_on("multi-label-classification", "  metric: accuracy\n"),
            found: &["11:11 invalid-value spec.metric"],
            says: &["allowed: macro-f1, micro-f1, exact-match"],
        },
        Case {
            name: "no metric at all",
            text: training_on("multi-label-classification", "  metric: f1\n"),
            found: &["11:11 invalid-value spec.metric"],
            says: &["allowed: macro-f1, micro-f1, exact-match", "did you mean \"macro-f1\"?"],
        },
        Case {
            name: "a task that is not trained yet",
            text: training_on("zero-shot-classification", ""),
            found: &["4:15 invalid-value spec.task", "10:12 not-yet-supported spec.dataset"],
            says: &["zero-shot-classification", "supported: text-classification"],
        },
        Case {
            name: "an embedding of texts alone",
            text: training_on("embedding", "  search: { families: [encoder] }\n  backbones: [./a]\n"),
            found: &["10:12 invalid-value spec.dataset"],
            says: &["learned from pairs of texts", "text_a and text_b"],
        },
        Case {
            name: "an embedding of pairs without scores by another family and metric",
            text: training_on(
                "embedding, columns: { query: q, positive: p }",
                "  metric: spearman\n  search: { families: [linear] }\n",
            ),
            found: &["11:11 invalid-value spec.metric", "12:13 invalid-value spec.search.families"],
            says: &["embedding on pairs without scores; allowed: ndcg-at-10", "families: [encoder]"],
        },
        Case {
            name: "a flawed data set is no missing one",
            text: training_on("text-clasification", ""),
            found: &["4:15 invalid-value spec.task"],
            says: &[],
        },
    ]);
}

#[test]
fn fields_of_a_model() {
    check(&[
        Case {
            name: "nothing named",
            text: resource("Model", "  labels: [a, a]\n"),
            found: &[
                "4:1 missing-field spec.source",
                "4:1 missing-field spec.task",
                "5:15 invalid-value spec.labels[1]",
            ],
            says: &["add task", "add source: { path: ./folder }", "name each label once"],
        },
        Case {
            name: "parts that do not exist yet",
            text: resource("Model", "  task: translation\n  source: { path: ./folder }\n"),
            found: &["5:9 not-yet-supported spec.task"],
            says: &["classify, mark or embed"],
        },
        Case {
            name: "a server with what belongs to files",
            text: resource(
                "Model",
                "  task: token-classification\n  server: { url: \"127.0.0.1:9001\", protocol: oip-v2, command: [\"\"] }\n  source: { path: ./x }\n  maxLength: 64\n  precision: int8\n",
            ),
            found: &[
                "4:1 missing-field spec.labels",
                "5:9 not-yet-supported spec.task",
                "6:18 invalid-value spec.server.url",
                "6:63 invalid-value spec.server.command",
                "7:3 invalid-value spec.source",
                "8:3 invalid-value spec.maxLength",
                "9:3 invalid-value spec.precision",
            ],
            says: &["http://127.0.0.1:9001", "does not go with spec.server"],
        },
        Case {
            name: "another protocol",
            text: resource(
                "Model",
                "  task: embedding\n  server: { url: \"http://127.0.0.1:9001\", protocol: grpc }\n",
            ),
            found: &["6:53 invalid-value spec.server.protocol"],
            says: &["oip-v2"],
        },
        Case {
            name: "places that are not yet read",
            text: resource(
                "Model",
                "  task: embedding\n  source: { path: \"ftp://bucket/model\" }\n  labels: [a]\n",
            ),
            found: &["6:19 not-yet-supported spec.source.path", "7:3 invalid-value spec.labels"],
            says: &["hf://owner/name", "embedding has no labels"],
        },
        Case {
            name: "an ONNX file elsewhere",
            text: resource("Model", "  task: embedding\n  source: { path: \"s3://bucket/a/model.onnx\" }\n"),
            found: &["6:19 not-yet-supported spec.source.path"],
            says: &["name the folder"],
        },
        Case {
            name: "a hub reference that climbs out",
            text: resource("Model", "  task: embedding\n  source: { path: \"hf://a/..\" }\n"),
            found: &["6:19 invalid-value spec.source.path"],
            says: &["hf://owner/name"],
        },
        Case {
            name: "values",
            text: resource(
                "Model",
                "  task: embedding\n  source: { path: m }\n  precision: int4\n  agreement: most\n  maxLength: 1\n  template: \"{label}\"\n  dataset: d\n",
            ),
            found: &[
                "7:14 invalid-value spec.precision",
                "8:14 invalid-value spec.agreement",
                "9:14 invalid-value spec.maxLength",
                "10:3 invalid-value spec.template",
            ],
            says: &["f32, int8", "98%"],
        },
        Case {
            name: "one name for two ways to a model",
            text: format!(
                "{}---\n{}",
                resource("Model", "  task: embedding\n  source: { path: m }\n"),
                resource("Model", "  task: embedding\n  source: { path: n }\n"),
            ),
            found: &["10:19 duplicate-name metadata.name"],
            says: &["rename or remove one of the two"],
        },
    ]);
}

#[test]
fn fields_of_an_endpoint() {
    check(&[
        Case {
            name: "parts that do not exist yet",
            text: endpoint(
                "  cascade: [{ model: s, agreement: 0.98 }]\n  template: \"{label}\"\n  \
                 traffic: [{ model: \"m:4\", percent: 10 }]\n  shadow: [m@x]\n  resources: { memory: 500MB, gpu: 2 }\n  requests: { maxBatchTokens: 0 }\n",
            ),
            found: &[
                "6:3 not-yet-supported spec.cascade",
                "10:16 not-yet-supported spec.resources.memory",
                "10:36 not-yet-supported spec.resources.gpu",
                "11:31 invalid-value spec.requests.maxBatchTokens",
            ],
            says: &["labels of a request are scored by one model"],
        },
        Case {
            name: "a cascade that can't be",
            text: endpoint(
                "  cascade:\n    - { model: m, agreement: 1 }\n    - { model: s, agreement: 0 }\n    - { model: s@champion }\n    \
                 - { agreement: 98 }\n",
            ),
            found: &[
                "7:16 invalid-value spec.cascade[0].model",
                "7:30 invalid-value spec.cascade[0].agreement",
                "8:30 invalid-value spec.cascade[1].agreement",
                "9:16 invalid-value spec.cascade[2].model",
                "10:7 missing-field spec.cascade[3].model",
                "10:20 invalid-value spec.cascade[3].agreement",
            ],
            says: &["add model", "write a share above 0 and below 1", "s@champion is asked twice"],
        },
        Case {
            name: "a task that no model can stand in for, and a template without a label",
            text: endpoint("  task: translation\n  template: \"About it.\"\n"),
            found: &["6:9 invalid-value spec.task", "7:13 invalid-value spec.template"],
            says: &["zero-shot-classification", "This example is {label}."],
        },
        Case {
            name: "scaling",
            text: endpoint(
                "  scaling: { minReplicas: 0, maxReplicas: 8, targetQueueTime: 20ms, idleTimeout: 5m }\n",
            ),
            found: &[
                "6:43 not-yet-supported spec.scaling.maxReplicas",
                "6:46 not-yet-supported spec.scaling.targetQueueTime",
            ],
            says: &["write 1 or remove it"],
        },
        Case {
            name: "shares",
            text: endpoint(
                "  traffic: [{ model: \"m:4\", percent: 60 }, { model: \"m:5\", percent: 50 }, { model: m }]\n",
            ),
            found: &["6:12 invalid-value spec.traffic", "6:75 missing-field spec.traffic[2]"],
            says: &["at most 100"],
        },
        Case {
            name: "limits",
            text: endpoint(
                "  requests: { timeout: 4000d, maxQueue: 0, maxLength: 0, maxInputs: 1.5 }\n  default: yes\n",
            ),
            found: &[
                "6:24 invalid-value spec.requests.timeout",
                "6:41 invalid-value spec.requests.maxQueue",
                "6:55 invalid-value spec.requests.maxLength",
                "6:69 wrong-type spec.requests.maxInputs",
                "7:12 wrong-type spec.default",
            ],
            says: &["true or false", "a whole number", "at most 3650d"],
        },
    ]);
}

#[test]
fn names_and_references() {
    let two = format!("{}---\n{}", endpoint(""), endpoint(""));
    let default = "  default: true\n";
    let (first, second) = (endpoint(default), endpoint(default).replace("name: x", "name: y"));
    let trained = training("").replace("name: x", "name: m");
    check(&[
        Case {
            name: "a name twice",
            text: two,
            found: &["9:19 duplicate-name metadata.name"],
            says: &["Endpoint", "r.yaml:3"],
        },
        Case {
            name: "a reference to nothing",
            text: training("").replace("dataset: d", "dataset: e"),
            found: &["10:12 unknown-resource spec.dataset"],
            says: &["there are: d", "did you mean \"d\"?"],
        },
        Case {
            name: "no data set at all",
            text: resource("Training", "  dataset: tickets\n"),
            found: &["5:12 unknown-resource spec.dataset"],
            says: &["the resources hold no Dataset"],
        },
        Case {
            name: "two defaults of a task",
            text: format!("{trained}---\n{first}---\n{second}"),
            found: &["24:12 invalid-value spec.default"],
            says: &["endpoint x is the default of text-classification already"],
        },
    ]);
}

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
fn the_running_example_is_refused_only_where_a_part_is_missing() {
    let text = "apiVersion: loquat.dev/v1alpha1
kind: Dataset
metadata: { name: tickets }
spec:
  task: text-classification        # the model type that the data must conform to
  source: { path: data/tickets.jsonl }   # path | url | s3:// gs:// az:// | hf://owner/name | kafka topic
  columns: { text: text, label: label, language: lang, group: customer }
  split: { test: 10% }
---
apiVersion: loquat.dev/v1alpha1
kind: Training
metadata: { name: tickets }
spec:
  dataset: tickets
  metric: macro-f1
  crossValidation: { folds: 5 }
  search: { families: [linear, encoder], trials: 40, timeout: 10m }
  resources: { gpu: 0 }
---
apiVersion: loquat.dev/v1alpha1
kind: Endpoint
metadata: { name: tickets }
spec:
  model: tickets@champion          # name@alias or name:version
  scaling: { minReplicas: 0, maxReplicas: 8, targetQueueTime: 20ms, idleTimeout: 5m }
  requests: { timeout: 1s, maxQueue: 512 }
";
    let findings = findings(text);
    assert!(findings.iter().all(|finding| finding.check == "not-yet-supported"), "{findings:#?}");
    assert!(findings.iter().all(|finding| finding.resource.as_deref() == Some("tickets")));
    let places: Vec<String> = findings.iter().map(brief).collect();
    assert_eq!(places[0], "13:1 not-yet-supported spec.backbones");
    assert_eq!(places.len(), 3);
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
