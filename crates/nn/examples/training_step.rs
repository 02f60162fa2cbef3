//! The training step in the figure `training-step`: answers the questions that its peer answers.
//!
//! Usage: `training_step FOLDER`. The first line printed is a greeting. Each line read is a question, each line printed its
//! answer; memory is the most that the process ever held, in bytes:
//!
//! ```text
//! {"ids": IDS, "labels": LABELS, "threads": N, "batch": N}  -> {"seconds": S, "memory": BYTES}
//! ```
//!
//! Seconds are those of one epoch over the texts, with the forward and backward pass, dropout, clipping and the optimiser.

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use loquat_kernels::{Kernels, Pooling};
use loquat_models::Checkpoint;
use loquat_nn::{AdamW, Example, FineTune, Interrupt, Schedule, Targets, TextClassifier, Watch};
use serde::Deserialize;

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// Width of MiniLM's states.
const HIDDEN: usize = 384;

#[derive(Deserialize)]
struct Question {
    ids: Vec<Vec<u32>>,
    labels: Vec<u32>,
    threads: usize,
    batch: usize,
}

/// Lets a training run to its end.
struct Unwatched;

impl Watch for Unwatched {
    fn step(&self) -> Result<(), Interrupt> {
        Ok(())
    }

    fn score(&self, _: &TextClassifier) -> Option<f64> {
        None
    }
}

fn main() -> Result<(), Problem> {
    let folder = std::env::args().nth(1).ok_or("usage: training_step FOLDER")?;
    let checkpoint = Checkpoint::open(Path::new(&folder))?;
    let kernels = Kernels::detect();
    println!("{}", serde_json::json!({ "kernels": kernels.path().to_string() }));
    for line in std::io::stdin().lock().lines() {
        let question: Question = serde_json::from_str(&line?)?;
        let seconds = epoch(kernels, &checkpoint, &question)?;
        let answer = serde_json::json!({ "seconds": seconds, "memory": most_memory()? });
        writeln!(std::io::stdout().lock(), "{answer}")?;
    }
    Ok(())
}

/// Seconds of an epoch of a model made anew.
fn epoch(kernels: Kernels, checkpoint: &Checkpoint, question: &Question) -> Result<f64, Problem> {
    let labels = question.labels.iter().max().map_or(1, |label| *label as usize + 1);
    let head = (vec![0.0; labels * HIDDEN], vec![0.0; labels]);
    let mut model =
        TextClassifier::new(kernels, checkpoint, Some(Pooling::Mean), Targets::SingleLabel, head)?;
    let example = |(ids, label): (&Vec<u32>, &u32)| Example {
        type_ids: vec![0; ids.len()],
        ids: ids.clone(),
        labels: vec![*label],
        shares: Vec::new(),
        words: Vec::new(),
        weight: 1.0,
        taught: None,
    };
    let examples: Vec<Example> = question.ids.iter().zip(&question.labels).map(example).collect();
    let plan = FineTune {
        epochs: 1,
        run: 1,
        batch: question.batch,
        schedule: Schedule { rate: 2e-5, warm_up: 0.1 },
        optimiser: AdamW::default(),
        dropout: 0.1,
        patience: 1,
        seed: 1,
        checkpoint_every: usize::MAX,
        keep: false,
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(question.threads).build()?;
    let start = Instant::now();
    pool.install(|| plan.train(&mut model, &examples, (None, ""), &Unwatched))?;
    Ok(start.elapsed().as_secs_f64())
}

/// The most memory that this process ever held, in bytes.
fn most_memory() -> Result<u64, Problem> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
