//! Addresses of data, models and registries that lie elsewhere: on the web, in an object store, on a hub.

use std::fmt;
use std::str::FromStr;

use crate::NameError;
use crate::hub_reference::is_part;

const RULE: &str = "write https://host/file, s3://bucket/key, gs://bucket/key, az://container/key, or \
                    hf://datasets/owner/name with /config/split behind it where there are several";
/// Branch of a hub's data set that holds it converted to Parquet.
const CONVERSION: &str = "refs/convert/parquet";

/// Where data lies that is not on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// One file behind `http://` or `https://`.
    Web(String),
    /// Objects of a store.
    Object(ObjectAddress),
    /// A data set of a hub.
    Hub(HubDataset),
}

/// What speaks to an object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectScheme {
    /// Amazon S3 and what speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Gs,
    /// Azure Blob Storage; its account comes from the environment.
    Az,
}

/// An object, the objects below a prefix, or those that a pattern matches.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectAddress {
    /// Which protocol.
    pub scheme: ObjectScheme,
    /// Bucket, or container.
    pub bucket: String,
    /// Key, prefix or pattern inside of it, without a slash at either end; may be empty.
    pub key: String,
}

/// A split of a data set of a hub, as the hub converted it to Parquet:
/// `hf://datasets/owner/name[@revision][/config[/split]]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HubDataset {
    owner: String,
    name: String,
    revision: String,
    config: Option<String>,
    split: Option<String>,
}

impl Address {
    /// Whether `text` means anything but a path of this machine.
    pub fn is_meant(text: &str) -> bool {
        text.contains("://")
    }
}

impl FromStr for Address {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.split_once("://") {
            Some(("http" | "https", rest)) => {
                let host = rest.split('/').next().unwrap_or_default();
                // A name and password before the host would travel with the resource wherever it goes.
                let sound = !host.is_empty() && !host.contains('@');
                if sound { Ok(Self::Web(text.to_owned())) } else { Err(wrong(text)) }
            }
            Some(("s3" | "gs" | "az", _)) => text.parse().map(Self::Object),
            Some(("hf", _)) => text.parse().map(Self::Hub),
            _ => Err(wrong(text)),
        }
    }
}

impl ObjectScheme {
    /// The scheme as written, without `://`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gs => "gs",
            Self::Az => "az",
        }
    }
}

impl FromStr for ObjectAddress {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong(text))?;
        let schemes = [ObjectScheme::S3, ObjectScheme::Gs, ObjectScheme::Az];
        let scheme = schemes.into_iter().find(|known| known.as_str() == scheme).ok_or_else(|| wrong(text))?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let key = key.trim_matches('/');
        if !is_part(bucket) || key.split('/').any(|part| matches!(part, "." | "..")) {
            return Err(wrong(text));
        }
        Ok(Self { scheme, bucket: bucket.to_owned(), key: key.to_owned() })
    }
}

impl fmt::Display for ObjectAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.bucket)?;
        if self.key.is_empty() { Ok(()) } else { write!(f, "/{}", self.key) }
    }
}

impl HubDataset {
    /// Who owns the data set.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Its name below its owner.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Branch, tag or commit that holds the Parquet files; the hub's own conversion where none is written.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// Which of its configurations; its only one where none is written.
    pub fn config(&self) -> Option<&str> {
        self.config.as_deref()
    }

    /// Which split of the configuration; its only one where none is written.
    pub fn split(&self) -> Option<&str> {
        self.split.as_deref()
    }
}

impl FromStr for HubDataset {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let rest = text.strip_prefix("hf://").ok_or_else(|| wrong(text))?;
        let rest = rest.strip_prefix("datasets/").unwrap_or(rest);
        let mut parts = rest.split('/');
        let owner = parts.next().unwrap_or_default();
        let name = parts.next().unwrap_or_default();
        let (name, revision) = match name.split_once('@') {
            Some((name, revision)) => (name, revision),
            None => (name, CONVERSION),
        };
        let (config, split) = (parts.next(), parts.next());
        let written =
            [Some(owner), Some(name), config, split].into_iter().flatten().chain(revision.split('/'));
        if parts.next().is_some() || !written.into_iter().all(is_part) {
            return Err(wrong(text));
        }
        Ok(Self {
            owner: owner.to_owned(),
            name: name.to_owned(),
            revision: revision.to_owned(),
            config: config.map(str::to_owned),
            split: split.map(str::to_owned),
        })
    }
}

impl fmt::Display for HubDataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hf://datasets/{}/{}", self.owner, self.name)?;
        if self.revision != CONVERSION {
            write!(f, "@{}", self.revision)?;
        }
        for part in [&self.config, &self.split].into_iter().flatten() {
            write!(f, "/{part}")?;
        }
        Ok(())
    }
}

fn wrong(text: &str) -> NameError {
    NameError { found: text.to_owned(), what: "address", rule: RULE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_print_as_they_are_written() {
        for text in [
            "s3://bucket/data/rows.jsonl",
            "gs://bucket",
            "az://container/data/*.jsonl.gz",
            "hf://datasets/owner/name",
            "hf://datasets/owner/name@0123456789abcdef0123456789abcdef01234567/default/train",
        ] {
            let printed = match text.parse().unwrap() {
                Address::Web(text) => text,
                Address::Object(address) => address.to_string(),
                Address::Hub(dataset) => dataset.to_string(),
            };
            assert_eq!(printed, text);
        }
        assert_eq!("hf://owner/name".parse::<HubDataset>().unwrap().to_string(), "hf://datasets/owner/name");
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        for text in [
            "ftp://host/file",
            "https:///file",
            "https://me:secret@host/file",
            "s3:///key",
            "s3://bucket/../key",
            "hf://datasets/name",
            "hf://a/b/c/d/e",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
