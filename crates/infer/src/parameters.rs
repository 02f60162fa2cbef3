//! Parameters of a prediction, held against the task: one that it does not take is refused, never ignored.

use std::collections::BTreeSet;

use loquat_models::Prompts;
use loquat_spec::{PredictParameters, Task};

use crate::error::InputError;
use crate::input::shortened;
use crate::zero_shot;

/// Tasks that answer with labels and their scores.
const RANKED: [Task; 5] = [
    Task::TextClassification,
    Task::MultiLabelClassification,
    Task::LanguageIdentification,
    Task::TextPairClassification,
    Task::ZeroShotClassification,
];

/// What a parameter check needs to know of the pipeline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) task: Task,
    /// Whether the model can say what decided.
    pub(crate) explains: bool,
    /// Whether labels must come with the request.
    pub(crate) needs_labels: bool,
}

pub(crate) fn check(parameters: &PredictParameters, taken: Taken) -> Result<(), InputError> {
    let task = taken.task;
    if task == Task::ZeroShotClassification {
        check_zero_shot(parameters, taken.needs_labels)?;
    } else {
        refuse_zero_shot(parameters, task)?;
    }
    let multi_label = task == Task::MultiLabelClassification;
    if parameters.threshold.is_some() && !multi_label {
        return Err(not_taken("threshold", task, "leave it out; send top_k for more labels than the best"));
    }
    if parameters.explain && multi_label {
        return Err(not_taken("explain", task, "leave it out; single-label models explain"));
    }
    if parameters.explain && !taken.explains {
        let reason = "is not yet supported by this kind of model".to_owned();
        return Err(refused("explain", reason, "leave it out; linear models explain"));
    }
    if parameters.prompt_name.is_some() && task != Task::Embedding {
        return Err(not_taken("prompt_name", task, "leave it out"));
    }
    if parameters.top_k.is_some() && !RANKED.contains(&task) {
        return Err(not_taken("top_k", task, "leave it out"));
    }
    if let Some(threshold) = parameters.threshold
        && !(0.0..=1.0).contains(&threshold)
    {
        return Err(refused("threshold", format!("is {threshold}"), "send a number from 0 to 1"));
    }
    if parameters.top_k == Some(0) {
        return Err(refused("top_k", "is 0".to_owned(), "send a whole number from 1"));
    }
    Ok(())
}

/// The prompt that a request names, else the model's default.
pub(crate) fn prompt<'p>(prompts: Option<&'p Prompts>, name: Option<&str>) -> Result<&'p str, InputError> {
    let Some(name) = name else { return Ok(prompts.map_or("", Prompts::by_default)) };
    let known: Vec<&str> = prompts.into_iter().flat_map(Prompts::names).collect();
    if known.is_empty() {
        return Err(refused(
            "prompt_name",
            "is of no use to a model without prompts".to_owned(),
            "leave it out",
        ));
    }
    prompts.and_then(|prompts| prompts.named(name)).ok_or_else(|| {
        let reason = format!("{:?} is no prompt of the model", shortened(name));
        refused("prompt_name", reason, &format!("send one of {}", known.join(", ")))
    })
}

fn refuse_zero_shot(parameters: &PredictParameters, task: Task) -> Result<(), InputError> {
    if parameters.labels.is_some() {
        return Err(not_taken("labels", task, "leave it out; the model's own labels are answered"));
    }
    if parameters.template.is_some() {
        return Err(not_taken("template", task, "leave it out"));
    }
    if parameters.exclusive {
        return Err(not_taken("exclusive", task, "leave it out"));
    }
    Ok(())
}

fn check_zero_shot(parameters: &PredictParameters, needs_labels: bool) -> Result<(), InputError> {
    let remedy = "send the labels to score, such as [\"refund\", \"parcel\"]";
    match &parameters.labels {
        None if needs_labels => return Err(refused("labels", "is missing".to_owned(), remedy)),
        Some(labels) if labels.is_empty() => {
            return Err(refused("labels", "is an empty list".to_owned(), remedy));
        }
        _ => {}
    }
    let mut seen = BTreeSet::new();
    for (place, label) in parameters.labels.iter().flatten().enumerate() {
        let field = format!("labels[{place}]");
        if label.trim().is_empty() {
            return Err(refused(&field, "is empty".to_owned(), "send a word or a phrase"));
        }
        if !seen.insert(label) {
            return Err(refused(&field, "stands in the list twice".to_owned(), "send each label once"));
        }
    }
    if parameters.template.as_ref().is_some_and(|template| !zero_shot::has_place(template)) {
        let reason = "has no place for the label".to_owned();
        return Err(refused("template", reason, "write {label} where the label goes"));
    }
    Ok(())
}

fn not_taken(parameter: &str, task: Task, remedy: &str) -> InputError {
    refused(parameter, format!("is not a parameter of {}", task.as_str()), remedy)
}

fn refused(parameter: &str, reason: String, remedy: &str) -> InputError {
    InputError { field: format!("parameters.{parameter}"), reason, remedy: remedy.to_owned() }
}
