//! `kill -9` of `train` at random moments: the next run completes, with the weights of an uninterrupted one.

use std::hash::{BuildHasher, RandomState};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::figures::record::{Bench, Record, Target};
use crate::figures::training::Folder;

const MOST_TRIES: u32 = 20;
const MODEL: &str = "tickets";

/// A training to kill.
#[derive(Debug)]
pub(crate) struct Killed {
    /// Name of the resource file and of the figure.
    name: &'static str,
    rounds: u32,
    /// The solver that must be among its trials.
    solver: Option<&'static str>,
}

/// A search over linear models.
pub(crate) const SEARCH: Killed = Killed { name: "kill", rounds: 20, solver: None };
/// A search over heads of an encoder, and the fine-tune that follows it.
pub(crate) const FINE_TUNE: Killed = Killed { name: "kill-fine-tune", rounds: 10, solver: Some("fine-tune") };

/// How many of the killed runs end with the weights of the uninterrupted one.
pub(crate) fn measure(bench: &Bench, killed: &Killed) -> Result<Vec<Record>> {
    let scratch = tempfile::tempdir()?;
    let folder = Folder::at(bench, killed.name, scratch.path().join("uninterrupted"))?;
    let seconds = folder.train()?;
    if let Some(solver) = killed.solver {
        let report = folder.report(MODEL)?.to_string();
        ensure!(report.contains(&format!("\"{solver}\"")), "no trial of the report is a {solver}");
    }
    let wanted = folder.weights_digest(MODEL)?;
    let mut rounds = Vec::new();
    let mut same = 0_u32;
    for round in 0..killed.rounds {
        let folder = Folder::at(bench, killed.name, scratch.path().join(format!("round-{round}")))?;
        let moment = kill_once(&folder, seconds)?;
        let found = resume(&folder);
        let equal = found.as_ref().is_ok_and(|digest| *digest == wanted);
        same += u32::from(equal);
        let error = found.err().map(|error| format!("{error:#}"));
        rounds.push(json!({ "seconds": moment.as_secs_f64(), "sameWeights": equal, "error": error }));
    }
    let detail =
        json!({ "uninterruptedSeconds": seconds, "weights": wanted, "rounds": Value::Array(rounds) });
    let target = Some(Target::AtLeast(f64::from(killed.rounds)));
    let (figure, unit) = (format!("{}/same-weights", killed.name), format!("of {}", killed.rounds));
    let record = bench.record(&figure, &unit, target, vec![f64::from(same)]);
    Ok(vec![record.with_detail(detail)])
}

/// Kills a training of `folder` at a random moment of `seconds`, which is returned. One that had ended by then is forgotten
/// and started again, so that every round is a killed one.
fn kill_once(folder: &Folder, seconds: f64) -> Result<Duration> {
    for _ in 0..MOST_TRIES {
        let moment = Duration::from_secs_f64(seconds * random_share());
        if kill_after(folder, moment)? {
            return Ok(moment);
        }
        folder.clear()?;
    }
    bail!("{MOST_TRIES} trainings ended before they could be killed, although one took {seconds:.1} s")
}

/// Starts a training and kills it at `moment`; false when it had ended by then.
fn kill_after(folder: &Folder, moment: Duration) -> Result<bool> {
    let end = Instant::now() + moment;
    let mut process: Child = folder.train_command().stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    std::thread::sleep(end.saturating_duration_since(Instant::now()));
    let running = process.try_wait()?.is_none();
    // Child::kill is SIGKILL: nothing of the process gets to run after it.
    process.kill().context("the training cannot be killed")?;
    process.wait()?;
    Ok(running)
}

fn resume(folder: &Folder) -> Result<String> {
    folder.train()?;
    folder.weights_digest(MODEL)
}

/// A share between 0 and 1, another each time.
fn random_share() -> f64 {
    let bits = RandomState::new().hash_one(Instant::now()) >> 32;
    f64::from(u32::try_from(bits).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}
