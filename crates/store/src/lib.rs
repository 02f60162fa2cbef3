//! Model registry: immutable versions, aliases with history, provenance, in a local folder or an object store.
//!
//! ```text
//! ROOT/format.json                     format of the whole store
//! ROOT/lock                            held by whoever writes
//! ROOT/objects/SHA256/…                artifact folders, named by the hash of their content
//! ROOT/models/NAME/versions/3.json     the record of NAME:3, never rewritten
//! ROOT/models/NAME/versions/3.report.json
//! ROOT/models/NAME/versions/3.cascades.json  thresholds of cascades that end in NAME:3
//! ROOT/models/NAME/versions/3.removed.json   keeps the number of a removed version from being given again
//! ROOT/models/NAME/aliases.json        every change of every alias
//! ROOT/staging/ID/, ROOT/staging/ID.lock     artifacts being written; the lock ends with its process
//! ```
//!
//! Every JSON file is written to a temporary name, flushed, renamed and its folder flushed, and says its
//! `formatVersion`. Readers take no lock. What a killed process leaves behind is ignored, and [`Store::gc`] removes it.
//! A registry in an object store has the same keys, with `models/NAME/versions/3.claim.json` for numbers given and
//! `collecting.json` while artifacts are collected; a folder mirrors it, and conditional writes stand for the lock.
//!
//! What was applied to a running server lies in a folder of its own, `KIND.NAME.json` each, in the same outer form.
//!
//! This crate knows the names and the outer form of an artifact's files, not what they mean.

mod admission;
mod alias;
mod applied;
mod cascade;
mod collect;
mod diff;
mod durable;
mod envelope;
mod error;
mod lock;
mod nearest;
mod record;
mod register;
mod remote;
mod staging;
mod store;
mod transfer;
mod tree;

pub use admission::{Refusal, RefusalReason};
pub use alias::{AliasAction, AliasChange};
pub use applied::{AppliedFolder, AppliedResource};
pub use cascade::{CalibratedVersion, CascadeCalibration, Tradeoff};
pub use collect::GcReport;
pub use diff::Difference;
pub use envelope::FORMAT_VERSION;
pub use error::StoreError;
pub use record::{FileRecord, ModelSummary, NewVersion, Resolved, VersionRecord};
pub use register::weights_digest;
pub use staging::Staging;
pub use store::Store;
