//! The whole line from a table to a registered version, through the public surface.

use std::sync::atomic::AtomicI64;
use std::time::Duration;

use loquat_spec::{Bytes, Constraints, Metric, ModelReference, Promote, Task, Training};
use loquat_train::{Cancel, Outcome, Report, TrialState, reproduce, train, unfinished};

use crate::support::{Numbers, Place, StopAfter, TableConfig, files, table, training, with_timeout};

#[test]
fn trains_reports_registers_and_promotes() {
    let place = Place::new();
    let table = table(&TableConfig { languages: 2, ..TableConfig::default() });
    let trained = place.train(&training(16), &table).unwrap();
    assert_eq!(trained.outcome, Outcome::Completed);
    assert!(trained.promoted, "{}", trained.promotion_reason);
    let report = &trained.report;
    let score = report.test_score().unwrap();
    assert!(score.value > 0.7 && score.low < score.value && score.value < score.high, "{score:?}");
    assert!(report.baseline.unwrap() < 0.3);
    assert_eq!(report.outer.folds.len(), 3);
    assert_eq!(report.per_class.len(), 4);
    assert_eq!(report.per_language.len(), 2);
    assert!(
        report.per_language.iter().all(|language| language.joint.is_some() && language.separate.is_some())
    );
    assert_eq!(report.trials.len(), 16);
    assert!(report.calibration.ece.unwrap() < 0.3);
    assert_eq!(report.refit_on, "train");
    let stored = place.store.report(&"synthetic".parse::<ModelReference>().unwrap()).unwrap().unwrap();
    let stored: Report = serde_json::from_value(stored).unwrap();
    assert_eq!(stored.trials, report.trials);
    for name in
        ["report.json", "report.md", "report.html", "out-of-fold.jsonl", "model-card.md", "endpoint.yaml"]
    {
        assert!(place.run_dir().join(name).is_file(), "{name} is missing");
    }
    let summary = report.summary(false);
    assert!(
        summary.contains("macro-f1") && summary.contains("alias") && !summary.contains('\u{1b}'),
        "{summary}"
    );
    assert_eq!(unfinished(&place.run_dir()), None);
}

/// With labels that say nothing, a search still finds a configuration that happens to fit its folds. What no
/// choice has seen must not be taken in: the outer scores are at chance.
#[test]
fn nesting_is_not_fooled_by_shuffled_labels() {
    let (mut best, mut outer) = (0.0, 0.0);
    let runs = 5;
    for seed in 0..runs {
        let place = Place::new();
        let config =
            TableConfig { rows: 120, test: 0, shuffled: true, seed: 100 + seed, ..TableConfig::default() };
        let training = Training { metric: Metric::Accuracy, ..training(32) };
        let report = place.train(&training, &table(&config)).unwrap().report;
        best += report.best_search.unwrap() / runs as f64;
        outer += report.outer.mean.unwrap() / runs as f64;
    }
    // Four labels, 600 held-out answers: chance is 0.25 with a standard error of 0.018.
    assert!((outer - 0.25).abs() < 0.05, "outer mean {outer} is not at chance");
    assert!(
        best > outer + 0.03 && best > 0.27,
        "best search score {best} is not above chance; outer {outer}"
    );
}

#[test]
fn weights_do_not_depend_on_threads() {
    let table = table(&TableConfig::default());
    let training = training(16);
    let artifacts: Vec<_> = [1, 2, 5]
        .into_iter()
        .map(|threads| {
            let place = Place::new();
            let cancel = Cancel::new();
            let trained =
                train(&loquat_train::Request { threads, ..place.request(&training, &table, &cancel) })
                    .unwrap();
            files(&place, &trained)
        })
        .collect();
    assert_eq!(artifacts[0], artifacts[1]);
    assert_eq!(artifacts[0], artifacts[2]);
}

#[test]
fn a_killed_run_continues_to_the_same_artifact() {
    // Enough rows that trials are pruned after two of three folds.
    let table = table(&TableConfig { rows: 480, ..TableConfig::default() });
    let training = training(16);
    let whole = Place::new();
    let uninterrupted = whole.train(&training, &table).unwrap();
    assert!(uninterrupted.report.trials.iter().any(|trial| trial.state == TrialState::Pruned));
    let expected = files(&whole, &uninterrupted);
    let mut numbers = Numbers(7);
    for _ in 0..6 {
        let place = Place::new();
        // Ending at once is what a kill looks like from outside: the journal is all that stays. It is then
        // torn at a random byte.
        for _ in 0..2 {
            let cancel = Cancel::new();
            let steps = AtomicI64::new(1 + numbers.below(60) as i64);
            let stop = StopAfter { cancel: &cancel, steps, times: 2 };
            let ended = train(&loquat_train::Request {
                progress: &stop,
                ..place.request(&training, &table, &cancel)
            });
            if ended.unwrap().outcome == Outcome::Cancelled {
                assert!(unfinished(&place.run_dir()).is_some());
                let path = place.run_dir().join("journal.jsonl");
                let length = std::fs::metadata(&path).unwrap().len();
                let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
                file.set_len(length - numbers.below(40) as u64).unwrap();
            }
        }
        let trained = place.train(&training, &table).unwrap();
        assert_eq!(trained.outcome, Outcome::Completed);
        assert!(files(&place, &trained) == expected, "the artifact of a continued run differs");
        assert_eq!(trained.report.outer.folds, uninterrupted.report.outer.folds);
    }
}

#[test]
fn a_timeout_is_a_normal_end_and_can_be_repeated() {
    let place = Place::new();
    let table = table(&TableConfig::default());
    let training = with_timeout(training(500), Duration::from_millis(1500));
    let trained = place.train(&training, &table).unwrap();
    assert_eq!(trained.outcome, Outcome::Completed);
    assert!(trained.promoted);
    let report = &trained.report;
    assert!(report.cuts.by_timeout && report.trials.len() < 500, "{:?}", report.cuts);
    let cancel = Cancel::new();
    let digest = trained.record.unwrap().weights_digest;
    let request = loquat_train::Request { threads: 1, ..place.request(&training, &table, &cancel) };
    assert!(reproduce(&request, &report.cuts, &digest).unwrap().identical);
    let mut other = training.clone();
    other.search.seed += 1;
    let request = place.request(&other, &table, &cancel);
    assert!(!reproduce(&request, &report.cuts, &digest).unwrap().identical);
}

#[test]
fn a_time_that_is_far_too_short_still_gives_a_model() {
    let place = Place::new();
    let training = with_timeout(training(100), Duration::from_millis(1));
    let trained = place.train(&training, &table(&TableConfig::default())).unwrap();
    assert_eq!(trained.outcome, Outcome::Completed);
    assert_eq!(trained.report.cuts.rounds, 1);
    assert_eq!(trained.report.outer.folds.len(), 0);
    assert!(
        trained.report.notes.iter().any(|note| note.contains("0 of 3 outer folds")),
        "{:?}",
        trained.report.notes
    );
}

#[test]
fn one_request_to_stop_registers_the_best_seen_and_moves_no_alias() {
    let place = Place::new();
    let table = table(&TableConfig::default());
    let training = training(40);
    let cancel = Cancel::new();
    let stop = StopAfter { cancel: &cancel, steps: AtomicI64::new(3), times: 1 };
    let request = loquat_train::Request { progress: &stop, ..place.request(&training, &table, &cancel) };
    let trained = train(&request).unwrap();
    assert_eq!(trained.outcome, Outcome::StoppedEarly);
    assert!(!trained.promoted);
    assert!(place.store.aliases(&training.name).unwrap().is_empty());
    let record = trained.record.unwrap();
    assert_eq!(record.outcome, "stopped-early");
    assert!(trained.report.cuts.stopped.is_some());
    let cancel = Cancel::new();
    let again = place.request(&training, &table, &cancel);
    assert!(reproduce(&again, &trained.report.cuts, &record.weights_digest).unwrap().identical);
}

#[test]
fn two_requests_to_stop_register_nothing() {
    let place = Place::new();
    let (table, training, cancel) = (table(&TableConfig::default()), training(40), Cancel::new());
    let stop = StopAfter { cancel: &cancel, steps: AtomicI64::new(20), times: 2 };
    let trained =
        train(&loquat_train::Request { progress: &stop, ..place.request(&training, &table, &cancel) })
            .unwrap();
    assert_eq!(trained.outcome, Outcome::Cancelled);
    assert!(trained.record.is_none() && place.store.models().unwrap().is_empty());
}

#[test]
fn learns_sets_of_labels_with_a_threshold_each() {
    let place = Place::new();
    let table = table(&TableConfig { rows: 240, test: 80, multi_label: true, ..TableConfig::default() });
    let trained = place.train(&training(16), &table).unwrap();
    assert!(trained.report.test_score().unwrap().value > 0.75, "{:?}", trained.report.test);
    let path = place.store.resolve(&"synthetic".parse().unwrap()).unwrap().path;
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(path.join("loquat.json")).unwrap()).unwrap();
    assert_eq!(manifest["thresholds"].as_array().unwrap().len(), 4);
    assert!(manifest["golden"].as_array().unwrap().len() >= 6);
}

#[test]
fn constraints_choose_among_candidates_and_are_shown() {
    let place = Place::new();
    let constraints = Constraints { memory: Some(Bytes(10_000_000)), ..Constraints::default() };
    let training = Training { constraints, ..training(16) };
    let trained = place.train(&training, &table(&TableConfig::default())).unwrap();
    assert!(trained.report.pareto.len() > 1);
    assert_eq!(trained.report.pareto.iter().filter(|row| row.chosen).count(), 1);
    let impossible = Constraints { memory: Some(Bytes(10)), ..Constraints::default() };
    let failed = place
        .train(&Training { constraints: impossible, ..training }, &table(&TableConfig::default()))
        .unwrap();
    assert_eq!(failed.outcome, Outcome::Failed);
    assert!(
        failed.record.is_none() && failed.promotion_reason.contains("memory"),
        "{}",
        failed.promotion_reason
    );
}

#[test]
fn a_champion_is_replaced_only_when_the_challenger_is_not_worse() {
    let place = Place::new();
    let good = table(&TableConfig { rows: 300, test: 120, ..TableConfig::default() });
    assert!(place.train(&training(8), &good).unwrap().promoted);
    // The same test rows, but labels of the training rows turned to noise.
    let mut spoilt = good.clone();
    let mut numbers = Numbers(3);
    spoilt.rows.iter_mut().take(300).for_each(|row| row.labels = vec![numbers.below(4) as u32]);
    spoilt.hash = spoilt.content_hash();
    let worse = place.train(&training(8), &spoilt).unwrap();
    assert!(!worse.promoted && worse.promotion_reason.contains("worse"), "{}", worse.promotion_reason);
    let always = Training { promote: Promote::Always, ..training(8) };
    assert!(place.train(&always, &good).unwrap().promoted);
}

#[test]
fn leaked_test_rows_are_scored_apart() {
    let place = Place::new();
    let mut table = table(&TableConfig::default());
    table.rows.iter_mut().skip(160).take(10).for_each(|row| row.leaked = true);
    let report = place.train(&training(8), &table).unwrap().report;
    let test = report.test.unwrap();
    assert_eq!((test.rows, test.without_leaked.unwrap().rows), (40, 30));
}

#[test]
fn wrong_labels_are_named() {
    let place = Place::new();
    let mut table = table(&TableConfig { rows: 300, test: 0, ..TableConfig::default() });
    for row in table.rows.iter_mut().take(12) {
        row.labels = vec![(row.labels[0] + 1) % 4];
    }
    let report = place.train(&training(16), &table).unwrap().report;
    let found = report.label_noise.iter().take(30).filter(|noise| noise.row < 12).count();
    assert!(found >= 6, "{found} of 12 wrong labels are among the first 30 candidates");
    assert_eq!(report.measured_on, "outer");
}

#[test]
fn failed_trials_are_reported_and_never_become_a_model() {
    let place = Place::new();
    let mut table = table(&TableConfig::default());
    // Without a letter or digit in any text there is no feature, so every fit fails.
    for (number, row) in table.rows.iter_mut().enumerate() {
        row.input = loquat_data::Input::Text(String::new());
        row.key = number as u64;
    }
    let trained = place.train(&training(8), &table).unwrap();
    assert_eq!(trained.outcome, Outcome::Failed);
    assert!(trained.record.is_none());
    assert!(
        trained
            .report
            .trials
            .iter()
            .all(|trial| trial.state == TrialState::Failed && trial.failure.is_some())
    );
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let place = Place::new();
    let mut untrained = table(&TableConfig::default());
    untrained.task = Task::Embedding;
    let error = place.train(&training(8), &untrained).unwrap_err();
    assert_eq!(error.code(), loquat_spec::ErrorCode::Unsupported);
    let tiny = table(&TableConfig { rows: 4, test: 0, ..TableConfig::default() });
    let error = place.train(&training(8), &tiny).unwrap_err();
    assert!(error.to_string().contains("crossValidation.folds"), "{error}");
}
