//! Answers that no other crate has a type for.

use serde::Deserialize;

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
