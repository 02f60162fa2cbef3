//! The linear artifact through the public surface: round trip, batches, explanations, refusals.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use loquat_models::{
    Calibration, Component, FeatureConfig, Golden, Manifest, Model, Norm, TermFrequency, Vocabulary,
    WeightRows,
};
use loquat_spec::Task;
use loquat_text::{Ngrams, Normalisation, Prepared};

const WORDS: [(&str, [f32; 3]); 4] = [
    ("refund", [2.0, -1.0, -1.0]),
    ("parcel", [-1.0, 2.0, -1.0]),
    ("password", [-1.0, -1.0, 2.0]),
    ("please", [0.1, 0.0, -0.1]),
];

fn hash(word: &str) -> u32 {
    let mut prepared = Prepared::default();
    prepared.fill(word, Normalisation::default());
    let mut found = None;
    Ngrams::Words { max: 1 }.for_each(&prepared, |hash, _, _| found = Some(hash));
    found.unwrap()
}

fn model() -> Model {
    let mut rows: Vec<(u32, [f32; 3])> = WORDS.iter().map(|(word, weights)| (hash(word), *weights)).collect();
    rows.sort_by_key(|(hash, _)| *hash);
    let idf = vec![Vocabulary::round_idf(1.0); rows.len()];
    let component = Component {
        features: FeatureConfig {
            normalisation: Normalisation::default(),
            groups: vec![Ngrams::Words { max: 1 }],
            term_frequency: TermFrequency::Sublinear,
            norm: Norm::L2,
        },
        vocabulary: Vocabulary::new(rows.iter().map(|(hash, _)| *hash).collect(), idf).unwrap(),
        weights: WeightRows::quantise(3, rows.iter().map(|(_, weights)| Some(&weights[..]))),
        bias: vec![0.0; 3],
        background: Vec::new(),
        calibration: Calibration::Temperature(0.5),
        weight: 1.0,
    };
    let labels = ["refund", "delivery", "login"].map(str::to_owned).to_vec();
    Model::new(Manifest::new(Task::TextClassification, labels, vec!["en".to_owned()]), vec![component])
}

fn saved() -> (tempfile::TempDir, Model) {
    let folder = tempfile::tempdir().unwrap();
    let mut model = model();
    let scores = model.probabilities(&["a refund please"], 1).remove(0);
    model.manifest_mut().golden = vec![Golden::new("a refund please", scores)];
    model.save(folder.path()).unwrap();
    (folder, model)
}

#[test]
fn a_saved_model_gives_the_same_bits() {
    let (folder, model) = saved();
    let loaded = Model::load(folder.path()).unwrap();
    let texts = ["REFUND!", "my parcel, please", "", "password password", "\u{0}odd\u{ffff}"];
    assert_eq!(loaded.probabilities(&texts, 1), model.probabilities(&texts, 1));
    assert_eq!(loaded.manifest(), model.manifest());
}

#[test]
fn a_batch_equals_its_texts_one_by_one_on_any_number_of_threads() {
    let model = model();
    let texts: Vec<String> = (0..500).map(|n| format!("{} {n}", WORDS[n % 4].0)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let one_by_one: Vec<Vec<f32>> = texts.iter().map(|t| model.probabilities(&[t], 1).remove(0)).collect();
    assert_eq!(model.probabilities(&texts, 1), one_by_one);
    assert_eq!(model.probabilities(&texts, 3), one_by_one);
}

#[test]
fn probabilities_follow_the_weights() {
    let scores = model().probabilities(&["where is my parcel", "nothing known"], 1);
    assert!((scores[0].iter().sum::<f32>() - 1.0).abs() < 1e-5);
    assert!(scores[0][1] > 0.9, "{:?}", scores[0]);
    assert!(scores[1].iter().all(|p| (p - 1.0 / 3.0).abs() < 1e-5), "{:?}", scores[1]);
}

#[test]
fn explanations_point_into_the_text_as_sent() {
    let text = "Ünïcode ﬁrst: My PARCEL, please";
    let explanation = model().explain(text, 1, 3);
    let characters: Vec<char> = text.chars().collect();
    assert_eq!(explanation[0].text, "PARCEL");
    assert!(explanation[0].weight > 0.0);
    for piece in &explanation {
        assert_eq!(characters[piece.start..piece.end].iter().collect::<String>(), piece.text);
    }
}

#[test]
fn a_damaged_artifact_is_refused_with_its_file_named() {
    struct Case {
        name: &'static str,
        file: &'static str,
        damage: fn(Vec<u8>) -> Vec<u8>,
    }
    let cases = [
        Case { name: "truncated weights", file: "model.safetensors", damage: |b| b[..b.len() / 2].to_vec() },
        Case { name: "pickle", file: "model.safetensors", damage: |_| b"\x80\x02}q\x00.".to_vec() },
        Case { name: "empty manifest", file: "loquat.json", damage: |_| Vec::new() },
        Case {
            name: "newer format",
            file: "loquat.json",
            damage: |b| String::from_utf8(b).unwrap().replace(Manifest::FORMAT_VERSION, "2.0").into_bytes(),
        },
        Case {
            name: "one label fewer",
            file: "loquat.json",
            damage: |b| String::from_utf8(b).unwrap().replace("\"delivery\",", "").into_bytes(),
        },
        Case {
            name: "another architecture",
            file: "config.json",
            damage: |b| String::from_utf8(b).unwrap().replace("loquat-linear", "bert").into_bytes(),
        },
    ];
    for case in cases {
        let (folder, _) = saved();
        let path = folder.path().join(case.file);
        std::fs::write(&path, (case.damage)(std::fs::read(&path).unwrap())).unwrap();
        let error = Model::load(folder.path()).expect_err(case.name).to_string();
        let named = error.contains(case.file) || error.contains("model.safetensors");
        assert!(named, "{}: {error}", case.name);
    }
}

/// One word a label, where each word has weights for a few labels only.
fn sparse_model(labels: usize) -> Model {
    let words: Vec<String> = (0..labels).map(|label| format!("w{label}")).collect();
    let mut rows: Vec<(u32, Vec<f32>)> = words
        .iter()
        .enumerate()
        .map(|(label, word)| {
            let mut row = vec![0.0; labels];
            row[label] = 2.0;
            row[labels - 1 - label] -= 0.7;
            (hash(word), row)
        })
        .collect();
    rows.sort_by_key(|(hash, _)| *hash);
    let component = Component {
        features: model().components()[0].features.clone(),
        vocabulary: Vocabulary::new(
            rows.iter().map(|(hash, _)| *hash).collect(),
            vec![Vocabulary::round_idf(1.0); rows.len()],
        )
        .unwrap(),
        weights: WeightRows::quantise(labels, rows.iter().map(|(_, weights)| Some(&weights[..]))),
        bias: vec![0.0; labels],
        background: Vec::new(),
        calibration: Calibration::Temperature(0.1),
        weight: 1.0,
    };
    Model::new(Manifest::new(Task::TextClassification, words, Vec::new()), vec![component])
}

#[test]
fn rows_with_few_weights_take_little_space_and_answer_the_same() {
    for labels in [40, 300] {
        let folder = tempfile::tempdir().unwrap();
        let model = sparse_model(labels);
        model.save(folder.path()).unwrap();
        let stored = std::fs::metadata(folder.path().join("model.safetensors")).unwrap().len();
        assert!(stored < (labels * labels / 2 + 2000) as u64, "{stored} bytes for {labels} labels");
        let loaded = Model::load(folder.path()).unwrap();
        for label in [0, 7, labels - 1] {
            let text = format!("W{label}");
            let answer = loaded.probabilities(&[&text], 1).remove(0);
            assert_eq!(answer, model.probabilities(&[&text], 1).remove(0));
            let best = (0..labels).max_by(|a, b| answer[*a].total_cmp(&answer[*b])).unwrap();
            assert_eq!(best, label);
        }
    }
}

#[test]
fn a_class_that_there_is_not_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    sparse_model(40).save(folder.path()).unwrap();
    let path = folder.path().join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let classes = tensors.tensor("components.0.sparse_classes").unwrap().data();
    let place = classes.as_ptr() as usize - bytes.as_ptr() as usize;
    let mut damaged = bytes.clone();
    damaged[place] = 40;
    std::fs::write(&path, damaged).unwrap();
    let error = Model::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("sparse_classes"), "{error}");
}

#[test]
fn what_all_features_share_may_stand_apart() {
    let whole = model();
    let background = [0.4_f32, -0.3, 0.1];
    let mut rows: Vec<(u32, [f32; 3])> = WORDS.iter().map(|(word, weights)| (hash(word), *weights)).collect();
    rows.sort_by_key(|(hash, _)| *hash);
    let rest: Vec<[f32; 3]> =
        rows.iter().map(|(_, row)| std::array::from_fn(|class| row[class] - background[class])).collect();
    let component = Component {
        weights: WeightRows::quantise(3, rest.iter().map(|row| Some(&row[..]))),
        background: background.to_vec(),
        ..whole.components()[0].clone()
    };
    let folder = tempfile::tempdir().unwrap();
    Model::new(whole.manifest().clone(), vec![component]).save(folder.path()).unwrap();
    let apart = Model::load(folder.path()).unwrap();
    for text in ["a refund please", "parcel and password", "nothing known"] {
        let (expected, found) = (whole.probabilities(&[text], 1), apart.probabilities(&[text], 1));
        let close = expected[0].iter().zip(&found[0]).all(|(e, f)| (e - f).abs() < 0.01);
        assert!(close, "{text}: {expected:?} against {found:?}");
    }
    let (expected, found) = (whole.explain("a refund", 0, 1), apart.explain("a refund", 0, 1));
    assert!((expected[0].weight - found[0].weight).abs() < 0.02, "{expected:?} against {found:?}");
}
