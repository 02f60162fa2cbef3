//! Texts with at most a tenth of their words edited, planted among 100,000: how many the check finds, and how many of
//! those that it names are none.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::figures::record::{Bench, Record, Target};
use crate::figures::synthetic::Synthetic;
use crate::process;

const ROWS: usize = 100_000;
/// No more than a finding names rows, so that each is accounted for.
const PLANTED: usize = 900;
const RESOURCE: &str = "apiVersion: loquat.dev/v1alpha1\nkind: Dataset\nmetadata: { name: planted }\nspec:\n  \
                        task: text-classification\n  source: { path: rows.jsonl }\n  split: { test: 0% }\n";

/// Percentages of planted rows found, and of rows named that were not planted.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    let scratch = tempfile::tempdir()?;
    let pairs = write_rows(scratch.path())?;
    let mut command = Command::new(bench.binary()?);
    command.args(["check", "--format", "json"]).current_dir(scratch.path());
    let started = Instant::now();
    let output = process::output(&mut command)?;
    let seconds = started.elapsed().as_secs_f64();
    let report: Value = serde_json::from_str(&output)?;
    let named = named(&report)?;
    let found = pairs.iter().filter(|(one, other)| named.contains(one) || named.contains(other)).count();
    let planted: BTreeSet<usize> = pairs.iter().flat_map(|(one, other)| [*one, *other]).collect();
    let false_ones = named.difference(&planted).count();
    let detail = json!({ "rows": ROWS, "planted": PLANTED, "named": named.len(), "seconds": seconds });
    let share = |count: usize, of: usize| 100.0 * count as f64 / of.max(1) as f64;
    Ok(vec![
        bench
            .record("near-duplicates/found", "%", Some(Target::AtLeast(95.0)), vec![share(found, PLANTED)])
            .with_detail(detail),
        bench.record(
            "near-duplicates/false",
            "%",
            Some(Target::AtMost(1.0)),
            vec![share(false_ones, named.len())],
        ),
    ])
}

fn named(report: &Value) -> Result<BTreeSet<usize>> {
    let findings = report["findings"].as_array().context("the check printed no findings")?;
    let finding = findings.iter().find(|finding| finding["check"] == "near-duplicate");
    let rows = finding.and_then(|finding| finding["rows"].as_array()).into_iter().flatten();
    Ok(rows.filter_map(|row| row.as_u64().and_then(|row| usize::try_from(row).ok())).collect())
}

/// Writes the rows, and gives the places of each text and its edited copy.
fn write_rows(folder: &std::path::Path) -> Result<Vec<(usize, usize)>> {
    let mut texts = Synthetic::new(17);
    let mut rows: Vec<Vec<String>> = Vec::with_capacity(ROWS);
    for _ in 0..ROWS - PLANTED {
        let words = 10 + texts.below(31);
        rows.push(texts.text(words));
    }
    let mut pairs = Vec::with_capacity(PLANTED);
    for number in 0..PLANTED {
        let original = number * (rows.len() / PLANTED);
        let mut copy = rows[original].clone();
        for _ in 0..1 + texts.below(copy.len() / 10) {
            edit(&mut copy, &mut texts);
        }
        // The copy takes the place of a later row, which moves to the end.
        let place = ROWS - PLANTED - 1 - number * 7;
        let moved = std::mem::replace(&mut rows[place], copy);
        rows.push(moved);
        pairs.push((original, place));
    }
    let mut out = String::new();
    for (number, row) in rows.iter().enumerate() {
        let label = ["a", "b", "c", "d"][number % 4];
        writeln!(out, "{}", json!({ "text": row.join(" "), "label": label }))?;
    }
    std::fs::write(folder.join("rows.jsonl"), out)?;
    std::fs::write(folder.join("planted.yaml"), RESOURCE)?;
    Ok(pairs)
}

/// Replaces, drops or adds a word.
fn edit(words: &mut Vec<String>, texts: &mut Synthetic) {
    let place = texts.below(words.len());
    match texts.below(4) {
        0 => drop(words.remove(place)),
        1 => words.insert(place, texts.word()),
        _ => words[place] = texts.word(),
    }
}
