//! What a request may hold, and how a refusal names it.

use loquat_infer::Pipeline;
use loquat_spec::{PredictParameters, Task};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::fixture::pipeline;

fn texts(pipeline: &Pipeline, inputs: &Value) -> Vec<String> {
    pipeline.parse_inputs(inputs).unwrap().into_iter().map(|input| input.text).collect()
}

#[test]
fn one_input_or_a_list_each_a_string_or_an_object() {
    let pipeline = pipeline(Task::TextClassification);
    assert_eq!(texts(&pipeline, &json!("a")), ["a"]);
    assert_eq!(texts(&pipeline, &json!({"text": "a"})), ["a"]);
    assert_eq!(texts(&pipeline, &json!(["a", {"text": "b"}, ""])), ["a", "b", ""]);
}

#[test]
fn a_refusal_names_the_field_and_the_remedy() {
    struct Case {
        inputs: Value,
        field: &'static str,
        reason: &'static str,
    }
    let cases = [
        Case { inputs: json!(null), field: "inputs", reason: "null" },
        Case { inputs: json!([]), field: "inputs", reason: "empty list" },
        Case { inputs: json!(1), field: "inputs", reason: "a number" },
        Case { inputs: json!({}), field: "inputs.text", reason: "missing" },
        Case { inputs: json!({"Text": "a"}), field: "inputs.text", reason: "found \"Text\"" },
        Case { inputs: json!(["a", true]), field: "inputs[1]", reason: "a boolean" },
        Case { inputs: json!([["a"]]), field: "inputs[0]", reason: "a list" },
        Case { inputs: json!(["a", "b", "c", {"text": 4}]), field: "inputs[3].text", reason: "a number" },
        Case { inputs: json!([{"text": null}]), field: "inputs[0].text", reason: "null" },
        Case {
            inputs: json!([{"text": "a", "premise": "b"}]),
            field: "inputs[0].premise",
            reason: "not a column",
        },
    ];
    let pipeline = pipeline(Task::TextClassification);
    for case in cases {
        let error = pipeline.parse_inputs(&case.inputs).unwrap_err();
        assert_eq!(error.field, case.field, "{}", case.inputs);
        assert!(error.reason.contains(case.reason), "{error}");
        assert!(!error.remedy.is_empty());
    }
}

#[test]
fn parameters_that_the_task_does_not_take_are_refused_not_ignored() {
    struct Case {
        task: Task,
        parameters: PredictParameters,
        field: Option<&'static str>,
    }
    let base = PredictParameters::default;
    let (single, multi) = (Task::TextClassification, Task::MultiLabelClassification);
    let threshold = |threshold| PredictParameters { threshold: Some(threshold), ..base() };
    let labels = PredictParameters { labels: Some(vec!["a".to_owned()]), ..base() };
    let template = PredictParameters { template: Some("{label}".to_owned()), ..base() };
    let top_k = |top_k| PredictParameters { top_k: Some(top_k), ..base() };
    let explain = PredictParameters { explain: true, ..base() };
    let cases = [
        Case { task: single, parameters: base(), field: None },
        Case { task: single, parameters: labels.clone(), field: Some("parameters.labels") },
        Case { task: multi, parameters: labels, field: Some("parameters.labels") },
        Case { task: single, parameters: template, field: Some("parameters.template") },
        Case { task: single, parameters: threshold(0.5), field: Some("parameters.threshold") },
        Case { task: multi, parameters: threshold(0.0), field: None },
        Case { task: multi, parameters: threshold(1.0), field: None },
        Case { task: multi, parameters: threshold(1.1), field: Some("parameters.threshold") },
        Case { task: multi, parameters: threshold(-0.1), field: Some("parameters.threshold") },
        Case { task: multi, parameters: threshold(f32::NAN), field: Some("parameters.threshold") },
        Case { task: single, parameters: top_k(0), field: Some("parameters.top_k") },
        Case { task: single, parameters: top_k(1), field: None },
        Case { task: single, parameters: top_k(usize::MAX), field: None },
        Case { task: single, parameters: explain.clone(), field: None },
        Case { task: multi, parameters: explain, field: Some("parameters.explain") },
    ];
    for case in cases {
        let pipeline = pipeline(case.task);
        let checked = pipeline.check_parameters(&case.parameters);
        let field = checked.as_ref().err().map(|error| error.field.as_str());
        assert_eq!(field, case.field, "{:?}", case.parameters);
        let predicted = pipeline.predict(&[loquat_infer::Input::new("money")], &case.parameters, 1);
        assert_eq!(predicted.is_ok(), case.field.is_none(), "{:?}", case.parameters);
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        let key = prop_oneof![3 => Just("text".to_owned()), 1 => any::<String>()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..4).prop_map(|pairs| Value::from(Map::from_iter(pairs))),
        ]
    })
}

fn any_parameters() -> impl Strategy<Value = PredictParameters> {
    let labels = prop::option::weighted(0.1, prop::collection::vec(any::<String>(), 0..3));
    let template = prop::option::weighted(0.1, any::<String>());
    (
        prop::option::of(any::<usize>()),
        any::<bool>(),
        labels,
        template,
        prop::option::weighted(0.3, any::<f32>()),
        prop::option::weighted(0.1, any::<String>()),
    )
        .prop_map(|(top_k, explain, labels, template, threshold, prompt_name)| PredictParameters {
            top_k,
            explain,
            labels,
            template,
            exclusive: false,
            threshold,
            prompt_name,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_request_makes_it_panic_and_a_refusal_names_a_field(
        inputs in any_json(),
        parameters in any_parameters(),
        multi_label in any::<bool>(),
    ) {
        let task = if multi_label { Task::MultiLabelClassification } else { Task::TextClassification };
        let pipeline = pipeline(task);
        let checked = pipeline.check_parameters(&parameters);
        if let Err(error) = &checked {
            prop_assert!(error.field.starts_with("parameters."));
        }
        match pipeline.parse_inputs(&inputs) {
            Err(error) => prop_assert!(error.field.starts_with("inputs")),
            Ok(parsed) => {
                let predicted = pipeline.predict(&parsed, &parameters, 2);
                prop_assert_eq!(predicted.is_ok(), checked.is_ok());
                if let Ok(predictions) = predicted {
                    prop_assert_eq!(predictions.len(), parsed.len());
                    prop_assert!(serde_json::to_string(&predictions).is_ok());
                }
            }
        }
    }
}
