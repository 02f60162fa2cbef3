//! Tiny random encoders of the repository, registered with a tokenizer that knows letters.

use std::path::Path;

use loquat_infer::{Import, Kernels, import, source_files};
use loquat_spec::{Model, ModelSource, Precision, Share, Task};
use loquat_store::NewVersion;
use serde_json::{Value, json};

use crate::harness::{Registry, name};

/// Registers a tiny random model of the repository under `model`, with a tokenizer that knows letters.
pub(crate) fn register(registry: &Registry, model: &str, (reference, task): (&str, Task), labels: &[&str]) {
    let source = tempfile::tempdir().unwrap();
    loquat_testkit::tiny_model(reference, source.path());
    if model == PROMPTED {
        std::fs::write(source.path().join("config_sentence_transformers.json"), PROMPTS).unwrap();
    }
    if labels == [RELEVANCE] {
        keep_one_label(source.path());
    }
    let resource = Model {
        name: name(model),
        task,
        source: ModelSource::Folder(String::new()),
        labels: (!labels.is_empty()).then(|| labels.iter().map(|label| (*label).to_owned()).collect()),
        max_length: None,
        template: None,
        precision: Precision::F32,
        agreement: Share::parse("98%").unwrap(),
        dataset: None,
    };
    let files = source_files(source.path()).unwrap();
    let kernels = Kernels::detect();
    let request = Import {
        model: &resource,
        files: &files,
        source: reference,
        texts: &[],
        compute: kernels.into(),
        threads: 1,
    };
    let staging = registry.store.stage().unwrap();
    import(&request, staging.path()).unwrap();
    let new = NewVersion { outcome: "imported".to_owned(), ..NewVersion::default() };
    registry.store.register(&name(model), staging, new).unwrap();
    registry.promote(model, 1);
}

/// The embedding model that has prompts.
pub(crate) const PROMPTED: &str = "prompted";
const PROMPTS: &str = r#"{ "prompts": { "query": "find: ", "passage": "" }, "default_prompt_name": null }"#;

/// The only label of a reranker.
pub(crate) const RELEVANCE: &str = "relevance";

/// Cuts a classifier down to its first label.
fn keep_one_label(folder: &Path) {
    let place = folder.join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&place).unwrap()).unwrap();
    config["id2label"] = json!({ "0": RELEVANCE });
    config["label2id"] = json!({ RELEVANCE: 0 });
    std::fs::write(&place, config.to_string()).unwrap();

    let place = folder.join("model.safetensors");
    let bytes = std::fs::read(&place).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let (header, data) = bytes[8..].split_at(length);
    let tensors: serde_json::Map<String, Value> = serde_json::from_slice(header).unwrap();
    let (mut kept, mut written) = (serde_json::Map::new(), Vec::new());
    for (name, mut tensor) in tensors.into_iter().filter(|(name, _)| name != "__metadata__") {
        let offset = |end: usize| tensor["data_offsets"][end].as_u64().unwrap() as usize;
        let mut values = &data[offset(0)..offset(1)];
        if name.starts_with("classifier.") {
            let labels = tensor["shape"][0].as_u64().unwrap() as usize;
            values = &values[..values.len() / labels];
            tensor["shape"][0] = 1.into();
        }
        tensor["data_offsets"] = json!([written.len(), written.len() + values.len()]);
        written.extend_from_slice(values);
        kept.insert(name, tensor);
    }
    let header = Value::Object(kept).to_string();
    let length = (header.len() as u64).to_le_bytes();
    std::fs::write(&place, [&length[..], header.as_bytes(), &written].concat()).unwrap();
}
