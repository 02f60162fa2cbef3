//! docs/benchmarks.md, written from the stored records.

use std::fmt::Write;

use anyhow::{Context, Result};

use crate::figures::record::{Record, Target};
use crate::figures::table::STORED;
use crate::workspace::Workspace;

const HEAD: &str = "# Benchmarks

Written by `cargo xtask benchmarks` from the records in `docs/figures`; do not edit. Each is measured by
`cargo xtask figure NAME` with the release binary; where there is a peer, it ran in the same run on the same machine.
A value is that of its commit: `cargo xtask figure` lists the records whose sources have changed since, and which figures have none.

| figure | value | target | met | peer | times | runs | commit | date |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
";

/// The engine that the others are held against.
const REFERENCE: &str = "ort-f32";

/// Writes the page.
pub(crate) fn write(workspace: &Workspace) -> Result<()> {
    let mut paths = std::fs::read_dir(workspace.path(STORED))
        .with_context(|| format!("no records in {STORED}; measure one with `cargo xtask figure NAME`"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.sort();
    let mut records: Vec<Record> = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path)?;
        let found: Vec<Record> =
            serde_json::from_str(&text).with_context(|| format!("{} holds no records", path.display()))?;
        records.extend(found);
    }
    let page = workspace.path("docs/benchmarks.md");
    std::fs::write(&page, render(&records)?)?;
    println!("{}", page.display());
    Ok(())
}

fn render(records: &[Record]) -> Result<String> {
    let mut page = HEAD.to_owned();
    for record in records {
        writeln!(page, "{}", row(record))?;
    }
    page.push_str(&engines(records)?);
    let mut machines: Vec<&str> = records.iter().map(|record| record.cpu.as_str()).collect();
    machines.sort_unstable();
    machines.dedup();
    writeln!(page, "\nMeasured on: {}.", machines.join("; "))?;
    Ok(page)
}

/// Every engine that ran a batch beside Loquat's and the reference, as the details of the first record of each batch say.
fn engines(records: &[Record]) -> Result<String> {
    let mut tables = String::new();
    let mut told: Vec<&str> = Vec::new();
    for record in records {
        let Some((batch, _)) = record.figure.rsplit_once('/') else { continue };
        let Some(medians) = record.detail["medians"].as_object() else { continue };
        let Some(reference) = medians.get(REFERENCE).and_then(serde_json::Value::as_f64) else { continue };
        if told.contains(&batch) {
            continue;
        }
        told.push(batch);
        let mut medians: Vec<(&str, f64)> =
            medians.iter().filter_map(|(name, median)| Some((name.as_str(), median.as_f64()?))).collect();
        medians.sort_by(|a, b| a.1.total_cmp(&b.1));
        writeln!(tables, "\n## {batch}\n\n| engine | ms | times {REFERENCE} |\n| --- | --- | --- |")?;
        for (name, median) in medians {
            let own = if ["int8", "f32"].contains(&name) { "Loquat " } else { "" };
            writeln!(tables, "| {own}{name} | {} | {:.2} |", number(median), reference / median)?;
        }
    }
    Ok(tables)
}

fn row(record: &Record) -> String {
    let unit = &record.unit;
    let target = match record.target {
        Some(Target::AtLeast(bound)) => format!("≥ {} {unit}", number(bound)),
        Some(Target::AtMost(bound)) => format!("≤ {} {unit}", number(bound)),
        None => String::new(),
    };
    let met = match record.met {
        Some(true) => "yes",
        Some(false) => "no",
        None => "",
    };
    let version = record.peer_version.as_deref().unwrap_or_default();
    let peer = record.peer.map(|peer| format!("{} {unit} ({version})", number(peer))).unwrap_or_default();
    let ratio = record.ratio.map(|ratio| format!("{ratio:.1}")).unwrap_or_default();
    let cells = [
        record.figure.clone(),
        format!("{} {unit}", number(record.value)),
        target,
        met.to_owned(),
        peer,
        ratio,
        record.runs.len().to_string(),
        record.commit.clone(),
        record.date.clone(),
    ];
    format!("| {} |", cells.join(" | "))
}

/// Counts as they are; else about four digits, which is more than repeats.
fn number(value: f64) -> String {
    match value.abs() {
        size if size.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 1000.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_target_and_peer() {
        let record = Record {
            figure: "search/time".to_owned(),
            value: 10.0,
            unit: "s".to_owned(),
            target: Some(Target::AtMost(20.0)),
            met: Some(true),
            peer: Some(80.5),
            peer_version: Some("scikit-learn 1.9".to_owned()),
            ratio: Some(8.0),
            runs: vec![10.0],
            cpu: "a processor".to_owned(),
            commit: "0123456789ab".to_owned(),
            sources: None,
            date: "2026-01-01".to_owned(),
            detail: serde_json::Value::Null,
        };
        let wanted = "| search/time | 10 s | ≤ 20 s | yes | 80.5 s (scikit-learn 1.9) | 8.0 | 1 | 0123456789ab | 2026-01-01 |";
        assert_eq!(row(&record), wanted);
    }
}
