//! A resource of any kind that a server keeps, under its kind and name.

use loquat_spec::{Dataset, Endpoint, KINDS, Located, Model, Name, Resources, Training};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::manifest;

/// What a resource is. In this order a set of them is read: who is named stands before who names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Where examples are.
    Dataset,
    /// A search for a model.
    Training,
    /// A model made elsewhere.
    Model,
    /// What answers.
    Endpoint,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Dataset, Self::Training, Self::Model, Self::Endpoint];

    /// As `kind:` has it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Dataset => "Dataset",
            Self::Training => "Training",
            Self::Model => "Model",
            Self::Endpoint => "Endpoint",
        }
    }

    /// The kind that `kind:` names.
    pub(crate) fn named(word: &str) -> Option<Self> {
        debug_assert!(KINDS.iter().all(|kind| Self::ALL.iter().any(|known| known.as_str() == *kind)));
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The kind of a path.
    pub(crate) fn of_plural(plural: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| plural_of(kind.as_str()) == plural)
    }
}

/// A kind as it stands in a path.
pub(crate) fn plural_of(kind: &str) -> String {
    let lower = kind.to_ascii_lowercase();
    match lower.strip_suffix("ch") {
        Some(stem) => format!("{stem}ches"),
        None => format!("{lower}s"),
    }
}

/// What identifies a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// What it is.
    pub(crate) kind: Kind,
    /// What it is called.
    pub(crate) name: String,
}

impl Key {
    /// That of a document as it is written, where it says as much.
    pub(crate) fn of_document(document: &Value) -> Option<Self> {
        let kind = Kind::named(document["kind"].as_str()?)?;
        Some(Self { kind, name: document["metadata"]["name"].as_str()?.to_owned() })
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.name)
    }
}

/// A resource with its text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    /// Where examples are.
    Dataset(Box<Located<Dataset>>),
    /// A search for a model.
    Training(Box<Located<Training>>),
    /// A model made elsewhere.
    Model(Box<Located<Model>>),
    /// What answers.
    Endpoint(Box<Located<Endpoint>>),
}

impl Item {
    /// All of a set, those that are named before those that name them.
    pub(crate) fn all(resources: Resources) -> Vec<Self> {
        let Resources { datasets, trainings, models, endpoints } = resources;
        let datasets = datasets.into_iter().map(|located| Self::Dataset(Box::new(located)));
        let trainings = trainings.into_iter().map(|located| Self::Training(Box::new(located)));
        let models = models.into_iter().map(|located| Self::Model(Box::new(located)));
        let endpoints = endpoints.into_iter().map(|located| Self::Endpoint(Box::new(located)));
        datasets.chain(trainings).chain(models).chain(endpoints).collect()
    }

    /// The endpoint that stands for a registered model which no resource mentions.
    pub(crate) fn of_endpoint(value: Endpoint) -> Self {
        Self::Endpoint(Box::new(Located { value, path: "registry".into(), line: 1, text: String::new() }))
    }

    /// Adds it to a set.
    pub(crate) fn add_to(&self, resources: &mut Resources) {
        match self {
            Self::Dataset(located) => resources.datasets.push(Located::clone(located)),
            Self::Training(located) => resources.trainings.push(Located::clone(located)),
            Self::Model(located) => resources.models.push(Located::clone(located)),
            Self::Endpoint(located) => resources.endpoints.push(Located::clone(located)),
        }
    }

    /// What identifies it.
    pub(crate) fn key(&self) -> Key {
        let (kind, name) = match self {
            Self::Dataset(located) => (Kind::Dataset, &located.value.name),
            Self::Training(located) => (Kind::Training, &located.value.name),
            Self::Model(located) => (Kind::Model, &located.value.name),
            Self::Endpoint(located) => (Kind::Endpoint, &located.value.name),
        };
        Key { kind, name: name.to_string() }
    }

    /// The file that it was read from.
    pub(crate) fn path(&self) -> &std::path::Path {
        match self {
            Self::Dataset(located) => &located.path,
            Self::Training(located) => &located.path,
            Self::Model(located) => &located.path,
            Self::Endpoint(located) => &located.path,
        }
    }

    /// Its text.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Dataset(located) => &located.text,
            Self::Training(located) => &located.text,
            Self::Model(located) => &located.text,
            Self::Endpoint(located) => &located.text,
        }
    }

    /// The Dataset that it names.
    pub(crate) fn dataset(&self) -> Option<&Name> {
        match self {
            Self::Training(located) => Some(&located.value.dataset),
            Self::Model(located) => located.value.dataset.as_ref(),
            Self::Dataset(_) | Self::Endpoint(_) => None,
        }
    }

    /// What is wanted: of an Endpoint without what is as when left out, of the other kinds as it is written.
    pub(crate) fn spec(&self) -> Value {
        match self {
            Self::Endpoint(located) => manifest::spec(&located.value),
            _ => spec_of(self.text(), self.key().kind),
        }
    }
}

/// The `spec` of the first resource of a kind in a text; null without one.
pub(crate) fn spec_of(text: &str, kind: Kind) -> Value {
    let mut documents = loquat_spec::documents(text).into_iter();
    let found = documents.find(|document| document["kind"] == kind.as_str());
    found.map_or(Value::Null, |mut document| document["spec"].take())
}

/// A digest of what is wanted.
pub(crate) fn digest(spec: &Value) -> String {
    Sha256::digest(spec.to_string()).iter().map(|byte| format!("{byte:02x}")).collect()
}
