//! Trainings whose encoders start from no backbone.
#![expect(clippy::unwrap_used, reason = "a test's helper fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use loquat_data::{Input as RowInput, Part, Table, text_key};
use loquat_infer::{Input, Pipeline};
use loquat_models::load_tokenizer;
use loquat_spec::{Family, Metric, ModelReference, Name, Task, Training};
use loquat_train::{Cancel, Origins, Outcome, Request, Teacher, TrainError, Trained, reproduce, train};

use crate::support::{Place, StopAfter, TOPICS, TableConfig, WORDS, table, training};
use crate::{pairs, words};

fn encoders(trials: usize) -> Training {
    let mut training = training(trials);
    training.search.families = vec![Family::Encoder];
    training
}

fn short(rows: usize) -> TableConfig {
    TableConfig { rows, short: true, ..TableConfig::default() }
}

fn run(place: &Place, training: &Training, table: &Table, origins: &Origins) -> Result<Trained, TrainError> {
    let cancel = Cancel::new();
    train(&Request { origins: origins.clone(), ..place.request(training, table, &cancel) })
}

fn artifact(place: &Place, reference: &str) -> PathBuf {
    place.store.resolve(&reference.parse::<ModelReference>().unwrap()).unwrap().path
}

/// The pieces of a tokenizer.
fn pieces(folder: &Path) -> BTreeSet<String> {
    let tokenizer = load_tokenizer(folder).unwrap();
    (0..tokenizer.vocabulary_size() as u32).map(|id| tokenizer.token(id).unwrap()).collect()
}

/// A table whose only word `word` is in the rows of `part`.
fn with_word(mut table: Table, part: Part, word: &str) -> Table {
    for row in table.rows.iter_mut().filter(|row| row.part == part) {
        let text = format!("{} {word}", row.text());
        row.key = text_key(&text);
        row.input = RowInput::Text(text);
    }
    table.hash = table.content_hash();
    table
}

#[test]
fn an_encoder_is_made_of_the_texts_trained_registered_and_served() {
    let place = Place::new();
    let table = with_word(table(&short(300)), Part::Test, "жук");
    let trained = run(&place, &encoders(4), &table, &Origins::default()).unwrap();
    let report = &trained.report;
    assert_eq!(trained.outcome, Outcome::Completed, "{:?}", report.notes);
    let score = report.test_score().unwrap().value;
    // Of eight rows one says nothing of its topic; chance is a quarter.
    assert!(score > 0.6, "{score} {:?}", report.notes);
    let made = report.from_scratch.as_ref().unwrap();
    assert_eq!((made.layers, made.width, made.texts, made.unlabelled), (2, 128, 300, 0));
    assert_eq!(made.examples, 30 * 300);
    let note = report.notes.iter().find(|note| note.contains("from scratch")).unwrap();
    assert!(note.contains("300 texts, 0 of them unlabelled; gaps were filled in 9000 texts"), "{note}");
    assert!(!place.run_dir().join("adaptation").exists(), "the checkpoint of what is over is gone");

    let folder = artifact(&place, "synthetic");
    let pieces = pieces(&folder);
    assert_eq!(pieces.len(), made.pieces);
    // Frequent words are pieces; what stands in test rows alone is none, nor are its letters.
    assert!(pieces.contains("refund") && pieces.contains("parcel"), "{pieces:?}");
    assert!(!pieces.contains("жук") && !pieces.contains("ж"), "{pieces:?}");
    let tokenizer = load_tokenizer(&folder).unwrap();
    for text in WORDS.iter().chain(TOPICS.concat().iter()) {
        assert_eq!(tokenizer.pieces(text).unwrap(), tokenizer.library_pieces(text).unwrap(), "{text}");
    }
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    assert!(config.contains("\"bert\"") && config.contains(&format!("\"vocab_size\": {}", made.pieces)));
    let pipeline = Pipeline::load(&folder).unwrap();
    let backbone = pipeline.manifest().provenance["backbones"][0].as_str().unwrap().to_owned();
    let named = format!("from scratch, own vocabulary of {} pieces, gaps filled in 300 texts", made.pieces);
    assert_eq!(backbone, named);
    let said = pipeline.probabilities(&["Refund, invoice payment!", "字"], 1).unwrap();
    assert!(said.iter().all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-4), "{said:?}");
}

#[test]
fn interrupted_trainings_end_with_the_same_weights() {
    let (training, table) = (encoders(3), table(&short(260)));
    let digest = |interruptions: &[i64], threads: usize| {
        let place = Place::new();
        for steps in interruptions {
            let cancel = Cancel::new();
            let stop = StopAfter { cancel: &cancel, steps: (*steps).into(), times: 2 };
            let request = place.request(&training, &table, &cancel);
            let ended = train(&Request { progress: &stop, ..request }).unwrap();
            assert_eq!(ended.outcome, Outcome::Cancelled, "ended after {steps} steps");
        }
        let cancel = Cancel::new();
        let request = Request { threads, ..place.request(&training, &table, &cancel) };
        let trained = train(&request).unwrap();
        let expected = trained.record.unwrap().weights_digest;
        if interruptions.is_empty() {
            let again = Place::new();
            let request = again.request(&training, &table, &cancel);
            let repeated = reproduce(&request, &trained.report.cuts, &expected).unwrap();
            assert!(repeated.identical, "{repeated:?}");
        }
        expected
    };
    // Some end while gaps are filled, some in what follows.
    assert_eq!(digest(&[40, 150, 60], 3), digest(&[], 1));
}

#[test]
fn unlabelled_texts_and_a_teacher_help_an_encoder_from_scratch() {
    let place = Place::new();
    let table = table(&short(300));
    let linear = Training { name: Name::new("teacher").unwrap(), ..training(4) };
    let taught = run(&place, &linear, &table, &Origins::default()).unwrap().record.unwrap();
    let teacher = Teacher {
        name: "teacher:1".to_owned(),
        folder: artifact(&place, "teacher:1"),
        digest: taught.digest,
        data_hash: taught.data_hash,
    };
    let mut raw =
        with_word(self::table(&TableConfig { test: 0, seed: 7, ..short(200) }), Part::Train, "zebra");
    // A text of the test rows among them stays sealed.
    let test = table.rows.iter().find(|row| row.part == Part::Test).unwrap();
    (raw.rows[0].key, raw.rows[0].input) = (test.key, test.input.clone());
    raw.task = Task::Embedding;
    let mut training = encoders(3);
    training.unlabelled = Some(Name::new("raw").unwrap());
    training.teacher = Some("teacher@champion".parse().unwrap());
    let origins = Origins { teacher: Some(teacher), unlabelled: Some(raw), ..Origins::default() };
    let trained = run(&place, &training, &table, &origins).unwrap();
    let report = &trained.report;
    assert_eq!(trained.outcome, Outcome::Completed, "{:?}", report.notes);
    let made = report.from_scratch.as_ref().unwrap();
    assert_eq!((made.layers, made.texts, made.unlabelled), (2, 499, 199));
    assert_eq!(report.trials.last().unwrap().parameters["teacher"], "teacher:1");
    assert!(report.adaptation.is_none(), "the encoder knows these texts from the start");
    assert!(pieces(&artifact(&place, "synthetic")).contains("zebra"));
}

#[test]
fn sets_of_labels_words_and_pairs_have_encoders_from_scratch_too() {
    let place = Place::new();
    let sets = table(&TableConfig { multi_label: true, ..short(300) });
    let trained = run(&place, &encoders(2), &sets, &Origins::default()).unwrap();
    assert_eq!(trained.outcome, Outcome::Completed, "{:?}", trained.report.notes);
    assert!(trained.report.test_score().unwrap().value > 0.5, "{:?}", trained.report.test_score());

    let place = Place::new();
    let of_words = Training { metric: Metric::EntityF1, ..encoders(2) };
    let trained = run(&place, &of_words, &words::table_of_topics(300, 100), &Origins::default()).unwrap();
    assert_eq!(trained.outcome, Outcome::Completed, "{:?}", trained.report.notes);
    assert!(trained.report.test_score().unwrap().value > 0.6, "{:?}", trained.report.test_score());

    let place = Place::new();
    let of_pairs = Training { metric: Metric::Accuracy, ..encoders(2) };
    let trained = run(&place, &of_pairs, &pairs::table(true), &Origins::default()).unwrap();
    assert_eq!(trained.outcome, Outcome::Completed, "{:?}", trained.report.notes);
    assert!(trained.report.test_score().unwrap().value > 0.6, "{:?}", trained.report.test_score());
    let pipeline = Pipeline::load(&artifact(&place, "synthetic")).unwrap();
    let [one, other] = ["the river surely matters", "not the river never matters"].map(|second| {
        pipeline.outputs(&[Input::pair("it is about the river and the garden", second)], 1).unwrap()
    });
    assert_ne!(one, other);
}

#[test]
fn texts_without_words_make_no_encoder() {
    let mut empty = table(&short(60));
    for row in &mut empty.rows {
        row.input = RowInput::Text(" ".to_owned());
    }
    let error = run(&Place::new(), &encoders(2), &empty, &Origins::default()).unwrap_err();
    assert!(matches!(error, TrainError::NoWords), "{error}");
}
