//! What every resource has around its `spec`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::Name;
use crate::problem::{Context, INVALID_VALUE, as_name};

/// A resource of Loquat.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Document<S> {
    /// Version of the resource format. Change it only when the changelog tells how to convert a resource.
    #[schemars(required)]
    pub(crate) api_version: Option<String>,
    /// What the resource is.
    #[schemars(required)]
    pub(crate) kind: Option<String>,
    /// Its name.
    #[schemars(required)]
    pub(crate) metadata: Option<Metadata>,
    /// What is wanted.
    #[schemars(required)]
    pub(crate) spec: Option<S>,
}

/// What identifies a resource.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Metadata {
    /// Name of the resource, unique among those of its kind: 1 to 63 lower-case letters, digits and inner dashes. A
    /// Training's name is the name of its model too.
    #[schemars(required, length(min = 1), extend("examples" = ["tickets"]))]
    pub(crate) name: Option<String>,
    /// Namespace. Not yet supported.
    pub(crate) namespace: Option<String>,
    /// Labels to select resources by. Not yet supported.
    pub(crate) labels: Option<BTreeMap<String, String>>,
    /// Notes of other tools. Not yet supported.
    pub(crate) annotations: Option<BTreeMap<String, String>>,
}

impl<S> Document<S> {
    /// The resource's name; reports what is wrong with it and with its neighbours.
    pub(crate) fn name(&self, context: &mut Context<'_>) -> Option<Name> {
        let metadata = self.metadata.as_ref()?;
        let fields = [
            ("metadata.namespace", metadata.namespace.is_some()),
            ("metadata.labels", metadata.labels.is_some()),
            ("metadata.annotations", metadata.annotations.is_some()),
        ];
        for (field, present) in fields {
            if present {
                context.later_field(field, "remove it; metadata takes a name only");
            }
        }
        read_name(context, "metadata.name", metadata.name.as_deref()?)
    }
}

/// Reads a name, proposing one that follows the rule.
pub(crate) fn read_name(context: &mut Context<'_>, field: &str, text: &str) -> Option<Name> {
    match Name::new(text) {
        Ok(name) => Some(name),
        Err(error) => {
            context.value(
                field,
                INVALID_VALUE,
                error.to_string(),
                format!("write for example {}", as_name(text)),
            );
            None
        }
    }
}
