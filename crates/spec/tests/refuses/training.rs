//! What is wrong with Trainings.

use crate::case::{Case, check, training, training_on};

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
            text: training(
                "  search: { families: [linear, encoder] }\n  unlabelled: raw\n  teacher: big@champion\n  trimVocabulary: true\n",
            ),
            found: &[
                "9:1 not-yet-supported spec.backbones",
                "12:3 not-yet-supported spec.unlabelled",
                "13:3 not-yet-supported spec.teacher",
                "14:3 not-yet-supported spec.trimVocabulary",
            ],
            says: &["training encoders from scratch", "name what they start from"],
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
            text: training_on("embedding", ""),
            found: &["10:12 not-yet-supported spec.dataset"],
            says: &["embedding", "supported: text-classification"],
        },
        Case {
            name: "a flawed data set is no missing one",
            text: training_on("text-clasification", ""),
            found: &["4:15 invalid-value spec.task"],
            says: &[],
        },
    ]);
}
