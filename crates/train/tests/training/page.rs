//! What the report shows, and the pages made of it.
#![expect(clippy::unwrap_used, reason = "a test's helper fails by panicking")]

use loquat_infer::Pipeline;
use loquat_spec::{Metric, ModelReference, Training};
use loquat_train::{Change, Contender, Report, TrainError, compare};

use crate::support::{Place, TableConfig, table, training};

fn report(config: &TableConfig) -> Report {
    Place::new().train(&training(8), &table(config)).unwrap().report
}

/// Elements that are opened are closed, in order; enough to know that no text broke out of its place.
pub(crate) fn assert_well_formed(html: &str) {
    const VOID: [&str; 3] = ["meta", "link", "input"];
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let end = rest.find('>').unwrap();
        let (tag, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        if tag.starts_with('!') || tag.ends_with('/') || VOID.contains(&name) {
            continue;
        }
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "at {}", &after[..after.len().min(80)]);
            continue;
        }
        open.push(name);
        if matches!(name, "script" | "style") {
            rest = &rest[rest.find("</").unwrap()..];
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

#[test]
fn the_report_knows_what_was_confused_and_why() {
    let report = report(&TableConfig { rows: 320, test: 80, ..TableConfig::default() });
    let test = report.test.as_ref().unwrap();
    let inspection = report.inspection.as_ref().unwrap();
    assert_eq!(inspection.on, "test");
    let all: u32 = inspection.confusion.iter().map(|cell| cell.2).sum();
    let right: u32 = inspection.confusion.iter().filter(|cell| cell.0 == cell.1).map(|cell| cell.2).sum();
    assert_eq!(all as usize, test.rows);
    let accuracy = f64::from(right) / f64::from(all);
    assert!((accuracy - test.metrics["accuracy"].value).abs() < 1e-12);

    let first = inspection.thresholds.points[0];
    assert_eq!((first.1, first.2), (all, right), "threshold 0 answers every row");
    assert!(inspection.thresholds.points.windows(2).all(|pair| pair[1].1 <= pair[0].1));
    let answered: u32 = inspection.label_thresholds.iter().map(|curve| curve.points[0].1).sum();
    assert_eq!(answered, all);

    let wrong = inspection.mistakes.iter().filter(|mistake| mistake.labels == mistake.predicted).count();
    assert_eq!(wrong, 0);
    let surety = |place: usize| {
        let mistake = &inspection.mistakes[place];
        mistake.predicted_probability - mistake.probability
    };
    assert!((1..inspection.mistakes.len()).all(|place| surety(place - 1) >= surety(place)));
    for mistake in &inspection.mistakes {
        for piece in &mistake.pieces {
            let found: String =
                mistake.text.chars().skip(piece.start).take(piece.end - piece.start).collect();
            assert_eq!(found, piece.text);
        }
    }
    let trained_on: u64 = report.per_class.iter().map(|class| class.training_rows).sum();
    assert_eq!(trained_on, 320);
    assert_eq!(report.baselines.len(), 2);
}

#[test]
fn the_learning_curve_ends_with_all_rows_and_promises_twice_as_many() {
    let report = report(&TableConfig { rows: 480, ..TableConfig::default() });
    let curve = report.learning_curve.unwrap();
    assert!(curve.points.len() >= 3, "{curve:?}");
    assert!(curve.points.windows(2).all(|pair| pair[0].rows < pair[1].rows));
    let (first, last) = (curve.points[0], curve.points[curve.points.len() - 1]);
    assert_eq!(last.rows, 320, "two of three folds");
    assert!(first.value < last.value && last.low <= last.value && last.value <= last.high, "{curve:?}");
    if let Some(doubled) = curve.doubled {
        assert_eq!(doubled.rows, 960);
        assert!(doubled.value >= last.value && doubled.value <= 1.0, "{doubled:?}");
    }
}

#[test]
fn the_page_stands_alone_and_holds_every_part() {
    for multi_label in [false, true] {
        // Labels that say nothing make mistakes certain.
        let config = TableConfig { languages: 2, multi_label, shuffled: true, ..TableConfig::default() };
        let html = report(&config).html();
        assert_well_formed(&html);
        for address in ["src=", "href=\"http", "url(", "@import", "fetch("] {
            assert!(!html.contains(address), "{address} asks the network");
        }
        let parts =
            ["labels", "confidence", "mistakes", "slices", "learning", "search", "data", "cost", "origin"];
        let absent: Vec<&&str> =
            parts.iter().filter(|part| !html.contains(&format!("id=\"{part}\""))).collect();
        assert_eq!(absent, Vec::<&&str>::new());
        assert_eq!(html.contains("id=\"confusion\""), !multi_label);
    }
}

#[test]
fn without_a_test_split_the_page_shows_held_out_rows() {
    let report = report(&TableConfig { test: 0, ..TableConfig::default() });
    let inspection = report.inspection.as_ref().unwrap();
    assert_eq!(inspection.on, "out-of-fold");
    assert!(inspection.mistakes.iter().all(|mistake| mistake.pieces.is_empty()));
    let html = report.html();
    assert_well_formed(&html);
    assert!(html.contains("out of fold: there is no test split"));
}

#[test]
fn markup_in_the_data_stays_text() {
    let mut table = table(&TableConfig::default());
    table.labels[0] = "</script><img src=x onerror=alert(1)>".to_owned();
    for row in &mut table.rows {
        if let loquat_data::Input::Text(text) = &mut row.input {
            text.push_str(" </style><script>alert(1)</script>");
        }
    }
    let html = Place::new().train(&training(8), &table).unwrap().report.html();
    assert_well_formed(&html);
    assert!(!html.contains("<script>alert") && !html.contains("<img"));
}

#[test]
fn a_report_of_an_earlier_loquat_is_still_shown() {
    let mut value = serde_json::to_value(report(&TableConfig::default())).unwrap();
    let object = value.as_object_mut().unwrap();
    for key in ["baselines", "inspection", "learningCurve", "provenance"] {
        assert!(object.remove(key).is_some(), "{key}");
    }
    let report: Report = serde_json::from_value(value).unwrap();
    assert_well_formed(&report.html());
}

#[test]
fn versions_are_compared_on_the_same_rows() {
    let place = Place::new();
    let table = table(&TableConfig { rows: 320, test: 80, ..TableConfig::default() });
    let training = Training { metric: Metric::Accuracy, ..training(8) };
    let good = place.train(&training, &table).unwrap();
    // The second version has learnt that the labels are the other way around.
    let mut turned = table.clone();
    turned.rows.iter_mut().take(160).for_each(|row| row.labels = vec![3 - row.labels[0]]);
    turned.hash = turned.content_hash();
    place.train(&training, &turned).unwrap();
    let pipeline =
        |text: &str| Pipeline::from_store(&place.store, &text.parse::<ModelReference>().unwrap()).unwrap();
    let (first, second) = (pipeline("synthetic:1"), pipeline("synthetic:2"));
    let left = Contender {
        name: "synthetic:1",
        pipeline: &first,
        report: Some(&good.report),
        data_hash: &table.hash,
    };
    let right = Contender { name: "synthetic:2", pipeline: &second, report: None, data_hash: &turned.hash };
    let found = compare([left, right], &training, &table, 1).unwrap();
    assert_eq!(found.rows, 80);
    assert!(found.difference.high < 0.0, "{:?}", found.difference);
    assert!(
        found.verdict().starts_with("synthetic:2 is worse than synthetic:1: accuracy"),
        "{}",
        found.verdict()
    );
    let accuracy = found.metrics.iter().find(|pair| pair.metric == Metric::Accuracy).unwrap();
    let gain = (found.mcnemar.only_right as f64 - found.mcnemar.only_left as f64) / 80.0;
    assert!((accuracy.right - accuracy.left - gain).abs() < 1e-12);
    assert_eq!(found.count(Change::Broken) as u64, found.mcnemar.only_left);
    assert!(found.mcnemar.p < 0.05, "{:?}", found.mcnemar);
    assert!(found.notes[0].starts_with("synthetic:2 was trained on other data"));
    assert_well_formed(&found.html());
    assert!(found.markdown().contains("newly wrong"));

    let same = compare([left, left], &training, &table, 1).unwrap();
    assert!(same.changed.is_empty() && (same.mcnemar.p - 1.0).abs() < 1e-12);
    assert_well_formed(&same.html());
}

#[test]
fn versions_are_not_compared_on_rows_that_they_were_trained_on() {
    let place = Place::new();
    let table = table(&TableConfig { test: 0, ..TableConfig::default() });
    let trained = place.train(&training(8), &table).unwrap();
    let reference: ModelReference = "synthetic:1".parse().unwrap();
    let pipeline = Pipeline::from_store(&place.store, &reference).unwrap();
    let one =
        Contender { name: "a", pipeline: &pipeline, report: Some(&trained.report), data_hash: &table.hash };
    assert!(matches!(compare([one, one], &training(8), &table, 1), Err(TrainError::NothingToCompare)));
}
