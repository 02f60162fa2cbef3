//! What the model costs, where it comes from, and what a reader must know.

use super::table::{Cell, table};
use super::text::{concat, count, escape, score};
use crate::report::Report;
use crate::summary::{bytes, seconds};

/// Bytes, memory, time.
pub(super) fn cost(report: &Report) -> Option<String> {
    let cost = report.cost?;
    let mut rows = vec![
        ("artifact", bytes(cost.artifact_bytes)),
        ("memory, loaded", bytes(cost.resident_bytes)),
        ("a text, many at once", format!("{:.0} µs", cost.microseconds_per_text)),
        ("a text alone, 95 % are faster", format!("{:.0} µs", cost.single_microseconds)),
        ("training", seconds(report.seconds)),
    ];
    if cost.microseconds_per_text > 0.0 {
        let each_second = (1e6 / cost.microseconds_per_text) as usize;
        rows.insert(3, ("texts a second on one thread", count(each_second)));
    }
    Some(list(&rows) + &candidates(report))
}

fn candidates(report: &Report) -> String {
    if report.pareto.is_empty() {
        return String::new();
    }
    let rows = report.pareto.iter().map(|row| {
        let trials: Vec<String> = row.trials.iter().map(usize::to_string).collect();
        let verdict = match (row.chosen, row.exceeds.is_empty(), row.dominated) {
            (true, ..) => "chosen".to_owned(),
            (_, false, _) => format!("exceeds {}", row.exceeds.join(", ")),
            (.., true) => "another is better in everything".to_owned(),
            _ => String::new(),
        };
        vec![
            Cell::text(&trials.join(" + ")),
            Cell::number(row.score, score(row.score)),
            Cell::number(row.cost.artifact_bytes as f64, bytes(row.cost.artifact_bytes)),
            Cell::number(row.cost.resident_bytes as f64, bytes(row.cost.resident_bytes)),
            Cell::number(row.cost.single_microseconds, format!("{:.0} µs", row.cost.single_microseconds)),
            Cell::text(&verdict),
        ]
    });
    let columns = [
        ("trials", false),
        (report.metric.as_str(), true),
        ("artifact", true),
        ("memory", true),
        ("a text alone", true),
        ("", false),
    ];
    table("Candidates under the constraints", &columns, rows.collect(), 20)
}

/// Data, code, seed, and the resources as they were.
pub(super) fn provenance(report: &Report) -> String {
    let part = |name: &&str| {
        let rows = report.dataset.parts.get(*name).filter(|rows| **rows > 0)?;
        Some(format!("{} {name}", count(*rows)))
    };
    let parts: Vec<String> = ["train", "development", "test"].iter().filter_map(part).collect();
    let mut rows = vec![
        ("data", format!("{}: {}", report.dataset.name, parts.join(", "))),
        ("data hash", report.dataset.hash.clone()),
        ("seed", report.seed.to_string()),
        ("fitted on", report.refit_on.clone()),
        ("outcome", report.outcome.as_str().to_owned()),
    ];
    if let Some(looks) = report.test.as_ref().map(|test| test.looks).filter(|looks| *looks > 0) {
        rows.push(("looks at this test split", count(looks)));
    }
    if let Some(reason) = &report.promotion {
        rows.push(("alias", reason.clone()));
    }
    let Some(provenance) = &report.provenance else { return list(&rows) };
    rows.insert(0, ("trained", moment(&provenance.created)));
    rows.insert(1, ("by", format!("loquat {}", provenance.code_version)));
    rows.push(("inputs hash", provenance.inputs_hash.clone()));
    if let Some(parent) = provenance.parent {
        rows.push(("champion before", format!("version {parent}")));
    }
    format!(
        "{}<details><summary>The resources, as they were</summary><pre tabindex=\"0\">{}</pre></details>",
        list(&rows),
        escape(&provenance.resource)
    )
}

/// A moment to the minute; as it is when it is not written as RFC 3339 says.
fn moment(created: &str) -> String {
    match (created.get(..10), created.get(11..16)) {
        (Some(day), Some(time)) if created.ends_with('Z') => format!("{day}, {time} UTC"),
        _ => created.to_owned(),
    }
}

/// The report's notes.
pub(super) fn notes(report: &Report) -> String {
    if report.notes.is_empty() {
        return String::new();
    }
    let notes = report.notes.iter().map(|note| format!("<li>{}</li>", escape(note)));
    format!("<h3>Read with this in mind</h3><ul class=\"plain\">{}</ul>", concat(notes))
}

fn list(rows: &[(&str, String)]) -> String {
    let row = |(name, value): &(&str, String)| {
        format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value))
    };
    format!("<dl class=\"pairs\">{}</dl>", concat(rows.iter().map(row)))
}
