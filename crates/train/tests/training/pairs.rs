//! Trainings on pairs of texts.
#![expect(clippy::unwrap_used, reason = "a test's helper fails by panicking")]

use loquat_data::{Input as RowInput, Location, Part, Row, Table, text_key};
use loquat_infer::{Input, Pipeline};
use loquat_spec::{
    Family, Metric, ModelReference, ModelSource, PredictParameters, Prediction, Task, Training, ZeroShot,
};
use loquat_train::{Cancel, Outcome, Report, Request};

use crate::encoders::backbone;
use crate::support::{Numbers, Place, training};

const THINGS: [&str; 8] = ["refund", "parcel", "password", "screen", "river", "bread", "music", "garden"];

/// The second text names a thing of the first, or denies it, or names another; with `given_away`, words of its own say which.
pub(crate) fn table(given_away: bool) -> Table {
    let mut numbers = Numbers(11);
    let row = |number: usize| {
        let (first, other) = (numbers.below(8), numbers.below(7));
        let other = THINGS[(first + 1 + other) % 8];
        let premise = format!("it is about the {} and the {}", THINGS[first], THINGS[(first + 3) % 8]);
        let label = numbers.below(3);
        let filler = if given_away { ["surely", "never", "perhaps"][label] } else { "now" };
        let hypothesis = match label {
            0 => format!("the {} {filler} matters", THINGS[first]),
            1 => format!("not the {} {filler} matters", THINGS[first]),
            _ => format!("the {other} {filler} matters"),
        };
        Row {
            id: None,
            key: text_key(&format!("{premise} {hypothesis} {number}")),
            input: RowInput::Pair { premise, hypothesis },
            labels: vec![[1, 0, 2][label]],
            shares: Vec::new(),
            language: None,
            domain: None,
            group: None,
            weight: 1.0,
            part: if number < 240 { Part::Train } else { Part::Test },
            leaked: false,
            location: Location::default(),
            number,
        }
    };
    let rows: Vec<Row> = (0..320).map(row).collect();
    let mut table = Table {
        name: "synthetic".to_owned(),
        task: Task::TextPairClassification,
        labels: ["contradiction", "entailment", "neutral"].map(str::to_owned).to_vec(),
        languages: Vec::new(),
        domains: Vec::new(),
        rows_read: rows.len(),
        rows,
        findings: Vec::new(),
        hash: String::new(),
        files: Vec::new(),
    };
    table.hash = table.content_hash();
    table
}

pub(crate) fn of_pairs(trials: usize) -> Training {
    Training { metric: Metric::Accuracy, ..training(trials) }
}

fn alone(report: &Report) -> f64 {
    report.baselines.iter().find(|baseline| baseline.name == "the second text alone").unwrap().value
}

#[test]
fn pairs_are_learned_and_answer_zero_shot() {
    let place = Place::new();
    let trained = place.train(&of_pairs(10), &table(false)).unwrap();
    let report = &trained.report;
    assert_eq!(trained.outcome, Outcome::Completed, "{:?}", report.notes);
    assert!(report.test_score().unwrap().value > 0.8, "{:?}", report.test_score());
    assert!(report.test_score().unwrap().value > alone(report) + 0.1);
    assert!(report.inspection.as_ref().unwrap().mistakes.iter().all(|mistake| mistake.text.contains('‖')));
    let folder = place.store.resolve(&"synthetic".parse::<ModelReference>().unwrap()).unwrap().path;
    let pipeline = Pipeline::load(&folder).unwrap();
    assert!(pipeline.manifest().golden.iter().all(|golden| golden.second.is_some()));
    assert_eq!(pipeline.manifest().template.as_deref(), Some("This example is {label}."));
    let parameters = PredictParameters::default();
    let pair = Input::pair("it is about the river and the bread", "not the river now matters");
    let answers = pipeline.predict(&[pair], &parameters, 1).unwrap();
    assert!(
        matches!(&answers[0], Prediction::Label { label, .. } if label == "contradiction"),
        "{answers:?}"
    );
    let explained = PredictParameters { explain: true, ..PredictParameters::default() };
    assert!(pipeline.check_parameters(&explained).is_err(), "pieces of a pair are not told apart");
    let zero_shot = pipeline.answering(Some(&ZeroShot::default())).unwrap();
    let labels = Some(vec!["river".to_owned(), "screen".to_owned()]);
    let parameters = PredictParameters { labels, ..PredictParameters::default() };
    let answers = zero_shot.predict(&[Input::new("it is about the river")], &parameters, 1).unwrap();
    assert!(matches!(&answers[0], Prediction::Labels { labels } if labels.len() == 2), "{answers:?}");
}

#[test]
fn labels_that_the_second_text_gives_away_are_told() {
    let told = |given_away: bool| {
        let trained = Place::new().train(&of_pairs(3), &table(given_away)).unwrap();
        let warns = trained.report.notes.iter().any(|note| note.contains("the second text alone reaches"));
        (warns, alone(&trained.report))
    };
    let ((warns, alone), (_, without)) = (told(true), told(false));
    assert!(warns && alone > 0.95, "{alone}");
    assert!(without < 0.9, "{without}");
}

#[test]
fn an_encoder_reads_both_texts_and_answers_zero_shot() {
    let place = Place::new();
    let mut training = of_pairs(3);
    training.search.families = vec![Family::Encoder];
    training.backbones = vec![ModelSource::Folder("./bert-embedding".to_owned())];
    let (table, cancel) = (table(true), Cancel::new());
    let backbones = vec![backbone(&place, "bert-embedding")];
    let request = Request { backbones, ..place.request(&training, &table, &cancel) };
    let trained = loquat_train::train(&request).unwrap();
    assert_eq!(trained.outcome, Outcome::Completed, "{:?}", trained.report.notes);
    let tuned = trained.report.trials.last().unwrap();
    assert_eq!(tuned.parameters["solver"], "fine-tune");
    let folder = place.store.resolve(&"synthetic".parse::<ModelReference>().unwrap()).unwrap().path;
    let pipeline = Pipeline::load(&folder).unwrap();
    let pair = |second: &str| Input::pair("it is about the river", second);
    let answers = pipeline.outputs(&[pair("the river matters"), pair("the garden matters")], 1).unwrap();
    assert!(answers.iter().all(|row| row.len() == 3) && answers[0] != answers[1], "{answers:?}");
    let zero_shot = pipeline.answering(Some(&ZeroShot::default())).unwrap();
    assert_eq!(zero_shot.task(), Task::ZeroShotClassification);
}
