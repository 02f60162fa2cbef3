//! What is wrong with any resource: its shape, its kind, its name, and what it names.

use crate::case::{Case, brief, check, endpoint, findings, resource, training};

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
    assert_eq!(places.len(), 2, "{places:?}");
}
