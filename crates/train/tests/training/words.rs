//! Trainings that label words.
#![expect(clippy::unwrap_used, reason = "a test's helper fails by panicking")]

use loquat_data::{Input as RowInput, LabelledSpan, Location, Part, Row, Table, text_key};
use loquat_infer::{Input, Pipeline};
use loquat_spec::{
    Family, Metric, ModelReference, ModelSource, PredictParameters, Prediction, Task, Training,
};
use loquat_train::{Cancel, Outcome, Trained, reproduce};

use crate::encoders::backbone;
use crate::support::{Numbers, Place, TOPICS, WORDS, files, training};

const PEOPLE: [&str; 6] = ["Anna", "Jonas", "Priya", "Marek", "Sofia", "Karim"];
const FAMILIES: [&str; 6] = ["Berger", "Keller", "Nair", "Novak", "Rossi", "Haddad"];
const PLACES: [&str; 6] = ["Riga", "Oslo", "Porto", "Graz", "Leeds", "Malmo"];
const VERBS: [&str; 4] = ["visited", "left", "missed", "liked"];

/// A sentence as tokens and BIO tags.
fn sentence(numbers: &mut Numbers) -> (Vec<String>, Vec<String>) {
    let mut words: Vec<(&str, &str)> = vec![(PEOPLE[numbers.below(6)], "B-person")];
    if numbers.below(2) == 0 {
        words.push((FAMILIES[numbers.below(6)], "I-person"));
    }
    words.extend([(VERBS[numbers.below(4)], "O"), ("in", "O")]);
    // One in ten is labelled wrongly, so that nothing is perfect.
    words.push((PLACES[numbers.below(6)], if numbers.below(10) == 0 { "O" } else { "B-place" }));
    words.push((".", "O"));
    words.into_iter().map(|(word, tag)| (word.to_owned(), tag.to_owned())).unzip()
}

/// Half of the rows as tokens, half as text with spans.
fn table(rows: usize, test: usize) -> Table {
    let mut numbers = Numbers(7);
    let row = |number: usize| {
        let (tokens, tags) = sentence(&mut numbers);
        let text = tokens.join(" ");
        let mut labels: Vec<u32> =
            tags.iter().filter(|tag| *tag != "O").map(|tag| u32::from(tag.ends_with("place"))).collect();
        labels.dedup();
        let input =
            if number.is_multiple_of(2) { RowInput::Tokens { tokens, tags } } else { spans(&tokens, &tags) };
        Row {
            id: Some(format!("r{number}")),
            key: text_key(&format!("{text} {number}")),
            input,
            labels,
            shares: Vec::new(),
            domain: None,
            language: None,
            group: None,
            weight: 1.0,
            part: if number < rows { Part::Train } else { Part::Test },
            leaked: false,
            location: Location::default(),
            number,
        }
    };
    let rows: Vec<Row> = (0..rows + test).map(row).collect();
    let mut table = Table {
        name: "synthetic".to_owned(),
        task: Task::TokenClassification,
        labels: vec!["person".to_owned(), "place".to_owned()],
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

/// Texts of words that a tiny encoder knows, of which those of two topics are labelled.
pub(crate) fn table_of_topics(rows: usize, test: usize) -> Table {
    let mut table = table(rows, test);
    let mut numbers = Numbers(5);
    for (number, row) in table.rows.iter_mut().enumerate() {
        let mut tokens: Vec<(String, String)> =
            (0..3).map(|_| (WORDS[numbers.below(WORDS.len())].to_owned(), "O".to_owned())).collect();
        let topic = numbers.below(2);
        let label = ["person", "place"][topic];
        let tag = |name: &str| format!("{name}-{label}");
        let place = numbers.below(3);
        tokens.insert(place, (TOPICS[topic][numbers.below(5)].to_owned(), tag("B")));
        let (tokens, tags): (Vec<String>, Vec<String>) = tokens.into_iter().unzip();
        row.key = text_key(&format!("{} {number}", tokens.join(" ")));
        row.labels = vec![topic as u32];
        row.input = RowInput::Tokens { tokens, tags };
    }
    table.hash = table.content_hash();
    table
}

fn spans(tokens: &[String], tags: &[String]) -> RowInput {
    let (mut spans, mut start): (Vec<LabelledSpan>, usize) = (Vec::new(), 0);
    for (token, tag) in tokens.iter().zip(tags) {
        let end = start + token.chars().count();
        match tag.split_once('-') {
            Some(("B", label)) => spans.push(LabelledSpan { start, end, label: label.to_owned() }),
            Some(_) => spans.last_mut().unwrap().end = end,
            None => {}
        }
        start = end + 1;
    }
    RowInput::Spans { text: tokens.join(" "), spans }
}

fn of_words(trials: usize) -> Training {
    Training { metric: Metric::EntityF1, ..training(trials) }
}

fn pipeline(place: &Place) -> Pipeline {
    Pipeline::load(&place.store.resolve(&"synthetic".parse::<ModelReference>().unwrap()).unwrap().path)
        .unwrap()
}

fn check(trained: &Trained) {
    let report = &trained.report;
    assert_eq!(trained.outcome, Outcome::Completed, "{:?}", report.notes);
    let score = report.test_score().unwrap();
    assert!(score.value > 0.85 && score.low < score.value, "{score:?}");
    let test = &report.test.as_ref().unwrap().metrics;
    assert!(test["token-accuracy"].value > 0.9 && test["entity-recall"].value > 0.8, "{test:?}");
    assert_eq!(report.outer.folds.len(), 3);
    assert!((report.outer.mean.unwrap() - score.value).abs() < 0.1, "{:?}", report.outer);
    let kinds: Vec<&str> = report.per_class.iter().map(|class| class.label.as_str()).collect();
    assert_eq!(kinds, ["person", "place"]);
    assert!(report.per_class.iter().all(|class| class.support > 30 && class.f1 > 0.8));
    assert!(report.calibration.ece.unwrap() < 0.2, "{:?}", report.calibration);
    let inspection = report.inspection.as_ref().unwrap();
    assert!(inspection.confusion.iter().any(|cell| cell.0 == cell.1 && cell.2 > 20), "{inspection:?}");
    assert!(
        inspection.mistakes.iter().any(|mistake| mistake.predicted.iter().any(|p| p.starts_with("place: ")))
    );
}

#[test]
fn a_model_of_words_is_trained_reported_and_served() {
    let place = Place::new();
    let trained = place.train(&of_words(6), &table(200, 80)).unwrap();
    check(&trained);
    let looked_up = trained.report.baselines.iter().find(|baseline| baseline.name.contains("looked up"));
    assert!(looked_up.unwrap().value > 0.5);
    let pipeline = pipeline(&place);
    assert_eq!(pipeline.labels(), ["O", "B-person", "I-person", "B-place", "I-place"]);
    assert!(pipeline.manifest().decoding.is_some() && pipeline.manifest().golden.len() == 8);
    // A text as people write it, with names that no row has.
    let input = Input::new("Jonas Tennant visited in Vilnius, he said.");
    let answers = pipeline.predict(&[input], &PredictParameters::default(), 1).unwrap();
    let Prediction::Entities { entities } = &answers[0] else { panic!("{answers:?}") };
    let found: Vec<(&str, &str, usize)> =
        entities.iter().map(|entity| (entity.label.as_str(), entity.text.as_str(), entity.start)).collect();
    assert!(found.contains(&("person", "Jonas Tennant", 0)), "{found:?}");
    let lines = std::fs::read_to_string(place.run_dir().join("out-of-fold.jsonl")).unwrap();
    assert!(lines.lines().count() == 200 && lines.contains("\"answered\":[\"person: "), "{lines}");
    let page = std::fs::read_to_string(place.run_dir().join("report.html")).unwrap();
    assert!(page.contains("entity-f1") && page.contains("Confusion matrix"));
}

#[test]
fn weights_of_words_do_not_depend_on_threads_and_come_out_again() {
    let table = table(120, 30);
    let training = of_words(5);
    let trained: Vec<_> = [1, 3]
        .into_iter()
        .map(|threads| {
            let place = Place::new();
            let cancel = Cancel::new();
            let request = loquat_train::Request { threads, ..place.request(&training, &table, &cancel) };
            let trained = loquat_train::train(&request).unwrap();
            let expected = trained.record.as_ref().unwrap().weights_digest.clone();
            let again = reproduce(&request, &trained.report.cuts, &expected).unwrap();
            assert!(again.identical, "{again:?}");
            files(&place, &trained)
        })
        .collect();
    let weights =
        |files: &[(String, Vec<u8>)]| files.iter().find(|file| file.0 == "model.safetensors").cloned();
    assert_eq!(weights(&trained[0]), weights(&trained[1]));
}

#[test]
fn an_encoder_of_words_is_searched_fine_tuned_and_served() {
    let place = Place::new();
    let mut training = of_words(6);
    training.search.families = vec![Family::Encoder];
    training.backbones = vec![ModelSource::Folder("./bert-embedding".to_owned())];
    let (table, cancel) = (table_of_topics(300, 100), Cancel::new());
    let backbones = vec![backbone(&place, "bert-embedding")];
    let request = loquat_train::Request { backbones, ..place.request(&training, &table, &cancel) };
    let trained = loquat_train::train(&request).unwrap();
    let report = &trained.report;
    assert_eq!(trained.outcome, Outcome::Completed, "{:?}", report.notes);
    assert!(
        report.trials.iter().any(|trial| trial.parameters["solver"] == "fine-tune"),
        "{:?}",
        report.notes
    );
    let score = report.test_score().unwrap().value;
    let held_out = report.fine_tuned.unwrap();
    assert!(score > 0.4 && (score - held_out).abs() < 0.15, "{score} where the search had {held_out}");
    let pipeline = pipeline(&place);
    assert_eq!(pipeline.labels().len(), 5);
    let answers =
        pipeline.predict(&[Input::new("stone refund river")], &PredictParameters::default(), 1).unwrap();
    assert!(matches!(&answers[0], Prediction::Entities { .. }), "{answers:?}");
    let folder = place.store.resolve(&"synthetic".parse::<ModelReference>().unwrap()).unwrap().path;
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    assert!(config.contains("BertForTokenClassification") && config.contains("I-place"), "{config}");
    assert!(!folder.join("modules.json").exists());
}

#[test]
fn rows_without_weight_teach_nothing() {
    let mut table = table(240, 80);
    for row in table.rows.iter_mut().filter(|row| row.part == Part::Train && row.number % 3 > 0) {
        // Two rows of three deny every span.
        let text = match &row.input {
            RowInput::Spans { text, .. } => text.clone(),
            RowInput::Tokens { tokens, .. } => tokens.join(" "),
            other => panic!("{other:?}"),
        };
        row.input = RowInput::Spans { text, spans: Vec::new() };
        (row.labels, row.weight) = (Vec::new(), 0.0);
    }
    table.hash = table.content_hash();
    let trained = Place::new().train(&of_words(3), &table).unwrap();
    let test = &trained.report.test.as_ref().unwrap().metrics;
    assert!(test["entity-recall"].value > 0.7, "{test:?}");
}

#[test]
fn a_small_model_of_words_is_pruned_to_its_limit() {
    let place = Place::new();
    let mut training = of_words(3);
    training.constraints.artifact = Some(loquat_spec::Bytes(60_000));
    let trained = place.train(&training, &table(200, 80)).unwrap();
    assert_eq!(trained.outcome, Outcome::Completed, "{:?}", trained.report.notes);
    assert!(trained.report.cost.unwrap().artifact_bytes <= 60_000);
    assert!(trained.report.test_score().unwrap().value > 0.75);
}
