//! The form and order of answers.

use loquat_infer::{InferError, Input};
use loquat_models::Calibration;
use loquat_spec::{PredictParameters, Prediction, Task};
use proptest::prelude::*;
use serde_json::json;

use crate::fixture::{LABELS, load, model, pipeline, predict};

fn top(top_k: usize) -> PredictParameters {
    PredictParameters { top_k: Some(top_k), ..PredictParameters::default() }
}

fn over(threshold: f32) -> PredictParameters {
    PredictParameters { threshold: Some(threshold), ..PredictParameters::default() }
}

fn explained() -> PredictParameters {
    PredictParameters { explain: true, ..PredictParameters::default() }
}

fn labels(value: &serde_json::Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|entry| entry["label"].as_str().unwrap()).collect()
}

#[test]
fn a_single_label_answer_holds_only_what_was_asked_for() {
    let pipeline = pipeline(Task::TextClassification);
    let answer = predict(&pipeline, "Mein Paket", &PredictParameters::default());
    assert_eq!(answer["label"], "parcel");
    assert_eq!(answer.as_object().unwrap().len(), 2);
    let score = answer["score"].as_f64().unwrap();
    let expected = 3.0_f64.exp() / (3.0_f64.exp() + 2.0);
    assert!((score - expected).abs() < 1e-5, "{score} {expected}");
}

#[test]
fn the_best_k_come_best_first_and_equals_in_label_order() {
    let pipeline = pipeline(Task::TextClassification);
    let answer = predict(&pipeline, "login login money", &top(2));
    assert_eq!(labels(&answer["scores"]), ["login", "refund"]);
    let answer = predict(&pipeline, "login", &top(usize::MAX));
    assert_eq!(labels(&answer["scores"]), ["login", "refund", "parcel"]);
    let answer = predict(&pipeline, "nothing known", &top(3));
    assert_eq!((answer["label"].as_str().unwrap(), labels(&answer["scores"])), (LABELS[0], LABELS.to_vec()));
}

#[test]
fn a_multi_label_answer_holds_the_labels_that_reach_their_own_threshold() {
    let pipeline = pipeline(Task::MultiLabelClassification);
    let text = "login, money, Paket";
    // sigmoid(3 - 1) = 0.881 reaches 0.5, not the 0.9 of `parcel`.
    let answer = predict(&pipeline, text, &PredictParameters::default());
    assert_eq!(labels(&answer["labels"]), ["refund", "login"]);
    assert_eq!(labels(&predict(&pipeline, text, &over(0.5))["labels"]), ["refund", "parcel", "login"]);
    assert_eq!(labels(&predict(&pipeline, "login", &over(0.0))["labels"]), ["login", "refund", "parcel"]);
    assert_eq!(predict(&pipeline, text, &over(1.0)), json!({"labels": []}));
    let both = PredictParameters { top_k: Some(1), ..over(0.0) };
    assert_eq!(labels(&predict(&pipeline, text, &both)["labels"]), ["refund"]);
}

#[test]
fn a_score_equal_to_the_threshold_reaches_it() {
    let pipeline = pipeline(Task::MultiLabelClassification);
    let score = pipeline.probabilities(&["login"], 1).unwrap()[0][2];
    assert_eq!(labels(&predict(&pipeline, "login", &over(score))["labels"]), ["login"]);
    assert_eq!(predict(&pipeline, "login", &over(score.next_up())), json!({"labels": []}));
}

#[test]
fn an_explanation_names_the_words_that_decided_at_their_place() {
    let pipeline = pipeline(Task::TextClassification);
    let text = "e\u{301}té 🎉 STRASSE oder Straße, ﬁn: 荷物 e\u{301} 🔑";
    let answer = predict(&pipeline, text, &explained());
    assert_eq!(answer["label"], "parcel");
    let characters: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    for piece in answer["explanation"].as_array().unwrap() {
        let place = |key: &str| piece[key].as_u64().unwrap() as usize;
        let slice: String = characters[place("start")..place("end")].iter().collect();
        assert_eq!(piece["text"], slice);
        found.push((slice, piece["weight"].as_f64().unwrap() > 0.0));
    }
    found.sort();
    assert_eq!(found, [("Straße".to_owned(), true), ("荷".to_owned(), true), ("🔑".to_owned(), false)]);
}

#[test]
fn no_inputs_give_no_predictions() {
    let pipeline = pipeline(Task::TextClassification);
    assert!(pipeline.predict(&[], &PredictParameters::default(), 4).unwrap().is_empty());
}

#[test]
fn scores_that_are_no_numbers_are_an_error_not_an_answer() {
    let mut unsound = model(Task::TextClassification);
    unsound.manifest_mut().golden.clear();
    let mut components = unsound.components().to_vec();
    components[0].calibration = Calibration::Temperature(1e-45);
    let pipeline = load(loquat_models::Model::new(unsound.manifest().clone(), components), |_| ()).unwrap();
    let error = pipeline.predict(&[Input::new("money")], &PredictParameters::default(), 1).unwrap_err();
    assert!(matches!(error, InferError::NotANumber { input: 0, .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn threads_and_company_change_no_answer(
        texts in prop::collection::vec("(money|geld|paket|login|🔑|\\PC{0,6}| ){0,8}", 1..90),
        explain in any::<bool>(),
    ) {
        let pipeline = pipeline(Task::TextClassification);
        let parameters = PredictParameters { explain, ..top(3) };
        let inputs: Vec<Input> = texts.iter().map(Input::new).collect();
        let together = pipeline.predict(&inputs, &parameters, 3).unwrap();
        let mut alone = Vec::new();
        for input in &inputs {
            alone.extend(pipeline.predict(std::slice::from_ref(input), &parameters, 1).unwrap());
        }
        prop_assert_eq!(together, alone);
    }

    #[test]
    fn explanations_slice_back_to_the_text(
        text in "(Money|GELD|Straße|STRASSE|荷|荷物|пароль|e\u{301}|ﬁ|🔑|İ|\u{fdfa}|\\s|\\PC|[\u{0}-\u{2f}]){0,24}",
    ) {
        let pipeline = pipeline(Task::TextClassification);
        let predictions = pipeline.predict(&[Input::new(text.as_str())], &explained(), 1).unwrap();
        let Prediction::Label { explanation: Some(pieces), .. } = &predictions[0] else { panic!("{predictions:?}") };
        let characters: Vec<char> = text.chars().collect();
        prop_assert!(pieces.len() <= 10);
        for piece in pieces {
            prop_assert!(piece.start < piece.end && piece.end <= characters.len());
            let slice: String = characters[piece.start..piece.end].iter().collect();
            prop_assert_eq!(&slice, &piece.text);
        }
    }

    #[test]
    fn best_first_and_complete(text in "(money|geld|paket|login|🔑| ){0,12}", most in 1_usize..5) {
        let pipeline = pipeline(Task::TextClassification);
        let predictions = pipeline.predict(&[Input::new(text)], &top(most), 1).unwrap();
        let Prediction::Label { label, score, scores: Some(scores), .. } = &predictions[0] else {
            panic!("{predictions:?}")
        };
        prop_assert_eq!(scores.len(), most.min(LABELS.len()));
        prop_assert_eq!((label, score), (&scores[0].label, &scores[0].score));
        let place = |label: &str| LABELS.iter().position(|known| *known == label);
        for pair in scores.windows(2) {
            let in_order = pair[0].score > pair[1].score
                || (pair[0].score == pair[1].score && place(&pair[0].label) < place(&pair[1].label));
            prop_assert!(in_order);
        }
    }
}
