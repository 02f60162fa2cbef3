//! What resource files mean when nothing is wrong with them.

use std::time::Duration;

use loquat_spec::{
    Bytes, Family, Format, Metric, ModelReference, ModelServer, ModelSource, Name, PairData, Precision,
    Promote, Requests, Resources, Severity, Share, SourceText, Split, SplitPart, Task, ZeroShot, parse,
    to_yaml_endpoint,
};

const HEAD: &str = "apiVersion: loquat.dev/v1alpha1\n";

fn read(text: &str) -> Resources {
    let file = SourceText { path: "resources.yaml".into(), text: text.to_owned() };
    parse(&[file]).unwrap_or_else(|findings| panic!("{findings:#?}\n{text}"))
}

fn dataset(spec: &str) -> loquat_spec::Dataset {
    let text = format!("{HEAD}kind: Dataset\nmetadata: {{ name: d }}\nspec:\n{spec}");
    read(&text).datasets.remove(0).value
}

fn training(spec: &str) -> loquat_spec::Training {
    let text = format!(
        "{HEAD}kind: Dataset\nmetadata: {{ name: d }}\nspec: {{ task: text-classification, source: {{ path: a.csv }} }}\n---\n\
         {HEAD}kind: Training\nmetadata: {{ name: t }}\nspec:\n  dataset: d\n{spec}"
    );
    read(&text).trainings.remove(0).value
}

fn endpoint(spec: &str) -> loquat_spec::Endpoint {
    let text = format!("{HEAD}kind: Endpoint\nmetadata: {{ name: e }}\nspec:\n  model: m\n{spec}");
    read(&text).endpoints.remove(0).value
}

fn share(text: &str) -> Share {
    Share::parse(text).expect("a share")
}

#[test]
fn reads_a_whole_dataset() {
    let read = dataset(
        r#"
  task: multi-label-classification
  languages: [de, en]
  source: { path: "data/*.jsonl.gz", format: jsonl, delimiter: ";" }
  columns: { text: body, labels: intents, language: lang, group: customer, id: id, weight: weight }
  split: { development: 10%, test: 20% }
  checks: { leakage: error, duplicate: off, label-conflict: warning, one-class: error, near-duplicate: off }
"#,
    );
    assert_eq!(read.task, Task::MultiLabelClassification);
    assert_eq!(read.languages, ["de", "en"]);
    assert_eq!(read.files.len(), 1);
    assert_eq!(read.files[0].format, Some(Format::Jsonl));
    assert_eq!(read.delimiter.as_deref(), Some(";"));
    assert_eq!(read.columns.get("text"), Some("body"));
    assert_eq!(read.columns.get("group"), Some("customer"));
    assert_eq!(read.columns.roles.len(), 6);
    assert_eq!(read.split, Split::Hash { development: share("10%"), test: share("20%") });
    let checks: Vec<_> = read.checks.iter().map(|(name, severity)| (name.as_str(), *severity)).collect();
    assert_eq!(
        checks,
        [
            ("duplicate", None),
            ("label-conflict", Some(Severity::Warning)),
            ("leakage", Some(Severity::Error)),
            ("near-duplicate", None)
        ]
    );
}

#[test]
fn dataset_defaults_are_the_roles_of_the_task_and_a_tenth_for_testing() {
    let read = dataset("  task: text-pair-classification\n  source: { path: pairs.tsv }\n");
    let roles: Vec<_> =
        read.columns.roles.iter().map(|(role, column)| (role.as_str(), column.as_str())).collect();
    assert_eq!(roles, [("hypothesis", "hypothesis"), ("label", "label"), ("premise", "premise")]);
    assert_eq!(read.split, Split::Hash { development: Share::default(), test: share("10%") });
    assert!(read.languages.is_empty() && read.checks.is_empty() && read.delimiter.is_none());
}

#[test]
fn token_data_takes_tokens_and_tags_or_text_and_spans() {
    let tokens = dataset("  task: token-classification\n  source: { path: a.conll }\n");
    assert_eq!(tokens.columns.get("tags"), Some("tags"));
    let spans = dataset(
        "  task: token-classification\n  source: { path: a.jsonl }\n  columns: { text: body, spans: entities }\n",
    );
    assert_eq!(spans.columns.get("spans"), Some("entities"));
    assert_eq!(spans.columns.get("tokens"), None);
}

#[test]
fn several_files_carry_constants_and_inherit_the_format() {
    let read = dataset(
        "  task: language-identification\n  source:\n    format: csv\n    domain: mail\n    files:\n      - { path: da.txt, language: da, domain: news }\n      \
         - { path: de.tsv, language: de, format: tsv }\n",
    );
    let files: Vec<_> =
        read.files.iter().map(|file| (file.path.as_str(), file.format, file.language.as_deref())).collect();
    assert_eq!(files, [("da.txt", Some(Format::Csv), Some("da")), ("de.tsv", Some(Format::Tsv), Some("de"))]);
    let domains: Vec<_> = read.files.iter().map(|file| file.domain.as_deref()).collect();
    assert_eq!(domains, [Some("news"), Some("mail")]);
}

#[test]
fn splits_take_files_shares_or_a_column() {
    let head = "  task: text-classification\n  source: { path: a.csv }\n";
    let read = dataset(&format!("{head}  split: {{ development: 5%, test: {{ path: test.csv }} }}\n"));
    let Split::Files { development, test: Some(SplitPart::Files(files)) } = read.split else {
        panic!("{:?}", read.split)
    };
    assert_eq!(development, Some(SplitPart::Share(share("5%"))));
    assert_eq!(files[0].path, "test.csv");
    let read = dataset(&format!("{head}  split: {{ column: part }}\n"));
    assert_eq!(read.split, Split::Column("part".to_owned()));
}

#[test]
fn training_defaults_are_those_of_the_documentation() {
    let read = training("");
    assert_eq!((read.folds, read.search.trials, read.search.seed), (5, 40, 17));
    assert_eq!(read.metric, Metric::MacroF1);
    assert_eq!(read.search.families, [Family::Linear]);
    assert_eq!(read.search.timeout, None);
    assert_eq!(read.promote, Promote::IfBetter);
    assert!(read.calibration);
    assert_eq!(read.threads, None);
}

#[test]
fn pairs_to_embed_are_scored_by_what_their_rows_say() {
    let read = |columns: &str| {
        let file = SourceText {
            path: "r.yaml".into(),
            text: format!(
                "apiVersion: loquat.dev/v1alpha1\nkind: Dataset\nmetadata: {{ name: d }}\nspec: {{ task: embedding, source: {{ path: a }}, \
                 columns: {{ {columns} }} }}\n---\napiVersion: loquat.dev/v1alpha1\nkind: Training\nmetadata: {{ name: d }}\nspec: {{ dataset: d, \
                 search: {{ families: [encoder] }}, backbones: [./a] }}\n"
            ),
        };
        let resources = parse(&[file]).unwrap();
        (resources.datasets[0].value.columns.pair_data(), resources.trainings[0].value.metric)
    };
    let cases = [
        ("text_a: a, text_b: b, score: s", PairData::Scored, Metric::Spearman),
        ("text_a: a, text_b: b", PairData::Together, Metric::NdcgAt10),
        ("query: q, positive: p", PairData::Together, Metric::NdcgAt10),
        ("query: q, positive: p, negative: n", PairData::Together, Metric::NdcgAt10),
    ];
    for (columns, data, metric) in cases {
        assert_eq!(read(columns), (Some(data), metric), "{columns}");
    }
}

#[test]
fn reads_a_whole_training() {
    let read = training(
        r#"
  metric: log-loss
  crossValidation: { folds: 3 }
  search: { families: [linear, encoder], trials: 7, timeout: 1.5m, seed: 9007199254740991 }
  constraints: { artifact: 20MB, memory: 200MiB, latency: 5ms }
  calibration: false
  trimVocabulary: true
  teacher: big:3
  backbones: [./mine, "hf://owner/name@v1"]
  resources: { threads: 2, gpu: 1 }
  promote: never
"#,
    );
    assert_eq!(read.metric, Metric::LogLoss);
    assert_eq!((read.folds, read.search.trials, read.search.seed), (3, 7, 9_007_199_254_740_991));
    assert_eq!(read.search.timeout, Some(Duration::from_secs(90)));
    assert_eq!(read.search.families, [Family::Linear, Family::Encoder]);
    let hub = ModelSource::Hub("hf://owner/name@v1".parse().unwrap());
    assert_eq!(read.backbones, [ModelSource::Folder("./mine".to_owned()), hub]);
    assert!(read.trim_vocabulary && read.gpu);
    assert_eq!(read.teacher.as_ref().map(ToString::to_string).as_deref(), Some("big:3"));
    assert_eq!(read.constraints.artifact, Some(Bytes(20_000_000)));
    assert_eq!(read.constraints.memory, Some(Bytes(200 << 20)));
    assert_eq!(read.constraints.latency, Some(Duration::from_millis(5)));
    assert_eq!((read.calibration, read.threads, read.promote), (false, Some(2), Promote::Never));
}

#[test]
fn encoders_without_a_backbone_start_from_scratch() {
    let read = training("  search: { families: [linear, encoder] }\n");
    assert!(read.is_from_scratch() && read.backbones.is_empty());
    assert!(!training("  search: { families: [linear] }\n").is_from_scratch());
    assert!(!training("  search: { families: [encoder] }\n  backbones: [./a]\n").is_from_scratch());
}

#[test]
fn reads_a_whole_endpoint() {
    let read = endpoint(
        r#"
  default: true
  resources: { threads: 2, gpu: 0 }
  scaling: { minReplicas: 0, maxReplicas: 1, idleTimeout: 30s }
  traffic: [{ model: "m:4", percent: 12.5 }]
  shadow: [m@next]
  requests: { timeout: 250ms, maxQueue: 64, maxBatchTokens: 4096, maxLength: 512, maxInputs: 10 }
  cascade: [{ model: "s:2", agreement: 0.95 }, { model: l@next }]
"#,
    );
    assert_eq!(read.model.to_string(), "m@champion");
    assert_eq!((read.default, read.threads), (true, Some(2)));
    let expected = Requests {
        timeout: Duration::from_millis(250),
        max_queue: 64,
        max_batch_tokens: 4096,
        max_inputs: 10,
        max_length: Some(512),
    };
    assert_eq!(read.requests, expected);
    let idle_timeout = Duration::from_secs(30);
    assert_eq!(read.scaling, loquat_spec::Scaling { keep_loaded: false, idle_timeout });
    assert_eq!((read.traffic[0].model.to_string(), read.traffic[0].percent), ("m:4".to_owned(), 12.5));
    assert_eq!(read.shadow[0].to_string(), "m@next");
    let stages: Vec<(String, f64)> =
        read.cascade.iter().map(|stage| (stage.model.to_string(), stage.agreement)).collect();
    assert_eq!(stages, [("s:2".to_owned(), 0.95), ("l@next".to_owned(), 0.98)]);
    assert!(endpoint("  cascade: []\n").cascade.is_empty());
    assert!(endpoint("").scaling.keep_loaded);
    assert_eq!(endpoint("").requests, Requests::default());
}

#[test]
fn documents_keep_their_place_and_text() {
    let text = format!(
        "# first\n{HEAD}kind: Endpoint\nmetadata: {{ name: a }}\nspec: {{ model: m }}\n---\n# second\n{HEAD}kind: Endpoint\n\
         metadata: {{ name: b }}\nspec: {{ model: \"m:3\" }}\n---\n# nothing\n"
    );
    let endpoints = read(&text).endpoints;
    assert_eq!(endpoints.len(), 2);
    assert!(endpoints[0].text.starts_with("# first\napiVersion"), "{}", endpoints[0].text);
    assert!(endpoints[0].text.ends_with("spec: { model: m }\n"), "{}", endpoints[0].text);
    assert_eq!(endpoints[1].line, 6);
    assert!(endpoints[1].text.starts_with("# second\n"), "{}", endpoints[1].text);
    for endpoint in &endpoints {
        let again = read(&endpoint.text).endpoints.remove(0);
        assert_eq!(again.value, endpoint.value);
    }
}

#[test]
fn references_reach_across_files() {
    let files = [
        ("b.yaml", format!("{HEAD}kind: Training\nmetadata: {{ name: t }}\nspec: {{ dataset: d }}\n")),
        (
            "c.json",
            r#"{"apiVersion": "loquat.dev/v1alpha1", "kind": "Dataset", "metadata": {"name": "d"},
                "spec": {"task": "language-identification", "source": {"path": "x.parquet"}}}"#
                .to_owned(),
        ),
    ]
    .map(|(path, text)| SourceText { path: path.into(), text });
    let resources = parse(&files).unwrap();
    assert_eq!(resources.trainings[0].value.metric, Metric::Accuracy);
    assert_eq!(resources.trainings[0].path.to_str(), Some("b.yaml"));
}

#[test]
fn aliases_windows_lines_and_byte_order_marks_are_read() {
    let text = format!(
        "\u{feff}{HEAD}kind: Training\nmetadata: {{ name: &n d }}\nspec:\n  dataset: *n\n---\n{HEAD}kind: Dataset\nmetadata: {{ name: d }}\n\
         spec: {{ task: text-classification, source: {{ path: a.csv }} }}\n"
    )
    .replace('\n', "\r\n");
    assert_eq!(read(&text).trainings[0].value.dataset.as_str(), "d");
}

#[test]
fn empty_files_hold_no_resources() {
    for text in ["", "\n\n", "# nothing yet\n", "---\n---\n", "~\n"] {
        assert_eq!(read(text), Resources::default(), "{text:?}");
    }
}

#[test]
fn written_endpoints_are_read_back_unedited() {
    for (name, model) in
        [("tickets", "tickets@champion"), ("a-1", "a-1:12"), ("null", "true"), ("1e5", "0x1f@1-2")]
    {
        let name = Name::new(name).unwrap();
        let model: ModelReference = model.parse().unwrap();
        let endpoint = read(&to_yaml_endpoint(&name, &model)).endpoints.remove(0).value;
        assert_eq!((endpoint.name, endpoint.model), (name, model));
    }
}

fn model(spec: &str) -> loquat_spec::Model {
    let text = format!("{HEAD}kind: Model\nmetadata: {{ name: m }}\nspec:\n{spec}");
    read(&text).models.remove(0).value
}

#[test]
fn reads_addresses_of_data_and_models() {
    let files = |source: &str| {
        let read = dataset(&format!("  task: text-classification\n  source: {source}\n"));
        read.files.into_iter().map(|file| file.path).collect::<Vec<_>>()
    };
    let addresses =
        ["s3://b/*.jsonl", "gs://b/k", "az://c/k", "hf://datasets/o/n/default/train", "http://h/f.csv"];
    for address in addresses {
        assert_eq!(files(&format!("{{ path: \"{address}\" }}")), [address]);
    }
    assert_eq!(files("{ url: \"https://host/rows.jsonl\" }"), ["https://host/rows.jsonl"]);
    let read = model("\n  task: embedding\n  source: { path: \"s3://bucket/models/small\" }\n");
    let ModelSource::Objects(address) = &read.source else { panic!("{:?}", read.source) };
    assert_eq!((address.bucket.as_str(), address.key.as_str()), ("bucket", "models/small"));
}

#[test]
fn reads_a_whole_model() {
    let read = model(
        r#"
  task: zero-shot-classification
  source: { path: "hf://some-owner/nli.small@refs/pr/1" }
  labels: [contradiction, entailment]
  maxLength: 256
  template: "Das ist {label}."
  precision: int8
  agreement: 99%
"#,
    );
    let ModelSource::Hub(hub) = &read.source else { panic!("{:?}", read.source) };
    assert_eq!((hub.owner(), hub.name(), hub.revision()), ("some-owner", "nli.small", "refs/pr/1"));
    assert!(!hub.is_commit());
    assert_eq!(hub.to_string(), "hf://some-owner/nli.small@refs/pr/1");
    assert_eq!(read.labels.as_deref(), Some(&["contradiction".to_owned(), "entailment".to_owned()][..]));
    assert_eq!((read.max_length, read.precision), (Some(256), Precision::Int8));
    assert_eq!(read.template.as_deref(), Some("Das ist {label}."));
    assert_eq!(read.agreement, share("99%"));
}

#[test]
fn a_model_may_be_a_server() {
    let read = model(
        "  task: text-classification\n  labels: [down, up]\n  server: { command: [python, serve.py], url: \"http://127.0.0.1:9001\", protocol: oip-v2 }\n",
    );
    let command = Some(vec!["python".to_owned(), "serve.py".to_owned()]);
    let url = "http://127.0.0.1:9001".to_owned();
    assert_eq!(read.source, ModelSource::Server(ModelServer { command, url }));
    let read = model("  task: embedding\n  server: { url: \"https://models.example\" }\n");
    let url = "https://models.example".to_owned();
    assert_eq!(read.source, ModelSource::Server(ModelServer { command: None, url }));
}

#[test]
fn model_defaults_are_full_precision_and_what_the_folder_says() {
    let read = model("  task: embedding\n  source: { path: ./minilm }\n");
    assert_eq!(read.source, ModelSource::Folder("./minilm".to_owned()));
    assert_eq!((read.precision, read.agreement), (Precision::F32, share("98%")));
    assert!(read.labels.is_none() && read.max_length.is_none() && read.dataset.is_none());
    let hub: loquat_spec::HubReference = "hf://a/b".parse().expect("a model of a hub");
    assert_eq!((hub.revision(), hub.to_string().as_str()), ("main", "hf://a/b"));
}

#[test]
fn an_endpoint_may_answer_zero_shot_classification() {
    let plain = endpoint("");
    assert_eq!(plain.zero_shot, None);
    let read = endpoint("  task: zero-shot-classification\n  template: \"{label}?\"\n  labels: [a, b]\n");
    let labels = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(read.zero_shot, Some(ZeroShot { template: Some("{label}?".to_owned()), labels }));
}
