//! An open-loop load generator: requests leave at a constant rate whatever the server does.
//!
//! One thread owns every connection and looks at all of them in turn, so that no wake-up of its own is measured. A
//! latency counts from the moment the request was due, so a server that stalls is charged for the requests that waited
//! (no coordinated omission). Connections are kept alive; one more is opened only when all are waiting for an answer.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};

/// Most connections; past that a due request waits, and its wait is counted.
const MOST_CONNECTIONS: usize = 64;
/// Below this the generator looks again instead of sleeping, since a sleep may last longer than asked.
const SPIN: Duration = Duration::from_micros(300);
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
const TEXTS: &[&str] = &[
    "I was charged twice this month and want my money back",
    "wann kommt mein Paket endlich an",
    "no puedo entrar en mi cuenta",
    "ログインできません",
    "wake me up at nine am on friday",
];

/// What to send, where, how often and how long.
#[derive(Debug, Args)]
pub(crate) struct LoadPlan {
    /// Address of the server; loopback only.
    #[arg(long)]
    address: SocketAddr,
    /// Path of the route.
    #[arg(long)]
    path: String,
    /// Requests a second.
    #[arg(long)]
    rate: u32,
    /// Seconds to send for.
    #[arg(long)]
    seconds: u32,
}

/// Sends the load after a second of warm-up and prints the latencies.
pub(crate) fn generate(plan: &LoadPlan) -> Result<()> {
    if !plan.address.ip().is_loopback() {
        bail!("the load generator sends to loopback addresses only, not to {}", plan.address);
    }
    let mut generator = Generator { plan, connections: Vec::new(), latencies: Vec::new() };
    generator.send(plan.rate)?;
    generator.latencies.clear();
    generator.send(plan.rate * plan.seconds)?;
    println!("{}", generator.summary());
    Ok(())
}

struct Generator<'a> {
    plan: &'a LoadPlan,
    connections: Vec<Connection>,
    latencies: Vec<Duration>,
}

impl Generator<'_> {
    fn send(&mut self, count: u32) -> Result<()> {
        let interval = Duration::from_secs(1) / self.plan.rate;
        let start = Instant::now() + interval;
        let mut sent = 0;
        while sent < count || self.connections.iter().any(Connection::waits) {
            let due = start + interval * sent;
            let now = Instant::now();
            if sent < count && now >= due {
                if let Some(index) = self.idle()? {
                    let request = self.request(sent);
                    self.connections[index].send(&request, due)?;
                    sent += 1;
                }
            } else if sent < count && due - now > SPIN && !self.connections.iter().any(Connection::waits) {
                std::thread::sleep(due - now - SPIN);
            }
            self.collect()?;
            std::hint::spin_loop();
        }
        Ok(())
    }

    /// An idle connection, a new one if none is; `None` when there are enough already.
    fn idle(&mut self) -> Result<Option<usize>> {
        if let Some(index) = self.connections.iter().position(|connection| !connection.waits()) {
            return Ok(Some(index));
        }
        if self.connections.len() == MOST_CONNECTIONS {
            return Ok(None);
        }
        self.connections.push(Connection::open(self.plan.address)?);
        Ok(Some(self.connections.len() - 1))
    }

    fn request(&self, number: u32) -> Vec<u8> {
        let text = TEXTS[number as usize % TEXTS.len()];
        let body = json!({ "inputs": text }).to_string();
        let LoadPlan { path, address, .. } = self.plan;
        let head = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n");
        format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
    }

    fn collect(&mut self) -> Result<()> {
        for connection in &mut self.connections {
            if let Some(latency) = connection.receive()? {
                self.latencies.push(latency);
            }
        }
        Ok(())
    }

    fn summary(&self) -> Value {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let at = |share: f64| milliseconds(percentile(&sorted, share));
        json!({
            "requests": sorted.len(),
            "connections": self.connections.len(),
            "milliseconds": { "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "p999": at(0.999), "max": at(1.0) },
        })
    }
}

/// The smallest latency that at least `share` of all do not exceed.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a length is a length"
)]
#[expect(clippy::cast_precision_loss, reason = "far fewer requests than 2^52")]
fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// One kept-alive connection with at most one request under way.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    due: Option<Instant>,
    received: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, due: None, received: Vec::with_capacity(4096) })
    }

    fn waits(&self) -> bool {
        self.due.is_some()
    }

    fn send(&mut self, request: &[u8], due: Instant) -> Result<()> {
        // A request of a few hundred bytes always fits into an idle socket's buffer, so one write takes it whole.
        self.stream.write_all(request)?;
        self.due = Some(due);
        self.received.clear();
        Ok(())
    }

    /// The latency, once the answer is complete.
    fn receive(&mut self) -> Result<Option<Duration>> {
        let Some(due) = self.due else { return Ok(None) };
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => bail!("the server closed a connection that was waiting for an answer"),
            Ok(count) => self.received.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if due.elapsed() > ANSWER_LIMIT {
                    bail!("no answer within {} s", ANSWER_LIMIT.as_secs());
                }
                return Ok(None);
            }
            Err(error) => return Err(error).context("reading an answer"),
        }
        if !complete(&self.received)? {
            return Ok(None);
        }
        self.due = None;
        Ok(Some(due.elapsed()))
    }
}

/// Whether `answer` holds a whole answer; an error when it is none of status 200.
fn complete(answer: &[u8]) -> Result<bool> {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(false) };
    let head = std::str::from_utf8(&answer[..end]).context("the answer's head is no text")?;
    if !head.starts_with("HTTP/1.1 200") {
        bail!("the server answered {:?}", head.lines().next().unwrap_or_default());
    }
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .context("the answer states no length")?;
    Ok(answer.len() >= end + 4 + length.1.trim().parse::<usize>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_with_its_last_byte() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        assert!(complete(answer).unwrap());
        assert!(!complete(&answer[..answer.len() - 1]).unwrap());
        assert!(!complete(b"HTTP/1.1 200 OK\r\n").unwrap());
    }

    #[test]
    fn an_answer_of_another_status_is_an_error() {
        assert!(complete(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").is_err());
    }

    #[test]
    fn percentiles_are_ranks() {
        let sorted: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(percentile(&sorted, 0.99), Duration::from_millis(99));
        assert_eq!(percentile(&sorted, 0.5), Duration::from_millis(50));
        assert_eq!(percentile(&sorted, 1.0), Duration::from_millis(100));
        assert_eq!(percentile(&[], 0.99), Duration::ZERO);
    }
}
