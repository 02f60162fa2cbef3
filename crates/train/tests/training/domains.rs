//! Scores by domain, and on domains that were not trained on.
#![expect(clippy::unwrap_used, reason = "a test's helper fails by panicking")]

use loquat_data::Table;
use loquat_train::Report;

use crate::page::assert_well_formed;
use crate::pairs::{of_pairs, table};
use crate::support::Place;

/// Pairs whose training rows are fiction and travel, every fourth test row without a domain, the others travel and `last`.
fn pairs(last: &str) -> Table {
    let mut table = table(false);
    table.domains = ["fiction", "letters", "travel"].map(str::to_owned).to_vec();
    let place = |name: &str| table.domains.iter().position(|domain| domain == name).map(|place| place as u32);
    let domains = [[place("fiction"), place("travel")], [place("travel"), place(last)]];
    for (number, row) in table.rows.iter_mut().enumerate() {
        row.domain = domains[usize::from(number >= 240)][number % 2];
        row.domain = row.domain.filter(|_| number < 240 || !number.is_multiple_of(4));
        if number >= 240 && number.is_multiple_of(7) {
            // So that no domain is answered without fault.
            row.labels[0] = (row.labels[0] + 1) % 3;
        }
    }
    table.hash = table.content_hash();
    table
}

fn report(last: &str) -> Report {
    Place::new().train(&of_pairs(3), &pairs(last)).unwrap().report
}

#[test]
fn rows_of_a_domain_that_was_not_trained_on_are_told_apart() {
    let report = report("letters");
    let each: Vec<(&str, usize, usize)> = report
        .per_domain
        .iter()
        .map(|domain| (domain.domain.as_str(), domain.rows, domain.training_rows))
        .collect();
    assert_eq!(each, [("letters", 40, 0), ("travel", 20, 120)], "fiction has no test row");
    let cross = report.cross_domain.as_ref().unwrap();
    let matched = cross.matched.as_ref().unwrap();
    assert_eq!((matched.rows, cross.mismatched.rows), (20, 40));
    for (slice, domain) in [(&cross.mismatched, &report.per_domain[0]), (matched, &report.per_domain[1])] {
        assert_eq!(slice.score, domain.score);
        assert!(slice.score.low <= slice.score.value && slice.score.value <= slice.score.high);
        assert!(slice.score.low < slice.score.high, "{slice:?}");
        // Accuracy counts rows.
        let right = slice.score.value * slice.rows as f64;
        assert!((right - right.round()).abs() < 1e-9, "{slice:?}");
    }
    let html = report.html();
    assert_well_formed(&html);
    assert!(
        html.contains("<b>not trained on</b>") && html.contains("mismatched: all that were not trained on")
    );
    let markdown = report.markdown();
    let row = markdown.lines().find(|line| line.starts_with("| letters | 40 |")).unwrap();
    assert!(row.contains("not trained on") && row.contains(" to "), "{row}");
    assert!(markdown.contains("| mismatched | 40 |"));
    let summary = report.summary(false);
    assert!(summary.contains("letters") && summary.contains("40 rows, not trained on"), "{summary}");
    assert!(report.model_card().contains("It was not trained on the domains letters."));
    let read: Report = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(read.cross_domain, report.cross_domain);
}

#[test]
fn domains_that_were_all_trained_on_are_not_mismatched() {
    let report = report("fiction");
    let each: Vec<&str> = report.per_domain.iter().map(|domain| domain.domain.as_str()).collect();
    assert_eq!(each, ["fiction", "travel"]);
    assert_eq!(report.cross_domain, None);
    let summary = report.summary(false);
    assert!(summary.contains("domains") && !summary.contains("matched"), "{summary}");
    assert!(!report.html().contains("not trained on"));
}
