//! Scores by language, by domain and by length of the text.

use super::table::{Cell, table};
use super::text::{count, escape, score};
use crate::report::{Report, Score};
use crate::summary::{weakest_domains, weakest_languages, whole_domains};

const SHORT: usize = 20;

/// Languages, weakest first, with the two ways of training them.
pub(super) fn languages(report: &Report) -> Option<String> {
    let languages = weakest_languages(report);
    if languages.is_empty() {
        return None;
    }
    let compared = languages.iter().any(|language| language.joint.is_some());
    let mut columns = vec![("language", false), (report.metric.as_str(), true), ("rows", true)];
    if compared {
        columns.extend([("all together", true), ("on its own", true)]);
    }
    let worst = worst(report);
    let optional =
        |value: Option<f64>| value.map_or(Cell::text("–"), |value| Cell::number(value, score(value)));
    let rows = languages.iter().map(|language| {
        let mut cells = vec![
            Cell::text(&language.language),
            Cell::bar(language.value / worst, &score(language.value)),
            Cell::number(language.rows as f64, count(language.rows)),
        ];
        if compared {
            cells.extend([optional(language.joint), optional(language.separate)]);
        }
        cells
    });
    let caption = format!("Languages, weakest first, on {} rows", super::measured_on(report));
    let note = if compared {
        "<p class=\"note\">The last two columns compare one model for all languages with one for each, out of fold on training rows.</p>"
    } else {
        ""
    };
    Some(table(&caption, &columns, rows.collect(), SHORT) + note)
}

/// Domains, weakest first, with those that were not trained on marked.
pub(super) fn domains(report: &Report) -> Option<String> {
    let domains = weakest_domains(report);
    if domains.is_empty() {
        return None;
    }
    let worst = worst(report);
    let row = |name: String, rows: usize, told: &Score| {
        vec![
            Cell::markup(name),
            Cell::bar(told.value / worst, &score(told.value)),
            Cell::text(&format!("{} to {}", score(told.low), score(told.high))),
            Cell::number(rows as f64, count(rows)),
        ]
    };
    let each = domains.iter().map(|domain| {
        let unseen = if domain.training_rows == 0 { ", <b>not trained on</b>" } else { "" };
        row(escape(&domain.domain) + unseen, domain.rows, &domain.score)
    });
    let whole = whole_domains(report);
    let whole = whole
        .iter()
        .map(|(name, means, slice)| row(format!("{name}: all that were {means}"), slice.rows, &slice.score));
    let caption = format!("Domains, weakest first, on {} rows", super::measured_on(report));
    let columns =
        [("domain", false), (report.metric.as_str(), true), ("95 % interval", true), ("rows", true)];
    let rows = each.chain(whole).collect();
    Some(table(&caption, &columns, rows, SHORT))
}

/// Lengths, shortest first.
pub(super) fn lengths(report: &Report) -> Option<String> {
    if report.per_length.is_empty() {
        return None;
    }
    let worst = worst(report);
    let rows = report.per_length.iter().map(|length| {
        vec![
            Cell::text(&length.characters),
            Cell::bar(length.value / worst, &score(length.value)),
            Cell::number(length.rows as f64, count(length.rows)),
        ]
    });
    let caption = format!("Length of the text, on {} rows", super::measured_on(report));
    Some(table(
        &caption,
        &[("characters", false), (report.metric.as_str(), true), ("rows", true)],
        rows.collect(),
        SHORT,
    ))
}

/// What a full bar means: a perfect share, or the largest loss met.
fn worst(report: &Report) -> f64 {
    if !report.metric.lower_is_better() {
        return 1.0;
    }
    let languages = report.per_language.iter().map(|language| language.value);
    let domains = report.per_domain.iter().map(|domain| domain.score.value);
    let lengths = report.per_length.iter().map(|length| length.value);
    languages.chain(domains).chain(lengths).fold(f64::MIN_POSITIVE, f64::max)
}
