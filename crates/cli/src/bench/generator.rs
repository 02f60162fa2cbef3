//! Sends requests when they are due and collects what comes back.
//!
//! One thread owns every connection and looks at all of them in turn, so that no wake-up of its own is measured.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::histogram::Histogram;
use super::target::Target;
use super::wire::{Security, Wire};

/// Below this the generator looks again instead of sleeping, since a sleep may last longer than asked.
const SPIN: Duration = Duration::from_micros(300);

/// Most requests sent between two looks for answers.
const MOST_AT_ONCE: u64 = 64;

/// How much to send, and how.
#[derive(Debug, Clone)]
pub(crate) struct Load<'a> {
    /// Requests a second.
    pub(crate) rate: f64,
    /// For how long.
    pub(crate) time: Duration,
    /// An answer that takes longer counts as failed.
    pub(crate) patience: Duration,
    /// Most connections; past that a due request waits, and its wait is counted.
    pub(crate) connections: usize,
    /// The texts, sent in turn.
    pub(crate) texts: &'a [String],
    /// API key.
    pub(crate) key: Option<&'a str>,
    /// What is trusted and shown over `https://`.
    pub(crate) security: &'a Security,
}

/// What came back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    /// Latencies of the answers with status 200, from when they were due.
    pub(crate) latencies: Histogram,
    /// Answers with status 429 or 503.
    pub(crate) refused: u64,
    /// Answers with status 504 or 408.
    pub(crate) late: u64,
    /// Answers with any other status, connections that broke, answers that never came, requests never sent.
    pub(crate) failed: u64,
    /// The status of the first answer that failed by its status.
    pub(crate) failed_with: Option<u16>,
    /// From the first request due to the last answer.
    pub(crate) elapsed: Duration,
}

struct Generator<'a> {
    target: &'a Target,
    load: &'a Load<'a>,
    address: SocketAddr,
    connections: Vec<Connection>,
    outcome: Outcome,
}

/// Puts `load` on `target`.
pub(crate) fn measure(target: &Target, load: &Load<'_>) -> io::Result<Outcome> {
    let address = target.address()?;
    let mut generator =
        Generator { target, load, address, connections: Vec::new(), outcome: Outcome::default() };
    // A server that can't be reached at all is an error of the command, not a figure.
    let first = generator.open()?;
    generator.connections.push(first);
    generator.run();
    Ok(generator.outcome)
}

impl Generator<'_> {
    fn run(&mut self) {
        let count = (self.load.rate * self.load.time.as_secs_f64()).round() as u64;
        let start = Instant::now() + Duration::from_millis(1);
        let end = start + self.load.time + self.load.patience;
        let mut sent = 0;
        let rate = self.load.rate;
        let due = |number: u64| start + Duration::from_secs_f64(number as f64 / rate);
        while sent < count || self.is_waiting() {
            let now = Instant::now();
            if now > end {
                self.outcome.failed += count - sent;
                break;
            }
            // A look at many connections takes long enough for several requests to come due.
            let burst = count.min(sent + MOST_AT_ONCE);
            while sent < burst && now >= due(sent) && self.send(sent, due(sent)) {
                sent += 1;
            }
            let idle = due(sent).saturating_duration_since(now);
            if sent < count && idle > SPIN && !self.is_waiting() {
                std::thread::sleep(idle - SPIN);
            }
            self.collect();
            std::hint::spin_loop();
        }
        self.outcome.failed +=
            self.connections.iter().filter(|one| one.waits_since().is_some()).count() as u64;
        self.outcome.elapsed = start.elapsed();
    }

    fn open(&self) -> io::Result<Connection> {
        let host = self.target.secure_host();
        Wire::open(self.address, host.map(|host| (host, self.load.security))).map(Connection::new)
    }

    fn is_waiting(&self) -> bool {
        self.connections.iter().any(|connection| connection.waits_since().is_some())
    }

    /// Sends request `number` on an idle connection, a new one if none is; false when there are enough already.
    fn send(&mut self, number: u64, due: Instant) -> bool {
        let idle = self.connections.iter().position(|connection| connection.waits_since().is_none());
        let place = match idle {
            Some(place) => place,
            None if self.connections.len() >= self.load.connections => return false,
            None => match self.open() {
                Ok(connection) => {
                    self.connections.push(connection);
                    self.connections.len() - 1
                }
                Err(_) => {
                    self.outcome.failed += 1;
                    return true;
                }
            },
        };
        let text = &self.load.texts[number as usize % self.load.texts.len()];
        let request = self.target.request(text, self.load.key);
        if self.connections[place].send(request, due).is_err() {
            self.connections.swap_remove(place);
            self.outcome.failed += 1;
        }
        true
    }

    fn collect(&mut self) {
        let (outcome, patience) = (&mut self.outcome, self.load.patience);
        self.connections.retain_mut(|connection| match connection.poll() {
            Ok(Some(answered)) => {
                match answered.status {
                    200 => outcome.latencies.record(answered.due.elapsed()),
                    429 | 503 => outcome.refused += 1,
                    408 | 504 => outcome.late += 1,
                    status => {
                        outcome.failed += 1;
                        outcome.failed_with.get_or_insert(status);
                    }
                }
                answered.open
            }
            Ok(None) => {
                let gone = connection.waits_since().is_some_and(|due| due.elapsed() > patience);
                outcome.failed += u64::from(gone);
                !gone
            }
            Err(_) => {
                outcome.failed += 1;
                false
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// A server that answers each request with the next of `statuses`, in turn, and stalls once for `stall`.
    fn serve(statuses: &'static [u16], stall: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut buffer = [0; 4096];
            for number in 0.. {
                if !matches!(stream.read(&mut buffer), Ok(1..)) {
                    return;
                }
                if number == 1 {
                    std::thread::sleep(stall);
                }
                let status = statuses[number % statuses.len()];
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\n{{}}");
                stream.write_all(answer.as_bytes()).expect("it is read");
            }
        });
        address
    }

    fn load(texts: &[String]) -> Load<'_> {
        Load {
            rate: 100.0,
            time: Duration::from_millis(200),
            patience: Duration::from_secs(20),
            connections: 1,
            texts,
            key: None,
            security: &Security::DEFAULT,
        }
    }

    fn target(address: SocketAddr) -> Target {
        format!("loquat=http://{address}/x").parse().expect("a target")
    }

    #[test]
    fn every_answer_is_counted_by_its_status() {
        let texts = ["a".to_owned()];
        let address = serve(&[200, 429, 504, 500], Duration::ZERO);
        let outcome = measure(&target(address), &load(&texts)).expect("a server");
        let found = (outcome.latencies.count(), outcome.refused, outcome.late, outcome.failed);
        assert_eq!((found, outcome.failed_with), ((5, 5, 5, 5), Some(500)));
    }

    #[test]
    fn a_stall_is_charged_to_every_request_that_was_due_meanwhile() {
        let texts = ["a".to_owned()];
        let stall = Duration::from_millis(300);
        let outcome = measure(&target(serve(&[200], stall)), &load(&texts)).expect("a server");
        assert_eq!(outcome.latencies.count(), 20);
        let median = outcome.latencies.percentile(0.5).expect("answers");
        assert!(median >= stall / 2, "half of the requests were due while the server stalled: {median:?}");
    }

    #[test]
    fn a_server_that_is_not_there_is_an_error() {
        let texts = ["a".to_owned()];
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        assert!(measure(&target(address.expect("an address")), &load(&texts)).is_err());
    }
}
