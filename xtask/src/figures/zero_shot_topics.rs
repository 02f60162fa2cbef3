//! Topics of the English texts of SIB-200 by the entailment model of the figure `nli`, which saw none of them, beside the
//! likeness of MiniLM's vectors of text and topic.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::environment;
use crate::figures::record::{Bench, Record, Target};
use crate::figures::serving::{Client, minilm_folder};
use crate::figures::training::Folder;
use crate::services::Server;

const TOPICS: [&str; 7] =
    ["science/technology", "travel", "politics", "sports", "health", "entertainment", "geography"];
/// Texts of one request.
const AT_ONCE: usize = 32;
/// Room for a request of many pairs on a loaded machine.
const LIMITS: &str = "{ timeout: 60s }";

/// A text with its topic.
struct Row {
    text: String,
    topic: String,
}

/// The folder that holds the entailment model, trained where it is not yet.
pub(crate) fn entailment_model(bench: &Bench) -> Result<Folder> {
    let folder = Folder::open(bench, "nli")?;
    folder.train()?;
    Ok(folder)
}

/// The accuracy of both.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    let rows = rows()?;
    let folder = entailment_model(bench)?;
    let entailed = answers(bench, folder.path(), "topics", &texts(&rows), &label)?;
    let likened = likened(bench, &rows)?;
    let accuracy = |answers: &[String]| {
        let right = answers.iter().zip(&rows).filter(|(answer, row)| **answer == row.topic).count();
        100.0 * right as f64 / rows.len() as f64
    };
    let record = bench
        .record(
            "zero-shot-topics/accuracy",
            "%",
            Some(Target::AtLeast(accuracy(&likened))),
            vec![accuracy(&entailed)],
        )
        .with_peer(accuracy(&likened), "likeness of all-MiniLM-L6-v2".to_owned(), false)
        .with_detail(json!({ "texts": rows.len(), "topics": TOPICS }));
    Ok(vec![record])
}

fn rows() -> Result<Vec<Row>> {
    let path = environment::data_folder()?.join("sib200/test.jsonl");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let rows = text.lines().map(|line| -> Result<Option<Row>> {
        let row: Value = serde_json::from_str(line)?;
        let field =
            |name: &str| Ok::<_, anyhow::Error>(row[name].as_str().context("a row is whole")?.to_owned());
        Ok(if field("lang")? == "en" {
            Some(Row { text: field("text")?, topic: field("label")? })
        } else {
            None
        })
    });
    rows.filter_map(Result::transpose).collect()
}

fn texts(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| row.text.clone()).collect()
}

/// What an Endpoint of a folder answers to each text.
fn answers<T>(
    bench: &Bench,
    folder: &Path,
    endpoint: &str,
    texts: &[String],
    read: &dyn Fn(&Value) -> Option<T>,
) -> Result<Vec<T>> {
    let server = Server::start(&[], &bench.binary()?, folder, &[])?;
    let mut client = Client::connect(server.address())?;
    let mut answers = Vec::with_capacity(texts.len());
    for texts in texts.chunks(AT_ONCE) {
        let path = format!("/models/{endpoint}/predict");
        let (status, answer) = client.post(&path, &json!({ "inputs": texts }))?;
        ensure!(status == 200, "{path} was answered {status}: {answer}");
        let found = answer["predictions"].as_array().context("predictions")?;
        for prediction in found {
            answers.push(read(prediction).with_context(|| format!("{prediction} is no answer"))?);
        }
    }
    server.stop()?;
    Ok(answers)
}

/// The best label.
fn label(prediction: &Value) -> Option<String> {
    let labels = prediction["labels"].as_array()?;
    let score = |label: &Value| label["score"].as_f64().unwrap_or(f64::NEG_INFINITY);
    let best = labels.iter().max_by(|a, b| score(a).total_cmp(&score(b)))?;
    Some(best["label"].as_str()?.to_owned())
}

/// The topic whose vector is most like the text's.
fn likened(bench: &Bench, rows: &[Row]) -> Result<Vec<String>> {
    let folder = minilm_folder(bench, &bench.binary()?, LIMITS)?;
    let mut asked: Vec<String> = TOPICS.iter().map(|topic| format!("This text is about {topic}.")).collect();
    asked.extend(texts(rows));
    let vector =
        |prediction: &Value| serde_json::from_value::<Vec<f64>>(prediction["embedding"].clone()).ok();
    let vectors = answers(bench, &folder, "minilm", &asked, &vector)?;
    let (topics, texts) = vectors.split_at(TOPICS.len());
    // The vectors have length one.
    let likeness = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let nearest = |text: &Vec<f64>| {
        let best = (0..TOPICS.len())
            .max_by(|a, b| likeness(&topics[*a], text).total_cmp(&likeness(&topics[*b], text)));
        best.map(|best| TOPICS[best].to_owned()).context("there are topics")
    };
    texts.iter().map(nearest).collect()
}
