//! Trainings that make something of a backbone: a smaller vocabulary, a student of a teacher, a backbone used to other texts.
#![expect(clippy::unwrap_used, reason = "a test's helper fails by panicking")]

use std::path::PathBuf;

use loquat_data::{Input, Table, text_key};
use loquat_infer::Pipeline;
use loquat_spec::{Family, ModelReference, ModelSource, Name, Task, Training};
use loquat_train::{Cancel, Origins, Outcome, Request, Teacher, TrainError, Trained, reproduce, train};

use crate::encoders::backbone;
use crate::support::{Numbers, Place, StopAfter, TOPICS, TableConfig, table, training};

fn encoders(trials: usize) -> Training {
    let mut training = training(trials);
    training.search.families = vec![Family::Encoder];
    training.backbones = vec![ModelSource::Folder("./bert-embedding".to_owned())];
    training
}

fn short(rows: usize) -> TableConfig {
    TableConfig { rows, short: true, ..TableConfig::default() }
}

fn run(place: &Place, training: &Training, table: &Table, origins: &Origins) -> Result<Trained, TrainError> {
    let cancel = Cancel::new();
    let backbones = vec![backbone(place, "bert-embedding")];
    train(&Request { backbones, origins: origins.clone(), ..place.request(training, table, &cancel) })
}

fn artifact(place: &Place, reference: &str) -> PathBuf {
    place.store.resolve(&reference.parse::<ModelReference>().unwrap()).unwrap().path
}

/// Texts of the same kind whose labels nobody gave.
fn unlabelled(rows: usize) -> Table {
    let mut numbers = Numbers(99);
    let mut table = table(&TableConfig { rows, test: 0, seed: 7, ..short(rows) });
    for row in &mut table.rows {
        let text = format!("{} {}", row.text(), TOPICS[numbers.below(4)][numbers.below(5)]);
        row.key = text_key(&text);
        row.input = Input::Text(text);
    }
    table.task = Task::Embedding;
    table.hash = table.content_hash();
    table
}

#[test]
fn a_trimmed_artifact_is_smaller_and_answers_as_before() {
    let (table, mut training) = (table(&short(200)), encoders(4));
    let whole = Place::new();
    run(&whole, &training, &table, &Origins::default()).unwrap();
    training.trim_vocabulary = true;
    let place = Place::new();
    let origins = Origins { languages: vec!["en".to_owned()], ..Origins::default() };
    // The backbone's vocabulary has pieces that English never needs.
    let given = backbone(&place, "bert-embedding");
    let vocabulary = std::fs::read_to_string(given.folder.join("vocab.txt")).unwrap();
    let mut pieces: Vec<&str> = vocabulary.lines().collect();
    let end = pieces.len();
    (pieces[end - 3], pieces[end - 2], pieces[end - 1]) = ("привет", "мир", "[unused7]");
    std::fs::write(given.folder.join("vocab.txt"), pieces.join("\n")).unwrap();
    let json = loquat_models::load_tokenizer(&given.folder).unwrap().to_json().unwrap();
    std::fs::write(given.folder.join("tokenizer.json"), json).unwrap();
    let cancel = Cancel::new();
    let request = Request {
        backbones: vec![given.clone()],
        origins: origins.clone(),
        ..place.request(&training, &table, &cancel)
    };
    let trained = train(&request).unwrap();
    assert_eq!(trained.outcome, Outcome::Completed, "{:?}", trained.report.notes);
    let report = trained.report.trimming.as_ref().unwrap();
    assert_eq!(report.scripts, ["Latin"]);
    // The letters of the two words are no pieces, so that only the words know them; the placeholder goes.
    assert_eq!((report.tokens, report.kept), (61, 60), "{report:?}");
    assert!((report.unchanged - 1.0).abs() < f64::EPSILON && report.on == "test" && report.rows == 40);
    assert!(report.bytes < report.bytes_before);
    assert!(trained.report.notes.iter().any(|note| note.contains("trimmed to Latin")));
    let folder = artifact(&place, "synthetic");
    assert!(folder.join("tokenizer.json").is_file() && !folder.join("vocab.txt").exists());
    assert!(!Pipeline::load(&folder).unwrap().probabilities(&["привет refund 字"], 1).unwrap().is_empty());
    let record = trained.record.unwrap();
    assert!(reproduce(&request, &trained.report.cuts, &record.weights_digest).unwrap().identical);
}

fn taught(place: &Place, table: &Table) -> (Training, Origins) {
    let mut training = encoders(4);
    training.name = Name::new("teacher").unwrap();
    let trained = run(place, &training, table, &Origins::default()).unwrap();
    let record = trained.record.unwrap();
    let teacher = Teacher {
        name: "teacher:1".to_owned(),
        folder: artifact(place, "teacher:1"),
        digest: record.digest,
        data_hash: record.data_hash,
    };
    training.name = Name::new("synthetic").unwrap();
    training.teacher = Some("teacher@champion".parse().unwrap());
    (training, Origins { teacher: Some(teacher), ..Origins::default() })
}

#[test]
fn a_student_learns_from_its_teacher_and_from_texts_that_only_the_teacher_labels() {
    let place = Place::new();
    let table = table(&short(300));
    let (training, mut origins) = taught(&place, &table);
    origins.unlabelled = Some(unlabelled(200));
    let trained = run(&place, &training, &table, &origins).unwrap();
    let report = &trained.report;
    assert_eq!(trained.outcome, Outcome::Completed, "{:?}", report.notes);
    let tuned = report.trials.last().unwrap();
    assert_eq!(tuned.parameters["teacher"], "teacher:1");
    let Some(distillation) = &report.distillation else { panic!("{:?}", report.notes) };
    assert_eq!((distillation.teacher.as_str(), distillation.same_data), ("teacher:1", true));
    assert_eq!((distillation.rows, distillation.on.as_str(), distillation.unlabelled), (40, "test", 200));
    assert!(distillation.agreement > 0.6, "{distillation:?}");
    assert!(distillation.teacher_microseconds_per_text > 0.0);
    assert!(report.notes.iter().any(|note| note.contains("a student of teacher:1")), "{:?}", report.notes);
    let kept = std::fs::read_dir(place.folder.path().join("cache/teachers")).unwrap().count();
    assert_eq!(kept, 2, "what the teacher says of both kinds of texts is kept");
}

#[test]
fn a_teacher_of_other_labels_is_refused() {
    let place = Place::new();
    let table = table(&short(160));
    let (training, origins) = taught(&place, &table);
    let mut other = table.clone();
    other.labels[2] = "another".to_owned();
    other.hash = other.content_hash();
    let error = run(&place, &training, &other, &origins).unwrap_err();
    assert!(error.to_string().contains("teacher:1 does not know the label \"another\""), "{error}");
}

#[test]
fn a_backbone_is_adapted_and_kept_if_it_wins() {
    let place = Place::new();
    let (table, mut training) = (table(&short(200)), encoders(8));
    training.unlabelled = Some(Name::new("raw").unwrap());
    let origins = Origins { unlabelled: Some(unlabelled(400)), ..Origins::default() };
    let trained = run(&place, &training, &table, &origins).unwrap();
    let report = &trained.report;
    assert_eq!(trained.outcome, Outcome::Completed, "{:?}", report.notes);
    let adaptation = report.adaptation.as_ref().unwrap();
    assert_eq!(adaptation.examples, 1200);
    let (with, without) = (adaptation.with.unwrap(), adaptation.without.unwrap());
    let chosen = report.trials[report.chosen[0]].parameters["backbone"].clone();
    assert_eq!(adaptation.kept, chosen == "2");
    assert!(with > 0.2 && without > 0.2, "{adaptation:?}");
    assert!(report.notes.iter().any(|note| note.contains("adapted to 1200 unlabelled texts")));
    assert!(!place.run_dir().join("adaptation").exists(), "the checkpoint of what is over is gone");
}

#[test]
fn interrupted_trainings_end_with_the_same_weights() {
    let table = table(&short(160));
    let mut training = encoders(4);
    training.unlabelled = Some(Name::new("raw").unwrap());
    let origins = Origins { unlabelled: Some(unlabelled(320)), ..Origins::default() };
    let digest = |interruptions: &[i64], threads: usize| {
        let place = Place::new();
        let backbones = vec![backbone(&place, "bert-embedding")];
        for steps in interruptions {
            let cancel = Cancel::new();
            let stop = StopAfter { cancel: &cancel, steps: (*steps).into(), times: 2 };
            let request = place.request(&training, &table, &cancel);
            let (backbones, origins) = (backbones.clone(), origins.clone());
            let ended = train(&Request { progress: &stop, backbones, origins, ..request }).unwrap();
            assert_eq!(ended.outcome, Outcome::Cancelled, "ended after {steps} steps");
        }
        let cancel = Cancel::new();
        let request = place.request(&training, &table, &cancel);
        let request = Request { threads, backbones, origins: origins.clone(), ..request };
        let trained = train(&request).unwrap();
        let record = trained.record.unwrap();
        assert!(reproduce(&request, &trained.report.cuts, &record.weights_digest).unwrap().identical);
        record.weights_digest
    };
    // Some end the adaptation, some what follows it.
    assert_eq!(digest(&[3, 11, 25, 60], 3), digest(&[], 1));
}
