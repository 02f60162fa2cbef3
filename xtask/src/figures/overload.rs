//! Three times the capacity on an encoder: answers in time beside the peak, refusals, and the time to recover.

use std::time::Instant;

use anyhow::Result;
use serde_json::{Value, json};

use crate::figures::record::{Bench, Record, Target};
use crate::figures::serving::{Came, Load, SERVER_CORE, minilm_folder};
use crate::services::Server;

/// Milliseconds that a request may take, at the server and for an answer to count.
const DEADLINE: f64 = 1000.0;
const CONNECTIONS: usize = 900;
/// Seconds of each load.
const SECONDS: f64 = 10.0;
/// Rate that the search for the peak begins with, and the step of the search.
const FIRST_RATE: f64 = 50.0;
const STEP: f64 = 1.25;
/// How many times the peak is an overload.
const OVERLOAD: f64 = 3.0;
/// Length of a look at the recovery, in seconds, and how many looks there are.
const LOOK: f64 = 0.5;
const LOOKS: usize = 12;

/// The share of the peak that is still answered in time, refusals that were not clean, and seconds until all is as before.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    let binary = bench.binary()?;
    let folder = minilm_folder(bench, &binary, "{ timeout: 1s, maxQueue: 512 }")?;
    let server = Server::start(SERVER_CORE, &binary, &folder, &["--threads", "1"])?;
    let target = format!("loquat=http://{}/models/minilm/predict", server.address());
    let load = |seconds: f64, warm_up: f64| Load {
        target: &target,
        seconds,
        warm_up,
        within: DEADLINE,
        connections: CONNECTIONS,
        texts: None,
    };
    let steady = load(bench.seconds(SECONDS), 1.0);
    let (peak, ramp) = find_peak(&steady, &binary)?;
    let over = steady.put(&binary, OVERLOAD * peak)?;
    let recovered = recovery(&load(LOOK, 0.0), &binary, peak / 2.0)?;
    server.stop()?;
    let in_time = |came: &Came| came.in_time as f64 / came.seconds.max(steady.seconds);
    let detail = json!({
        "peak": peak, "ramp": ramp, "offered": OVERLOAD * peak, "inTimePerSecond": in_time(&over),
        "answered": over.answered, "inTime": over.in_time, "refused": over.refused, "late": over.late,
        "p50": over.milliseconds.p50, "p99": over.milliseconds.p99, "deadline": DEADLINE,
        "model": "all-MiniLM-L6-v2, int8, one core; texts of mixed lengths",
    });
    let share = bench
        .record("overload/in-time", "of the peak", Some(Target::AtLeast(0.9)), vec![in_time(&over) / peak])
        .with_detail(detail);
    let unclean =
        bench.record("overload/failed", "requests", Some(Target::AtMost(0.0)), vec![over.failed as f64]);
    let recovery = bench
        .record("overload/recovery", "s", Some(Target::AtMost(2.0)), vec![recovered])
        .with_detail(json!({ "rate": peak / 2.0, "counted": "until half a second without a refusal or a late answer" }));
    Ok(vec![share, unclean, recovery])
}

/// Answers in time a second at the best of growing rates, until they bring no more.
fn find_peak(load: &Load<'_>, binary: &std::path::Path) -> Result<(f64, Vec<Value>)> {
    let (mut best, mut rate, mut ramp, mut worse) = (0.0_f64, FIRST_RATE, Vec::new(), 0);
    while worse < 2 {
        let came = load.put(binary, rate)?;
        let in_time = came.in_time as f64 / came.seconds.max(load.seconds);
        ramp.push(json!({ "rate": rate, "inTimePerSecond": in_time, "p99": came.milliseconds.p99 }));
        // Noise of a percent is no gain.
        worse = if in_time > 1.01 * best { 0 } else { worse + 1 };
        best = best.max(in_time);
        rate *= STEP;
    }
    Ok((best, ramp))
}

/// Seconds from now until a look finds every request answered in time.
fn recovery(look: &Load<'_>, binary: &std::path::Path, rate: f64) -> Result<f64> {
    let start = Instant::now();
    for _ in 0..LOOKS {
        let came = look.put(binary, rate)?;
        if came.refused + came.late + came.failed == 0 && came.in_time == came.answered {
            return Ok(start.elapsed().as_secs_f64());
        }
    }
    Ok(f64::INFINITY)
}
