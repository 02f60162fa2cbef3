//! The checks on public evaluation sets: whether they find the texts that the published copies share between their parts and
//! the labels that parts lack, and how long they take, beside spaCy's `debug data`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::figures::record::{Bench, Record, Target, median};
use crate::figures::training::number;
use crate::{environment, process, services};

const RUNS: usize = 3;
/// How many times as fast as spaCy the check should be.
const TIMES: f64 = 10.0;

/// A set as it was published. Counts were taken with a script of a few lines that knows nothing of Loquat: rows of a part whose text
/// (NFKC, lower case, single spaces) stands in an earlier part, and labels of the training part that a later one lacks.
struct Set {
    name: &'static str,
    task: &'static str,
    columns: &'static str,
    train: &'static str,
    development: Option<&'static str>,
    test: Option<&'static str>,
    /// Rows of the development and of the test part with a text of an earlier one.
    shared: [usize; 2],
    /// Labels that the development and the test part lack.
    absent: [Option<&'static str>; 2],
    /// The part of spaCy's pipeline whose data it is.
    spacy: Option<&'static str>,
}

const CLASSIFIED: Set = Set {
    name: "",
    task: "text-classification",
    columns: "text: text, label: label",
    train: "train.jsonl",
    development: Some("dev.jsonl"),
    test: Some("test.jsonl"),
    shared: [0, 0],
    absent: [None, None],
    spacy: Some("textcat"),
};
const PAIRS: Set = Set {
    task: "text-pair-classification",
    columns: "premise: premise, hypothesis: hypothesis, label: label",
    spacy: None,
    ..CLASSIFIED
};
const ENTITIES: Set = Set {
    task: "token-classification",
    columns: "tokens: tokens, tags: tags",
    train: "train.conll",
    development: Some("dev.conll"),
    test: Some("test.conll"),
    spacy: Some("ner"),
    ..CLASSIFIED
};
const TEXTS: Set = Set {
    task: "embedding",
    columns: "text: text",
    development: None,
    test: None,
    spacy: None,
    ..CLASSIFIED
};

const SETS: &[Set] = &[
    Set {
        name: "massive_en",
        shared: [11, 26],
        absent: [Some("audio_volume_other"), Some("cooking_query")],
        ..CLASSIFIED
    },
    Set {
        name: "goemotions",
        task: "multi-label-classification",
        columns: "text: text, labels: labels",
        shared: [49, 48],
        spacy: Some("textcat_multilabel"),
        ..CLASSIFIED
    },
    Set { name: "sib200", columns: "text: text, label: label, language: lang, group: id", ..CLASSIFIED },
    Set { name: "tatoeba_langid", task: "language-identification", shared: [0, 1], ..CLASSIFIED },
    Set { name: "wnut17", ..ENTITIES },
    Set {
        name: "uner",
        train: "train.*.conll",
        development: Some("dev.*.conll"),
        test: Some("test.*.conll"),
        shared: [8, 97],
        ..ENTITIES
    },
    Set { name: "sick", shared: [3, 52], ..PAIRS },
    Set { name: "snli", train: "dev.jsonl", development: None, ..PAIRS },
    Set { name: "mnli", train: "dev_matched.jsonl", development: None, test: None, ..PAIRS },
    Set { name: "btc_stream", train: "posts.jsonl", ..TEXTS },
    Set { name: "wiki_movies", train: "docs.jsonl", ..TEXTS },
];

/// How many sets were found as they are, and the time of each check.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    let data = environment::data_folder()?;
    let requirements = bench.workspace.path("xtask/figures/data_sets_requirements.txt");
    let python = if bench.quick { None } else { Some(services::python_environment(&requirements)?) };
    let mut differing: Vec<Value> = Vec::new();
    let mut times = Vec::new();
    for set in SETS {
        let scratch = tempfile::tempdir()?;
        std::fs::write(scratch.path().join("set.yaml"), resource(set, &data))?;
        let (found, seconds) = check(bench, scratch.path())?;
        let wrong = differences(set, &found)?;
        if !wrong.is_empty() {
            differing.push(json!({ "set": set.name, "differs": wrong }));
        }
        let mut record = bench.record(&format!("data-sets/{}/time", set.name), "s", None, seconds);
        if let (Some(python), Some(component)) = (&python, set.spacy) {
            let peer = spacy(bench, (python, component), set, &data)?;
            let seconds = number(&peer, "/seconds")?;
            let version = format!("spaCy {}", peer["version"].as_str().unwrap_or_default());
            record.target = Some(Target::AtMost(seconds / TIMES));
            record.met = Some(record.value <= seconds / TIMES);
            record = record.with_peer(seconds, version, true).with_detail(peer);
        }
        times.push(record);
    }
    let target = Some(Target::AtLeast(SETS.len() as f64));
    let found = (SETS.len() - differing.len()) as f64;
    let detail =
        json!({ "sets": SETS.iter().map(|set| set.name).collect::<Vec<_>>(), "differing": differing });
    let mut records =
        vec![bench.record("data-sets/as-published", "sets", target, vec![found]).with_detail(detail)];
    records.extend(times);
    Ok(records)
}

fn resource(set: &Set, data: &Path) -> String {
    let place = |file: &str| data.join(set.name).join(file).display().to_string();
    let mut text = format!(
        "apiVersion: loquat.dev/v1alpha1\nkind: Dataset\nmetadata: {{ name: set }}\nspec:\n  task: {}\n  \
         source: {{ path: \"{}\" }}\n  columns: {{ {} }}\n  split:\n",
        set.task,
        place(set.train),
        set.columns
    );
    let parts = [("development", set.development), ("test", set.test)];
    for (part, file) in parts.into_iter().filter_map(|(part, file)| Some((part, file?))) {
        // Writing to a string can't fail.
        let _ = writeln!(text, "    {part}: {{ path: \"{}\" }}", place(file));
    }
    if parts.iter().all(|(_, file)| file.is_none()) {
        text.push_str("    test: 10%\n");
    }
    text
}

/// The findings, and the seconds of each run.
fn check(bench: &Bench, folder: &Path) -> Result<(Value, Vec<f64>)> {
    let mut seconds = Vec::new();
    let mut report = Value::Null;
    for _ in 0..if bench.quick { 1 } else { RUNS } {
        let mut command = Command::new(bench.binary()?);
        command.args(["check", "--format", "json"]).current_dir(folder);
        let start = Instant::now();
        let output = process::output(&mut command)?;
        seconds.push(start.elapsed().as_secs_f64());
        report = serde_json::from_str(&output).context("the check prints JSON")?;
    }
    Ok((report, seconds))
}

/// What the findings have more or less than the table.
fn differences(set: &Set, report: &Value) -> Result<Vec<String>> {
    let findings = report["findings"].as_array().context("the check printed no findings")?;
    let mut differing = Vec::new();
    let errors = findings.iter().filter(|finding| finding["severity"] == "error");
    differing.extend(errors.map(|finding| format!("error: {}", finding["message"])));
    for (place, part) in ["development", "test"].into_iter().enumerate() {
        let named = |check: &str| -> Vec<&str> {
            let of_part = findings.iter().filter(|finding| finding["check"] == check);
            let messages = of_part.filter_map(|finding| finding["message"].as_str());
            messages.filter(|message| message.contains(&format!(" {part} row"))).collect()
        };
        let shared: usize = named("leakage")
            .iter()
            .filter_map(|message| message.split_whitespace().next()?.parse::<usize>().ok())
            .sum();
        if shared != set.shared[place] {
            differing.push(format!("{shared} shared {part} rows instead of {}", set.shared[place]));
        }
        let absent = named("absent-label");
        let expected: BTreeSet<&str> = set.absent[place].into_iter().collect();
        let right = match &expected.iter().collect::<Vec<_>>()[..] {
            [] => absent.is_empty(),
            [label] => absent.len() == 1 && absent[0].contains(&format!("({label})")),
            _ => false,
        };
        if !right {
            differing.push(format!("labels absent from {part}: {absent:?} instead of {expected:?}"));
        }
    }
    Ok(differing)
}

/// spaCy's `debug data` on the same rows, converted to its own format before.
fn spacy(bench: &Bench, (python, component): (&Path, &str), set: &Set, data: &Path) -> Result<Value> {
    let scratch = tempfile::tempdir()?;
    let script = bench.workspace.path("xtask/figures/data_sets.py");
    let mut runs = Vec::new();
    let mut peer = Value::Null;
    for _ in 0..RUNS {
        let mut command = Command::new(python);
        command.arg(&script).arg(component).arg(data.join(set.name)).arg(scratch.path());
        command.args([set.train, set.development.or(set.test).unwrap_or(set.train)]);
        peer = serde_json::from_str(&process::output(&mut command)?).context("the script prints JSON")?;
        ensure!(peer["findings"].as_u64().is_some_and(|lines| lines > 0), "spaCy said nothing");
        runs.push(number(&peer, "/seconds")?);
    }
    peer["runs"] = json!(runs);
    peer["seconds"] = json!(median(&runs));
    Ok(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_held_against_the_table() {
        let set = Set { shared: [0, 2], absent: [None, Some("b")], ..CLASSIFIED };
        let found = json!({ "findings": [
            { "check": "leakage", "severity": "warning", "message": "2 of 9 test rows have a text" },
            { "check": "absent-label", "severity": "info", "message": "1 label of training without a test row (b); no" },
        ] });
        assert_eq!(differences(&set, &found).unwrap(), Vec::<String>::new());
        assert_eq!(differences(&CLASSIFIED, &found).unwrap().len(), 2);
        assert_eq!(differences(&set, &json!({ "findings": [] })).unwrap().len(), 2);
    }

    #[test]
    fn every_set_gives_a_resource_with_its_parts() {
        for set in SETS {
            let text = resource(set, Path::new("/data"));
            assert!(text.contains(&format!("/data/{}/{}", set.name, set.train)), "{text}");
            assert_eq!(text.matches("path:").count(), 1 + set.development.iter().chain(&set.test).count());
        }
    }
}
