//! Names of resources and references to model versions.

use std::fmt;
use std::str::FromStr;

/// Name of a resource: a DNS label (RFC 1123): 1 to 63 of `a-z 0-9 -`, no dash at either end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
pub struct Name(String);

/// A name or model reference that breaks the rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not a valid {what}: {rule}")]
pub struct NameError {
    /// The text found.
    pub found: String,
    /// What it should have been.
    pub what: &'static str,
    /// The rule it breaks.
    pub rule: &'static str,
}

impl Name {
    /// Checks `text` against the rule for names.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let valid = (1..=63).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError {
                found: text.to_owned(),
                what: "name",
                rule: "use 1 to 63 lower-case letters, digits and inner dashes",
            })
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which version of a model: a number, or an alias that may move.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Selector {
    /// `name:3`
    Version(u32),
    /// `name@champion`
    Alias(Name),
}

/// A model version named by a user: `name:3`, `name@alias`, or `name`, which means `name@champion`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModelReference {
    /// The model's name.
    pub name: Name,
    /// Which of its versions.
    pub selector: Selector,
}

impl FromStr for ModelReference {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if let Some((name, version)) = text.split_once(':') {
            let version = version.parse().ok().filter(|v| *v > 0).ok_or_else(|| NameError {
                found: text.to_owned(),
                what: "model reference",
                rule: "the version after ':' is a whole number from 1",
            })?;
            return Ok(Self { name: Name::new(name)?, selector: Selector::Version(version) });
        }
        let (name, alias) = text.split_once('@').unwrap_or((text, "champion"));
        Ok(Self { name: Name::new(name)?, selector: Selector::Alias(Name::new(alias)?) })
    }
}

impl fmt::Display for ModelReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.selector {
            Selector::Version(version) => write!(f, "{}:{version}", self.name),
            Selector::Alias(alias) => write!(f, "{}@{alias}", self.name),
        }
    }
}
