//! Two versions side by side.

use super::plot::{Scale, Spacing, roomy, svg};
use super::table::{Cell, table};
use super::text::{concat, count, counted, difference, escape, score};
use super::{Section, document};
use crate::compare::{Change, ChangedRow, Comparison};
use crate::summary::bytes;

/// Rows of one kind that are shown before the script folds the rest.
const SHORT: usize = 15;

/// The page.
pub(crate) fn comparison(comparison: &Comparison) -> String {
    let title = format!("{} beside {}", comparison.right.name, comparison.left.name);
    let parts = [
        ("numbers", "Side by side", Some(numbers(comparison))),
        ("broken", "Newly wrong", changed(comparison, Change::Broken)),
        ("fixed", "Newly right", changed(comparison, Change::Fixed)),
        ("moved", "Wrong in another way", changed(comparison, Change::Moved)),
    ];
    let section = |(anchor, heading, body): (&'static str, &'static str, Option<String>)| {
        Some(Section { anchor, heading, body: body? })
    };
    let sections: Vec<Section> = parts.into_iter().filter_map(section).collect();
    document(&title, &head(comparison), &sections)
}

fn head(comparison: &Comparison) -> String {
    let test = comparison.mcnemar;
    let sentences = [
        format!("<b>{}</b>", escape(&comparison.verdict())),
        format!(
            "{} changed: {} newly wrong, {} newly right, {} wrong in another way",
            counted(comparison.changed.len(), "answer", "answers"),
            count(comparison.count(Change::Broken)),
            count(comparison.count(Change::Fixed)),
            count(comparison.count(Change::Moved))
        ),
        format!("McNemar's exact test of who is right more often: p = {:.3}", test.p),
    ];
    let notes = comparison.notes.iter().map(|note| escape(note));
    let items = sentences.into_iter().chain(notes).map(|text| format!("<li>{text}.</li>"));
    format!(
        "<header><p class=\"over\">Comparison · {}</p><h1>{} <span class=\"version\">beside {}</span></h1>\
         <div class=\"hero\"><div class=\"number\"><p class=\"value\">{}</p><p class=\"what\">{} on {}</p><p class=\"what\">95 % interval <b>{} to {}</b></p></div>\
         <figure>{}</figure></div><ul class=\"findings\">{}</ul></header>",
        escape(comparison.task.as_str()),
        escape(&comparison.right.name),
        escape(&comparison.left.name),
        difference(comparison.difference.value),
        escape(comparison.metric.as_str()),
        counted(comparison.rows, "test row", "test rows"),
        difference(comparison.difference.low),
        difference(comparison.difference.high),
        strip(comparison),
        concat(items)
    )
}

/// The difference with its interval, around none.
fn strip(comparison: &Comparison) -> String {
    const SIZE: (f64, f64) = (620.0, 92.0);
    let found = comparison.difference;
    let range = roomy([found.low, found.high, 0.0, found.value].into_iter(), 0.25);
    let scale = Scale::new(range, (20.0, SIZE.0 - 20.0), Spacing::Linear);
    let ticks = scale.ticks(6).into_iter().map(|tick| {
        let at = scale.at(tick);
        format!(
            "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"6\" y2=\"62\"/><text class=\"tick\" text-anchor=\"middle\" x=\"{at:.1}\" y=\"80\">{}</text>",
            difference(tick)
        )
    });
    let body = format!(
        "{}<line class=\"here\" x1=\"{zero:.1}\" x2=\"{zero:.1}\" y1=\"0\" y2=\"66\"/><line class=\"interval\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"34\" y2=\"34\"/>\
         <circle class=\"own\" cx=\"{:.1}\" cy=\"34\" r=\"6\"/>",
        concat(ticks),
        scale.at(found.low),
        scale.at(found.high),
        scale.at(found.value),
        zero = scale.at(0.0)
    );
    svg(SIZE, &comparison.verdict(), &body)
}

fn numbers(comparison: &Comparison) -> String {
    let (left, right) = (&comparison.left, &comparison.right);
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for pair in &comparison.metrics {
        let cells = [score(pair.left), score(pair.right), difference(pair.right - pair.left)];
        rows.push(
            std::iter::once(Cell::text(pair.metric.as_str()))
                .chain(cells.map(|cell| Cell::text(&cell)))
                .collect(),
        );
    }
    let text = |value: Option<String>| Cell::text(&value.unwrap_or_else(|| "–".to_owned()));
    let mut fact = |name: &str, left: Option<String>, right: Option<String>| {
        rows.push(vec![Cell::text(name), text(left), text(right), Cell::text("")]);
    };
    fact("nested cross-validation", left.outer.map(score), right.outer.map(score));
    fact("artifact", left.artifact_bytes.map(bytes), right.artifact_bytes.map(bytes));
    fact("memory, loaded", Some(bytes(left.resident_bytes)), Some(bytes(right.resident_bytes)));
    let speed = |value: Option<f64>| value.map(|value| format!("{value:.0} µs"));
    fact("a text", speed(left.microseconds_per_text), speed(right.microseconds_per_text));
    fact("rows of its data", left.dataset_rows.map(count), right.dataset_rows.map(count));
    let columns =
        [("", false), (left.name.as_str(), true), (right.name.as_str(), true), ("difference", true)];
    table("Both on the same test rows", &columns, rows, 99)
}

fn changed(comparison: &Comparison, change: Change) -> Option<String> {
    let found: Vec<&ChangedRow> = comparison.changed.iter().filter(|row| row.change == change).collect();
    if found.is_empty() {
        return None;
    }
    let labels = |labels: &[String]| {
        Cell::text(if labels.is_empty() { "none".to_owned() } else { labels.join(", ") }.as_str())
    };
    let row = |row: &&ChangedRow| {
        vec![
            Cell::number(row.row as f64, row.row.to_string()),
            labels(&row.labels),
            labels(&row.left),
            labels(&row.right),
            Cell::markup(format!("<q>{}</q>", escape(&row.text))),
        ]
    };
    let columns = [
        ("row", true),
        ("truth", false),
        (comparison.left.name.as_str(), false),
        (comparison.right.name.as_str(), false),
        ("text", false),
    ];
    let caption = counted(found.len(), "row", "rows");
    Some(table(&caption, &columns, found.iter().map(row).collect(), SHORT))
}
