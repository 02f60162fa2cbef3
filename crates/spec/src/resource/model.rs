//! `Model`: a model made elsewhere, to be imported into the registry.

use crate::{HubReference, Name, ObjectAddress, Share, Task};

/// A validated `Model`.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Its name, which is the registered model's name too.
    pub name: Name,
    /// What it does.
    pub task: Task,
    /// Where its files are.
    pub source: ModelSource,
    /// Labels in the order of the weights; those of the source's configuration when absent.
    pub labels: Option<Vec<String>>,
    /// Longest input in tokens; the source's own limit when absent.
    pub max_length: Option<usize>,
    /// Sentence that a label is put into, holding `{label}` (zero-shot only).
    pub template: Option<String>,
    /// Numbers that its matrix products are computed with.
    pub precision: Precision,
    /// Least agreement of the eight-bit model with the one in full precision.
    pub agreement: Share,
    /// Data set on whose texts the agreement is measured; sample texts of Loquat when absent.
    pub dataset: Option<Name>,
}

/// Where a model's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// A folder or an ONNX file, relative to the resource file's folder.
    Folder(String),
    /// A hub.
    Hub(HubReference),
    /// A folder in an object store.
    Objects(ObjectAddress),
    /// None: a server answers.
    Server(ModelServer),
}

/// A server of any framework, which has the model under the resource's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelServer {
    /// What starts it, a word each; something else does where it is absent.
    pub command: Option<Vec<String>>,
    /// Where it answers: `http://HOST:PORT`.
    pub url: String,
}

/// Numbers that matrix products are computed with.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32-bit floating point: the answers of the original.
    #[default]
    F32,
    /// Eight-bit integers: several times faster, with a small loss that is measured on import.
    Int8,
}

impl Precision {
    /// The word of resources and model cards.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Int8 => "int8",
        }
    }
}
