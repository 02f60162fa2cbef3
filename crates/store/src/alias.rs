//! Aliases: names that move between versions, with every move remembered.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// What happened to an alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AliasAction {
    /// It was pointed at a version.
    Set,
    /// It went back to an earlier version.
    Rollback,
    /// It was taken away.
    Removed,
}

/// One change of an alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AliasChange {
    /// What happened.
    pub action: AliasAction,
    /// Where the alias points from then on; for a removal, where it pointed.
    pub version: u32,
    /// When, RFC 3339.
    pub at: String,
}

/// Every change of every alias of one model, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AliasLog {
    aliases: BTreeMap<String, Vec<AliasChange>>,
    /// Versions that are removed or about to be, in an object store, where no lock keeps an alias from being pointed at one.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    removed: BTreeSet<u32>,
}

impl AliasLog {
    /// Where `alias` points.
    pub(crate) fn current(&self, alias: &str) -> Option<u32> {
        self.trail(alias).last().copied()
    }

    /// Where each alias points.
    pub(crate) fn all(&self) -> BTreeMap<String, u32> {
        self.aliases.keys().filter_map(|alias| Some((alias.clone(), self.current(alias)?))).collect()
    }

    /// Every change of `alias`, oldest first.
    pub(crate) fn history(&self, alias: &str) -> &[AliasChange] {
        self.aliases.get(alias).map_or(&[], Vec::as_slice)
    }

    /// The version to go back to: the last one before the current that still exists.
    pub(crate) fn earlier(&self, alias: &str, exists: impl Fn(u32) -> bool) -> Option<u32> {
        let trail = self.trail(alias);
        let current = trail.last()?;
        trail.iter().rev().find(|version| *version != current && exists(**version)).copied()
    }

    /// Whether a version is removed or about to be.
    pub(crate) fn is_removed(&self, version: u32) -> bool {
        self.removed.contains(&version)
    }

    /// Keeps every alias from being pointed at a version from now on.
    pub(crate) fn bar(&mut self, version: u32) {
        self.removed.insert(version);
    }

    /// Adds a change.
    pub(crate) fn push(&mut self, alias: &str, change: AliasChange) {
        self.aliases.entry(alias.to_owned()).or_default().push(change);
    }

    /// The versions from the first to the current one; going back shortens it.
    fn trail(&self, alias: &str) -> Vec<u32> {
        let mut trail = Vec::new();
        for change in self.history(alias) {
            match change.action {
                AliasAction::Set => trail.push(change.version),
                AliasAction::Removed => trail.clear(),
                AliasAction::Rollback => {
                    let before_current = trail.len().saturating_sub(1);
                    match trail[..before_current].iter().rposition(|version| *version == change.version) {
                        Some(place) => trail.truncate(place + 1),
                        None => trail.push(change.version),
                    }
                }
            }
        }
        trail
    }
}
