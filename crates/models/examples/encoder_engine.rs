//! The engine in the encoder figures: answers the questions that its peers answer, with the processor time of each.
//!
//! Usage: `encoder_engine FOLDER [KERNELS]`. Each line read is a question, each line printed its answer:
//!
//! ```text
//! {"variant": "f32" or "int8", "batch": IDS, "repeats": N, "threads": N}  -> {"seconds": [...], "vectors": [...]}
//! {"variant": "f32" or "int8", "texts": TEXTS, "repeats": N}              -> the same, tokenising included
//! ```
//!
//! Seconds are processor time, on several threads that of the thread that took longest. They include pooling.

use std::io::{BufRead, Write};
use std::path::Path;

use loquat_kernels::Kernels;
use loquat_models::{Encoder, EncoderScratch, PackedBatch, Precision, load_tokenizer};
use loquat_text::Tokenizer;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

type Problem = Box<dyn std::error::Error + Send + Sync>;

#[derive(Deserialize)]
struct Question {
    variant: Precision,
    #[serde(default)]
    batch: Vec<Vec<u32>>,
    #[serde(default)]
    texts: Vec<String>,
    repeats: usize,
    #[serde(default = "one")]
    threads: usize,
}

fn one() -> usize {
    1
}

#[derive(Serialize, Default)]
struct Answer {
    seconds: Vec<f64>,
    vectors: Vec<Vec<f32>>,
}

/// What one thread works with.
#[derive(Default)]
struct Worker {
    batch: PackedBatch,
    scratch: EncoderScratch,
    vectors: Vec<Vec<f32>>,
}

fn main() -> Result<(), Problem> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: encoder_engine FOLDER [KERNELS]")?;
    let kernels = Kernels::named(arguments.next().as_deref().unwrap_or("auto"))?;
    let folder = Path::new(&folder);
    let encoders =
        [Encoder::load(folder, kernels, Precision::F32)?, Encoder::load(folder, kernels, Precision::Int8)?];
    let tokenizer = load_tokenizer(folder)?;
    let mut workers = vec![Worker::default(), Worker::default()];
    println!("{}", serde_json::json!({ "kernels": kernels.path().to_string() }));
    for line in std::io::stdin().lock().lines() {
        let question: Question = serde_json::from_str(&line?)?;
        let encoder = &encoders[usize::from(question.variant == Precision::Int8)];
        let answer = answer(&question, encoder, &tokenizer, &mut workers)?;
        writeln!(std::io::stdout().lock(), "{}", serde_json::to_string(&answer)?)?;
    }
    Ok(())
}

fn answer(
    question: &Question,
    encoder: &Encoder,
    tokenizer: &Tokenizer,
    workers: &mut Vec<Worker>,
) -> Result<Answer, Problem> {
    workers.resize_with(workers.len().max(question.threads), Worker::default);
    let workers = &mut workers[..question.threads.max(1)];
    let mut answer = Answer::default();
    for _ in 0..question.repeats {
        let slowest = if question.texts.is_empty() {
            embed_ids(encoder, &question.batch, workers)?
        } else {
            embed_texts(encoder, tokenizer, &question.texts, &mut workers[0])?
        };
        answer.seconds.push(slowest);
    }
    answer.vectors = workers.iter_mut().flat_map(|worker| std::mem::take(&mut worker.vectors)).collect();
    Ok(answer)
}

/// Splits the batch among the workers and returns the time of the slowest.
fn embed_ids(encoder: &Encoder, batch: &[Vec<u32>], workers: &mut [Worker]) -> Result<f64, Problem> {
    let parts = batch.chunks(batch.len().div_ceil(workers.len()).max(1));
    let seconds = std::thread::scope(|scope| {
        let mut pairs = workers.iter_mut().zip(parts);
        // The last part runs here, so that one thread starts none.
        let own = pairs.next_back();
        let others: Vec<_> =
            pairs.map(|(worker, part)| scope.spawn(move || worker.embed(encoder, part))).collect();
        let own = own.map(|(worker, part)| worker.embed(encoder, part));
        let mut seconds: Vec<Result<f64, Problem>> = own.into_iter().collect();
        for other in others {
            seconds.push(other.join().unwrap_or_else(|_| Err("a worker panicked".into())));
        }
        seconds.into_iter().collect::<Result<Vec<f64>, Problem>>()
    })?;
    Ok(seconds.into_iter().fold(0.0, f64::max))
}

fn embed_texts(
    encoder: &Encoder,
    tokenizer: &Tokenizer,
    texts: &[String],
    worker: &mut Worker,
) -> Result<f64, Problem> {
    let start = processor_seconds();
    let mut ids = Vec::with_capacity(texts.len());
    for text in texts {
        ids.push(tokenizer.encode(text, None, Some(encoder.max_tokens()))?.ids);
    }
    let tokenising = processor_seconds() - start;
    Ok(tokenising + worker.embed(encoder, &ids)?)
}

impl Worker {
    /// Embeds the sequences and returns the seconds that this thread spent.
    fn embed(&mut self, encoder: &Encoder, batch: &[Vec<u32>]) -> Result<f64, Problem> {
        let start = processor_seconds();
        self.batch.clear();
        for ids in batch {
            self.batch.push(ids, &[]);
        }
        let vectors = encoder.embeddings(&self.batch, &mut self.scratch)?;
        let seconds = processor_seconds() - start;
        self.vectors = vectors.chunks_exact(encoder.dimension()).map(<[f32]>::to_vec).collect();
        Ok(seconds)
    }
}

/// Processor time of this thread.
fn processor_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
