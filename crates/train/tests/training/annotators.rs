//! Rows on which annotators disagree.
#![expect(clippy::unwrap_used, reason = "a test's helper fails by panicking")]

use loquat_data::{Part, Table};
use loquat_spec::{Family, ModelSource, Training};
use loquat_train::{Cancel, Outcome, Report, Request};

use crate::encoders::backbone;
use crate::page::assert_well_formed;
use crate::support::{Place, TableConfig, table, training};

/// Three of five annotators say the label of the text's topic, two the next one. Where not `taught`, the training rows have the
/// first alone.
fn divided(taught: bool, test: usize) -> Table {
    let mut table = table(&TableConfig { rows: 400, test, short: true, ..TableConfig::default() });
    for row in &mut table.rows {
        let label = row.labels[0];
        row.shares = vec![(label, 0.6), ((label + 1) % 4, 0.4)];
        row.shares.sort_by_key(|(label, _)| *label);
        if !taught && row.part == Part::Train {
            row.shares.clear();
        }
    }
    table.hash = table.content_hash();
    table
}

fn report(training: &Training, table: &Table) -> Report {
    let (place, cancel) = (Place::new(), Cancel::new());
    let backbones = match training.backbones.len() {
        0 => Vec::new(),
        _ => vec![backbone(&place, "bert-embedding")],
    };
    let request = Request { backbones, ..place.request(training, table, &cancel) };
    let trained = loquat_train::train(&request).unwrap();
    assert_eq!(trained.outcome, Outcome::Completed, "{:?}", trained.report.notes);
    trained.report
}

/// Cross entropy of what was learned from shares, and of what was learned from labels, on the same test rows.
fn both(training: &Training) -> (Report, f64, f64) {
    let taught = report(training, &divided(true, 200));
    let untaught = report(training, &divided(false, 200));
    let loss = |report: &Report| report.annotators.as_ref().unwrap().cross_entropy.value;
    let (soft, hard) = (loss(&taught), loss(&untaught));
    (taught, soft, hard)
}

#[test]
fn the_linear_family_learns_what_annotators_say() {
    let (report, soft, hard) = both(&training(8));
    let annotators = report.annotators.as_ref().unwrap();
    assert_eq!((annotators.on.as_str(), annotators.rows, annotators.divided), ("test", 200, 200));
    // -0.6 ln 0.6 - 0.4 ln 0.4
    assert!((annotators.entropy - 0.673_012).abs() < 1e-4, "{annotators:?}");
    assert!(soft < hard - 0.1 && soft < annotators.baseline - 0.2, "{soft} {hard} {annotators:?}");
    // An answer of 0.6 that three of five annotators give is as right as it says.
    assert!(report.calibration.ece.unwrap() < 0.15, "{:?}", report.calibration);
    let distance = annotators.jensen_shannon;
    assert!(distance.low < distance.value && distance.value < distance.high && distance.value < 0.4);
    assert!(annotators.cross_entropy.low < soft && soft < annotators.cross_entropy.high);
    assert!(report.test_score().unwrap().value > 0.7, "the label that most say is still found");
    assert_eq!(report.label_noise_rows, 0, "what an annotator said is no slip: {:?}", report.label_noise);
    let (html, summary) = (report.html(), report.summary(false));
    assert_well_formed(&html);
    assert!(html.contains("Jensen-Shannon distance") && report.markdown().contains("## Annotators (test)"));
    assert!(summary.contains("they disagree about 200 rows"), "{summary}");
}

#[test]
fn an_encoder_learns_what_annotators_say() {
    let mut training = training(3);
    training.search.families = vec![Family::Encoder];
    training.backbones = vec![ModelSource::Folder("./bert-embedding".to_owned())];
    let (report, soft, hard) = both(&training);
    assert!(soft < hard - 0.02, "{soft} {hard}");
    assert_eq!(report.trials.last().unwrap().parameters["solver"], "fine-tune");
}

#[test]
fn without_a_test_split_annotators_are_asked_about_held_out_rows() {
    let report = report(&training(3), &divided(true, 0));
    let annotators = report.annotators.unwrap();
    assert_eq!((annotators.on.as_str(), annotators.rows), ("out-of-fold", 400));
}

#[test]
fn nothing_is_said_of_annotators_who_agree() {
    let report = report(&training(3), &table(&TableConfig::default()));
    assert_eq!(report.annotators, None);
    assert!(!report.html().contains("Annotators"));
}
