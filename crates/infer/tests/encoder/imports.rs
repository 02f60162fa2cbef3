//! Imports: what becomes of a folder, and what is refused.

use std::fs;

use loquat_infer::{ImportError, InferError, Pipeline, source_files};
use loquat_models::Manifest;
use loquat_spec::{ErrorCode, Precision, Share, Task};

use crate::fixture::{folder, import_folder, resource};

#[test]
fn an_artifact_has_golden_examples_and_a_card_and_nothing_that_was_not_asked_for() {
    let source = folder("bert-sequence");
    fs::write(source.path().join("training_args.bin"), "no").unwrap();
    fs::write(source.path().join("model.fp16.safetensors"), "no").unwrap();
    let (artifact, imported) = import_folder(source.path(), &resource(Task::TextClassification)).unwrap();
    let mut names: Vec<String> = fs::read_dir(artifact.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["config.json", "loquat.json", "model-card.md", "model.safetensors", "vocab.txt"]);
    let manifest = Manifest::load(artifact.path()).unwrap();
    assert_eq!(manifest.labels, ["alpha", "beta", "gamma"]);
    assert_eq!((manifest.golden.len(), manifest.precision), (8, Some(Precision::F32)));
    let card = fs::read_to_string(artifact.path().join("model-card.md")).unwrap();
    assert!(card.contains("text-classification") && card.contains("alpha, beta, gamma"), "{card}");
    assert!(imported.metrics.is_empty());
    assert!(Pipeline::load(artifact.path()).is_ok());
}

#[test]
fn a_model_that_answers_otherwise_than_it_did_is_not_loaded() {
    for (name, task) in [
        ("bert-sequence", Task::TextPairClassification),
        ("bert-tokens", Task::TokenClassification),
        ("bert-embedding", Task::Embedding),
    ] {
        let source = folder(name);
        let (artifact, _) = import_folder(source.path(), &resource(task)).unwrap();
        let mut manifest = Manifest::load(artifact.path()).unwrap();
        manifest.golden[3].scores[2] += 0.01;
        manifest.save(artifact.path()).unwrap();
        let error = Pipeline::load(artifact.path()).unwrap_err();
        assert!(matches!(error, InferError::GoldenMismatch { input: 3, .. }), "{task:?}: {error}");
    }
}

#[test]
fn the_loss_of_int8_is_measured_and_refused_over_the_limit() {
    let source = folder("bert-embedding");
    let mut model = resource(Task::Embedding);
    model.precision = Precision::Int8;
    let (artifact, imported) = import_folder(source.path(), &model).unwrap();
    let agreement = imported.metrics["agreement"];
    assert!((0.98..1.0).contains(&agreement), "{agreement}");
    let card = fs::read_to_string(artifact.path().join("model-card.md")).unwrap();
    assert!(card.contains(&format!("{agreement:.4}, the mean cosine of vectors")), "{card}");
    assert_eq!(Manifest::load(artifact.path()).unwrap().precision, Some(Precision::Int8));
    assert!(Pipeline::load(artifact.path()).is_ok());

    model.agreement = Share::parse("100%").unwrap();
    let error = import_folder(source.path(), &model).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Failed);
    assert!(error.to_string().contains("lower spec.agreement"), "{error}");
}

#[test]
fn the_hash_of_the_files_changes_with_any_of_them() {
    let source = folder("bert-tokens");
    let digest = || source_files(source.path()).unwrap().digest().unwrap();
    let before = digest();
    assert_eq!(before, digest());
    fs::write(source.path().join("README.md"), "of no account").unwrap();
    assert_eq!(before, digest());
    fs::write(source.path().join("tokenizer_config.json"), "{}").unwrap();
    assert_ne!(before, digest());
}

#[test]
fn folders_that_are_no_models_are_refused_with_the_remedy() {
    let task = Task::TextClassification;
    let refused = |change: &dyn Fn(&std::path::Path)| {
        let source = folder("bert-sequence");
        change(source.path());
        import_folder(source.path(), &resource(task)).unwrap_err()
    };
    let remove = |name: &'static str| move |path: &std::path::Path| fs::remove_file(path.join(name)).unwrap();
    let error = refused(&|path| {
        remove("model.safetensors")(path);
        fs::write(path.join("pytorch_model.bin"), "").unwrap();
    });
    assert!(matches!(error, InferError::Import(ImportError::Pickle { .. })), "{error}");
    assert!(error.to_string().contains("save_pretrained"), "{error}");
    assert!(refused(&remove("model.safetensors")).to_string().contains("it holds no model.safetensors"));
    assert!(refused(&remove("config.json")).to_string().contains("it holds no config.json"));
    let error = refused(&|path| fs::write(path.join("loquat.json"), "{}").unwrap());
    assert!(error.to_string().contains("loquat models import"), "{error}");
    let error = refused(&remove("vocab.txt"));
    assert!(error.to_string().contains("tokenizer"), "{error}");
    let missing = source_files(std::path::Path::new("/nowhere/at/all")).unwrap_err();
    assert_eq!(missing.code(), ErrorCode::NotFound);
}

#[test]
fn a_model_for_another_task_is_refused() {
    let source = folder("bert-sequence");
    let error = import_folder(source.path(), &resource(Task::TokenClassification)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unsupported);
    assert!(error.to_string().contains("token"), "{error}");
    let error = import_folder(source.path(), &resource(Task::ZeroShotClassification)).unwrap_err();
    assert!(error.to_string().contains("alpha, beta, gamma"), "{error}");
    let mut two = resource(Task::TextClassification);
    two.labels = Some(vec!["a".to_owned(), "b".to_owned()]);
    let error = import_folder(source.path(), &two).unwrap_err();
    assert!(error.to_string().contains("names 2 labels and the model has 3"), "{error}");
}
