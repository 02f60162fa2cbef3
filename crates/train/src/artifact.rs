//! Building the artifact of a recipe: fitted on all training rows, with golden examples, measured, and held
//! against the constraints.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use loquat_infer::{Input, Pipeline};
use loquat_models::{Golden, Manifest, Model};
use loquat_spec::{Constraints, Family, Task};
use loquat_store::Staging;
use serde_json::json;

use crate::encoder::{self, leaves_heads};
use crate::error::{Halt, TrainError};
use crate::families;
use crate::metrics::utility;
use crate::problem::decoding;
use crate::random::mix;
use crate::recipe::Recipe;
use crate::report::{Cost, ParetoRow};
use crate::report_origins::TrimmingReport;
use crate::run::Run;
use crate::tagging;
use crate::trimming;

const GOLDEN: usize = 8;
/// Characters of a golden input.
const GOLDEN_LENGTH: std::ops::RangeInclusive<usize> = 8..=120;
/// Bytes kept for what is no weight: labels, golden examples, configuration.
const BESIDES_WEIGHTS: u64 = 24_000;
/// Candidates built for the Pareto table.
const CANDIDATES: usize = 4;
/// The sentence that labels are put into where an entailment model answers zero-shot.
const TEMPLATE: &str = "This example is {label}.";
const TIMED_SINGLY: usize = 200;
const TIMED_TOGETHER: usize = 1000;

/// The artifact chosen, in its staging folder.
pub(crate) struct Built {
    pub(crate) staging: Staging,
    pub(crate) cost: Cost,
    /// Its place among the recipes.
    pub(crate) place: usize,
    pub(crate) pareto: Vec<ParetoRow>,
    /// What trimming its vocabulary did.
    pub(crate) trimming: Option<TrimmingReport>,
    /// Recipes that could not be built, and why.
    pub(crate) notes: Vec<String>,
}

/// Builds recipes in order of merit until one meets the constraints.
pub(crate) fn build_first(run: &Run<'_>, recipes: &[Recipe]) -> Result<Built, Halt> {
    let constraints = &run.request.training.constraints;
    let constrained = *constraints != Constraints::default();
    let fixed = run.replay.as_ref().map(|cuts| cuts.candidate);
    let mut chosen: Option<(usize, Staging, Cost)> = None;
    let mut trimmed: Option<(Option<TrimmingReport>, String)> = None;
    let (mut pareto, mut notes) = (Vec::new(), Vec::new());
    for (place, recipe) in recipes.iter().enumerate() {
        if fixed.is_some_and(|fixed| fixed != place) {
            continue;
        }
        if chosen.is_some() && (!constrained || place >= CANDIDATES) && !is_runner_up(recipe, &pareto) {
            continue;
        }
        if run.request.cancel.level() > 1 {
            return Err(Halt::Cancelled);
        }
        let mut staging = run.request.store.stage()?;
        match build(run, recipe, staging.path()) {
            // A fine-tune may diverge on all rows though it did not on its split; the next best takes its place.
            Err(Halt::Error(error)) if recipe.is_fine_tune() && leaves_heads(&error) => {
                notes.push(format!("the fine-tune gave no model on all rows and is left out: {error}"));
                continue;
            }
            built => built?,
        }
        let mut trimming = None;
        if run.request.training.trim_vocabulary && recipe.family() == Family::Encoder {
            let trimmed = trimming::trim(run, staging)?;
            (staging, trimming) = (trimmed.staging, Some((trimmed.report, trimmed.note)));
        }
        let cost = measure(run, staging.path())?;
        let exceeds = exceeded(constraints, &cost);
        let takes = chosen.is_none() && (exceeds.is_empty() || fixed.is_some());
        pareto.push(ParetoRow {
            family: families::word(recipe.family()).to_owned(),
            trials: recipe.ingredients.iter().map(|part| part.trial).collect(),
            score: utility(run.problem.metric, recipe.utility),
            cost,
            exceeds,
            dominated: false,
            chosen: takes,
        });
        if takes {
            chosen = Some((place, staging, cost));
            trimmed = trimming;
        }
    }
    encoder::forget_split(run)?;
    mark_dominated(&mut pareto, run.problem.metric.lower_is_better());
    let Some((place, staging, cost)) = chosen else { return Err(Halt::NoModel(nothing_fits(&pareto))) };
    let (trimming, note) = trimmed.unzip();
    notes.extend(note);
    Ok(Built {
        staging,
        cost,
        place,
        trimming: trimming.flatten(),
        notes,
        pareto: if constrained || pareto.len() > 1 { pareto } else { Vec::new() },
    })
}

/// Whether `recipe` is the best of its family when none of that family was built, so that its price is not known yet.
fn is_runner_up(recipe: &Recipe, built: &[ParetoRow]) -> bool {
    built.iter().all(|row| row.family != families::word(recipe.family()))
}

fn nothing_fits(pareto: &[ParetoRow]) -> String {
    let tries: Vec<String> = pareto
        .iter()
        .map(|row| format!("trial {:?} exceeds {}", row.trials, row.exceeds.join(" and ")))
        .collect();
    if tries.is_empty() {
        return "no trial gave a model; see the failures of the trials".to_owned();
    }
    format!("no candidate meets spec.constraints: {}; raise the limit", tries.join("; "))
}

/// Fits `recipe` on all training rows and writes the artifact into `folder`.
pub(crate) fn build(run: &Run<'_>, recipe: &Recipe, folder: &Path) -> Result<(), Halt> {
    let manifest = manifest(run, recipe);
    match (recipe.family(), recipe.ingredients.first()) {
        (Family::Encoder, Some(part)) => encoder::export(run, part, manifest, folder)?.save(folder)?,
        _ => {
            let limit = run.request.training.constraints.artifact;
            let most = limit.map(|limit| limit.0.saturating_sub(BESIDES_WEIGHTS).max(limit.0 / 2));
            match (&run.problem.tagging, recipe.ingredients.first()) {
                (Some(tagging), Some(part)) => {
                    tagging::export(run, (tagging, part), (manifest, most), folder)?;
                }
                _ => {
                    let components = recipe.components(run, &run.problem.pool, most)?;
                    Model::new(manifest, components).save(folder)?;
                }
            }
        }
    }
    seal(folder, golden_inputs(run))
}

/// Adds golden examples of `inputs` to the artifact in `folder`. Their outputs come from the artifact as it is read back, so
/// that they prove what serving will load.
pub(crate) fn seal(folder: &Path, inputs: Vec<Input>) -> Result<(), Halt> {
    let saved = Pipeline::load(folder)?;
    let scores = saved.outputs(&inputs, 1)?;
    let golden =
        |(input, scores): (Input, Vec<f32>)| Golden { input: input.text, second: input.second, scores };
    let golden = inputs.into_iter().zip(scores).map(golden).collect();
    Ok(Manifest { golden, ..saved.manifest().clone() }.save(folder)?)
}

/// The manifest without golden examples.
fn manifest(run: &Run<'_>, recipe: &Recipe) -> Manifest {
    let problem = &run.problem;
    let languages: BTreeSet<u32> =
        problem.pool.iter().filter_map(|row| problem.table.rows[*row].language).collect();
    let languages =
        languages.into_iter().map(|index| problem.table.languages[index as usize].clone()).collect();
    let labels = problem.tagging.as_ref().map_or(&problem.table.labels, |tagging| &tagging.tags);
    let mut manifest = Manifest::new(problem.table.task, labels.clone(), languages);
    if problem.table.task == Task::TextPairClassification
        && problem.table.labels.iter().any(|label| is_entailment(label))
    {
        // The hypothesis that labels of other tasks are put into: what the version answers zero-shot with.
        manifest.template = Some(TEMPLATE.to_owned());
    }
    match &problem.tagging {
        Some(_) => manifest.decoding = Some(decoding(recipe.thresholds.as_deref())),
        None => manifest.thresholds = recipe.thresholds.clone(),
    }
    manifest.provenance = json!({
        "name": run.request.training.name.as_str(),
        "dataHash": problem.table.hash,
        "codeVersion": run.request.code_version,
        "metric": problem.metric.as_str(),
        "seed": run.seed(),
        "trials": recipe.ingredients.iter().map(|part| &part.parameters).collect::<Vec<_>>(),
    });
    if recipe.family() == Family::Encoder {
        let starts = run.starts.get().into_iter().flatten();
        let backbones: Vec<&str> = starts.map(|one| one.name.as_str()).collect();
        manifest.provenance["backbones"] = json!(backbones);
        if let Some(teacher) = &run.request.origins.teacher {
            manifest.provenance["teacher"] = json!(teacher.name);
        }
    }
    manifest
}

/// Whether a label says that the second text follows from the first.
fn is_entailment(label: &str) -> bool {
    label.to_lowercase().starts_with("entail")
}

/// Short training texts, of different labels as far as possible.
pub(crate) fn golden_inputs(run: &Run<'_>) -> Vec<Input> {
    let problem = &run.problem;
    let text = |row: usize| problem.text(row);
    let fits = |row: &usize| GOLDEN_LENGTH.contains(&text(*row).chars().count());
    let mut rows: Vec<usize> = problem.pool.iter().copied().filter(fits).collect();
    if rows.is_empty() {
        rows.clone_from(&problem.pool);
    }
    rows.sort_by_key(|row| (mix(run.seed(), &[problem.table.rows[*row].key]), *row));
    let mut seen = BTreeSet::new();
    let (first, rest): (Vec<usize>, Vec<usize>) =
        rows.into_iter().partition(|row| seen.insert(problem.labels()[*row].first().copied()));
    let mut inputs: Vec<Input> = Vec::new();
    for row in first.into_iter().chain(rest) {
        let input = problem.input(row);
        if inputs.len() < GOLDEN && !inputs.contains(&input) {
            inputs.push(input);
        }
    }
    inputs
}

/// Size, memory and speed of the artifact in `folder`, on one thread.
pub(crate) fn measure(run: &Run<'_>, folder: &Path) -> Result<Cost, TrainError> {
    let problem = &run.problem;
    let model = Pipeline::load(folder)?;
    let inputs: Vec<Input> =
        problem.pool.iter().take(TIMED_TOGETHER).map(|row| problem.input(*row)).collect();
    let start = Instant::now();
    model.outputs(&inputs, 1)?;
    let together = start.elapsed().as_secs_f64() * 1e6 / inputs.len().max(1) as f64;
    let mut singly = Vec::new();
    for input in inputs.iter().take(TIMED_SINGLY) {
        let start = Instant::now();
        model.outputs(std::slice::from_ref(input), 1)?;
        singly.push(start.elapsed().as_secs_f64() * 1e6);
    }
    singly.sort_by(f64::total_cmp);
    let slow = singly.get(singly.len() * 95 / 100).copied().unwrap_or(together);
    Ok(Cost {
        artifact_bytes: folder_bytes(folder)?,
        resident_bytes: model.resident_bytes(),
        microseconds_per_text: together,
        single_microseconds: slow,
    })
}

pub(crate) fn folder_bytes(folder: &Path) -> Result<u64, TrainError> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder).map_err(TrainError::file("list", folder))? {
        let path = entry.map_err(TrainError::file("list", folder))?.path();
        let metadata = path.metadata().map_err(TrainError::file("read", &path))?;
        sum += if metadata.is_dir() { folder_bytes(&path)? } else { metadata.len() };
    }
    Ok(sum)
}

pub(crate) fn exceeded(constraints: &Constraints, cost: &Cost) -> Vec<String> {
    let mut exceeds = Vec::new();
    if let Some(limit) = constraints.artifact.filter(|limit| cost.artifact_bytes > limit.0) {
        exceeds.push(format!("artifact: {} bytes of {}", cost.artifact_bytes, limit.0));
    }
    if let Some(limit) = constraints.memory.filter(|limit| cost.resident_bytes > limit.0) {
        exceeds.push(format!("memory: {} bytes of {}", cost.resident_bytes, limit.0));
    }
    if let Some(limit) =
        constraints.latency.filter(|limit| cost.single_microseconds > limit.as_secs_f64() * 1e6)
    {
        exceeds.push(format!(
            "latency: {:.0} µs of {:.0}",
            cost.single_microseconds,
            limit.as_secs_f64() * 1e6
        ));
    }
    exceeds
}

fn mark_dominated(rows: &mut [ParetoRow], lower_is_better: bool) {
    let costs = |row: &ParetoRow| {
        let score = if lower_is_better { row.score } else { -row.score };
        [score, row.cost.artifact_bytes as f64, row.cost.resident_bytes as f64, row.cost.single_microseconds]
    };
    let all: Vec<[f64; 4]> = rows.iter().map(costs).collect();
    let beats = |a: &[f64; 4], b: &[f64; 4]| a.iter().zip(b).all(|(a, b)| a <= b) && a != b;
    for (index, row) in rows.iter_mut().enumerate() {
        row.dominated = all.iter().any(|other| beats(other, &all[index]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(score: f64, bytes: u64, microseconds: f64) -> ParetoRow {
        let cost = Cost {
            artifact_bytes: bytes,
            resident_bytes: bytes,
            microseconds_per_text: microseconds,
            single_microseconds: microseconds,
        };
        ParetoRow {
            family: String::new(),
            trials: vec![0],
            score,
            cost,
            exceeds: vec![],
            dominated: false,
            chosen: false,
        }
    }

    #[test]
    fn worse_and_dearer_candidates_are_dominated() {
        let mut rows = [row(0.9, 100, 10.0), row(0.8, 50, 5.0), row(0.8, 100, 10.0), row(0.9, 100, 10.0)];
        mark_dominated(&mut rows, false);
        assert_eq!(rows.map(|row| row.dominated), [false, false, true, false]);
    }

    #[test]
    fn each_constraint_is_named() {
        let constraints = Constraints {
            artifact: Some(loquat_spec::Bytes(99)),
            memory: Some(loquat_spec::Bytes(100)),
            latency: Some(std::time::Duration::from_micros(9)),
        };
        let exceeds = exceeded(&constraints, &row(0.9, 100, 10.0).cost);
        assert_eq!(exceeds, ["artifact: 100 bytes of 99", "latency: 10 µs of 9"]);
    }
}
