//! What the encoders of a search start from: the backbones of the resource or an encoder of its own, what a teacher makes of
//! them, and what unlabelled texts do.
//!
//! Models that are made on the way lie in the cache under the hash of all that they depend on, so that they are made once.

use std::path::{Path, PathBuf};

use loquat_models::Checkpoint;

use super::backbone::Backbone;
use super::{adaptation, from_scratch, student};
use crate::error::{Halt, TrainError};
use crate::request::sha256;
use crate::run::Run;

/// Form of what is made; another number, and all is made again.
const FORMAT: &str = "backbone 1";

/// Whether the search starts from a backbone adapted to unlabelled texts too; with a teacher, it labels them instead, and an
/// encoder from scratch has learned them already.
pub(crate) fn adapts(training: &loquat_spec::Training) -> bool {
    training.unlabelled.is_some() && training.teacher.is_none() && !training.is_from_scratch()
}

/// What the encoders of the run start from, in order.
pub(super) fn prepare(run: &Run<'_>) -> Result<Vec<Backbone>, Halt> {
    let given = &run.request.backbones;
    if run.request.training.is_from_scratch() {
        return Ok(vec![from_scratch::made_of_texts(run)?]);
    }
    if run.request.training.teacher.is_some() {
        return given.iter().map(|backbone| student::of(run, backbone)).collect();
    }
    let mut all = given.clone();
    if adapts(run.request.training)
        && let Some(first) = given.first()
    {
        all.push(adaptation::adapted(run, first)?);
    }
    Ok(all)
}

/// The model that `make` makes of `backbone`, where it is not there already. `what` says what is made.
pub(super) fn derived(
    run: &Run<'_>,
    backbone: &Backbone,
    (what, key): (&str, &str),
    make: impl FnOnce() -> Result<Checkpoint, Halt>,
) -> Result<Backbone, Halt> {
    let digest = sha256(format!("{FORMAT}\n{}\n{key}", backbone.digest).as_bytes());
    let folder = place(run, &digest);
    if !folder.is_dir() {
        let checkpoint = make()?;
        made(folder.clone(), |folder| Ok(checkpoint.save(folder)?))?;
    }
    Ok(Backbone { name: format!("{}, {what}", backbone.name), folder, digest })
}

/// Where the model with this digest lies, or will lie.
pub(super) fn place(run: &Run<'_>, digest: &str) -> PathBuf {
    run.request.cache_dir.as_ref().unwrap_or(&run.request.run_dir).join("backbones").join(digest)
}

/// The folder, which `write` fills where it is not there. It is written beside its place and renamed, so that a killed run leaves
/// nothing half.
pub(super) fn made(
    folder: PathBuf,
    write: impl FnOnce(&Path) -> Result<(), TrainError>,
) -> Result<PathBuf, TrainError> {
    if folder.is_dir() {
        return Ok(folder);
    }
    let beside: PathBuf = folder.with_extension(format!("{}.part", std::process::id()));
    std::fs::create_dir_all(&beside).map_err(TrainError::file("create", &beside))?;
    write(&beside)?;
    match std::fs::rename(&beside, &folder) {
        // Another run was faster.
        Err(_) if folder.is_dir() => {
            std::fs::remove_dir_all(&beside).map_err(TrainError::file("remove", &beside))?;
        }
        moved => moved.map_err(TrainError::file("write", &folder))?,
    }
    Ok(folder)
}
