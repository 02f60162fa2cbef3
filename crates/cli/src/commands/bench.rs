//! `loquat bench serve`: constant rates of requests on servers, their latencies side by side.

use std::time::Duration;

use loquat_spec::ErrorCode;
use serde_json::{Value, json};

use crate::arguments::{BenchCommand, BenchServe};
use crate::bench::{self, Load, Outcome, Point, Security, Target};
use crate::failure::Failure;
use crate::output;

/// An answer that takes longer counts as failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// Percentiles shown.
const PERCENTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];
/// Words of the texts that are sent unless others are given.
const WORDS: &str = "the parcel that I ordered two weeks ago has still not arrived and nobody answers my messages so \
                     please tell me where it is or send the money back to my account before the end of the month";
/// Their lengths in words: mostly short, some long, as people write.
const LENGTHS: [usize; 10] = [3, 5, 8, 4, 12, 6, 20, 9, 38, 120];

/// One measurement.
struct Measured {
    target: String,
    rate: f64,
    /// Answers within the time in which they are of use.
    in_time: u64,
    outcome: Outcome,
}

/// Measures.
pub(crate) fn run(command: &BenchCommand) -> Result<u8, Failure> {
    let BenchCommand::Serve(arguments) = command;
    check(arguments)?;
    let texts = texts(arguments)?;
    let security = Security::of(&arguments.tls.files())?;
    let mut all = Vec::new();
    for target in &arguments.targets {
        for rate in &arguments.rate {
            all.push(measure(arguments, target, *rate, (&texts, &security))?);
        }
    }
    if let Some(path) = &arguments.plot {
        let points: Vec<Point> = all.iter().filter_map(Measured::point).collect();
        std::fs::write(path, bench::svg(&points, "p99"))
            .map_err(|error| Failure::file("write", path, &error))?;
    }
    if arguments.json {
        let records: Vec<Value> = all.iter().map(Measured::json).collect();
        output::answer(&output::json(&records)?)?;
    } else {
        output::answer(&table(&all))?;
    }
    let silent = all.iter().find(|one| one.outcome.latencies.count() == 0);
    silent.map_or(Ok(0), |one| Err(unanswered(one)))
}

/// A target that answered nothing was not measured.
fn unanswered(measured: &Measured) -> Failure {
    let Outcome { refused, late, failed, failed_with, .. } = &measured.outcome;
    let why = match failed_with {
        Some(404) => "it answers 404: check the path, and the model's name in it".to_owned(),
        Some(401 | 403) => "it asks for a key: give one with --key".to_owned(),
        Some(status) => format!("it answers {status}: try one request with curl"),
        None => format!("{refused} were refused, {late} late, {failed} without an answer: lower --rate"),
    };
    let (target, rate) = (&measured.target, measured.rate);
    Failure::new(ErrorCode::Failed, format!("{target} at {rate} requests a second answered none: {why}"))
}

fn check(arguments: &BenchServe) -> Result<(), Failure> {
    let sound = |number: f64| number.is_finite() && number > 0.0;
    let refuse = |flag: &str| Failure::new(ErrorCode::Invalid, format!("{flag} is not a number above 0"));
    if !arguments.rate.iter().all(|rate| sound(*rate)) {
        return Err(refuse("--rate"));
    }
    if !sound(arguments.seconds) || arguments.seconds > 86_400.0 {
        return Err(refuse("--seconds, of which a day has 86400,"));
    }
    if !(arguments.warm_up.is_finite() && (0.0..=86_400.0).contains(&arguments.warm_up)) {
        return Err(Failure::new(ErrorCode::Invalid, "--warm-up is no number of seconds from 0 to 86400"));
    }
    if !sound(arguments.within) {
        return Err(refuse("--within"));
    }
    if arguments.connections == 0 { Err(refuse("--connections")) } else { Ok(()) }
}

fn texts(arguments: &BenchServe) -> Result<Vec<String>, Failure> {
    let Some(path) = &arguments.texts else { return Ok(mixed_texts()) };
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error))?;
    let texts: Vec<String> = text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
    if texts.is_empty() {
        return Err(Failure::new(ErrorCode::Invalid, format!("{} holds no text", path.display())));
    }
    Ok(texts)
}

fn mixed_texts() -> Vec<String> {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let text = |(start, length): (usize, &usize)| {
        let own = words.iter().cycle().skip(start * 7).take(*length);
        own.copied().collect::<Vec<_>>().join(" ")
    };
    LENGTHS.iter().enumerate().map(text).collect()
}

fn measure(
    arguments: &BenchServe,
    target: &Target,
    rate: f64,
    (texts, security): (&[String], &Security),
) -> Result<Measured, Failure> {
    let load = |time| Load {
        rate,
        time,
        patience: PATIENCE,
        connections: arguments.connections,
        texts,
        key: arguments.key.as_deref(),
        security,
    };
    output::say(&format!("{} at {rate} requests a second", target.name));
    let run = |time| {
        bench::measure(target, &load(time)).map_err(|error| {
            let remedy = match error.to_string().contains("certificate") {
                true => "name its authority with --ca, and a certificate that it trusts with --cert",
                false => "check that it runs, and its address",
            };
            Failure::new(ErrorCode::Unavailable, format!("cannot reach {}: {error}; {remedy}", target.name))
        })
    };
    if arguments.warm_up > 0.0 {
        run(Duration::from_secs_f64(arguments.warm_up))?;
    }
    let outcome = run(Duration::from_secs_f64(arguments.seconds))?;
    let in_time = outcome.latencies.within(Duration::from_secs_f64(arguments.within.min(1e9) / 1e3));
    Ok(Measured { target: target.name.clone(), rate, in_time, outcome })
}

impl Measured {
    fn milliseconds(&self, share: f64) -> Option<f64> {
        self.outcome.latencies.percentile(share).map(|latency| latency.as_secs_f64() * 1e3)
    }

    fn answered_a_second(&self) -> f64 {
        self.outcome.latencies.count() as f64 / self.outcome.elapsed.as_secs_f64().max(1e-9)
    }

    fn point(&self) -> Option<Point> {
        let milliseconds = self.milliseconds(0.99)?;
        Some(Point { target: self.target.clone(), rate: self.rate, milliseconds })
    }

    fn json(&self) -> Value {
        let Outcome { latencies, refused, late, failed, .. } = &self.outcome;
        let percentiles: serde_json::Map<String, Value> = PERCENTILES
            .iter()
            .map(|(name, share)| ((*name).to_owned(), json!(self.milliseconds(*share))))
            .collect();
        json!({
            "target": self.target, "rate": self.rate, "answered": latencies.count(), "refused": refused, "late": late,
            "failed": failed, "inTime": self.in_time, "seconds": self.outcome.elapsed.as_secs_f64(), "answeredPerSecond": self.answered_a_second(), "milliseconds": percentiles,
        })
    }

    fn row(&self) -> [String; 11] {
        let Outcome { refused, late, failed, .. } = &self.outcome;
        let shown =
            |share| self.milliseconds(share).map_or_else(|| "-".to_owned(), |time| format!("{time:.2}"));
        let [p50, p90, p99, p999, max] = PERCENTILES.map(|(_, share)| shown(share));
        let answered = format!("{:.1}", self.answered_a_second());
        let [refused, late, failed] = [refused, late, failed].map(u64::to_string);
        [
            self.target.clone(),
            self.rate.to_string(),
            answered,
            refused,
            late,
            failed,
            p50,
            p90,
            p99,
            p999,
            max,
        ]
    }
}

/// The measurements as a table; latencies in milliseconds.
fn table(all: &[Measured]) -> String {
    let head = [
        "TARGET",
        "RATE",
        "ANSWERED/S",
        "REFUSED",
        "LATE",
        "FAILED",
        "P50 MS",
        "P90 MS",
        "P99 MS",
        "P99.9 MS",
        "MAX MS",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(all.iter().map(Measured::row));
    output::columns(&rows)
}
