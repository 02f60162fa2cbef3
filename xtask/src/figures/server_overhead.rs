//! What the server itself costs: an 8-class linear model, server on one core, generator on the other.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use crate::figures::record::{Bench, Record, Target};
use crate::figures::serving::{Client, Load, SERVER_CORE, metric, processor_seconds, resident_bytes};
use crate::figures::training::Folder;
use crate::services::Server;

const MODEL: &str = "tickets";
/// Rates at which the server's processor time is counted, the first also for the tail.
const RATES: &[f64] = &[2_000.0, 6_000.0, 10_000.0, 15_000.0, 20_000.0];
const SECONDS: f64 = 15.0;
const RUNS: usize = 3;
/// Time for a server to settle before its memory is read.
const SETTLE: Duration = Duration::from_secs(3);

/// Requests a second of one core, the tail at 2,000 a second, and idle memory without weights.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Record>> {
    let folder = Folder::open(bench, MODEL)?;
    folder.train()?;
    let server = Server::start(SERVER_CORE, folder.binary(), folder.path(), &["--threads", "1"])?;
    let idle = idle_memory(bench, &server)?;
    let (capacity, tail) = requests(bench, &server, folder.binary())?;
    server.stop()?;
    Ok(vec![capacity, tail, idle])
}

fn idle_memory(bench: &Bench, server: &Server) -> Result<Record> {
    std::thread::sleep(SETTLE);
    let held = resident_bytes(server.id())?;
    let weights = metric(&mut Client::connect(server.address())?, "loquat_endpoint_resident_bytes")?;
    let megabytes = (held - weights) / 1e6;
    Ok(bench
        .record("server-overhead/idle-memory", "MB", Some(Target::AtMost(50.0)), vec![megabytes])
        .with_detail(json!({ "resident": held, "weights": weights })))
}

fn requests(bench: &Bench, server: &Server, binary: &Path) -> Result<(Record, Record)> {
    let target = format!("loquat=http://{}/models/{MODEL}/predict", server.address());
    let load = Load {
        target: &target,
        seconds: bench.seconds(SECONDS),
        warm_up: 1.0,
        within: 1000.0,
        connections: 64,
        texts: None,
    };
    let (mut tails, mut rates, mut best) = (Vec::new(), Vec::new(), 0.0_f64);
    for rate in RATES {
        for _ in 0..if *rate == RATES[0] { RUNS } else { 1 } {
            let before = processor_seconds(server.id())?;
            let came = load.put(binary, *rate)?;
            let used = processor_seconds(server.id())? - before;
            // The warm-up of a second at the same rate is in the processor time too.
            let requests = came.answered as f64 * (1.0 + load.warm_up / load.seconds);
            let of_core = requests / used.max(1e-9);
            if came.failed + came.refused + came.late == 0 {
                best = best.max(of_core);
            }
            if *rate == RATES[0] {
                tails.push(came.milliseconds.p99.unwrap_or(f64::INFINITY));
            }
            rates.push(json!({
                "rate": rate, "answeredPerSecond": came.answered_per_second, "p99": came.milliseconds.p99,
                "requestsPerProcessorSecond": of_core, "failed": came.failed + came.refused + came.late,
            }));
        }
    }
    let capacity = bench
        .record("server-overhead/requests", "requests/s", Some(Target::AtLeast(15_000.0)), vec![best])
        .with_detail(
            json!({ "rates": rates, "counted": "a second of processor time of the server's process" }),
        );
    let tail = bench
        .record("server-overhead/p99", "ms p99", Some(Target::AtMost(1.0)), tails)
        .with_detail(json!({ "rate": RATES[0] }));
    Ok((capacity, tail))
}
