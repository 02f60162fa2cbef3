//! Eight rows a class of MASSIVE's twenty commonest intents: the encoder family beside the linear one, over several draws.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::environment;
use crate::figures::record::{Bench, Record, Target};
use crate::figures::training::{Folder, number};

const CLASSES: usize = 20;
const EACH: usize = 8;
const DRAWS: u64 = 5;
/// Points that encoders are to be ahead.
const AHEAD: f64 = 10.0;

/// Trains both families on every draw.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    let folder = Folder::open(bench, "few-shot")?;
    let source = environment::data_folder()?.join("massive_en");
    let (train, test) = (rows(&source.join("train.jsonl"))?, rows(&source.join("test.jsonl"))?);
    let classes = commonest(&train);
    let data = folder.path().join("data");
    std::fs::create_dir_all(&data)?;
    let of_classes = test.iter().filter(|row| classes.contains(label(row)));
    write(&data.join("test.jsonl"), of_classes)?;
    let (mut linear, mut encoder, mut details) = (Vec::new(), Vec::new(), Vec::new());
    for draw in 0..DRAWS {
        write(&data.join("train.jsonl"), drawn(&train, &classes, draw)?.into_iter())?;
        folder.clear()?;
        let seconds = folder.train()?;
        let reports = [folder.report("linear")?, folder.report("encoder")?];
        let percent = |report| number(report, "/test/metrics/accuracy/value").map(|value| 100.0 * value);
        linear.push(percent(&reports[0])?);
        encoder.push(percent(&reports[1])?);
        details.push(json!({
            "wallSeconds": seconds,
            "linear": linear.last(),
            "encoder": encoder.last(),
            "chosen": reports[1]["chosen"],
            "trials": reports[1]["trials"].as_array().map(|trials| trials.last().cloned()),
            "notes": reports[1]["notes"],
        }));
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (behind, ahead) = (mean(&linear), mean(&encoder));
    let target = Some(Target::AtLeast(behind + AHEAD));
    let record = bench.record("few-shot/accuracy", "%", target, vec![ahead]);
    let detail = json!({ "rowsAClass": EACH, "classes": CLASSES, "draws": details });
    Ok(vec![record.with_peer(behind, "the linear family".to_owned(), false).with_detail(detail)])
}

fn rows(path: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn label(row: &Value) -> &str {
    row["label"].as_str().unwrap_or_default()
}

fn write<'r>(path: &Path, rows: impl Iterator<Item = &'r Value>) -> Result<()> {
    let lines: String = rows.map(|row| format!("{row}\n")).collect();
    std::fs::write(path, lines).with_context(|| format!("cannot write {}", path.display()))
}

/// The labels with most rows; of equals those that come first in the alphabet.
fn commonest(rows: &[Value]) -> BTreeSet<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    rows.iter().for_each(|row| *counts.entry(label(row)).or_default() += 1);
    let mut order: Vec<(&str, usize)> = counts.into_iter().collect();
    order.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    order.into_iter().take(CLASSES).map(|(name, _)| name.to_owned()).collect()
}

/// So many rows of each class, in an order that follows from the draw.
fn drawn<'r>(rows: &'r [Value], classes: &BTreeSet<String>, draw: u64) -> Result<Vec<&'r Value>> {
    let mut chosen = Vec::new();
    for class in classes {
        let mut own: Vec<(u64, &Value)> = rows
            .iter()
            .enumerate()
            .filter(|(_, row)| label(row) == class)
            .map(|(place, row)| (hash(draw << 32 | place as u64), row))
            .collect();
        ensure!(own.len() >= EACH, "{class} has only {} rows", own.len());
        own.sort_by_key(|(order, _)| *order);
        chosen.extend(own.into_iter().take(EACH).map(|(_, row)| row));
    }
    Ok(chosen)
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014).
fn hash(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_has_as_many_rows_of_each_class_and_another_draw_others() {
        let rows: Vec<Value> = (0..400)
            .map(|row| json!({"text": row.to_string(), "label": format!("c{:02}", row % 25)}))
            .collect();
        let classes = commonest(&rows);
        assert_eq!(classes.len(), CLASSES);
        let of = |draw| drawn(&rows, &classes, draw).unwrap();
        assert_eq!(of(0).len(), CLASSES * EACH);
        assert!(classes.iter().all(|class| of(0).iter().filter(|row| label(row) == class).count() == EACH));
        assert_eq!(of(1), of(1));
        assert_ne!(of(0), of(1));
    }
}
