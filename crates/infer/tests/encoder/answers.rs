//! What encoders answer, task by task.

use loquat_infer::{Input, Pipeline, agree, check_cascade};
use loquat_spec::{PredictParameters, Prediction, Task, ZeroShot};
use serde_json::{Value, json};

use crate::fixture::{entailment, none, pipeline, predict};

const TEXTS: [&str; 5] = [
    "a parcel for anna",
    "",
    "Jürgen fährt, wie immer, nach Köln!",
    "what a long text this is, and it goes on and on until no window holds it, and then it goes on. again. and again!",
    "荷物 🎁 ok",
];

fn inputs() -> Vec<Input> {
    TEXTS.iter().map(|text| Input::new(*text)).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[test]
fn together_and_alone_in_any_order_and_on_any_threads_the_answers_are_the_same() {
    let cases = [
        ("bert-sequence", Task::TextClassification),
        ("bert-sequence", Task::MultiLabelClassification),
        ("bert-tokens", Task::TokenClassification),
        ("bert-embedding", Task::Embedding),
    ];
    for (name, task) in cases {
        let pipeline = pipeline(name, task, |_| ());
        let mut inputs = inputs();
        let together = predict(&pipeline, &inputs, &none(), 1);
        assert_eq!(predict(&pipeline, &inputs, &none(), 3), together, "{task:?}");
        let many: Vec<Input> = inputs.iter().cycle().take(200).cloned().collect();
        let shared = predict(&pipeline, &many, &none(), 4);
        assert!(shared.chunks(5).all(|chunk| chunk == together), "{task:?}");
        for (input, answer) in inputs.iter().zip(&together) {
            let alone = predict(&pipeline, std::slice::from_ref(input), &none(), 1);
            assert_eq!(alone, std::slice::from_ref(answer), "{task:?} {input:?}");
        }
        inputs.reverse();
        let mut reversed = predict(&pipeline, &inputs, &none(), 1);
        reversed.reverse();
        assert_eq!(reversed, together, "{task:?}");
    }
}

#[test]
fn labels_come_with_probabilities_that_add_up() {
    let pipeline = pipeline("bert-sequence", Task::TextClassification, |_| ());
    let top = PredictParameters { top_k: Some(3), ..none() };
    for answer in predict(&pipeline, &inputs(), &top, 1) {
        let scores = answer["scores"].as_array().unwrap();
        assert_eq!(scores.len(), 3);
        assert_eq!(answer["label"], scores[0]["label"]);
        let sum: f64 = scores.iter().map(|score| number(&score["score"])).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{answer}");
    }
}

#[test]
fn labels_of_one_text_are_decided_each_by_its_threshold() {
    let pipeline = pipeline("bert-sequence", Task::MultiLabelClassification, |_| ());
    let over = |threshold| PredictParameters { threshold: Some(threshold), ..none() };
    let count = |parameters: &PredictParameters| {
        let answers = predict(&pipeline, &inputs()[..1], parameters, 1);
        answers[0]["labels"].as_array().unwrap().len()
    };
    assert_eq!((count(&over(0.0)), count(&over(1.0))), (3, 0));
}

#[test]
fn spans_slice_back_out_of_the_text_as_it_was_sent() {
    let pipeline = pipeline("bert-tokens", Task::TokenClassification, |_| ());
    let mut found = 0;
    for (text, answer) in TEXTS.iter().zip(predict(&pipeline, &inputs(), &none(), 1)) {
        let characters: Vec<char> = text.chars().collect();
        let mut end = 0;
        for entity in answer["entities"].as_array().unwrap() {
            let place = |name: &str| entity[name].as_u64().unwrap() as usize;
            let own: String = characters[place("start")..place("end")].iter().collect();
            assert_eq!(entity["text"], own, "{text}");
            assert!(!own.trim().is_empty() && own.trim() == own, "{entity}");
            assert!(place("start") >= end, "spans follow each other: {answer}");
            assert!(["PER", "LOC"].contains(&entity["label"].as_str().unwrap()), "{entity}");
            assert!((0.0..=1.0).contains(&number(&entity["score"])), "{entity}");
            end = place("end");
            found += 1;
        }
    }
    assert!(found > 3, "a random model finds something");
}

#[test]
fn a_text_longer_than_the_model_is_read_to_its_end() {
    let pipeline = pipeline("bert-tokens", Task::TokenClassification, |_| ());
    // The model reads 40 tokens, and each letter is one.
    let text = "otto lives in riga ".repeat(30);
    let found = predict(&pipeline, &[Input::new(text.clone())], &none(), 1);
    let entities = found[0]["entities"].as_array().unwrap();
    assert!(entities.last().unwrap()["end"].as_u64().unwrap() as usize > text.len() / 2, "{entities:?}");
}

#[test]
fn a_vector_for_a_text_and_a_likeness_for_two() {
    let pipeline = pipeline("bert-embedding", Task::Embedding, |_| ());
    let inputs = [
        Input::new("a parcel"),
        Input::new("no parcel!"),
        Input::pair("a parcel", "no parcel!"),
        Input::pair("a parcel", "a parcel"),
    ];
    let answers = predict(&pipeline, &inputs, &none(), 2);
    let vector =
        |answer: &Value| -> Vec<f64> { answer["embedding"].as_array().unwrap().iter().map(number).collect() };
    let (first, second) = (vector(&answers[0]), vector(&answers[1]));
    assert_eq!(first.len(), 16);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let cosine = dot(&first, &second) / (dot(&first, &first) * dot(&second, &second)).sqrt();
    assert!((number(&answers[2]["score"]) - cosine).abs() < 1e-5, "{} {cosine}", answers[2]);
    assert!((number(&answers[3]["score"]) - 1.0).abs() < 1e-6, "{}", answers[3]);
    assert_eq!(answers[2].as_object().unwrap().len(), 1);
}

#[test]
fn labels_of_a_request_are_scored_as_their_pairs_are() {
    let zero_shot = entailment(Task::ZeroShotClassification);
    let pairs = entailment(Task::TextPairClassification);
    let labels = ["rain", "a parcel", "music"];
    let parameters = PredictParameters {
        labels: Some(labels.map(str::to_owned).to_vec()),
        template: Some("It is {label}.".to_owned()),
        ..none()
    };
    let found = predict(&zero_shot, &[Input::new("my parcel is wet")], &parameters, 2);
    let ranked = found[0]["labels"].as_array().unwrap();
    assert_eq!(ranked.len(), 3);
    assert!(ranked.windows(2).all(|two| number(&two[0]["score"]) >= number(&two[1]["score"])));
    let all = PredictParameters { top_k: Some(3), ..none() };
    for scored in ranked {
        let sentence = format!("It is {}.", scored["label"].as_str().unwrap());
        let pair = predict(&pairs, &[Input::pair("my parcel is wet", sentence)], &all, 1);
        let share = |label: &str| {
            let scores = pair[0]["scores"].as_array().unwrap();
            number(&scores.iter().find(|score| score["label"] == label).unwrap()["score"])
        };
        let wanted = share("entailment") / (share("entailment") + share("contradiction"));
        assert!((number(&scored["score"]) - wanted).abs() < 1e-5, "{scored} {wanted}");
    }
    let exclusive = PredictParameters { exclusive: true, ..parameters };
    let found = predict(&zero_shot, &[Input::new("my parcel is wet")], &exclusive, 1);
    let sum: f64 = found[0]["labels"].as_array().unwrap().iter().map(|scored| number(&scored["score"])).sum();
    assert!((sum - 1.0).abs() < 1e-5);
}

#[test]
fn an_endpoint_gives_an_entailment_model_labels_of_its_own() {
    let pairs = entailment(Task::TextPairClassification);
    assert!(pairs.parse_inputs(&json!("a text")).is_err());
    let labels = vec!["rain".to_owned(), "music".to_owned()];
    let declared = ZeroShot { template: Some("{label}!".to_owned()), labels };
    let zero_shot = pairs.answering(Some(&declared)).unwrap();
    assert_eq!(zero_shot.task(), Task::ZeroShotClassification);
    let inputs = zero_shot.parse_inputs(&json!(["a text", {"text": "another"}])).unwrap();
    let found = predict(&zero_shot, &inputs, &none(), 1);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0]["labels"].as_array().unwrap().len(), 2);
    assert_eq!(zero_shot.sequences(2, &none()), Some(4));
    let job = |parameters| loquat_infer::batcher::PipelineJob {
        pipeline: std::sync::Arc::new(zero_shot.clone()),
        inputs: inputs.clone(),
        parameters,
        asks: loquat_infer::batcher::Asks::Predictions,
    };
    let four = PredictParameters { labels: Some(["a", "b", "c", "d"].map(str::to_owned).to_vec()), ..none() };
    let (declared_two, twice) = (job(none()).tokens(), job(four).tokens());
    assert_eq!(declared_two.iter().map(|tokens| 2 * tokens).collect::<Vec<_>>(), twice);
    assert_eq!(zero_shot.answering(None).unwrap().task(), Task::TextPairClassification);

    let other = pipeline("bert-sequence", Task::TextPairClassification, |_| ());
    let error = other.answering(Some(&declared)).unwrap_err();
    assert!(error.to_string().contains("alpha, beta, gamma"), "{error}");
}

#[test]
fn an_embedding_model_scores_labels_by_the_likeness_of_their_sentences() {
    let vectors = pipeline("bert-embedding", Task::Embedding, |_| ());
    let labels = ["rain", "a parcel", "music"].map(str::to_owned).to_vec();
    let declared = ZeroShot { template: Some("It is {label}.".to_owned()), labels };
    let zero_shot = vectors.answering(Some(&declared)).unwrap();
    let inputs = zero_shot.parse_inputs(&json!(["my parcel is wet", "otto in riga"])).unwrap();
    let found = predict(&zero_shot, &inputs, &none(), 2);
    for (input, answer) in inputs.iter().zip(&found) {
        let ranked = answer["labels"].as_array().unwrap();
        assert_eq!(ranked.len(), 3);
        assert!(ranked.windows(2).all(|two| number(&two[0]["score"]) >= number(&two[1]["score"])));
        for scored in ranked {
            let sentence = format!("It is {}.", scored["label"].as_str().unwrap());
            let alike = predict(&vectors, &[Input::pair(input.text.as_str(), sentence)], &none(), 1);
            let wanted = number(&alike[0]["score"]).max(0.0);
            assert!((number(&scored["score"]) - wanted).abs() < 1e-5, "{scored} {wanted}");
        }
    }
    assert_eq!(predict(&zero_shot, &inputs, &none(), 1), found, "remembered sentences give the same scores");
    let exclusive = PredictParameters { exclusive: true, top_k: Some(2), ..none() };
    let best = predict(&zero_shot, &inputs, &exclusive, 1);
    for (best, all) in best.iter().zip(&found) {
        let (best, all) = (best["labels"].as_array().unwrap(), all["labels"].as_array().unwrap());
        assert_eq!((best.len(), &best[0]["label"]), (2, &all[0]["label"]));
        assert!(number(&best[0]["score"]) + number(&best[1]["score"]) < 1.0);
    }
    let own = PredictParameters { labels: Some(vec!["music".to_owned()]), exclusive: true, ..none() };
    let alone = predict(&zero_shot, &inputs[..1], &own, 1);
    let among = found[0]["labels"].as_array().unwrap().iter().find(|scored| scored["label"] == "music");
    assert_eq!(alone[0]["labels"][0]["score"], among.unwrap()["score"], "one label has nothing to exclude");
    assert_eq!(zero_shot.sequences(2, &none()), Some(2));
    assert_eq!(zero_shot.answering(None).unwrap().task(), Task::Embedding);
}

#[test]
fn a_cascade_of_zero_shot_models_is_for_one_label_of_those_declared() {
    let declared = ZeroShot { template: None, labels: ["rain", "music"].map(str::to_owned).to_vec() };
    let cheap = pipeline("bert-embedding", Task::Embedding, |_| ()).answering(Some(&declared)).unwrap();
    let dear = entailment(Task::TextPairClassification).answering(Some(&declared)).unwrap();
    check_cascade(&cheap, &dear).unwrap();
    let parameters = dear.calibration_parameters();
    let inputs: Vec<Input> = ["my parcel is wet", "otto in riga"].map(Input::new).to_vec();
    let sure = cheap.predict_sure(&inputs, &parameters, 1).unwrap();
    let scores: Vec<f64> = predict(&cheap, &inputs, &parameters, 1)
        .iter()
        .map(|answer| number(&answer["labels"][0]["score"]))
        .collect();
    let confidences: Vec<f64> = sure.iter().map(|(_, confidence)| f64::from(*confidence)).collect();
    assert!(confidences.iter().zip(&scores).all(|(one, other)| (one - other).abs() < 1e-6));
    assert!(scores.iter().all(|score| *score > 0.5), "{scores:?}");

    let best = |pipeline: &Pipeline| pipeline.predict(&inputs, &parameters, 1).unwrap();
    let same = |left: &Prediction, right: &Prediction| agree(Task::ZeroShotClassification, left, right);
    let answers = best(&cheap);
    assert!(same(&answers[0], &answers[0]));
    let swapped = match &answers[0] {
        Prediction::Labels { labels } => {
            Prediction::Labels { labels: labels.iter().rev().cloned().collect() }
        }
        other => panic!("{other:?}"),
    };
    assert!(!same(&answers[0], &swapped), "the best label differs");

    let labels = |labels: [&str; 2]| Some(labels.map(str::to_owned).to_vec());
    let asked = |change: &dyn Fn(&mut PredictParameters)| {
        let mut parameters = dear.calibration_parameters();
        change(&mut parameters);
        cheap.may_answer_early(&parameters)
    };
    assert!(asked(&|_| ()));
    assert!(asked(&|parameters| parameters.labels = labels(["rain", "music"])));
    assert!(!asked(&|parameters| parameters.labels = labels(["rain", "sun"])));
    assert!(!asked(&|parameters| parameters.template = Some("About {label}.".to_owned())));
    assert!(!asked(&|parameters| parameters.exclusive = false));
}

#[test]
fn inputs_have_the_columns_of_the_task() {
    struct Case {
        task: Task,
        input: Value,
        refused: Option<(&'static str, &'static str)>,
    }
    let pair = Task::TextPairClassification;
    let cases = [
        Case { task: pair, input: json!({"premise": "a", "hypothesis": "b"}), refused: None },
        Case { task: pair, input: json!("a"), refused: Some(("inputs", "premise")) },
        Case { task: pair, input: json!([["a", "b"]]), refused: Some(("inputs[0]", "premise")) },
        Case {
            task: pair,
            input: json!([{"premise": "a"}]),
            refused: Some(("inputs[0].hypothesis", "hypothesis")),
        },
        Case { task: pair, input: json!({"text": "a"}), refused: Some(("inputs.premise", "premise")) },
        Case { task: Task::Embedding, input: json!("a"), refused: None },
        Case { task: Task::Embedding, input: json!({"text": "a"}), refused: None },
        Case { task: Task::Embedding, input: json!({"text_a": "a", "text_b": "b"}), refused: None },
        Case {
            task: Task::Embedding,
            input: json!({"text_a": "a"}),
            refused: Some(("inputs.text_b", "text_b")),
        },
        Case {
            task: Task::Embedding,
            input: json!({"text_a": "a", "text_b": "b", "text": "c"}),
            refused: Some(("inputs.text", "text_a")),
        },
    ];
    let pairs = entailment(pair);
    let embedding = pipeline("bert-embedding", Task::Embedding, |_| ());
    for case in cases {
        let pipeline = if case.task == pair { &pairs } else { &embedding };
        match (pipeline.parse_inputs(&case.input), case.refused) {
            (Ok(_), None) => {}
            (Err(error), Some((field, remedy))) => {
                assert_eq!(error.field, field, "{}", case.input);
                assert!(error.remedy.contains(remedy), "{error}");
            }
            (found, _) => panic!("{}: {found:?}", case.input),
        }
    }
}

#[test]
fn parameters_that_a_task_does_not_take_are_refused() {
    struct Case {
        task: Task,
        parameters: PredictParameters,
        field: Option<&'static str>,
    }
    let zero_shot = Task::ZeroShotClassification;
    let labels = |labels: &[&str]| PredictParameters {
        labels: Some(labels.iter().map(|label| (*label).to_owned()).collect()),
        ..none()
    };
    let cases = [
        Case { task: zero_shot, parameters: none(), field: Some("parameters.labels") },
        Case { task: zero_shot, parameters: labels(&[]), field: Some("parameters.labels") },
        Case { task: zero_shot, parameters: labels(&["a", "a"]), field: Some("parameters.labels[1]") },
        Case { task: zero_shot, parameters: labels(&[" "]), field: Some("parameters.labels[0]") },
        Case {
            task: zero_shot,
            parameters: PredictParameters { template: Some("no place".to_owned()), ..labels(&["a"]) },
            field: Some("parameters.template"),
        },
        Case { task: zero_shot, parameters: labels(&["a"]), field: None },
        Case {
            task: zero_shot,
            parameters: PredictParameters { explain: true, ..labels(&["a"]) },
            field: Some("parameters.explain"),
        },
        Case {
            task: Task::Embedding,
            parameters: PredictParameters { top_k: Some(1), ..none() },
            field: Some("parameters.top_k"),
        },
        Case {
            task: Task::Embedding,
            parameters: PredictParameters { exclusive: true, ..none() },
            field: Some("parameters.exclusive"),
        },
    ];
    let asked = entailment(zero_shot);
    let embedding = pipeline("bert-embedding", Task::Embedding, |_| ());
    for case in cases {
        let pipeline = if case.task == zero_shot { &asked } else { &embedding };
        let checked = pipeline.check_parameters(&case.parameters);
        assert_eq!(
            checked.as_ref().err().map(|error| error.field.as_str()),
            case.field,
            "{:?}",
            case.parameters
        );
    }
}
