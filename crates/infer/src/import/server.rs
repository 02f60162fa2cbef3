//! A model that a server answers for, as an artifact: what it does and its labels, and nothing of where the server is or what
//! starts it. Those stand in the resource alone.

use std::path::Path;

use loquat_models::Manifest;
use loquat_spec::{Model, Task};

use crate::error::InferError;
use crate::import::error::ImportError;
use crate::import::files::failed;
use crate::import::request::{THRESHOLD, template};
use crate::remote::MODEL_TYPE;
use crate::zero_shot::Entailment;

/// A safetensors file without a tensor: every artifact has its weights, and this one's are none.
const NO_WEIGHTS: &[u8] = b"\x02\0\0\0\0\0\0\0{}";

/// Writes the artifact into `folder`, which is empty; gives a line about it.
///
/// # Errors
/// When an entailment model names no label that begins with entailment, or a file can't be written.
pub fn import_server(model: &Model, folder: &Path) -> Result<String, InferError> {
    let labels = model.labels.clone().unwrap_or_default();
    if model.task == Task::ZeroShotClassification && Entailment::of(&labels).is_none() {
        return Err(ImportError::NoEntailment { found: labels.join(", ") }.into());
    }
    let mut manifest = Manifest::new(model.task, labels, Vec::new());
    manifest.thresholds =
        (model.task == Task::MultiLabelClassification).then(|| vec![THRESHOLD; manifest.labels.len()]);
    manifest.template = template(model, &manifest.labels);
    manifest.save(folder)?;
    let path = folder.join("config.json");
    let config = format!("{}\n", serde_json::json!({ "model_type": MODEL_TYPE }));
    std::fs::write(&path, config).map_err(failed("write", &path))?;
    let path = folder.join("model.safetensors");
    std::fs::write(&path, NO_WEIGHTS).map_err(failed("write", &path))?;
    Ok(match manifest.labels.len() {
        0 => "answered by a server".to_owned(),
        labels => format!("answered by a server, {labels} labels"),
    })
}
