//! `Model` as it is written.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

use super::document::Document;
use super::server::ServerSpec;
use super::training::{Tasks, read_dataset};
use crate::problem::{Context, INVALID_VALUE, MISSING_FIELD, NOT_YET_SUPPORTED};
use crate::resource::model::{Model, ModelSource, Precision};
use crate::{HubReference, Share, Task};

/// What stands for the label in a template.
pub(crate) const PLACE_OF_LABEL: &str = "{label}";

/// Beginnings of addresses in object stores.
const OBJECTS: [&str; 3] = ["s3://", "gs://", "az://"];

/// A model made elsewhere: imported into the registry as a version, with golden examples recorded on the way.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ModelSpec {
    /// What the model does. An entailment model is a `text-pair-classification` model, or a
    /// `zero-shot-classification` model where it is only asked for labels.
    #[schemars(required)]
    pub(super) task: Option<Task>,
    /// Where its files are.
    source: Option<ModelSourceSpec>,
    /// A server of any framework that answers, in the place of a source.
    server: Option<ServerSpec>,
    /// Labels in the order of the weights. Give them only when the source's `config.json` does not; of a server, always.
    #[schemars(length(min = 1))]
    pub(super) labels: Option<Vec<String>>,
    /// Longest input in tokens; longer ones are cut, or read in windows where labels belong to places in the text. The
    /// source's own limit when left out. Lower it to bound the time of one input.
    #[schemars(range(min = 8, max = 1_000_000))]
    pub(super) max_length: Option<usize>,
    /// Sentence that a label is put into, for zero-shot classification. Write it in the language of the texts.
    #[schemars(length(min = 1), extend("examples" = ["This example is {label}."]))]
    template: Option<String>,
    /// Numbers that matrix products are computed with. Use int8 for several times the speed, with a small loss that is
    /// measured on import and written in the model's card.
    #[serde(default)]
    pub(super) precision: Precision,
    /// Least agreement of the int8 model with the one in full precision: the share of texts that get the same answer, or
    /// the mean cosine of their vectors. A model that falls below is not imported.
    #[schemars(extend("examples" = ["98%"], "default" = "98%", "pattern" = r"^\s*[0-9.]+\s*%\s*$"))]
    pub(super) agreement: Option<String>,
    /// Name of a Dataset on whose texts the agreement is measured; sample texts of Loquat when left out. Set it to
    /// measure on texts like those that will be asked.
    #[schemars(length(min = 1))]
    pub(super) dataset: Option<String>,
}

/// Where a model's files are.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ModelSource", extend("examples" = [{"path": "./sentiment"}]))]
struct ModelSourceSpec {
    /// A folder in the Hugging Face layout (`config.json`, `tokenizer.json`, `model.safetensors`), relative to the folder
    /// of the resource file, or `hf://owner/name`, with `@revision` for a branch, tag or commit, or such a folder in an
    /// object store: `s3://bucket/folder`, `gs://bucket/folder` or `az://container/folder`. In the place of the weights
    /// there may be `model.onnx` or `onnx/model.onnx`; the path of an ONNX file means that file with the tokenizer beside
    /// it.
    #[schemars(required, length(min = 1), extend("examples" = ["hf://owner/name@revision"]))]
    path: Option<String>,
}

/// Validates a `Model`; `None` when what it lacks leaves no model.
pub(crate) fn validate(
    context: &mut Context<'_>,
    document: &Document<ModelSpec>,
    tasks: &Tasks,
) -> Option<Model> {
    let name = document.name(context);
    let spec = document.spec.as_ref()?;
    let source = spec.source(context);
    spec.check_task(context);
    spec.check_labels(context);
    if let (Some(template), Some(task)) = (&spec.template, spec.task) {
        if !matches!(task, Task::ZeroShotClassification | Task::TextPairClassification) {
            let remedy = "remove it; labels are put into sentences by zero-shot-classification";
            context.key("spec.template", INVALID_VALUE, format!("{} has no template", task.as_str()), remedy);
        }
        check_template(context, "spec.template", template);
    }
    let agreement = spec.agreement.as_deref().unwrap_or("98%");
    let agreement = context.read("spec.agreement", Share::parse(agreement), "write for example 98%")?;
    let dataset = spec.dataset.as_deref().and_then(|text| read_dataset(context, "spec.dataset", text, tasks));
    Some(Model {
        name: name?,
        task: spec.task?,
        source: source?,
        labels: spec.labels.clone(),
        max_length: spec.max_length,
        template: spec.template.clone(),
        precision: spec.precision,
        agreement,
        dataset,
    })
}

/// Reports a template without a place for the label.
pub(crate) fn check_template(context: &mut Context<'_>, field: &str, template: &str) {
    if !template.contains(PLACE_OF_LABEL) {
        let message = format!("{template:?} has no place for the label");
        context.value(field, INVALID_VALUE, message, "write for example \"This example is {label}.\"");
    }
}

/// Whether a path is that of an ONNX file.
pub(crate) fn is_onnx(path: &str) -> bool {
    path.to_ascii_lowercase().ends_with(".onnx")
}

/// Reads where a model's files are: a folder, here or in an object store, or a model of a hub.
pub(crate) fn read_source(context: &mut Context<'_>, field: &str, path: &str) -> Option<ModelSource> {
    if HubReference::is_meant(path) {
        let remedy = "write hf://owner/name";
        return context.read(field, path.parse(), remedy).map(ModelSource::Hub);
    }
    if path.contains("://") && is_onnx(path) {
        let message = "single files elsewhere are not yet supported";
        context.value(field, NOT_YET_SUPPORTED, message, "name the folder that holds the ONNX file");
        return None;
    }
    if OBJECTS.iter().any(|scheme| path.starts_with(scheme)) {
        let remedy = "write s3://bucket/folder, gs://bucket/folder or az://container/folder";
        return context.read(field, path.parse(), remedy).map(ModelSource::Objects);
    }
    if let Some((scheme, _)) = path.split_once("://") {
        let message = format!("models behind {scheme}:// are not yet supported");
        context.value(field, NOT_YET_SUPPORTED, message, "name a folder, or hf://owner/name");
        return None;
    }
    Some(ModelSource::Folder(path.to_owned()))
}

impl ModelSpec {
    /// Whether a source is named.
    pub(super) fn has_source(&self) -> bool {
        self.source.is_some()
    }

    fn source(&self, context: &mut Context<'_>) -> Option<ModelSource> {
        const FIELD: &str = "spec.source.path";
        if let Some(server) = &self.server {
            return server.validate(context, self).map(ModelSource::Server);
        }
        let Some(source) = &self.source else {
            context.key("spec.source", MISSING_FIELD, "no model is named", "add source: { path: ./folder }");
            return None;
        };
        let path = source.path.as_deref()?;
        read_source(context, FIELD, path)
    }

    fn check_task(&self, context: &mut Context<'_>) {
        if self.task == Some(Task::Translation) {
            let remedy = "import models that classify, mark or embed texts";
            context.later_value("spec.task", "importing models for translation", remedy);
        }
    }

    fn check_labels(&self, context: &mut Context<'_>) {
        let mut seen = BTreeSet::new();
        for (index, label) in self.labels.iter().flatten().enumerate() {
            if !seen.insert(label) {
                let field = format!("spec.labels[{index}]");
                context.value(
                    &field,
                    INVALID_VALUE,
                    format!("{label:?} is listed twice"),
                    "name each label once",
                );
            }
        }
        if self.labels.is_some() && self.task == Some(Task::Embedding) {
            context.key("spec.labels", INVALID_VALUE, "embedding has no labels", "remove the field");
        }
    }
}
