//! Models that know a few words, each of which speaks for one label.

use std::collections::BTreeMap;

use loquat_infer::{InferError, Pipeline};
use loquat_models::{
    Calibration, Component, FeatureConfig, Golden, Manifest, Model, Norm, TermFrequency, Vocabulary,
    WeightRows,
};
use loquat_spec::{PredictParameters, Prediction, Task};
use loquat_text::{Ngrams, Normalisation, Prepared};

pub(crate) const LABELS: [&str; 3] = ["refund", "parcel", "login"];
/// A word and the label that it speaks for.
const WORDS: [(&str, usize); 8] = [
    ("money", 0),
    ("geld", 0),
    ("straße", 1),
    ("paket", 1),
    ("荷", 1),
    ("пароль", 2),
    ("login", 2),
    ("🔑", 2),
];

/// A model whose word `WORDS[i].0` adds 3 to the margin of `WORDS[i].1`.
pub(crate) fn model(task: Task) -> Model {
    let normalisation = Normalisation::default();
    let group = Ngrams::Words { max: 1 };
    let mut rows: BTreeMap<u32, [f32; 3]> = BTreeMap::new();
    let mut prepared = Prepared::default();
    for (word, label) in WORDS {
        prepared.fill(word, normalisation);
        group.for_each(&prepared, |hash, _, _| rows.entry(hash).or_default()[label] = 3.0);
    }
    let hashes: Vec<u32> = rows.keys().copied().collect();
    let idf = vec![Vocabulary::round_idf(1.0); hashes.len()];
    let multi_label = task == Task::MultiLabelClassification;
    let component = Component {
        features: FeatureConfig {
            normalisation,
            groups: vec![group],
            term_frequency: TermFrequency::Count,
            norm: Norm::None,
        },
        vocabulary: Vocabulary::new(hashes, idf).unwrap(),
        weights: WeightRows::quantise(LABELS.len(), rows.values().map(|weights| Some(&weights[..]))),
        bias: vec![0.0; LABELS.len()],
        background: Vec::new(),
        calibration: if multi_label {
            Calibration::Platt { slope: vec![1.0; 3], intercept: vec![-1.0; 3] }
        } else {
            Calibration::Temperature(1.0)
        },
        weight: 1.0,
    };
    let mut manifest = Manifest::new(task, LABELS.map(str::to_owned).to_vec(), Vec::new());
    if multi_label {
        manifest.thresholds = Some(vec![0.5, 0.9, 0.5]);
    }
    let mut model = Model::new(manifest, vec![component]);
    let texts = ["Money back!", "Wo ist mein Paket in der Straße?", ""];
    let scores = model.probabilities(&texts, 1);
    let golden = texts.iter().zip(scores).map(|(text, scores)| Golden::new(*text, scores));
    model.manifest_mut().golden = golden.collect();
    model
}

/// Saves the model, changed, and loads it as a pipeline.
pub(crate) fn load(mut model: Model, change: impl FnOnce(&mut Manifest)) -> Result<Pipeline, InferError> {
    change(model.manifest_mut());
    let folder = tempfile::tempdir().unwrap();
    model.save(folder.path()).unwrap();
    Pipeline::load(folder.path())
}

pub(crate) fn pipeline(task: Task) -> Pipeline {
    load(model(task), |_| ()).unwrap()
}

/// The JSON of one text's prediction.
pub(crate) fn predict(pipeline: &Pipeline, text: &str, parameters: &PredictParameters) -> serde_json::Value {
    let predictions: Vec<Prediction> =
        pipeline.predict(&[loquat_infer::Input::new(text)], parameters, 1).unwrap();
    assert_eq!(predictions.len(), 1);
    serde_json::to_value(&predictions[0]).unwrap()
}
