//! Loading: the self-test, and what is refused.

use std::collections::BTreeMap;
use std::fs;

use loquat_infer::{InferError, ManifestProblem, Pipeline};
use loquat_spec::{ErrorCode, Name, Task};
use loquat_store::{NewVersion, Store};

use crate::fixture::{LABELS, load, model, pipeline};

fn registered() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let name = Name::new("tickets").unwrap();
    let staging = store.stage().unwrap();
    model(Task::TextClassification).save(staging.path()).unwrap();
    let new =
        NewVersion { outcome: "completed".to_owned(), metrics: BTreeMap::new(), ..NewVersion::default() };
    store.register(&name, staging, new).unwrap();
    store.set_alias(&name, &Name::new("champion").unwrap(), 1).unwrap();
    (folder, store)
}

#[test]
fn a_registered_version_says_what_it_is() {
    let (_folder, store) = registered();
    let pipeline = Pipeline::from_store(&store, &"tickets".parse().unwrap()).unwrap();
    assert_eq!((pipeline.model(), pipeline.version()), ("tickets", 1));
    assert_eq!(pipeline.digest(), store.resolve(&"tickets:1".parse().unwrap()).unwrap().record.digest);
    assert_eq!(pipeline.labels(), LABELS);
    assert_eq!(pipeline.task(), Task::TextClassification);
    assert!(pipeline.resident_bytes() > 0);
    let error = Pipeline::from_store(&store, &"tickets:2".parse().unwrap()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
}

#[test]
fn a_damaged_version_is_not_loaded_though_its_golden_inputs_would_pass() {
    let (_folder, store) = registered();
    let path = store.resolve(&"tickets:1".parse().unwrap()).unwrap().path.join("loquat.json");
    let text = fs::read_to_string(&path).unwrap().replace("null", "true");
    fs::remove_file(&path).unwrap();
    fs::write(&path, text).unwrap();
    let error = Pipeline::from_store(&store, &"tickets:1".parse().unwrap()).unwrap_err();
    assert!(matches!(error, InferError::Store(_)), "{error}");
}

#[test]
fn golden_inputs_are_replayed_within_the_tolerance() {
    let nudged = |by: f32| {
        load(model(Task::TextClassification), |manifest| {
            manifest.tolerance = 1e-4;
            manifest.golden[1].scores[1] += by;
        })
    };
    assert!(nudged(5e-5).is_ok());
    let error = nudged(-2e-4).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Failed);
    let InferError::GoldenMismatch { input, place, .. } = &error else { panic!("{error}") };
    assert_eq!((*input, place.as_str()), (1, "label \"parcel\""));
    assert!(error.to_string().contains("golden input 1"), "{error}");
}

#[test]
fn manifests_that_contradict_themselves_are_refused() {
    struct Case {
        task: Task,
        change: fn(&mut loquat_models::Manifest),
        problem: ManifestProblem,
    }
    let cases = [
        Case {
            task: Task::TextClassification,
            change: |manifest| manifest.labels[2] = "refund".to_owned(),
            problem: ManifestProblem::RepeatedLabel { label: "refund".to_owned() },
        },
        Case {
            task: Task::MultiLabelClassification,
            change: |manifest| manifest.thresholds = None,
            problem: ManifestProblem::NoThresholds,
        },
        Case {
            task: Task::MultiLabelClassification,
            change: |manifest| manifest.thresholds = Some(vec![0.5]),
            problem: ManifestProblem::Thresholds { thresholds: 1, labels: 3 },
        },
        Case {
            task: Task::TextClassification,
            change: |manifest| manifest.golden[2].scores.truncate(1),
            problem: ManifestProblem::GoldenScores { input: 2, scores: 1, labels: 3 },
        },
        Case {
            task: Task::TextClassification,
            change: |manifest| manifest.tolerance = 1.0,
            problem: ManifestProblem::Tolerance { found: "1".to_owned() },
        },
    ];
    for case in cases {
        let error = load(model(case.task), case.change).unwrap_err();
        let InferError::Manifest { problem, .. } = &error else { panic!("{error}") };
        assert_eq!(*problem, case.problem);
    }
}

#[test]
fn tasks_without_a_pipeline_are_refused() {
    let error =
        load(model(Task::TextClassification), |manifest| manifest.task = Task::Translation).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unsupported);
    let words = "translation, which is not yet supported for its architecture";
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn a_folder_without_a_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Pipeline::load(folder.path()), Err(InferError::Model(_))));
}

#[test]
fn saving_and_loading_changes_no_score() {
    let texts = ["Money, money", "kein Paket", "пароль 🔑", "nothing known"];
    let saved = model(Task::TextClassification).probabilities(&texts, 1);
    assert_eq!(pipeline(Task::TextClassification).probabilities(&texts, 2).unwrap(), saved);
}
