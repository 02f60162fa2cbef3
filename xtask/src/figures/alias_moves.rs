//! An alias moved 50 times under load: no request fails, and every answer is that of the version which it names.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::figures::record::{Bench, Record, Target};
use crate::figures::serving::{Client, SERVER_CORE};
use crate::figures::training::Folder;
use crate::process;
use crate::services::Server;

const MOVES: usize = 50;
const CALLERS: usize = 4;
const PAUSE: Duration = Duration::from_millis(400);
const TEXTS: [&str; 4] = [
    "I was charged twice this month and want my money back",
    "wann kommt mein Paket endlich an",
    "no puedo entrar en mi cuenta",
    "the app closes as soon as I open it",
];

/// What each version answers to each text.
type Expected = BTreeMap<u64, Vec<Value>>;

/// What the callers saw.
#[derive(Debug, Default)]
struct Seen {
    answers: usize,
    failed: usize,
    /// Answers that are not those of the version that they name.
    wrong: usize,
    by_version: BTreeMap<u64, usize>,
}

/// Requests that failed, and answers that named another version than gave them.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    let folder = Folder::at(bench, "alias-moves", bench.scratch().join("alias-moves"))?;
    two_versions(&folder)?;
    let server = Server::start(SERVER_CORE, folder.binary(), folder.path(), &["--threads", "1"])?;
    let expected = expected(&server)?;
    ensure!(expected[&1] != expected[&2], "the two versions answer alike, so that nothing could be told");
    let moves = if bench.quick { 5 } else { MOVES };
    let seen = move_under_load(&folder, &server, &expected, moves)?;
    server.stop()?;
    let detail =
        json!({ "moves": moves, "answers": seen.answers, "byVersion": seen.by_version, "callers": CALLERS });
    let none = || Some(Target::AtMost(0.0));
    Ok(vec![
        bench.record("alias-moves/failed", "requests", none(), vec![seen.failed as f64]).with_detail(detail),
        bench.record("alias-moves/wrongly-named", "answers", none(), vec![seen.wrong as f64]),
    ])
}

/// Trains twice, with another seed the second time.
fn two_versions(folder: &Folder) -> Result<()> {
    folder.train()?;
    let path = folder.path().join("resources.yaml");
    let text = std::fs::read_to_string(&path)?;
    ensure!(text.contains("seed: 17"), "the resource states its seed");
    std::fs::write(&path, text.replace("seed: 17", "seed: 18").replace("trials: 4", "trials: 5"))?;
    folder.train().map(drop)
}

fn expected(server: &Server) -> Result<Expected> {
    let mut client = Client::connect(server.address())?;
    let mut expected = Expected::new();
    for version in 1..=2 {
        let path = format!("/v2/models/tickets/versions/{version}/infer");
        let body = json!({ "inputs": [{ "name": "text", "datatype": "BYTES", "shape": [TEXTS.len()], "data": TEXTS }] });
        let (status, answer) = client.post(&path, &body)?;
        ensure!(status == 200, "version {version} was answered {status}: {answer}");
        let output = |name: &str| {
            let outputs = answer["outputs"].as_array().context("outputs")?;
            let found =
                outputs.iter().find(|output| output["name"] == name).context("the output is there")?;
            found["data"].as_array().cloned().context("its data")
        };
        let pairs = output("label")?.into_iter().zip(output("score")?);
        expected.insert(version, pairs.map(|(label, score)| json!([label, score])).collect());
    }
    Ok(expected)
}

fn move_under_load(folder: &Folder, server: &Server, expected: &Expected, moves: usize) -> Result<Seen> {
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let callers: Vec<_> =
            (0..CALLERS).map(|_| scope.spawn(|| ask_until(server, expected, &ended))).collect();
        let moved = (0..moves).try_for_each(|turn| {
            std::thread::sleep(PAUSE);
            let version = format!("tickets:{}", 1 + (turn + 1) % 2);
            process::run_aside(folder.loquat().args(["models", "promote", &version]))
        });
        std::thread::sleep(PAUSE);
        ended.store(true, Ordering::Relaxed);
        let mut all = Seen::default();
        for caller in callers {
            let seen = caller.join().map_err(|_| anyhow::anyhow!("a caller panicked"))??;
            all.answers += seen.answers;
            all.failed += seen.failed;
            all.wrong += seen.wrong;
            for (version, count) in seen.by_version {
                *all.by_version.entry(version).or_default() += count;
            }
        }
        moved?;
        ensure!(all.by_version.len() == 2, "one version answered everything: no move was seen");
        Ok(all)
    })
}

fn ask_until(server: &Server, expected: &Expected, ended: &AtomicBool) -> Result<Seen> {
    let mut client = Client::connect(server.address())?;
    let mut seen = Seen::default();
    while !ended.load(Ordering::Relaxed) {
        let place = seen.answers % TEXTS.len();
        let (status, answer) = client.post("/models/tickets/predict", &json!({ "inputs": TEXTS[place] }))?;
        seen.answers += 1;
        if status != 200 {
            seen.failed += 1;
            continue;
        }
        let version = answer["version"].as_u64().context("an answer names its version")?;
        *seen.by_version.entry(version).or_default() += 1;
        let found = json!([answer["predictions"][0]["label"], answer["predictions"][0]["score"]]);
        seen.wrong += usize::from(expected.get(&version).is_none_or(|answers| answers[place] != found));
    }
    Ok(seen)
}
