//! Parameters of a prediction, held against the task: one that it does not take is refused, never ignored.

use loquat_spec::{PredictParameters, Task};

use crate::error::InputError;

pub(crate) fn check(parameters: &PredictParameters, task: Task) -> Result<(), InputError> {
    let zero_shot = task == Task::ZeroShotClassification;
    let multi_label = task == Task::MultiLabelClassification;
    if parameters.labels.is_some() && !zero_shot {
        return Err(not_taken("labels", task, "leave it out; the model's own labels are answered"));
    }
    if parameters.template.is_some() && !zero_shot {
        return Err(not_taken("template", task, "leave it out"));
    }
    if parameters.threshold.is_some() && !multi_label {
        return Err(not_taken("threshold", task, "leave it out; send top_k for more labels than the best"));
    }
    if parameters.explain && multi_label {
        return Err(not_taken("explain", task, "leave it out; single-label models explain"));
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

fn not_taken(parameter: &str, task: Task, remedy: &str) -> InputError {
    refused(parameter, format!("is not a parameter of {}", task.as_str()), remedy)
}

fn refused(parameter: &str, reason: String, remedy: &str) -> InputError {
    InputError { field: format!("parameters.{parameter}"), reason, remedy: remedy.to_owned() }
}
