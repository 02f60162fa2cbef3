//! From the start of the process to the first answer over HTTP, and the memory that is resident then: MiniLM in int8, from
//! disk, beside a server of FastAPI and ONNX Runtime, and beside infinity where it installs. Files lie in the page cache for
//! all.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::figures::record::{Bench, Record, Target, median};
use crate::{environment, process, services};

/// How often each server is started, in turns, after once that does not count.
const RUNS: usize = 9;
/// The same for infinity, which takes its time.
const INFINITY_RUNS: usize = 3;
const LIMIT: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(1);
const BYTES_PER_KIBIBYTE: f64 = 1024.0;
const TEXT: &str = "the parcel arrived two days late and the box was torn open";
const TARGETS: [What; 2] = [
    What { name: "first-answer", unit: "ms", most: 300.0, of: |start| start.milliseconds },
    What { name: "resident", unit: "MB", most: 120.0, of: |start| start.megabytes },
];

/// One of the numbers of a start.
struct What {
    name: &'static str,
    unit: &'static str,
    most: f64,
    of: fn(&Start) -> f64,
}

/// What one start took.
#[derive(Debug, Clone, Copy)]
struct Start {
    milliseconds: f64,
    megabytes: f64,
}

/// Time and memory of the servers.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    let models = environment::cache_folder()?.join("encoder-peers");
    let makers =
        services::python_environment(&bench.workspace.path("xtask/figures/encoder_requirements.txt"))?;
    let script = |name: &str| bench.workspace.path(&format!("xtask/figures/{name}"));
    // Asked nothing, it makes the models of the peers and says where the original lies.
    let mut make = Command::new(makers);
    let greeting = process::output(make.arg(script("encoder_peers.py")).arg(&models).stdin(Stdio::null()))?;
    let greeting: Value = serde_json::from_str(&greeting)?;
    let model = greeting["model"].as_str().context("the peers name their model")?;
    let python = services::python_environment(&script("cold_start_requirements.txt"))?;

    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("minilm.yaml"), resource(model))?;
    process::run_aside(Command::new(bench.binary()?).arg("train").arg(folder.path()))?;

    let (mut own, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..=RUNS {
        let address = services::free_address()?;
        let mut server = Command::new(bench.binary()?);
        server.arg("serve").arg(folder.path()).args(["--listen", &address.to_string()]);
        own.push(start(&mut server, address, ("/models/minilm/predict", "inputs"))?);
        let address = services::free_address()?;
        let mut server = Command::new(&python);
        server.arg(script("cold_start_peer.py")).arg(models.join("plain-int8.onnx"));
        server.arg(Path::new(model).join("tokenizer.json")).arg(address.port().to_string());
        peer.push(start(&mut server, address, ("/embed", "inputs"))?);
    }
    let mut records = compared(bench, "", &own, ("FastAPI and ONNX Runtime".to_owned(), &peer));
    match infinity(bench, &models) {
        Ok((version, starts)) => {
            records.extend(compared(bench, "infinity/", &own, (version, &starts)));
        }
        Err(error) => eprintln!("infinity is left out: {error:#}"),
    }
    Ok(records)
}

/// The records of both numbers beside those of a peer; the first start of each does not count.
fn compared(bench: &Bench, part: &str, own: &[Start], (peer, starts): (String, &[Start])) -> Vec<Record> {
    let record = |what: &What| {
        let counted = |starts: &[Start]| starts[1..].iter().map(what.of).collect::<Vec<f64>>();
        let name = format!("cold-start/{part}{}", what.name);
        let record = bench.record(&name, what.unit, Some(Target::AtMost(what.most)), counted(own));
        record.with_peer(median(&counted(starts)), peer.clone(), true).with_detail(json!({
            "counted": "from the start of the process to the end of the first answer; resident memory just after it",
            "peer": "int8 by ONNX Runtime, from the same weights",
        }))
    };
    TARGETS.iter().map(record).collect()
}

/// The version of infinity, and its starts. The first one makes its model where there is none yet.
fn infinity(bench: &Bench, models: &Path) -> Result<(String, Vec<Start>)> {
    let script = |name: &str| bench.workspace.path(&format!("xtask/figures/{name}"));
    let python = services::python_environment(&script("infinity_requirements.txt"))?;
    let peers = script("serving_peers.py");
    let version = process::output(Command::new(&python).arg(&peers).args(["version", "infinity"]))?;
    let mut starts = Vec::new();
    for _ in 0..=INFINITY_RUNS {
        let address = services::free_address()?;
        let mut server = Command::new(&python);
        server.arg(&peers).args(["infinity", &address.port().to_string()]).arg(models);
        starts.push(start(&mut server, address, ("/embeddings", "input"))?);
    }
    Ok((version.trim().to_owned(), starts))
}

fn resource(model: &str) -> String {
    let spec = json!({ "task": "embedding", "source": { "path": model }, "precision": "int8" });
    let metadata = json!({ "name": "minilm" });
    format!("apiVersion: loquat.dev/v1alpha1\nkind: Model\nmetadata: {metadata}\nspec: {spec}\n")
}

/// Starts the server, asks until it answers, looks at its memory and ends it. Asked is a path, and the field of its body that
/// takes a text.
fn start(command: &mut Command, address: SocketAddr, asked: (&str, &str)) -> Result<Start> {
    let begin = Instant::now();
    let mut server = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let answered = first_answer(&mut server, address, asked, begin);
    let megabytes = resident(server.id());
    // Fails only where the process has ended already.
    let _ = server.kill();
    server.wait()?;
    Ok(Start { milliseconds: answered?.as_secs_f64() * 1e3, megabytes: megabytes? })
}

fn first_answer(
    server: &mut Child,
    address: SocketAddr,
    asked: (&str, &str),
    begin: Instant,
) -> Result<Duration> {
    while begin.elapsed() < LIMIT {
        if ask(address, asked).unwrap_or(false) {
            return Ok(begin.elapsed());
        }
        if let Some(status) = server.try_wait()? {
            bail!("the server ended with {status} before it answered");
        }
        std::thread::sleep(PAUSE);
    }
    bail!("the server did not answer within {} s", LIMIT.as_secs())
}

/// Whether the route answers with success.
fn ask(address: SocketAddr, (path, field): (&str, &str)) -> Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    let body = json!({ field: TEXT }).to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n"
    );
    stream.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200"))
}

/// Resident memory of a process, in megabytes.
fn resident(process: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the process has ended")?;
    let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes * BYTES_PER_KIBIBYTE / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_this_process_is_read() {
        assert!((1.0..1e5).contains(&resident(std::process::id()).unwrap()));
    }
}
