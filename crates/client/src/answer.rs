//! Answers that no other crate has a type for.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An endpoint and what answers it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Model {
    /// The endpoint's name.
    pub name: String,
    /// The registered model's name.
    pub model: String,
    /// Which version answers, as declared: `tickets@champion`.
    pub reference: String,
    /// Whether a version answers.
    pub ready: bool,
    /// Whether it answers the routes that name no model.
    pub default: bool,
    /// Whether no resource declares it.
    pub implicit: bool,
    /// Registered versions, ascending.
    pub versions: Vec<u32>,
    /// The version that answers.
    #[serde(default)]
    pub version: Option<u32>,
    /// Its task, in kebab case.
    #[serde(default)]
    pub task: Option<String>,
    /// Its labels, in order.
    #[serde(default)]
    pub labels: Option<Vec<String>>,
    /// Why the version that should answer doesn't.
    #[serde(default)]
    pub detail: Option<String>,
}

/// The body of `GET /models`.
#[derive(Debug, Deserialize)]
pub(crate) struct ModelList {
    pub(crate) models: Vec<Model>,
}

/// A resource of a running server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// Version of the resource format.
    pub api_version: String,
    /// What it is.
    pub kind: String,
    /// What identifies it.
    pub metadata: Metadata,
    /// What is wanted; what is as when left out is left out.
    pub spec: Value,
    /// How it fares, once the server has looked at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

/// What identifies a resource, and who declared it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Its name.
    pub name: String,
    /// Counts its changes, from 1.
    pub generation: u64,
    /// Who declared it last: one entry.
    pub managed_fields: Vec<Manager>,
    /// When it was declared first; none where it stands for a registered model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<String>,
}

/// Who declares a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manager {
    /// `loquat-folder`, `loquat-apply`, or `loquat-store` for a registered model that no resource mentions.
    pub manager: String,
}

/// How a resource fares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The generation that this is about.
    pub observed_generation: u64,
    /// The model that answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// What holds of it; `Ready` is one of them.
    pub conditions: Vec<Condition>,
}

/// Something that holds of a resource, or doesn't.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What: `Ready`.
    pub r#type: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Why, in one word.
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
    /// When its status changed last.
    pub last_transition_time: String,
    /// The generation that it is about.
    pub observed_generation: u64,
}

/// A list of resources.
#[derive(Debug, Deserialize)]
pub(crate) struct ResourceList {
    pub(crate) items: Vec<Resource>,
}

impl Resource {
    /// Who declared it last.
    pub fn manager(&self) -> &str {
        self.metadata.managed_fields.first().map_or("", |entry| entry.manager.as_str())
    }

    /// Condition `Ready`.
    pub fn ready(&self) -> Option<&Condition> {
        self.status.as_ref()?.conditions.iter().find(|condition| condition.r#type == "Ready")
    }
}
