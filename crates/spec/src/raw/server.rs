//! The server of a `Model`, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::model::ModelSpec;
use crate::Task;
use crate::problem::{Context, INVALID_VALUE, MISSING_FIELD};
use crate::resource::model::{ModelServer, Precision};

/// A server of any framework, which Loquat starts where a command is given, watches, batches for and fronts.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ServerSpec {
    /// What starts it, a word each, in the folder of the resource file; it is started again when it ends. Leave it out
    /// where something else keeps the server running.
    #[schemars(length(min = 1), extend("examples" = [["python", "serve.py"]]))]
    command: Option<Vec<String>>,
    /// Where it answers. The model has the name of this resource there.
    #[schemars(required, extend("examples" = ["http://127.0.0.1:9001"]))]
    url: Option<String>,
    /// How it is asked: the Open Inference Protocol v2 over REST.
    #[serde(default)]
    protocol: Protocol,
}

/// How a server is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Protocol {
    /// Open Inference Protocol v2 over REST.
    #[default]
    OipV2,
}

impl ServerSpec {
    /// The server, with what of the model's other fields goes with one.
    pub(super) fn validate(&self, context: &mut Context<'_>, model: &ModelSpec) -> Option<ModelServer> {
        let remedy = "remove it; the server reads texts and computes as it is made to";
        let fields = [
            ("spec.source", model.has_source()),
            ("spec.maxLength", model.max_length.is_some()),
            ("spec.precision", model.precision != Precision::F32),
            ("spec.agreement", model.agreement.is_some()),
            ("spec.dataset", model.dataset.is_some()),
        ];
        for (field, _) in fields.into_iter().filter(|(_, present)| *present) {
            context.key(field, INVALID_VALUE, "does not go with spec.server", remedy);
        }
        if model.task == Some(Task::TokenClassification) {
            let remedy = "import the model's files with source: { path: … }";
            context.later_value("spec.task", "token-classification by a server", remedy);
        }
        if model.task != Some(Task::Embedding) && model.labels.is_none() {
            let remedy = "add labels: [negative, positive], as the server names them";
            context.key("spec.labels", MISSING_FIELD, "a server's labels are not named", remedy);
        }
        if self.command.as_ref().and_then(|words| words.first()).is_some_and(|word| word.trim().is_empty()) {
            let remedy = "write for example [\"python\", \"serve.py\"]";
            context.value("spec.server.command", INVALID_VALUE, "the command has no program", remedy);
        }
        let url = self.url.as_deref()?;
        let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        if host.is_none_or(|host| host.is_empty() || host.starts_with('/') || host.contains(['?', '#', ' ']))
        {
            let message = format!("{url:?} is not the address of a server");
            context.value(
                "spec.server.url",
                INVALID_VALUE,
                message,
                "write for example http://127.0.0.1:9001",
            );
            return None;
        }
        Some(ModelServer { command: self.command.clone(), url: url.to_owned() })
    }
}
