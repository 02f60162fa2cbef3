//! Scores label by label.

use super::table::{Cell, table};
use super::text::{count, score};
use crate::report::Report;
use crate::summary::weakest_classes;

/// Rows shown before the script folds the rest.
const SHORT: usize = 20;

/// The table of labels, weakest first.
pub(super) fn section(report: &Report) -> Option<String> {
    let classes = weakest_classes(report);
    if classes.is_empty() {
        return None;
    }
    let columns = [
        ("label", false),
        ("F1", true),
        ("precision", true),
        ("recall", true),
        ("rows", true),
        ("trained on", true),
        ("most often taken for", false),
    ];
    let rows = classes.iter().map(|class| {
        let taken = super::confusion::most_taken_for(report, &class.label);
        let number = |value: f64| Cell::number(value, score(value));
        vec![
            Cell::text(&class.label),
            Cell::bar(class.f1, &score(class.f1)),
            number(class.precision),
            number(class.recall),
            Cell::number(class.support as f64, count(class.support as usize)),
            Cell::number(class.training_rows as f64, count(class.training_rows as usize)),
            taken.map_or(Cell::text(""), |(other, rows)| Cell::text(&format!("{other} ({rows})"))),
        ]
    });
    let caption = format!("Labels, weakest first, on {} rows", super::measured_on(report));
    Some(format!("<div class=\"filterable\">{}</div>", table(&caption, &columns, rows.collect(), SHORT)))
}
