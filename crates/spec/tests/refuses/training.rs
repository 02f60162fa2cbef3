//! What is wrong with Trainings.

use crate::case::{Case, check, training, training_on};

#[test]
fn fields_of_a_training() {
    check(&[
        Case {
            name: "wrong values",
            text: training(
                "  crossValidation: { folds: 1 }\n  search: { families: [], trials: 0, timeout: 10, seed: -1 }\n  calibration: 1\n  \
                 constraints: { artifact: 10Mb, memory: 0MB, latency: 0ms }\n  promote: if_better\n  resources: { threads: 0, gpu: 2 }\n",
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
            name: "a GPU for what trains on none",
            text: training("  resources: { gpu: 1 }\n"),
            found: &["11:16 invalid-value spec.resources.gpu"],
            says: &["no family of the search trains on a GPU", "add encoder"],
        },
        Case {
            name: "an embedding from scratch",
            text: training_on(
                "embedding, columns: { query: q, positive: p }",
                "  search: { families: [encoder] }\n",
            ),
            found: &["9:1 not-yet-supported spec.backbones"],
            says: &["training an embedding from scratch", "name what it starts from"],
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
            name: "an embedding from unlabelled texts, trimmed",
            text: training_on(
                "embedding, columns: { query: q, positive: p }",
                "  search: { families: [encoder] }\n  backbones: [./a]\n  unlabelled: d\n  trimVocabulary: true\n",
            ),
            found: &[
                "13:3 not-yet-supported spec.unlabelled",
                "13:15 invalid-value spec.unlabelled",
                "14:3 not-yet-supported spec.trimVocabulary",
            ],
            says: &["embeddings are learned from pairs"],
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
