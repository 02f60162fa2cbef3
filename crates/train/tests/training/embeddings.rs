//! Trainings of embeddings, on pairs with scores and on pairs that belong together.
#![expect(clippy::unwrap_used, reason = "a test's helper fails by panicking")]

use std::path::PathBuf;

use loquat_data::{Input, Location, Part, Row, Table, text_key};
use loquat_infer::Pipeline;
use loquat_spec::{Family, Metric, ModelReference, ModelSource, Task, Training};
use loquat_train::{Backbone, Cancel, Outcome, Request, TrainError, Trained, reproduce, train};

use crate::encoders::backbone;
use crate::support::{Numbers, Place, StopAfter, TOPICS, training};

fn table(inputs: Vec<Input>, test: usize) -> Table {
    let count = inputs.len();
    let row = |(number, input): (usize, Input)| Row {
        id: None,
        key: text_key(&format!("{number}")),
        input,
        labels: Vec::new(),
        shares: Vec::new(),
        domain: None,
        language: None,
        group: None,
        weight: 1.0,
        part: if number + test < count { Part::Train } else { Part::Test },
        leaked: false,
        location: Location::default(),
        number,
    };
    let mut table = Table {
        name: "synthetic".to_owned(),
        task: Task::Embedding,
        labels: Vec::new(),
        languages: Vec::new(),
        domains: Vec::new(),
        rows_read: count,
        rows: inputs.into_iter().enumerate().map(row).collect(),
        findings: Vec::new(),
        hash: String::new(),
        files: Vec::new(),
    };
    table.hash = table.content_hash();
    table
}

fn words(topic: usize, numbers: &mut Numbers) -> String {
    (0..3).map(|_| TOPICS[topic][numbers.below(5)]).collect::<Vec<_>>().join(" ")
}

/// Two texts are alike where their topics are.
fn scored(rows: usize, test: usize) -> Table {
    let mut numbers = Numbers(5);
    let input = |_| {
        let topic = numbers.below(4);
        let other = if numbers.below(2) == 0 { topic } else { numbers.below(4) };
        let (first, second) = (words(topic, &mut numbers), words(other, &mut numbers));
        let score = if topic == other { 4.0 } else { 1.0 } + numbers.below(2) as f32 / 4.0;
        Input::Alike { first, second, negative: None, score: Some(score) }
    };
    table((0..rows + test).map(input).collect(), test)
}

/// A text of one half of the topics belongs to the text with the words that stand in the same places of the other half.
fn together(rows: usize, test: usize) -> Table {
    let mut numbers = Numbers(9);
    let input = |_| {
        let places: Vec<(usize, usize)> = (0..3).map(|_| (numbers.below(2), numbers.below(5))).collect();
        let text = |half: usize| -> String {
            places.iter().map(|(topic, word)| TOPICS[half + topic][*word]).collect::<Vec<_>>().join(" ")
        };
        Input::Alike { first: text(0), second: text(2), negative: None, score: None }
    };
    table((0..rows + test).map(input).collect(), test)
}

fn of(metric: Metric) -> Training {
    let mut training = training(1);
    training.metric = metric;
    training.search.families = vec![Family::Encoder];
    training.backbones = vec![ModelSource::Folder("./bert-embedding".to_owned())];
    training
}

fn run(place: &Place, training: &Training, table: &Table) -> Result<Trained, TrainError> {
    let (cancel, backbones) = (Cancel::new(), vec![backbone(place, "bert-embedding")]);
    train(&Request { backbones, ..place.request(training, table, &cancel) })
}

fn artifact(place: &Place) -> PathBuf {
    place.store.resolve(&"synthetic".parse::<ModelReference>().unwrap()).unwrap().path
}

fn baseline(trained: &Trained, name: &str) -> f64 {
    let found = trained.report.baselines.iter().find(|baseline| baseline.name == name);
    found.unwrap_or_else(|| panic!("{:?}", trained.report.baselines)).value
}

#[test]
fn scores_are_learned_and_the_untuned_backbone_stands_beside() {
    let place = Place::new();
    let trained = run(&place, &of(Metric::Spearman), &scored(2000, 200)).unwrap();
    let report = &trained.report;
    assert_eq!(trained.outcome, Outcome::Completed, "{:?}", report.notes);
    let score = report.test_score().unwrap();
    let untuned = baseline(&trained, "the backbone untuned");
    assert!(score.value > untuned + 0.15 && score.value > 0.4, "{score:?} against {untuned}");
    assert!(score.low < score.value && score.value < score.high);
    let metrics: Vec<&str> = report.test.as_ref().unwrap().metrics.keys().map(String::as_str).collect();
    assert_eq!(metrics, ["pearson", "spearman"]);
    let int8 = baseline(&trained, "this model in int8");
    assert!((int8 - score.value).abs() < 0.05, "{int8}");
    assert_eq!(report.trials[0].parameters["solver"], "untuned");
    assert_eq!(report.trials[1].parameters["loss"], "cosent");
    assert!(report.trials.iter().all(|trial| trial.family == "encoder"));
    assert!(
        report.notes.iter().any(|note| note.contains("held-out pairs of one split")),
        "{:?}",
        report.notes
    );
    assert!(!report.markdown().contains("cross-validation"), "nothing was cross-validated");
    let folder = artifact(&place);
    for file in ["config.json", "model.safetensors", "modules.json", "1_Pooling/config.json", "vocab.txt"] {
        assert!(folder.join(file).is_file(), "{file} is missing");
    }
    let pipeline = Pipeline::load(&folder).unwrap();
    assert_eq!((pipeline.task(), pipeline.manifest().golden.len()), (Task::Embedding, 8));
}

#[test]
fn pairs_that_belong_together_find_each_other() {
    let place = Place::new();
    let trained = run(&place, &of(Metric::NdcgAt10), &together(2500, 100)).unwrap();
    let report = &trained.report;
    assert_eq!(trained.outcome, Outcome::Completed, "{:?}", report.notes);
    let (score, untuned) = (report.test_score().unwrap().value, baseline(&trained, "the backbone untuned"));
    assert!(score > untuned + 0.2, "{score} against {untuned}");
    let negatives: Vec<_> =
        report.trials.iter().filter_map(|trial| trial.parameters.get("negatives")?.as_str()).collect();
    assert_eq!(negatives, ["in-batch", "mined"]);
    let metrics = &report.test.as_ref().unwrap().metrics;
    let value = |name: &str| metrics[name].value;
    assert!(value("recall-at-1") <= value("mrr-at-10") && value("mrr-at-10") <= value("ndcg-at-10"));
    assert!(value("ndcg-at-10") <= value("recall-at-10"));
}

#[test]
fn the_weights_depend_on_inputs_alone() {
    let (training, table) = (of(Metric::NdcgAt10), together(160, 20));
    let run = |threads: usize, interruptions: &[i64]| {
        let place = Place::new();
        let backbones: Vec<Backbone> = vec![backbone(&place, "bert-embedding")];
        for steps in interruptions {
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
        assert!(reproduce(&request, &trained.report.cuts, &record.weights_digest).unwrap().identical);
        record.weights_digest
    };
    let expected = run(2, &[]);
    assert_eq!(run(1, &[]), expected);
    assert_eq!(run(3, &[5, 14, 25]), expected);
}

#[test]
fn a_champion_that_embeds_better_stays() {
    let place = Place::new();
    let (good, table) = (of(Metric::Spearman), scored(2000, 200));
    assert!(run(&place, &good, &table).unwrap().promoted);
    // Scores that say the contrary of what the champion learned: what learns from them is worse on the test rows.
    let mut turned = table.clone();
    for row in turned.rows.iter_mut().filter(|row| row.part == Part::Train) {
        let Input::Alike { score: Some(score), .. } = &mut row.input else { panic!("the rows are scored") };
        *score = -*score;
    }
    turned.hash = turned.content_hash();
    let worse = run(&place, &good, &turned).unwrap();
    assert!(!worse.promoted && worse.promotion_reason.contains("worse"), "{}", worse.promotion_reason);
}

#[test]
fn too_few_pairs_are_refused() {
    let error = run(&Place::new(), &of(Metric::Spearman), &scored(3, 0)).unwrap_err();
    assert!(error.to_string().contains("3 pairs"), "{error}");
}
