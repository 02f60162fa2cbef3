//! The encoder engine against its peers, all in turns in one run, one thread each.
//!
//! Times are processor time, so that what else runs on the machine disturbs them little. The ratio is that of medians.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::figures::line_program::LineProgram;
use crate::figures::record::{Bench, Record, Target, median};
use crate::{environment, process, services};

/// How often each program runs each batch, in turns.
const ROUNDS: usize = 15;
/// Texts of the mixed-length figure, and how many go into a batch.
const MIXED_TEXTS: usize = 512;
const MIXED_BATCH: usize = 32;

/// A batch of equally long sequences.
struct Shape {
    sequences: usize,
    length: usize,
    /// Repeats in each round.
    repeats: usize,
}

const SHAPES: &[Shape] = &[
    Shape { sequences: 32, length: 32, repeats: 1 },
    Shape { sequences: 1, length: 16, repeats: 15 },
    Shape { sequences: 1, length: 128, repeats: 4 },
];

/// A ratio that is asked for: a variant of Loquat against the best of some peers.
struct Demand {
    variant: &'static str,
    peers: &'static [&'static str],
    name: &'static str,
    times: f64,
}

const ORT_F32: &[&str] = &["ort-f32", "ort-f32-fused"];
const ORT_INT8: &[&str] = &["ort-int8", "ort-int8-fused"];

/// MiniLM on batches of equal length: time against ONNX Runtime, cosine to f32, and two threads against one.
pub(crate) fn measure_minilm(bench: &Bench) -> Result<Vec<Record>> {
    let mut programs = Programs::start(bench)?;
    programs.add_rust_peers(bench)?;
    let tokens = programs.tokens()?;
    let mut records = Vec::new();
    for shape in SHAPES {
        let batch = pieces(&tokens, shape)?;
        let question = json!({ "batch": batch, "repeats": shape.repeats });
        let measured = programs.compare(&question)?;
        let name = format!("{}x{}", shape.sequences, shape.length);
        for demand in demands(shape) {
            records.push(measured.record(bench, &format!("encoder-minilm/{name}"), &demand)?);
        }
        if shape.sequences > 1 {
            records.push(measured.cosine(bench)?);
            records.push(programs.two_threads(bench, &batch)?);
        }
    }
    Ok(records)
}

/// MiniLM on tweets of mixed length, tokenising included: sorted by length, and as they came.
pub(crate) fn measure_mixed(bench: &Bench) -> Result<Vec<Record>> {
    let mut programs = Programs::start(bench)?;
    let texts = tweets()?;
    let mut sorted = texts.clone();
    sorted.sort_by_key(String::len);
    let mut records = Vec::new();
    for (name, texts, times) in [("sorted", &sorted, 1.6), ("as-they-came", &texts, 2.5)] {
        let batches = texts.chunks(MIXED_BATCH).map(|texts| json!({ "texts": texts, "repeats": 1 }));
        let measured = programs.compare_all(&batches.collect::<Vec<_>>(), 5)?;
        let demand = Demand { variant: "int8", peers: ORT_INT8, name: "ort-int8", times };
        records.push(measured.record(bench, &format!("encoder-mixed/{name}"), &demand)?);
    }
    Ok(records)
}

fn demands(shape: &Shape) -> Vec<Demand> {
    let against = |variant, peers, name, times| Demand { variant, peers, name, times };
    if shape.sequences == 1 {
        return vec![against("int8", ORT_INT8, "ort-int8", 1.5)];
    }
    vec![
        against("int8", ORT_F32, "ort-f32", 3.4),
        against("int8", ORT_INT8, "ort-int8", 1.65),
        against("f32", ORT_F32, "ort-f32", 1.1),
    ]
}

/// Loquat's engine and its peers, running.
struct Programs {
    engine: LineProgram,
    peers: LineProgram,
    /// Those that are given token ids alone.
    rust_peers: Option<LineProgram>,
}

impl Programs {
    fn start(bench: &Bench) -> Result<Self> {
        let requirements = bench.workspace.path("xtask/figures/encoder_requirements.txt");
        let python = services::python_environment(&requirements)?;
        let mut command = Command::new(python);
        command.arg(bench.workspace.path("xtask/figures/encoder_peers.py"));
        command.arg(environment::cache_folder()?.join("encoder-peers"));
        let peers = LineProgram::start(&mut command)?;
        let build = ["build", "--release", "--package", "loquat-models", "--example", "encoder_engine"];
        process::run_aside(&mut bench.workspace.cargo(&build))?;
        let model = peers.greeting["model"].as_str().context("the peers name their model")?;
        let binary = bench.workspace.target().join("release/examples/encoder_engine");
        let engine = LineProgram::start(Command::new(binary).arg(model))?;
        Ok(Self { engine, peers, rust_peers: None })
    }

    /// Starts the engines in Rust, which lie outside the workspace, for nothing else needs them.
    fn add_rust_peers(&mut self, bench: &Bench) -> Result<()> {
        let manifest = bench.workspace.path("xtask/figures/rust_peers/Cargo.toml");
        let target = bench.workspace.target().join("rust-peers");
        let mut build = bench.workspace.cargo(&["build", "--release", "--locked", "--manifest-path"]);
        process::run_aside(build.arg(manifest).env("CARGO_TARGET_DIR", &target))?;
        let mut command = Command::new(target.join("release/encoder-rust-peers"));
        command.arg(environment::cache_folder()?.join("encoder-peers"));
        command.arg(self.peers.greeting["model"].as_str().context("the peers name their model")?);
        self.rust_peers = Some(LineProgram::start(&mut command)?);
        Ok(())
    }

    /// The programs of the peers.
    fn all_peers(&mut self) -> impl Iterator<Item = &mut LineProgram> {
        std::iter::once(&mut self.peers).chain(&mut self.rust_peers)
    }

    /// The program that runs a variant.
    fn of(&mut self, variant: &str) -> &mut LineProgram {
        let has = |peers: &LineProgram| peers.greeting["variants"].get(variant).is_some();
        match &mut self.rust_peers {
            Some(peers) if has(peers) => peers,
            _ if has(&self.peers) => &mut self.peers,
            _ => &mut self.engine,
        }
    }

    /// Token ids of real text, without special tokens, enough for every shape.
    fn tokens(&mut self) -> Result<Vec<u64>> {
        let answer = self.peers.ask(&json!({ "tokenise": tweets()? }))?;
        let sequences = answer["ids"].as_array().context("ids of each text")?.iter();
        let inner = |ids: &Value| {
            let ids: Vec<u64> = ids.as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
            ids.get(1..ids.len().saturating_sub(1)).unwrap_or_default().to_vec()
        };
        Ok(sequences.flat_map(inner).collect())
    }

    fn compare(&mut self, question: &Value) -> Result<Measured> {
        self.compare_all(std::slice::from_ref(question), ROUNDS)
    }

    /// Puts all questions to every variant in turns; a run is the sum over the questions of each median of repeats.
    fn compare_all(&mut self, questions: &[Value], rounds: usize) -> Result<Measured> {
        let own = ["f32", "int8"].map(|name| (name.to_owned(), None));
        let versions = self
            .all_peers()
            .flat_map(|peers| peers.greeting["variants"].as_object().cloned().unwrap_or_default());
        let others =
            versions.map(|(name, version)| (name, Some(version.as_str().unwrap_or_default().to_owned())));
        let variants: Vec<(String, Option<String>)> = own.into_iter().chain(others).collect();
        let mut measured =
            Measured { missing: self.peers.greeting["missing"].clone(), ..Measured::default() };
        // The first round warms caches and is dropped.
        for round in 0..=rounds {
            for (name, _) in &variants {
                let (milliseconds, vectors) = ask_all(self.of(name), name, questions)?;
                if round > 0 {
                    measured.milliseconds.entry(name.clone()).or_default().push(milliseconds);
                }
                measured.vectors.insert(name.clone(), vectors);
            }
        }
        measured.versions =
            variants.into_iter().filter_map(|(name, version)| Some((name, version?))).collect();
        Ok(measured)
    }

    /// Two threads on two halves of a batch against one on all of it.
    fn two_threads(&mut self, bench: &Bench, batch: &[Vec<u64>]) -> Result<Record> {
        let mut runs = Vec::new();
        for _ in 0..ROUNDS {
            let mut times = [1, 2].into_iter().map(|threads| {
                let question = json!({ "batch": batch, "repeats": 3, "threads": threads });
                ask_all(&mut self.engine, "int8", &[question]).map(|(milliseconds, _)| milliseconds)
            });
            let (one, two) = (times.next().context("one")??, times.next().context("two")??);
            runs.push(one / two);
        }
        let counted = "time of one thread over that of the slower of two";
        Ok(bench
            .record("encoder-minilm/two-threads", "times", Some(Target::AtLeast(1.8)), runs)
            .with_detail(json!({ "counted": counted })))
    }
}

/// The time of all questions together, in milliseconds, and the vectors of the last.
fn ask_all(program: &mut LineProgram, variant: &str, questions: &[Value]) -> Result<(f64, Vec<Vec<f64>>)> {
    let (mut sum, mut vectors) = (0.0, Vec::new());
    for question in questions {
        let mut question = question.clone();
        question["variant"] = json!(variant);
        let mut answer = program.ask(&question)?;
        let seconds: Vec<f64> = serde_json::from_value(answer["seconds"].take())?;
        sum += 1e3 * median(&seconds);
        vectors = serde_json::from_value(answer["vectors"].take())?;
    }
    Ok((sum, vectors))
}

/// What every variant took and answered.
#[derive(Default)]
struct Measured {
    milliseconds: BTreeMap<String, Vec<f64>>,
    vectors: BTreeMap<String, Vec<Vec<f64>>>,
    /// Versions of the peers.
    versions: BTreeMap<String, String>,
    missing: Value,
}

impl Measured {
    fn median(&self, variant: &str) -> f64 {
        self.milliseconds.get(variant).map_or(f64::NAN, |runs| median(runs))
    }

    fn record(&self, bench: &Bench, figure: &str, demand: &Demand) -> Result<Record> {
        let peer = demand.peers.iter().min_by(|a, b| self.median(a).total_cmp(&self.median(b)));
        let peer = peer.filter(|peer| self.versions.contains_key(**peer)).context("the peer is installed")?;
        let medians: BTreeMap<&str, f64> =
            self.milliseconds.keys().map(|name| (name.as_str(), self.median(name))).collect();
        let runs = self.milliseconds.get(demand.variant).cloned().unwrap_or_default();
        let bound = Target::AtMost(self.median(peer) / demand.times);
        Ok(bench
            .record(&format!("{figure}/{}-vs-{}", demand.variant, demand.name), "ms", Some(bound), runs)
            .with_peer(self.median(peer), format!("{} {peer}", self.versions[*peer]), true)
            .with_detail(json!({
                "asked": format!("{} times faster", demand.times),
                "counted": "processor time of one thread; Loquat with pooling, peers without",
                "medians": medians,
                "missing": self.missing,
            })))
    }

    /// Mean cosine of the int8 vectors to the peer's f32 vectors.
    fn cosine(&self, bench: &Bench) -> Result<Record> {
        let exact = &self.vectors["ort-f32"];
        let mean = |name: &str| mean_cosine(exact, &self.vectors[name]);
        let all: BTreeMap<&str, f64> = self.vectors.keys().map(|name| (name.as_str(), mean(name))).collect();
        let version = self.versions["ort-int8"].clone();
        Ok(bench
            .record("encoder-minilm/cosine", "", Some(Target::AtLeast(0.995)), vec![mean("int8")])
            .with_peer(mean("ort-int8"), version, false)
            .with_detail(json!({ "to": "ort-f32", "all": all })))
    }
}

fn mean_cosine(left: &[Vec<f64>], right: &[Vec<f64>]) -> f64 {
    let cosines = left.iter().zip(right).map(|(a, b)| {
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        product(a, b) / (product(a, a) * product(b, b)).sqrt()
    });
    cosines.sum::<f64>() / left.len() as f64
}

/// Sequences of the shape, cut one after another from running text, each between the model's special tokens.
fn pieces(tokens: &[u64], shape: &Shape) -> Result<Vec<Vec<u64>>> {
    const FIRST: u64 = 101;
    const LAST: u64 = 102;
    let inner = shape.length - 2;
    ensure!(tokens.len() >= shape.sequences * inner, "too little text for the shape");
    let cut = tokens.chunks_exact(inner).take(shape.sequences);
    Ok(cut.map(|tokens| [&[FIRST][..], tokens, &[LAST]].concat()).collect())
}

/// The first tweets of the stream.
pub(crate) fn tweets() -> Result<Vec<String>> {
    let path = environment::data_folder()?.join("btc_stream/posts.jsonl");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let texts = text.lines().take(MIXED_TEXTS).map(|line| -> Result<String> {
        let post: Value = serde_json::from_str(line)?;
        Ok(post["text"].as_str().context("a post has a text")?.to_owned())
    });
    texts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_stand_between_special_tokens() {
        let shape = Shape { sequences: 2, length: 4, repeats: 1 };
        assert_eq!(pieces(&[5, 6, 7, 8, 9], &shape).unwrap(), [[101, 5, 6, 102], [101, 7, 8, 102]]);
        assert!(pieces(&[5, 6, 7], &shape).is_err());
    }

    #[test]
    fn cosine_ignores_length() {
        assert!((mean_cosine(&[vec![1.0, 0.0]], &[vec![3.0, 0.0]]) - 1.0).abs() < 1e-12);
        assert!(mean_cosine(&[vec![1.0, 0.0]], &[vec![0.0, 2.0]]).abs() < 1e-12);
    }
}
