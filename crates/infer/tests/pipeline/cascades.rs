//! A cheap version before a dear one.

use loquat_infer::{CascadeError, Input, Pipeline, Relay, agree, answer_in_turn, check_cascade};
use loquat_spec::{PredictParameters, Prediction, Task};

use crate::fixture::{LABELS, load, model, pipeline};

/// The model whose words speak for the labels in reverse.
fn reversed(task: Task) -> Pipeline {
    load(model(task), |manifest| manifest.labels.reverse()).unwrap()
}

fn inputs(texts: &[&str]) -> Vec<Input> {
    texts.iter().map(|text| Input::new(*text)).collect()
}

fn label(prediction: &Prediction) -> &str {
    match prediction {
        Prediction::Label { label, .. } => label,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_cheap_version_answers_what_it_is_sure_of_and_the_dear_one_the_rest() {
    let (cheap, dear) = (reversed(Task::TextClassification), pipeline(Task::TextClassification));
    let parameters = PredictParameters::default();
    let texts = inputs(&["money", "money money", "", "geld geld geld"]);
    let answers = answer_in_turn(&[(&cheap, 0.95)], &dear, &texts, (&parameters, 1)).unwrap();
    // One word gives e³/(e³+2) = 0.909, two 0.995; without a word the first label of equals is best.
    let found: Vec<&str> = answers.iter().map(label).collect();
    assert_eq!(found, ["refund", "login", "refund", "login"]);
    let all = answer_in_turn(&[(&cheap, 0.0)], &dear, &texts, (&parameters, 1)).unwrap();
    assert!(all.iter().all(|answer| label(answer) == "login"), "{all:?}");
    let none = answer_in_turn(&[(&cheap, 1.1)], &dear, &texts, (&parameters, 1)).unwrap();
    assert_eq!(none, dear.predict(&texts, &parameters, 1).unwrap());
}

#[test]
fn confidence_is_the_best_probability_of_one_label() {
    let pipeline = pipeline(Task::TextClassification);
    let found = pipeline.predict_sure(&inputs(&["money", ""]), &PredictParameters::default(), 1).unwrap();
    let expected = [3_f32.exp() / (3_f32.exp() + 2.0), 1.0 / 3.0];
    for ((_, confidence), expected) in found.iter().zip(expected) {
        assert!((confidence - expected).abs() < 1e-5, "{confidence} {expected}");
    }
}

#[test]
fn confidence_of_a_set_is_that_of_its_label_in_most_doubt() {
    let pipeline = pipeline(Task::MultiLabelClassification);
    let texts = inputs(&["", "money money"]);
    let found = pipeline.predict_sure(&texts, &PredictParameters::default(), 1).unwrap();
    // Log-odds are -1 and with two words 5 for the first label; thresholds 0, ln 9 and 0.
    let logistic = |distance: f32| 1.0 / (1.0 + (-distance).exp());
    for ((_, confidence), distance) in found.iter().zip([1.0, 1.0]) {
        assert!((confidence - logistic(distance)).abs() < 1e-4, "{confidence} {distance}");
    }
    let sets: Vec<usize> = found
        .iter()
        .map(|(prediction, _)| match prediction {
            Prediction::Labels { labels } => labels.len(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(sets, [0, 1]);
}

#[test]
fn sets_agree_whatever_their_order_and_scores() {
    let many = Task::MultiLabelClassification;
    let pipeline = pipeline(many);
    let ask =
        |text: &str| pipeline.predict(&inputs(&[text]), &PredictParameters::default(), 1).unwrap().remove(0);
    assert!(agree(many, &ask("money money login"), &ask("login login money")));
    assert!(!agree(many, &ask("money login"), &ask("money")));
    assert!(agree(many, &ask(""), &ask("unknown")));
}

#[test]
fn versions_of_other_tasks_or_labels_are_refused_and_the_order_of_labels_may_differ() {
    let dear = pipeline(Task::TextClassification);
    check_cascade(&reversed(Task::TextClassification), &dear).unwrap();
    let other =
        load(model(Task::TextClassification), |manifest| manifest.labels[0] = "payment".to_owned()).unwrap();
    match check_cascade(&other, &dear).unwrap_err() {
        CascadeError::Labels { labels, .. } => assert_eq!(labels, "payment"),
        error => panic!("{error}"),
    }
    let many = pipeline(Task::MultiLabelClassification);
    assert!(matches!(check_cascade(&many, &dear), Err(CascadeError::Tasks { .. })));
    assert_eq!(dear.labels(), LABELS);
}

#[test]
fn requests_for_other_thresholds_are_the_dear_versions() {
    let many = pipeline(Task::MultiLabelClassification);
    assert!(many.may_answer_early(&PredictParameters { top_k: Some(2), ..PredictParameters::default() }));
    assert!(
        !many.may_answer_early(&PredictParameters { threshold: Some(0.1), ..PredictParameters::default() })
    );
    assert!(!many.may_answer_early(&PredictParameters { explain: true, ..PredictParameters::default() }));
}

#[test]
fn a_relay_keeps_the_order_of_its_inputs() {
    let texts = inputs(&["a", "b", "c"]);
    let mut relay = Relay::new(3);
    assert_eq!(relay.take([None, Some(1), None]), 1);
    assert_eq!(relay.open(&texts), [&texts[0], &texts[2]]);
    assert_eq!(relay.take([Some(0), None]), 1);
    assert_eq!(relay.take([Some(2)]), 1);
    assert_eq!(relay.finish(), [0, 1, 2]);
}
