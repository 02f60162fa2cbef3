//! MiniLM over HTTP beside other servers: texts a second at which 99 of 100 answers still come within 50 ms.
//!
//! Open loop, the same texts of mixed lengths one a request, each server alone on one core, the generator on the other.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::environment;
use crate::figures::encoder::tweets;
use crate::figures::record::{Bench, Record, Target};
use crate::figures::serving::{Client, Load, SERVER_CORE, minilm_folder};
use crate::services::{self, Server, free_address};

/// The tail that a rate must keep, in milliseconds.
const TAIL: f64 = 50.0;
const SECONDS: f64 = 8.0;
const FIRST_RATE: f64 = 10.0;
/// Halvings between the last rate that held and the first that did not.
const HALVINGS: usize = 4;
const START_LIMIT: Duration = Duration::from_secs(180);
/// A text that every server is asked first, and the least cosine of a peer's vector with Loquat's.
const PROBE: &str = "a parcel that never came";
const LIKENESS: f64 = 0.95;

/// A server to compare with.
struct Peer {
    name: &'static str,
    /// Packages that it needs, below `xtask/figures`.
    requirements: &'static str,
    /// The protocol and path that the generator speaks.
    route: (&'static str, &'static str),
    /// How many times as many texts Loquat must answer; of the first three against their best.
    times: f64,
}

const PEERS: &[Peer] = &[
    Peer { name: "fastapi", requirements: "serving_requirements.txt", route: ("tei", "/embed"), times: 2.0 },
    Peer {
        name: "litserve",
        requirements: "serving_requirements.txt",
        route: ("tei", "/predict"),
        times: 2.0,
    },
    Peer {
        name: "infinity",
        requirements: "infinity_requirements.txt",
        route: ("openai-embeddings", "/embeddings"),
        times: 2.0,
    },
    Peer { name: "flask-1", requirements: "serving_requirements.txt", route: ("tei", "/embed"), times: 8.0 },
    Peer { name: "flask-2", requirements: "serving_requirements.txt", route: ("tei", "/embed"), times: 8.0 },
];

/// A server's best rate, or why there is none.
struct Found {
    name: &'static str,
    version: String,
    times: f64,
    rate: Option<f64>,
    detail: Value,
}

/// Loquat beside the best of the servers that batch, and beside Flask with `transformers`.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    let texts = bench.scratch().join("texts.txt");
    let lines: Vec<String> = tweets()?.iter().map(|text| text.replace(['\n', '\r'], " ")).collect();
    std::fs::write(&texts, lines.join("\n"))?;
    let binary = bench.binary()?;
    let folder = minilm_folder(bench, &binary, "{ timeout: 1s }")?;
    let server = Server::start(SERVER_CORE, &binary, &folder, &["--threads", "1"])?;
    let (_, answer) = Client::connect(server.address())?.post("/embed", &json!({ "inputs": PROBE }))?;
    let expected = vector(&answer).context("Loquat answers the probe with a vector")?;
    let (own, own_detail) =
        best_rate(bench, &binary, &format!("tei=http://{}/embed", server.address()), &texts)?;
    server.stop()?;
    let peers: Vec<Found> =
        PEERS.iter().map(|peer| peer_rate(bench, (&binary, &texts), peer, &expected)).collect();
    let all: Vec<Value> = peers
        .iter()
        .map(|peer| json!({ "name": peer.name, "version": peer.version, "rate": peer.rate, "detail": peer.detail }))
        .collect();
    let mut records = Vec::new();
    for (name, times) in [("batching-servers", 2.0), ("flask", 8.0)] {
        let of_kind = peers.iter().filter(|peer| peer.times.total_cmp(&times).is_eq());
        let best = of_kind.filter_map(|peer| Some((peer.rate?, peer))).max_by(|a, b| a.0.total_cmp(&b.0));
        let (rate, peer) =
            best.with_context(|| format!("no server of {name} could be measured: {}", json!(all)))?;
        let record = bench.record(
            &format!("encoder-throughput/vs-{name}"),
            "texts/s",
            Some(Target::AtLeast(times * rate)),
            vec![own],
        );
        records.push(record.with_peer(rate, format!("{} {}", peer.name, peer.version), false).with_detail(
            json!({
                "asked": format!("{times} times as many"), "tail": TAIL, "own": own_detail, "peers": all,
            }),
        ));
    }
    Ok(records)
}

/// The highest rate whose tail holds.
fn best_rate(bench: &Bench, binary: &Path, target: &str, texts: &Path) -> Result<(f64, Value)> {
    let load = Load {
        target,
        seconds: bench.seconds(SECONDS),
        warm_up: 1.0,
        within: TAIL,
        connections: 256,
        texts: Some(texts),
    };
    let mut tried = Vec::new();
    let mut holds = |rate: f64| -> Result<bool> {
        let came = load.put(binary, rate)?;
        let clean = came.refused + came.late + came.failed == 0;
        tried.push(json!({ "rate": rate, "p50": came.milliseconds.p50, "p99": came.milliseconds.p99, "clean": clean }));
        Ok(clean && came.milliseconds.p99.is_some_and(|p99| p99 <= TAIL))
    };
    let (mut held, mut rate) = (0.0, FIRST_RATE);
    while holds(rate)? {
        (held, rate) = (rate, rate * 2.0);
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(held, rate);
        if holds(middle)? { held = middle } else { rate = middle }
    }
    Ok((held, json!(tried)))
}

/// Measures a peer; one that can't be installed or started, or answers something else, is none, with the reason.
fn peer_rate(bench: &Bench, (binary, texts): (&Path, &Path), peer: &Peer, expected: &[f64]) -> Found {
    let found =
        |version: String, rate, detail| Found { name: peer.name, version, times: peer.times, rate, detail };
    match RunningPeer::start(bench, peer, expected) {
        Err(error) => found(String::new(), None, json!({ "missing": format!("{error:#}") })),
        Ok(running) => {
            let (protocol, path) = peer.route;
            let target = format!("{protocol}=http://{}{path}", running.address);
            match best_rate(bench, binary, &target, texts) {
                Ok((rate, tried)) => found(running.version.clone(), Some(rate), tried),
                Err(error) => found(running.version.clone(), None, json!({ "failed": format!("{error:#}") })),
            }
        }
    }
}

/// The vector of an answer of either protocol.
fn vector(answer: &Value) -> Option<Vec<f64>> {
    let found = answer.pointer("/data/0/embedding").or_else(|| answer.get(0))?;
    found.as_array()?.iter().map(Value::as_f64).collect()
}

fn cosine(left: &[f64], right: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    if left.len() == right.len() {
        dot(left, right) / (dot(left, left) * dot(right, right)).sqrt()
    } else {
        0.0
    }
}

/// A peer's process; it ends when this is dropped.
struct RunningPeer {
    child: Child,
    address: std::net::SocketAddr,
    version: String,
}

impl RunningPeer {
    fn start(bench: &Bench, peer: &Peer, expected: &[f64]) -> Result<Self> {
        let requirements = bench.workspace.path(&format!("xtask/figures/{}", peer.requirements));
        let python = services::python_environment(&requirements)?;
        let script = bench.workspace.path("xtask/figures/serving_peers.py");
        let cache = environment::cache_folder()?.join("encoder-peers");
        let version =
            crate::process::output(Command::new(&python).arg(&script).args(["version", peer.name]))?;
        let address = free_address()?;
        let child = Command::new(SERVER_CORE[0])
            .args(&SERVER_CORE[1..])
            .arg(&python)
            .arg(&script)
            .args([peer.name, &address.port().to_string()])
            .arg(&cache)
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", peer.name))?;
        let mut running = Self { child, address, version: version.trim().to_owned() };
        let answer = running.wait_until_ready(peer)?;
        let found = vector(&answer).with_context(|| format!("{} answers no vector: {answer}", peer.name))?;
        let likeness = cosine(expected, &found);
        ensure!(likeness >= LIKENESS, "{} answers another vector: cosine {likeness:.3}", peer.name);
        Ok(running)
    }

    /// Its answer to the probe.
    fn wait_until_ready(&mut self, peer: &Peer) -> Result<Value> {
        let end = Instant::now() + START_LIMIT;
        let body = if peer.route.0 == "tei" { json!({ "inputs": PROBE }) } else { json!({ "input": PROBE }) };
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status} before it answered", peer.name);
            }
            let answered =
                Client::connect(self.address).and_then(|mut client| client.post(peer.route.1, &body));
            if let Ok((200, answer)) = answered {
                return Ok(answer);
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        bail!("{} did not answer within {} s", peer.name, START_LIMIT.as_secs())
    }
}

impl Drop for RunningPeer {
    fn drop(&mut self) {
        // Some have processes of their own, which are of the same group; one that has ended needs no signal.
        let group = format!("-{}", self.child.id());
        for signal in ["-TERM", "-KILL"] {
            let _ = Command::new("kill").args([signal, "--", &group]).stderr(Stdio::null()).status();
            std::thread::sleep(Duration::from_secs(2));
        }
        let _ = self.child.wait();
    }
}
