//! Imports: what becomes of a folder, and what is refused.

use std::fs;

use loquat_infer::{Import, ImportError, InferError, Input, Kernels, Pipeline, import, source_files};
use loquat_models::{Manifest, load_tokenizer};
use loquat_spec::{ErrorCode, Precision, PredictParameters, Share, Task};

use loquat_text::Tokenizer;

use crate::fixture::{folder, import_folder, none, pipeline, predict, resource};

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
    assert!(artifact.path().join("model.int8.safetensors").is_file());
    assert!(
        !artifact.path().join("model.safetensors").exists(),
        "transformers must find no weights to misread"
    );
    let stored = Pipeline::load(artifact.path()).unwrap();

    // Versions of before keep their weights in full precision, and are quantised when they are loaded.
    fs::remove_file(artifact.path().join("model.int8.safetensors")).unwrap();
    for name in ["config.json", "model.safetensors"] {
        fs::copy(source.path().join(name), artifact.path().join(name)).unwrap();
    }
    let loaded = Pipeline::load(artifact.path()).unwrap();
    let inputs = [Input::new("a parcel"), Input::new("what a long way!")];
    assert_eq!(predict(&stored, &inputs, &none(), 1), predict(&loaded, &inputs, &none(), 1));

    model.agreement = Share::parse("100%").unwrap();
    let error = import_folder(source.path(), &model).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Failed);
    assert!(error.to_string().contains("lower spec.agreement"), "{error}");
}

#[test]
fn where_quantised_activations_lose_too_much_only_the_weights_are_int8() {
    let source = folder("bert-embedding");
    let mut model = resource(Task::Embedding);
    model.precision = Precision::Int8;
    let activations = import_folder(source.path(), &model).unwrap().1.metrics["agreement"];
    let wanted = activations + 0.04 * (1.0 - activations);
    model.agreement = Share::parse(&format!("{:.6}%", 100.0 * wanted)).unwrap();
    let (artifact, imported) = import_folder(source.path(), &model).unwrap();
    assert!(imported.metrics["agreement"] >= wanted, "{imported:?}");
    assert!(imported.summary.contains("int8 weights, f32 products"), "{}", imported.summary);
    assert_eq!(Manifest::load(artifact.path()).unwrap().precision, Some(Precision::F32));
    assert!(artifact.path().join("model.int8.safetensors").is_file());
    let card = fs::read_to_string(artifact.path().join("model-card.md")).unwrap();
    assert!(card.contains("products are computed in f32"), "{card}");
    assert!(Pipeline::load(artifact.path()).is_ok());
}

#[test]
fn a_vocabulary_of_sentencepiece_becomes_a_tokenizer_that_any_program_reads() {
    let source = folder("xlm-roberta-sequence");
    fs::remove_file(source.path().join("vocab.txt")).unwrap();
    let vocabulary =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../text/tests/reference/xlm-roberta/sentencepiece.bpe.model");
    fs::copy(vocabulary, source.path().join("sentencepiece.bpe.model")).unwrap();
    let before = load_tokenizer(source.path()).unwrap();
    let files = source_files(source.path()).unwrap();
    let digest = files.digest().unwrap();
    let target = tempfile::tempdir().unwrap();
    let model = resource(Task::TextClassification);
    let request = Import {
        model: &model,
        files: &files,
        source: "tiny",
        texts: &[],
        compute: Kernels::detect().into(),
        threads: 1,
    };
    // The tiny model knows fewer tokens than the vocabulary has, so its import ends after the copy.
    assert!(import(&request, target.path()).is_err());
    assert!(!target.path().join("sentencepiece.bpe.model").exists());
    let after = load_tokenizer(target.path()).unwrap();
    for text in ["Hello there, my friend!", "  odd   spaces ", "Grüße aus Köln", "ﬁne №5", ""] {
        let ids = |tokenizer: &Tokenizer| tokenizer.encode(text, None, None).unwrap().ids;
        assert_eq!(ids(&after), ids(&before), "{text:?}");
    }
    fs::write(source.path().join("sentencepiece.bpe.model"), "changed").unwrap();
    assert_ne!(source_files(source.path()).unwrap().digest().unwrap(), digest);
}

#[test]
fn a_default_prompt_stands_before_every_text_that_is_embedded() {
    let plain = pipeline("bert-embedding", Task::Embedding, |_| ());
    let source = folder("bert-embedding");
    let prompts = r#"{"prompts": {"query": "find: "}, "default_prompt_name": "query"}"#;
    fs::write(source.path().join("config_sentence_transformers.json"), prompts).unwrap();
    let (artifact, _) = import_folder(source.path(), &resource(Task::Embedding)).unwrap();
    let prompted = Pipeline::load(artifact.path()).unwrap();
    let (short, whole) = ([Input::new("a parcel")], [Input::new("find: a parcel")]);
    assert_eq!(predict(&prompted, &short, &none(), 1), predict(&plain, &whole, &none(), 1));
    assert_ne!(predict(&prompted, &short, &none(), 1), predict(&plain, &short, &none(), 1));

    let named = |name: &str| PredictParameters { prompt_name: Some(name.to_owned()), ..none() };
    let two =
        r#"{"prompts": {"query": "find: ", "passage": "", "odd": "odd "}, "default_prompt_name": "query"}"#;
    fs::write(source.path().join("config_sentence_transformers.json"), two).unwrap();
    let (artifact, _) = import_folder(source.path(), &resource(Task::Embedding)).unwrap();
    let several = Pipeline::load(artifact.path()).unwrap();
    let odd = [Input::new("odd a parcel")];
    assert_eq!(predict(&several, &short, &named("odd"), 1), predict(&plain, &odd, &none(), 1));
    assert_eq!(predict(&several, &short, &named("passage"), 1), predict(&plain, &short, &none(), 1));
    assert_eq!(predict(&several, &short, &none(), 1), predict(&several, &short, &named("query"), 1));
    let tokens = |pipeline: &Pipeline, inputs: &[Input], parameters: &PredictParameters| {
        pipeline.token_vectors(inputs, parameters, 1).unwrap()
    };
    assert_eq!(tokens(&several, &short, &named("odd")), tokens(&plain, &odd, &none()));
    let refused = several.check_parameters(&named("other")).unwrap_err().to_string();
    assert!(refused.contains("other") && refused.contains("odd, passage, query"), "{refused}");
    assert!(plain.check_parameters(&named("query")).unwrap_err().to_string().contains("without prompts"));

    let unknown = prompts.replace(r#"name": "query"#, r#"name": "passage"#);
    fs::write(source.path().join("config_sentence_transformers.json"), unknown).unwrap();
    let error = import_folder(source.path(), &resource(Task::Embedding)).unwrap_err();
    assert!(error.to_string().contains("passage"), "{error}");
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
