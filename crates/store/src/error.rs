//! What can go wrong in the registry.

use std::path::{Path, PathBuf};

use loquat_connect::objects::ObjectError;
use loquat_spec::ErrorCode;

use crate::admission::Refusal;

/// Most entries that a message lists.
const LISTED: usize = 12;

/// A failure of the registry. Messages name the place, what exists instead and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refused a step.
    #[error("cannot {action} {}: {source}; check that the path exists and may be written", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// No model has this name.
    #[error("no model {name:?} in {}: {}", root.display(), models_known(known, suggestion.as_deref()))]
    UnknownModel {
        /// The name asked for.
        name: String,
        /// The store searched.
        root: PathBuf,
        /// The models that exist.
        known: Vec<String>,
        /// The name that the user may have meant.
        suggestion: Option<String>,
    },
    /// The model has no such version.
    #[error("{name} has no version {version}: its versions are {}", listed(known))]
    UnknownVersion {
        /// The model.
        name: String,
        /// The version asked for.
        version: u32,
        /// The versions that exist.
        known: Vec<String>,
    },
    /// The version existed and was removed.
    #[error(
        "{name}:{version} was removed at {at} and its number is never given again: the versions left are {}",
        listed(known)
    )]
    RemovedVersion {
        /// The model.
        name: String,
        /// The version asked for.
        version: u32,
        /// When it was removed.
        at: String,
        /// The versions that exist.
        known: Vec<String>,
    },
    /// The model has no such alias.
    #[error(
        "{name} has no alias {alias:?}: its aliases are {}, its versions {}; name a version as {name}:N, or set the alias with \
         `loquat models promote`",
        listed(aliases),
        listed(versions)
    )]
    UnknownAlias {
        /// The model.
        name: String,
        /// The alias asked for.
        alias: String,
        /// The aliases that exist.
        aliases: Vec<String>,
        /// The versions that exist.
        versions: Vec<String>,
    },
    /// A stored file was written by a later Loquat.
    #[error("{} has format version {found}, this loquat reads up to {supported}: use a newer loquat", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format version.
        found: String,
        /// The newest that this build reads.
        supported: &'static str,
    },
    /// A stored file does not hold what it should.
    #[error("{} is damaged ({reason}): restore it from a backup or remove the version and train again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of what was applied to a server does not hold what it should.
    #[error(
        "{} is damaged ({reason}); what else was applied is not affected: apply this resource again, or remove the file",
        path.display()
    )]
    DamagedApplied {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An artifact no longer is what was registered.
    #[error(
        "the artifact of {name}:{version} in {} is damaged ({}): restore it from a backup, or register it again",
        path.display(), listed(problems)
    )]
    DamagedArtifact {
        /// The model.
        name: String,
        /// The version.
        version: u32,
        /// The artifact's folder.
        path: PathBuf,
        /// What differs, file by file.
        problems: Vec<String>,
    },
    /// An artifact holds what a registry must not.
    #[error("refused {}: {}", dir.display(), refusals_listed(refusals))]
    Refused {
        /// The folder.
        dir: PathBuf,
        /// Every file refused, and why.
        refusals: Vec<Refusal>,
    },
    /// An alias points at the version.
    #[error(
        "{name}:{version} is in use: {} points at it; move the alias first with `loquat models promote {name}:N`",
        listed(aliases)
    )]
    InUse {
        /// The model.
        name: String,
        /// The version.
        version: u32,
        /// The aliases that point at it, as `@alias`.
        aliases: Vec<String>,
    },
    /// The alias never pointed elsewhere.
    #[error(
        "{name}@{alias} has no earlier version to go back to: it points at version {current}; promote a version instead"
    )]
    NothingEarlier {
        /// The model.
        name: String,
        /// The alias.
        alias: String,
        /// Where it points.
        current: u32,
    },
    /// The record of a new version breaks a rule.
    #[error("cannot register {name}: {field} is {found}: {rule}")]
    InvalidVersion {
        /// The model.
        name: String,
        /// The field at fault.
        field: String,
        /// What it holds.
        found: String,
        /// What is allowed.
        rule: &'static str,
    },
    /// An export would mix with other files.
    #[error("{} is not an empty folder: export to a new one", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The object store of the registry refuses or fails.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// Artifacts are being collected.
    #[error(
        "artifacts are being collected since {since}; try again later, or remove {url} if its collector was killed"
    )]
    Collecting {
        /// What says so.
        url: String,
        /// Since when.
        since: String,
    },
    /// A version is being registered while artifacts shall be collected.
    #[error(
        "a version is being registered ({url}); try again later, or remove the claim if its writer was killed"
    )]
    Registering {
        /// The writer's claim.
        url: String,
    },
    /// The staging folder belongs to another store.
    #[error("the staging folder {} does not belong to the store {}: stage in the store that registers", staging.display(), root.display())]
    ForeignStaging {
        /// The staging folder.
        staging: PathBuf,
        /// The store.
        root: PathBuf,
    },
}

impl StoreError {
    /// The failure's kind in the words that every surface shares.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => ErrorCode::NotFound,
            Self::Io { .. } => ErrorCode::Unavailable,
            Self::UnknownModel { .. }
            | Self::UnknownVersion { .. }
            | Self::RemovedVersion { .. }
            | Self::UnknownAlias { .. } => ErrorCode::NotFound,
            Self::NewerFormat { .. } => ErrorCode::Unsupported,
            Self::Damaged { .. } | Self::DamagedApplied { .. } | Self::DamagedArtifact { .. } => {
                ErrorCode::Failed
            }
            Self::Refused { .. } | Self::InvalidVersion { .. } => ErrorCode::Invalid,
            Self::InUse { .. } | Self::NothingEarlier { .. } | Self::NotEmpty { .. } => ErrorCode::Conflict,
            Self::Objects(error) => error.code(),
            Self::Collecting { .. } | Self::Registering { .. } => ErrorCode::Conflict,
            Self::ForeignStaging { .. } => ErrorCode::Internal,
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

fn listed(entries: &[String]) -> String {
    match entries.len() {
        0 => "none".to_owned(),
        count if count <= LISTED => entries.join(", "),
        count => format!("{} and {} more", entries[..LISTED].join(", "), count - LISTED),
    }
}

fn models_known(known: &[String], suggestion: Option<&str>) -> String {
    match (known.is_empty(), suggestion) {
        (true, _) => {
            "nothing is registered there; train a model, or name another store with --store".to_owned()
        }
        (false, Some(name)) => format!("did you mean {name:?}? registered are {}", listed(known)),
        (false, None) => format!("registered are {}", listed(known)),
    }
}

fn refusals_listed(refusals: &[Refusal]) -> String {
    let mut parts: Vec<String> = refusals.iter().take(LISTED).map(ToString::to_string).collect();
    if refusals.len() > LISTED {
        parts.push(format!("and {} more", refusals.len() - LISTED));
    }
    parts.join("; ")
}
