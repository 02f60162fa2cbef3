//! Folders of encoders: saving and loading again, eight-bit artifacts, and what is refused with which words.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::path::{Path, PathBuf};

use loquat_kernels::Kernels;
use loquat_models::{
    Architecture, Checkpoint, Encoder, EncoderScratch, Head, PackedBatch, PooledClassifier, Precision,
    Problem,
};
use serde_json::{Value, json};

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(name)
}

fn load(folder: &Path, precision: Precision) -> Encoder {
    Encoder::load(folder, Kernels::detect(), precision).unwrap()
}

fn states(encoder: &Encoder) -> Vec<f32> {
    let mut batch = PackedBatch::default();
    batch.push(&[1, 17, 23, 42, 5, 2], &[]);
    batch.push(&[1, 9, 2], &[]);
    encoder.states(&batch, &mut EncoderScratch::default()).unwrap().to_vec()
}

/// A copy of a reference model whose files a test may change.
fn copy(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(reference(name)).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    folder
}

fn change_config(folder: &Path, field: &str, value: Value) {
    let path = folder.join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    config[field] = value;
    std::fs::write(path, config.to_string()).unwrap();
}

fn refusal(folder: &Path) -> String {
    Encoder::load(folder, Kernels::detect(), Precision::F32).unwrap_err().to_string()
}

#[test]
fn a_saved_model_gives_the_same_bits() {
    for name in
        ["bert-tokens", "distilbert-sequence", "roberta-sequence", "deberta-v3-sequence", "bart-sequence"]
    {
        let folder = tempfile::tempdir().unwrap();
        Checkpoint::open(&reference(name)).unwrap().save(folder.path()).unwrap();
        let (before, after) = (load(&reference(name), Precision::F32), load(folder.path(), Precision::F32));
        assert_eq!(states(&before), states(&after), "{name}");
        assert_eq!(before.labels(), after.labels(), "{name}");
    }
}

/// The states of two tokens, the embeddings that modes of pooling make of them, and both modes at once.
#[test]
fn every_mode_of_pooling_is_read() {
    let folder = copy("bert-embedding");
    let modules = json!([
        { "path": "", "type": "sentence_transformers.models.Transformer" },
        { "path": "1_Pooling", "type": "sentence_transformers.models.Pooling" }
    ]);
    std::fs::write(folder.path().join("modules.json"), modules.to_string()).unwrap();
    std::fs::create_dir(folder.path().join("1_Pooling")).unwrap();
    let mut batch = PackedBatch::default();
    batch.push(&[17, 42], &[]);
    let embedding = |modes: Value| {
        let config = json!({ "pooling_mode": modes }).to_string();
        std::fs::write(folder.path().join("1_Pooling/config.json"), config).unwrap();
        let encoder = load(folder.path(), Precision::F32);
        encoder.embeddings(&batch, &mut EncoderScratch::default()).unwrap().to_vec()
    };
    let (first, last) = (embedding(json!("cls")), embedding(json!("lasttoken")));
    let of =
        |of: fn(f32, f32) -> f32| -> Vec<f32> { first.iter().zip(&last).map(|(a, b)| of(*a, *b)).collect() };
    let modes = [
        ("max", of(f32::max)),
        ("mean", of(|a, b| (a + b) / 2.0)),
        ("mean_sqrt_len_tokens", of(|a, b| (a + b) / std::f32::consts::SQRT_2)),
        ("weightedmean", of(|a, b| (a + 2.0 * b) / 3.0)),
    ];
    for (mode, expected) in modes {
        let found = embedding(json!(mode));
        assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6), "{mode}");
    }
    assert_eq!(embedding(json!(["lasttoken", "cls"])), [first, last].concat());
}

#[test]
fn pooling_files_are_saved_with_the_model() {
    let folder = tempfile::tempdir().unwrap();
    Checkpoint::open(&reference("bert-embedding")).unwrap().save(folder.path()).unwrap();
    assert_eq!(load(folder.path(), Precision::F32).head(), Head::Embedding);
}

/// Logits of a saved classifier are the product of its weights and the features that it was made for.
#[test]
fn a_classifier_on_pooled_states_answers_from_the_features() {
    for name in ["bert-embedding", "bert-plain", "roberta-sequence", "distilbert-tokens", "modernbert-cls"] {
        let backbone = load(&reference(name), Precision::F32);
        let size = backbone.feature_size();
        let labels = ["no", "perhaps", "yes"].map(str::to_owned).to_vec();
        let weights: Vec<f32> = (0..3 * size).map(|place| ((place * 7 % 11) as f32 - 5.0) / 10.0).collect();
        let classifier = PooledClassifier {
            labels: labels.clone(),
            multi_label: name == "bert-plain",
            weights,
            bias: vec![0.5, -0.25, 0.0],
        };
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = Checkpoint::open(&reference(name)).unwrap();
        checkpoint.save_classifier(&classifier, folder.path()).unwrap();
        let saved = load(folder.path(), Precision::F32);
        assert_eq!((saved.head(), saved.labels()), (Head::Sequence, &labels[..]), "{name}");
        let multi_label = saved.problem() == Problem::MultiLabel;
        assert_eq!(multi_label, classifier.multi_label, "{name}");
        let mut batch = PackedBatch::default();
        batch.push(&[1, 17, 23, 42, 5, 2], &[]);
        batch.push(&[1, 9, 2], &[]);
        let mut scratch = EncoderScratch::default();
        let features = backbone.features(&batch, &mut scratch).unwrap().to_vec();
        let logits = saved.logits(&batch, &mut scratch).unwrap();
        for (sequence, features) in features.chunks_exact(size).enumerate() {
            for (label, weights) in classifier.weights.chunks_exact(size).enumerate() {
                let product: f32 = weights.iter().zip(features).map(|(w, x)| w * x).sum();
                let found = logits[sequence * 3 + label];
                assert!((found - product - classifier.bias[label]).abs() < 1e-4, "{name}: {found}");
            }
        }
    }
}

#[test]
fn a_dense_module_without_a_problem_gives_a_vector() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = Checkpoint::open(&reference("bert-embedding")).unwrap();
    let size = load(&reference("bert-embedding"), Precision::F32).feature_size();
    let classifier = PooledClassifier {
        labels: vec!["a".to_owned(), "b".to_owned()],
        multi_label: false,
        weights: vec![0.0; 2 * size],
        bias: vec![0.0; 2],
    };
    checkpoint.save_classifier(&classifier, folder.path()).unwrap();
    change_config(folder.path(), "problem_type", Value::Null);
    let encoder = load(folder.path(), Precision::F32);
    assert_eq!((encoder.head(), encoder.dimension()), (Head::Embedding, 2));
}

#[test]
fn an_eight_bit_artifact_is_smaller_and_gives_what_quantising_at_load_gives() {
    for name in ["bert-embedding", "distilbert-tokens", "modernbert-sequence", "bart-sequence"] {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = Checkpoint::open(&reference(name)).unwrap();
        checkpoint.quantised().unwrap().save(folder.path()).unwrap();
        assert!(!folder.path().join("model.safetensors").exists(), "transformers would misread it");
        assert_eq!(Checkpoint::open(folder.path()).unwrap().precision(), Precision::Int8);
        let stored = states(&load(folder.path(), Precision::Int8));
        let quantised = states(&load(&reference(name), Precision::Int8));
        assert_eq!(stored, quantised, "{name}");
        // Eight-bit storage with products in single precision.
        let weights_only = states(&load(folder.path(), Precision::F32));
        assert_ne!(weights_only, stored, "{name}");
    }
}

#[test]
fn eight_bit_weights_out_of_range_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    Checkpoint::open(&reference("bert-sequence")).unwrap().quantised().unwrap().save(folder.path()).unwrap();
    let path = folder.path().join("model.int8.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let tensors: Value = serde_json::from_slice(&bytes[8..header]).unwrap();
    let start = tensors["bert.encoder.layer.0.output.dense.weight"]["data_offsets"][0].as_u64().unwrap();
    bytes[header + start as usize] = 0x80;
    std::fs::write(&path, bytes).unwrap();
    let error = Encoder::load(folder.path(), Kernels::detect(), Precision::Int8).unwrap_err().to_string();
    assert!(error.contains("layer.0.output.dense.weight") && error.contains("-128"), "{error}");
}

#[test]
fn the_configuration_is_read() {
    let encoder = load(&reference("bert-sequence"), Precision::F32);
    assert_eq!(encoder.architecture(), Architecture::Bert);
    assert_eq!(encoder.head(), Head::Sequence);
    assert_eq!(encoder.labels(), ["alpha", "beta", "gamma"]);
    assert_eq!(encoder.problem(), Problem::SingleLabel);
    assert_eq!((encoder.max_tokens(), encoder.vocabulary_size()), (40, 61));
    assert_eq!(load(&reference("roberta-tokens"), Precision::F32).max_tokens(), 40);
    assert_eq!(load(&reference("bert-plain"), Precision::F32).head(), Head::States);
    let folder = copy("bert-sequence");
    change_config(folder.path(), "problem_type", json!("multi_label_classification"));
    change_config(folder.path(), "id2label", Value::Null);
    let encoder = load(folder.path(), Precision::F32);
    assert_eq!(encoder.problem(), Problem::MultiLabel);
    assert_eq!(encoder.labels(), ["LABEL_0", "LABEL_1", "LABEL_2"]);
}

#[test]
fn what_is_not_supported_is_named_with_its_remedy() {
    struct Case {
        model: &'static str,
        field: &'static str,
        value: Value,
        says: &'static [&'static str],
    }
    let case = |model, field, value, says| Case { model, field, value, says };
    let cases = [
        case(
            "bert-sequence",
            "model_type",
            json!("t5"),
            &["model_type \"t5\" is not supported", "modernbert"],
        ),
        case("bert-sequence", "hidden_act", json!("mish"), &["hidden_act \"mish\"", "gelu"]),
        case(
            "bert-sequence",
            "position_embedding_type",
            json!("relative_key"),
            &["relative_key", "absolute"],
        ),
        case("bert-sequence", "is_decoder", json!(true), &["is_decoder"]),
        case(
            "bert-sequence",
            "architectures",
            json!(["BertForQuestionAnswering"]),
            &["BertForQuestionAnswering"],
        ),
        case("bert-sequence", "quantization_config", json!({"quant_method": "gptq"}), &["gptq"]),
        case("bert-sequence", "num_attention_heads", json!(3), &["num_attention_heads", "divide"]),
        case("bert-sequence", "hidden_size", json!(32), &["another shape"]),
        case("bert-sequence", "num_hidden_layers", json!(3), &["encoder.layer.2", "is missing"]),
        case(
            "bert-sequence",
            "num_hidden_layers",
            json!(1),
            &["encoder.layer.1", "not part of the architecture"],
        ),
        case("bert-sequence", "id2label", json!({"0": "a", "2": "b"}), &["id2label"]),
        case("bert-sequence", "problem_type", json!("ranking"), &["problem_type \"ranking\""]),
        case("bert-plain", "vocab_size", json!("many"), &["vocab_size must be a whole number"]),
        case("deberta-v3-tokens", "relative_attention", json!(false), &["relative_attention"]),
        case("deberta-v3-tokens", "pos_att_type", json!(["p2p"]), &["p2p"]),
        case(
            "modernbert-tokens",
            "rope_parameters",
            json!({"full_attention": {"rope_type": "yarn"}}),
            &["yarn"],
        ),
        case("modernbert-sequence", "classifier_pooling", json!("max"), &["classifier_pooling \"max\""]),
        case("bart-sequence", "normalize_before", json!(true), &["normalize_before"]),
        case("bart-sequence", "architectures", json!(["BartModel"]), &["BartForSequenceClassification"]),
        case(
            "bart-sequence",
            "architectures",
            json!(["BartForConditionalGeneration"]),
            &["BartForConditionalGeneration"],
        ),
    ];
    let mut failures = Vec::new();
    for Case { model, field, value, says } in cases {
        let folder = copy(model);
        change_config(folder.path(), field, value);
        let message = refusal(folder.path());
        if let Some(missing) = says.iter().find(|part| !message.contains(**part)) {
            failures.push(format!("{model} {field}: {missing:?} is not in {message:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn pickled_weights_are_refused_with_the_way_to_convert_them() {
    let folder = copy("bert-sequence");
    std::fs::rename(folder.path().join("model.safetensors"), folder.path().join("pytorch_model.bin"))
        .unwrap();
    let message = refusal(folder.path());
    assert!(
        message.contains("pytorch_model.bin") && message.contains("safe_serialization=True"),
        "{message}"
    );
    std::fs::remove_file(folder.path().join("pytorch_model.bin")).unwrap();
    assert!(refusal(folder.path()).contains("no safetensors weights"));
}

#[test]
fn damaged_weights_are_refused() {
    let folder = copy("bert-sequence");
    let path = folder.path().join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    for damage in
        [&bytes[..bytes.len() - 40], &bytes[..100], &bytes[..4], b"not safetensors at all".as_slice()]
    {
        std::fs::write(&path, damage).unwrap();
        assert!(refusal(folder.path()).contains("model.safetensors"));
    }
}

#[test]
fn an_index_points_at_nothing_outside_its_folder() {
    let folder = copy("distilbert-sequence");
    let index = json!({"weight_map": {"a": "../../secret.safetensors"}});
    std::fs::write(folder.path().join("model.safetensors.index.json"), index.to_string()).unwrap();
    assert!(refusal(folder.path()).contains("secret.safetensors"));
}

#[test]
fn weights_that_are_not_numbers_are_refused() {
    let folder = copy("bert-sequence");
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    let tensors = checkpoint.names().map(|name| {
        let tensor = checkpoint.tensor(name).unwrap().unwrap();
        let mut values = tensor.to_f32().unwrap();
        if name == "classifier.bias" {
            values[1] = f32::NAN;
        }
        (name.to_owned(), loquat_models::Tensor::from_f32(tensor.shape().to_vec(), &values))
    });
    let config = checkpoint.config().clone();
    let broken = Checkpoint::new(folder.path().to_owned(), config, tensors.collect());
    let error = Encoder::from_checkpoint(&broken, Kernels::detect(), Precision::F32).unwrap_err().to_string();
    assert!(error.contains("classifier.bias") && error.contains("not finite"), "{error}");
}
