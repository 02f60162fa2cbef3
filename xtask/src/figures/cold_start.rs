//! From the start of the process to the first answer over HTTP, and the memory that is resident then: MiniLM in int8, from
//! disk, beside a server of FastAPI and ONNX Runtime. Files lie in the page cache for both.

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
const LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(1);
const BYTES_PER_KIBIBYTE: f64 = 1024.0;
const TEXT: &str = "the parcel arrived two days late and the box was torn open";

/// What one start took.
#[derive(Debug, Clone, Copy)]
struct Start {
    milliseconds: f64,
    megabytes: f64,
}

/// Time and memory of both servers.
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
        own.push(start(&mut server, address, "/models/minilm/predict")?);
        let address = services::free_address()?;
        let mut server = Command::new(&python);
        server.arg(script("cold_start_peer.py")).arg(models.join("plain-int8.onnx"));
        server.arg(Path::new(model).join("tokenizer.json")).arg(address.port().to_string());
        peer.push(start(&mut server, address, "/embed")?);
    }
    let detail = json!({
        "counted": "from the start of the process to the end of the first answer; resident memory just after it",
        "peer": "FastAPI, uvicorn, ONNX Runtime int8, tokenizers",
    });
    let record = |what: &str, unit: &str, most: f64, of: fn(&Start) -> f64| {
        let counted = |starts: &[Start]| starts[1..].iter().map(of).collect::<Vec<f64>>();
        let name = format!("cold-start/{what}");
        let record = bench.record(&name, unit, Some(Target::AtMost(most)), counted(&own));
        let version = "FastAPI and ONNX Runtime".to_owned();
        record.with_peer(median(&counted(&peer)), version, true).with_detail(detail.clone())
    };
    Ok(vec![
        record("first-answer", "ms", 300.0, |start| start.milliseconds),
        record("resident", "MB", 120.0, |start| start.megabytes),
    ])
}

fn resource(model: &str) -> String {
    let spec = json!({ "task": "embedding", "source": { "path": model }, "precision": "int8" });
    let metadata = json!({ "name": "minilm" });
    format!("apiVersion: loquat.dev/v1alpha1\nkind: Model\nmetadata: {metadata}\nspec: {spec}\n")
}

/// Starts the server, asks until it answers, looks at its memory and ends it.
fn start(command: &mut Command, address: SocketAddr, path: &str) -> Result<Start> {
    let begin = Instant::now();
    let mut server = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let answered = first_answer(&mut server, address, path, begin);
    let megabytes = resident(server.id());
    // Fails only where the process has ended already.
    let _ = server.kill();
    server.wait()?;
    Ok(Start { milliseconds: answered?.as_secs_f64() * 1e3, megabytes: megabytes? })
}

fn first_answer(server: &mut Child, address: SocketAddr, path: &str, begin: Instant) -> Result<Duration> {
    while begin.elapsed() < LIMIT {
        if ask(address, path).unwrap_or(false) {
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
fn ask(address: SocketAddr, path: &str) -> Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    let body = json!({ "inputs": TEXT }).to_string();
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
