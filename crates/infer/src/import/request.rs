//! The import itself.

use std::collections::BTreeMap;
use std::path::Path;

use loquat_models::{Golden, Manifest};
use loquat_spec::{Model, Precision, Task};

use crate::compute::Compute;
use crate::encoder::EncoderEngine;
use crate::engine::Artifact;
use crate::error::InferError;
use crate::import::agreement::{self, Agreement};
use crate::import::card;
use crate::import::error::ImportError;
use crate::import::files::{self, SourceFiles, failed};
use crate::import::samples;
use crate::input::Input;
use crate::zero_shot::{Entailment, TEMPLATE};

const CARD: &str = "model-card.md";
/// Threshold of each label of a multi-label model that brings none.
pub(super) const THRESHOLD: f32 = 0.5;
/// Largest difference between a golden score and its replay, which another processor may compute: sums in f32 differ by
/// rounding, which quantised activations turn into a step of eight bits here and there.
const TOLERANCE_F32: f32 = 1e-4;
const TOLERANCE_INT8: f32 = 1e-2;

/// What to import, and how.
#[derive(Debug, Clone, Copy)]
pub struct Import<'a> {
    /// The resource.
    pub model: &'a Model,
    /// The model's files.
    pub files: &'a SourceFiles,
    /// Where they come from, as the card says it.
    pub source: &'a str,
    /// Texts to measure the loss of int8 on; those of Loquat when empty.
    pub texts: &'a [String],
    /// What it is computed with.
    pub compute: Compute,
    /// Number of threads.
    pub threads: usize,
}

/// What an import found.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// Metrics by name: `agreement`, where it was measured.
    pub metrics: BTreeMap<String, f64>,
    /// In a line: architecture, labels or dimension, precision.
    pub summary: String,
}

/// Writes the artifact into `folder`, which is empty: the model's files, its manifest with golden examples, its card. An ONNX
/// file keeps its own precision.
///
/// # Errors
/// When the model is of no supported architecture, has another head than its task asks for, or loses more to int8 than
/// the resource allows.
pub fn import(request: &Import<'_>, folder: &Path) -> Result<Imported, InferError> {
    request.files.copy(folder)?;
    let first = first_manifest(request.model);
    first.save(folder)?;
    if request.files.is_onnx() && request.model.precision == Precision::Int8 {
        return Err(ImportError::OnnxPrecision.into());
    }
    // Its files change yet, so nothing of them is mapped.
    let artifact = Artifact { folder, packed: None };
    let named = EncoderEngine::load(artifact, first.clone(), request.compute)?;
    let manifest = manifest(request, first, &named)?;
    let full = named.with_manifest(manifest.clone());
    let (mut engine, agreement) = match request.model.precision {
        Precision::F32 => (full, None),
        Precision::Int8 => {
            let (int8, agreement) = quantised(request, manifest, &full, folder)?;
            (int8, Some(agreement))
        }
    };
    let inputs = samples::golden(request.model.task);
    let scores = engine.outputs(&inputs, 1)?;
    let golden =
        |(input, scores): (Input, Vec<f32>)| Golden { input: input.text, second: input.second, scores };
    engine.manifest_mut().golden = inputs.into_iter().zip(scores).map(golden).collect();
    engine.manifest().save(folder)?;
    let named = (request.model.name.as_str(), request.source);
    let card = card::card(named, &engine, agreement.map(|found| (found, !request.texts.is_empty())));
    let path = folder.join(CARD);
    std::fs::write(&path, card).map_err(failed("write", &path))?;
    let metrics = agreement.map(|found| ("agreement".to_owned(), found.value)).into_iter().collect();
    Ok(Imported { metrics, summary: summary(&engine, agreement) })
}

/// The sentence that labels are put into, of an entailment model.
pub(super) fn template(model: &Model, labels: &[String]) -> Option<String> {
    let entails = crate::pipeline::reads_pairs(model.task) && Entailment::of(labels).is_some();
    entails.then(|| model.template.clone().unwrap_or_else(|| TEMPLATE.to_owned()))
}

/// Enough of a manifest to load the model with and to ask it for its labels.
fn first_manifest(model: &Model) -> Manifest {
    let mut manifest = Manifest::new(model.task, model.labels.clone().unwrap_or_default(), Vec::new());
    manifest.max_tokens = model.max_length;
    manifest
}

fn manifest(request: &Import<'_>, first: Manifest, named: &EncoderEngine) -> Result<Manifest, InferError> {
    let model = request.model;
    let own = named.own_labels();
    let labels = match &model.labels {
        Some(given) if given.len() != own.len() => {
            return Err(ImportError::Labels { given: given.len(), found: own.len() }.into());
        }
        Some(given) => given.clone(),
        None => own.to_vec(),
    };
    if model.task == Task::ZeroShotClassification && Entailment::of(&labels).is_none() {
        return Err(ImportError::NoEntailment { found: labels.join(", ") }.into());
    }
    let mut manifest = Manifest { labels, ..first };
    manifest.thresholds =
        (model.task == Task::MultiLabelClassification).then(|| vec![THRESHOLD; manifest.labels.len()]);
    manifest.template = template(model, &manifest.labels);
    // The numbers of an ONNX file are its own.
    manifest.precision = (!named.network().is_onnx()).then_some(Precision::F32);
    manifest.tolerance = if named.network().quantises() { TOLERANCE_INT8 } else { TOLERANCE_F32 };
    manifest.provenance =
        serde_json::json!({ "source": request.source, "architecture": named.architecture() });
    Ok(manifest)
}

/// Puts the weights in eight bits and computes with them: with quantised activations where that agrees well enough with
/// full precision, else with products in full precision, which the weights alone change less.
fn quantised(
    request: &Import<'_>,
    manifest: Manifest,
    full: &EncoderEngine,
    folder: &Path,
) -> Result<(EncoderEngine, Agreement), InferError> {
    files::quantise(folder)?;
    let int8 = Manifest { precision: Some(Precision::Int8), tolerance: TOLERANCE_INT8, ..manifest.clone() };
    let artifact = Artifact { folder, packed: None };
    let int8 = EncoderEngine::load(artifact, int8, request.compute)?;
    let wanted = request.model.agreement.fraction();
    let activations = measure(request, full, &int8)?;
    if activations.value >= wanted {
        return Ok((int8, activations));
    }
    let weights_only = EncoderEngine::load(artifact, manifest, request.compute)?;
    let weights = measure(request, full, &weights_only)?;
    if weights.value >= wanted {
        return Ok((weights_only, weights));
    }
    Err(ImportError::Agreement {
        found: activations.value,
        weights: weights.value,
        wanted,
        measure: activations.measure,
    }
    .into())
}

fn measure(
    request: &Import<'_>,
    full: &EncoderEngine,
    other: &EncoderEngine,
) -> Result<Agreement, InferError> {
    let inputs = samples::measured(request.model.task, request.texts);
    let outputs = |engine: &EncoderEngine| engine.outputs(&inputs, request.threads);
    Ok(agreement::of(full.manifest(), &outputs(full)?, &outputs(other)?))
}

fn summary(engine: &EncoderEngine, agreement: Option<Agreement>) -> String {
    let manifest = engine.manifest();
    let precision = match (manifest.precision.unwrap_or_default(), agreement) {
        (Precision::F32, Some(_)) => "int8 weights, f32 products",
        _ if engine.network().quantises() => "quantised as in its file",
        (precision, _) => precision.as_str(),
    };
    let labels = match manifest.labels.len() {
        0 => String::new(),
        labels => format!(", {labels} labels"),
    };
    let agreement = agreement
        .map_or(String::new(), |found| format!(" (agreement {:.4}: {})", found.value, found.measure));
    format!("{}{labels}, {precision}{agreement}", engine.architecture())
}
