//! The artifact of an embedding: a folder that sentence-transformers opens, with golden examples.

use std::collections::BTreeSet;

use loquat_infer::Input;
use loquat_models::Manifest;
use loquat_spec::{Precision, Task};
use loquat_store::Staging;
use serde_json::{Value, json};

use super::embeddings::Embeddings;
use super::texts::Contrastive;
use super::tune::{TuneConfig, backbone_of, is_untuned};
use crate::artifact::seal;
use crate::error::{Halt, TrainError};
use crate::linear::Parameters;
use crate::random::mix;
use crate::run::Run;

const GOLDEN: usize = 8;
/// Characters of a golden input.
const GOLDEN_LENGTH: std::ops::RangeInclusive<usize> = 8..=120;
/// Index that names the choice of golden inputs.
const GOLD: u64 = 0x601D;

/// The artifact that parameters describe, in a folder to be registered: fitted on all pairs, with golden examples.
pub(super) fn build(
    run: &Run<'_>,
    all: &Embeddings<'_>,
    (open, chosen): (&[Contrastive], &Parameters),
) -> Result<Staging, Halt> {
    let staging = run.request.store.stage()?;
    let place = backbone_of(chosen).map_err(TrainError::from)?;
    let own = open.get(place).ok_or(TrainError::Replay { reason: "it started from another backbone" })?;
    let checkpoint = if is_untuned(chosen) {
        own.checkpoint.clone()
    } else {
        let config = TuneConfig::from_parameters(chosen, run.seed()).map_err(TrainError::from)?;
        let taken = chosen.get("taken").and_then(Value::as_u64).unwrap_or(1) as usize;
        own.checkpoint.with_tensors(config.on_all(run, all, (own, taken))?.trunk_tensors())
    };
    checkpoint.save_embedder(staging.path())?;
    manifest(run, own, chosen).save(staging.path())?;
    seal(staging.path(), golden_inputs(run, all))?;
    Ok(staging)
}

fn manifest(run: &Run<'_>, open: &Contrastive, chosen: &Parameters) -> Manifest {
    let problem = &run.problem;
    let languages: BTreeSet<u32> =
        problem.pool.iter().filter_map(|row| problem.table.rows[*row].language).collect();
    let name = |index: u32| problem.table.languages[index as usize].clone();
    let mut manifest = Manifest::new(Task::Embedding, Vec::new(), languages.into_iter().map(name).collect());
    manifest.max_tokens = Some(open.loaded.max_tokens);
    manifest.precision = Some(Precision::F32);
    let backbones: Vec<&str> = run.request.backbones.iter().map(|one| one.name.as_str()).collect();
    manifest.provenance = json!({
        "name": run.request.training.name.as_str(),
        "dataHash": problem.table.hash,
        "codeVersion": run.request.code_version,
        "metric": problem.metric.as_str(),
        "seed": run.seed(),
        "trials": [chosen],
        "backbones": backbones,
    });
    manifest
}

/// Short texts that are trained on.
fn golden_inputs(run: &Run<'_>, all: &Embeddings<'_>) -> Vec<Input> {
    let text = |number: &u32| all.pairs.texts[*number as usize];
    let mut numbers = all.numbers.clone();
    numbers.sort_by_key(|number| {
        let fits = GOLDEN_LENGTH.contains(&text(number).chars().count());
        (!fits, mix(run.seed(), &[GOLD, u64::from(*number)]), *number)
    });
    numbers.iter().take(GOLDEN).map(|number| Input::new(text(number))).collect()
}
