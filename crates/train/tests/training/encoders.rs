//! Trainings that start from a tiny pretrained encoder.
#![expect(clippy::unwrap_used, reason = "a test's helper fails by panicking")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

use loquat_infer::Pipeline;
use loquat_spec::{Bytes, Constraints, Family, Metric, ModelReference, ModelSource, Task, Training};
use loquat_train::{Backbone, Cancel, Outcome, Progress, Request, TrainError, Trained, reproduce, train};

use crate::support::{Place, StopAfter, TableConfig, table, tokenizer_json, training, vocabulary};

/// A tiny random encoder of `transformers` under a vocabulary that knows the words of the texts.
pub(crate) fn backbone(place: &Place, name: &str) -> Backbone {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/reference").join(name);
    let folder = place.folder.path().join(name);
    for file in ["config.json", "model.safetensors", "modules.json", "1_Pooling/config.json"] {
        if from.join(file).is_file() {
            std::fs::create_dir_all(folder.join(file).parent().unwrap()).unwrap();
            std::fs::copy(from.join(file), folder.join(file)).unwrap();
        }
    }
    std::fs::write(folder.join("vocab.txt"), vocabulary(61)).unwrap();
    Backbone { name: format!("./{name}"), folder, digest: name.to_owned() }
}

pub(crate) fn of_families(families: &[Family], trials: usize) -> Training {
    let mut training = training(trials);
    training.search.families = families.to_vec();
    training.backbones = vec![ModelSource::Folder("./bert-embedding".to_owned())];
    training
}

pub(crate) fn run(place: &Place, training: &Training, data: &TableConfig) -> Result<Trained, TrainError> {
    let (table, cancel) = (table(data), Cancel::new());
    let backbones = vec![backbone(place, "bert-embedding")];
    train(&Request { backbones, ..place.request(training, &table, &cancel) })
}

pub(crate) fn short(rows: usize) -> TableConfig {
    TableConfig { rows, short: true, ..TableConfig::default() }
}

fn artifact(place: &Place) -> PathBuf {
    place.store.resolve(&"synthetic".parse::<ModelReference>().unwrap()).unwrap().path
}

#[test]
fn an_encoder_is_trained_registered_and_served() {
    let place = Place::new();
    let training = of_families(&[Family::Encoder], 8);
    let trained = run(&place, &training, &TableConfig { test: 200, ..short(400) }).unwrap();
    assert_eq!(trained.outcome, Outcome::Completed, "{:?}", trained.report.notes);
    let report = &trained.report;
    assert!(report.trials.iter().all(|trial| trial.family == "encoder"));
    assert_eq!(report.outer.folds.len(), 3);
    let score = report.test_score().unwrap().value;
    // What is served answers as what the search scored.
    let held_out = report.best_search.unwrap();
    assert!((score - held_out).abs() < 0.12, "{score} where the search had {held_out}");
    assert!(score > 0.45 && score > report.baseline.unwrap() + 0.2, "{score}");
    assert!(report.calibration.ece.unwrap() < 0.3);
    let loss = report.quantisation.as_ref().unwrap();
    assert!(loss.rows == 200 && (loss.full - score).abs() < 1e-12, "{loss:?}");
    assert!((loss.lost - (loss.full - loss.int8)).abs() < 1e-12 && loss.lost.abs() < 0.05, "{loss:?}");
    assert!(loss.unchanged.unwrap() > 0.9 && loss.bytes < loss.bytes_before, "{loss:?}");
    assert!(report.pareto.is_empty(), "one family without constraints is no choice between prices");
    let folder = artifact(&place);
    for file in ["config.json", "model.safetensors", "modules.json", "2_Dense/model.safetensors", "vocab.txt"]
    {
        assert!(folder.join(file).is_file(), "{file} is missing");
    }
    let pipeline = Pipeline::load(&folder).unwrap();
    assert_eq!(pipeline.manifest().golden.len(), 8);
    let probabilities = pipeline.probabilities(&["refund invoice payment", "courier parcel"], 1).unwrap();
    assert!(probabilities.iter().all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-4));
    let kept = std::fs::read_dir(place.folder.path().join("cache/features")).unwrap().count();
    assert_eq!(kept, 1, "the features of the backbone are kept");
}

#[test]
fn sets_of_labels_are_learned_on_features_too() {
    let place = Place::new();
    let training = of_families(&[Family::Encoder], 4);
    let data = TableConfig { multi_label: true, ..short(400) };
    let trained = run(&place, &training, &data).unwrap();
    assert_eq!(trained.outcome, Outcome::Completed, "{:?}", trained.report.notes);
    let pipeline = Pipeline::load(&artifact(&place)).unwrap();
    assert_eq!(pipeline.task(), Task::MultiLabelClassification);
    assert_eq!(pipeline.manifest().thresholds.as_ref().unwrap().len(), 4);
    assert!(trained.report.test_score().unwrap().value > 0.4);
}

#[test]
fn both_families_are_searched_and_the_runner_up_has_a_price() {
    let place = Place::new();
    let training = of_families(&[Family::Linear, Family::Encoder], 24);
    let trained = run(&place, &training, &short(400)).unwrap();
    let report = &trained.report;
    let families: std::collections::BTreeSet<&str> =
        report.trials.iter().map(|trial| trial.family.as_str()).collect();
    assert_eq!(families.into_iter().collect::<Vec<_>>(), ["encoder", "linear"]);
    assert_eq!(report.pareto.len(), 2, "{:?}", report.pareto);
    assert!(report.pareto.iter().all(|row| row.cost.artifact_bytes > 0));
    assert_eq!(report.pareto.iter().filter(|row| row.chosen).count(), 1);
    let note = report.notes.iter().find(|note| note.contains("runner-up")).unwrap();
    assert!(note.contains("linear: macro-f1") && note.contains("encoder: macro-f1"), "{note}");
}

#[test]
fn constraints_decide_between_the_families() {
    let place = Place::new();
    let mut training = of_families(&[Family::Encoder, Family::Linear], 12);
    training.metric = Metric::Accuracy;
    // Less than the backbone alone has.
    training.constraints = Constraints { artifact: Some(Bytes(28_000)), ..Constraints::default() };
    let trained = run(&place, &training, &short(400)).unwrap();
    assert_eq!(trained.outcome, Outcome::Completed, "{:?}", trained.report.notes);
    let rows = &trained.report.pareto;
    let chosen = rows.iter().find(|row| row.chosen).unwrap();
    assert_eq!(chosen.family, "linear");
    let other = rows.iter().find(|row| row.family == "encoder").unwrap();
    assert!(other.exceeds[0].starts_with("artifact"), "{other:?}");
}

#[test]
fn the_weights_depend_on_inputs_alone() {
    let training = of_families(&[Family::Encoder], 8);
    let table = table(&short(160));
    let run = |threads: usize, interruptions: &[i64]| {
        let place = Place::new();
        let backbones = vec![backbone(&place, "bert-embedding")];
        for steps in interruptions {
            // Some end the search, some the fine-tune after it.
            let cancel = Cancel::new();
            let stop = StopAfter { cancel: &cancel, steps: (*steps).into(), times: 2 };
            let request = place.request(&training, &table, &cancel);
            let ended = train(&Request { progress: &stop, backbones: backbones.clone(), ..request }).unwrap();
            assert_eq!(ended.outcome, Outcome::Cancelled, "ended after {steps} steps");
        }
        let cancel = Cancel::new();
        let request = Request { threads, backbones, ..place.request(&training, &table, &cancel) };
        let trained = train(&request).unwrap();
        let record = trained.record.unwrap();
        let again = reproduce(&request, &trained.report.cuts, &record.weights_digest).unwrap();
        assert!(again.identical);
        // Provenance and the clock stay out of the weights.
        record.weights_digest
    };
    let expected = run(2, &[]);
    assert_eq!(run(1, &[]), expected);
    assert_eq!(run(3, &[1, 7, 20, 60]), expected);
}

#[test]
fn the_best_backbone_is_fine_tuned_and_the_report_says_on_what_its_score_stands() {
    let place = Place::new();
    let training = of_families(&[Family::Encoder], 6);
    let trained = run(&place, &training, &short(300)).unwrap();
    let report = &trained.report;
    let tuned = report.trials.last().unwrap();
    assert_eq!(tuned.parameters["solver"], "fine-tune");
    assert_eq!((tuned.family.as_str(), tuned.folds), ("encoder", 1));
    assert!(tuned.score.is_some_and(|score| score > 0.3), "{tuned:?}");
    assert!(report.cuts.fine_tune.is_some());
    let said = |words: &str| report.notes.iter().any(|note| note.contains(words));
    assert!(said("was trained on one split"), "{:?}", report.notes);
    // What the outer folds are held against is cross-validated as they are.
    assert_eq!(report.fine_tuned, tuned.score);
    let heads = report.trials.iter().filter(|trial| trial.folds == 3).filter_map(|trial| trial.score);
    let best = heads.fold(f64::NEG_INFINITY, f64::max);
    assert!(
        report.best_search.is_some_and(|found| (found - best).abs() < 1e-9),
        "{best}: {:?}",
        report.best_search
    );
    // The run's folder keeps no checkpoint of a training that is over.
    let left: Vec<String> = std::fs::read_dir(place.run_dir().join("fine-tune"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(left, ["split.json"]);
    assert_eq!(report.outer.folds.len(), 3, "outer scores are there without a fine-tune in each fold");
}

/// Ends a run at once, twelve steps after a stage of steps began: in the second epoch of a fine-tune.
struct StopIn<'c> {
    stage: &'static str,
    cancel: &'c Cancel,
    left: AtomicI64,
}

impl<'c> StopIn<'c> {
    fn new(stage: &'static str, cancel: &'c Cancel) -> Self {
        Self { stage, cancel, left: AtomicI64::new(i64::MIN) }
    }
}

impl Progress for StopIn<'_> {
    fn stage(&self, name: &str, total: Option<u64>) {
        if name == self.stage && total.is_some() {
            self.left.store(12, Ordering::SeqCst);
        }
    }

    fn advance(&self, steps: u64) {
        if self.left.fetch_sub(steps as i64, Ordering::SeqCst) == 1 {
            (0..2).for_each(|_| self.cancel.request());
        }
    }

    fn note(&self, _text: &str) {}
}

/// Whether there is time for all rows depends on the machine; that there was none is written into what is repeated.
#[test]
fn a_fine_tune_without_time_for_all_rows_keeps_what_it_learned_on_the_split() {
    let place = Place::new();
    let training = of_families(&[Family::Encoder], 3);
    let (table, cancel) = (table(&short(300)), Cancel::new());
    let backbones = vec![backbone(&place, "bert-embedding")];
    let request = Request { backbones, ..place.request(&training, &table, &cancel) };
    let trained = train(&request).unwrap();
    let (mut cuts, digest) = (trained.report.cuts, trained.record.unwrap().weights_digest);
    cuts.fine_tune.as_mut().unwrap().insert("refit".to_owned(), false.into());
    let split_alone = reproduce(&request, &cuts, &digest).unwrap();
    assert!(!split_alone.identical, "all rows give other weights");
    let request = Request { threads: 1, ..request };
    assert!(reproduce(&request, &cuts, &split_alone.weights_digest).unwrap().identical);
    let left = std::fs::read_dir(place.run_dir().join("fine-tune")).unwrap();
    assert_eq!(left.count(), 1, "the checkpoint goes when it is exported");
}

#[test]
fn a_fine_tune_that_diverges_on_all_rows_leaves_the_heads() {
    let place = Place::new();
    let mut training = of_families(&[Family::Encoder], 3);
    // With a constraint, those that come behind the best are built too.
    training.constraints.memory = Some(Bytes(1_000_000_000));
    let (table, cancel) = (table(&short(300)), Cancel::new());
    let backbones = vec![backbone(&place, "bert-embedding")];
    let stop = StopIn::new("refit", &cancel);
    let request = place.request(&training, &table, &cancel);
    let ended = train(&Request { progress: &stop, backbones: backbones.clone(), ..request }).unwrap();
    assert_eq!(ended.outcome, Outcome::Cancelled, "{:?}", ended.report.notes);
    // The checkpoint goes on from weights that are no numbers.
    let file = place.run_dir().join("fine-tune/final/model.safetensors");
    let mut bytes = std::fs::read(&file).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[8 + header..].fill(0xFF);
    std::fs::write(&file, bytes).unwrap();
    let cancel = Cancel::new();
    let trained = train(&Request { backbones, ..place.request(&training, &table, &cancel) }).unwrap();
    let report = &trained.report;
    assert_eq!(trained.outcome, Outcome::Completed, "{:?}", report.notes);
    assert!(report.notes.iter().any(|note| note.contains("gave no model on all rows")), "{:?}", report.notes);
    let chosen = &report.trials[report.chosen[0]];
    assert_ne!(chosen.parameters["solver"], "fine-tune");
    assert!(report.test_score().unwrap().value > report.baseline.unwrap());
}

#[test]
fn without_time_or_a_backward_pass_the_heads_remain() {
    let place = Place::new();
    let mut training = of_families(&[Family::Encoder], 4);
    training.backbones = vec![ModelSource::Folder("./modernbert-embedding".to_owned())];
    let (table, cancel) = (table(&short(160)), Cancel::new());
    let backbone = backbone(&place, "modernbert-embedding");
    std::fs::write(backbone.folder.join("tokenizer.json"), tokenizer_json()).unwrap();
    let backbones = vec![backbone];
    let trained = train(&Request { backbones, ..place.request(&training, &table, &cancel) }).unwrap();
    assert_eq!(trained.outcome, Outcome::Completed, "{:?}", trained.report.notes);
    let said = |words: &str| trained.report.notes.iter().any(|note| note.contains(words));
    assert!(said("fine-tuning modernbert is not yet supported"), "{:?}", trained.report.notes);
    assert!(trained.report.trials.iter().all(|trial| trial.parameters["solver"] != "fine-tune"));
}

#[test]
fn backbones_must_be_those_of_the_resource() {
    let place = Place::new();
    let training = of_families(&[Family::Encoder], 4);
    let (table, cancel) = (table(&short(160)), Cancel::new());
    let error = train(&place.request(&training, &table, &cancel)).unwrap_err();
    assert!(error.to_string().contains("names 1 backbones and 0 are there"), "{error}");
}

#[test]
fn few_rows_are_learned_from_pairs_too_and_cross_validated() {
    let place = Place::new();
    let training = of_families(&[Family::Linear, Family::Encoder], 6);
    let trained = run(&place, &training, &TableConfig { test: 200, ..short(240) }).unwrap();
    let report = &trained.report;
    assert_eq!(trained.outcome, Outcome::Completed, "{:?}", report.notes);
    let contrasted = report.trials.last().unwrap();
    assert_eq!(contrasted.parameters["solver"], "few-shot");
    assert_eq!((contrasted.family.as_str(), contrasted.folds), ("encoder", 3));
    // A tiny random encoder has little to give; chance is a quarter.
    assert!(contrasted.score.unwrap() > 0.5, "{:?}", contrasted.score);
    let said = |words: &str| report.notes.iter().any(|note| note.contains(words));
    assert!(said("cross-validated on all 3 folds"), "{:?}", report.notes);
    assert!(report.cuts.few_shot.is_some());
}

#[test]
fn a_few_shot_model_is_built_and_measured_where_constraints_ask_for_all_candidates() {
    let place = Place::new();
    let mut training = of_families(&[Family::Encoder], 1);
    training.constraints.memory = Some(Bytes(1_000_000_000));
    let trained = run(&place, &training, &short(160)).unwrap();
    let report = &trained.report;
    let solver = |row: &loquat_train::ParetoRow| report.trials[row.trials[0]].parameters["solver"].clone();
    let built: Vec<_> = report.pareto.iter().map(solver).collect();
    assert!(built.contains(&"few-shot".into()), "{built:?}");
    assert!(report.pareto.iter().all(|row| row.cost.artifact_bytes > 0), "{:?}", report.pareto);
}
