//! Tiny models with a tokenizer that knows letters.

use std::path::Path;

use loquat_infer::{Import, Imported, InferError, Input, Kernels, Pipeline, import, source_files};
use loquat_spec::{Model, ModelSource, Name, Precision, PredictParameters, Share, Task};

/// A folder as it would be downloaded.
pub(crate) fn folder(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    loquat_testkit::tiny_model(name, folder.path());
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
    let request =
        Import { model, files: &files, source: "tiny", texts: &[], compute: kernels.into(), threads: 2 };
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
