//! Tiny models with a tokenizer that knows letters.

use std::path::{Path, PathBuf};

use loquat_infer::{Import, Imported, InferError, Input, Kernels, Pipeline, import, source_files};
use loquat_spec::{Model, ModelSource, Name, Precision, PredictParameters, Share, Task};

/// The tiny model of an architecture and a head, without a tokenizer.
fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/reference").join(name)
}

/// As many tokens as the tiny models know: special ones, letters alone and inside of a word, punctuation.
fn vocabulary() -> String {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned);
    let letters = 'a'..='z';
    let inside = letters.clone().map(|letter| format!("##{letter}"));
    let all = special.into_iter().chain(letters.map(String::from)).chain(inside);
    let mut text: Vec<String> = all.chain([".", ",", "!", "?"].map(str::to_owned)).collect();
    text.push(String::new());
    text.join("\n")
}

/// A folder as it would be downloaded.
pub(crate) fn folder(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let from = reference(name);
    std::fs::copy(from.join("config.json"), folder.path().join("config.json")).unwrap();
    std::fs::copy(from.join("model.safetensors"), folder.path().join("model.safetensors")).unwrap();
    std::fs::write(folder.path().join("vocab.txt"), vocabulary()).unwrap();
    if from.join("modules.json").is_file() {
        std::fs::create_dir(folder.path().join("1_Pooling")).unwrap();
        for file in ["modules.json", "1_Pooling/config.json"] {
            std::fs::copy(from.join(file), folder.path().join(file)).unwrap();
        }
    }
    folder
}

/// A resource for `task` in full precision.
pub(crate) fn resource(task: Task) -> Model {
    Model {
        name: Name::new("tiny").unwrap(),
        task,
        source: ModelSource::Folder("tiny".to_owned()),
        labels: None,
        max_length: None,
        template: None,
        precision: Precision::F32,
        agreement: Share::parse("98%").unwrap(),
        dataset: None,
    }
}

/// Imports the folder into another.
pub(crate) fn import_folder(
    source: &Path,
    model: &Model,
) -> Result<(tempfile::TempDir, Imported), InferError> {
    let target = tempfile::tempdir().unwrap();
    let files = source_files(source)?;
    let kernels = Kernels::detect();
    let request = Import { model, files: &files, source: "tiny", texts: &[], kernels, threads: 2 };
    let imported = import(&request, target.path())?;
    Ok((target, imported))
}

/// The pipeline of a tiny model, changed.
pub(crate) fn pipeline(name: &str, task: Task, change: impl FnOnce(&mut Model)) -> Pipeline {
    let source = folder(name);
    let mut model = resource(task);
    change(&mut model);
    let (artifact, _) = import_folder(source.path(), &model).unwrap();
    Pipeline::load(artifact.path()).unwrap()
}

/// An entailment model.
pub(crate) fn entailment(task: Task) -> Pipeline {
    pipeline("bert-sequence", task, |model| {
        model.labels = Some(["contradiction", "neutral", "entailment"].map(str::to_owned).to_vec());
    })
}

/// The JSON of predictions.
pub(crate) fn predict(
    pipeline: &Pipeline,
    inputs: &[Input],
    parameters: &PredictParameters,
    threads: usize,
) -> Vec<serde_json::Value> {
    let predictions = pipeline.predict(inputs, parameters, threads).unwrap();
    predictions.iter().map(|prediction| serde_json::to_value(prediction).unwrap()).collect()
}

pub(crate) fn none() -> PredictParameters {
    PredictParameters::default()
}
