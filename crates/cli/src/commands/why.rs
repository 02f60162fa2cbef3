//! `loquat why`: one screen on a slow request, or on a model that is not ready.

use std::fmt::Write as _;

use serde_json::Value;

use crate::arguments::{TableFormat, Why};
use crate::failure::Failure;
use crate::{output, remote};

/// Asks the server and prints what it says.
pub(crate) fn run(arguments: &Why) -> Result<u8, Failure> {
    let found = remote::client(&arguments.remote)?.why(&arguments.subject)?;
    let text = match arguments.format {
        TableFormat::Json => output::json(&found)?,
        TableFormat::Text if found["kind"] == "request" => request(&found),
        TableFormat::Text => endpoint(&found),
    };
    output::answer(&text)?;
    Ok(0)
}

fn request(found: &Value) -> String {
    let times = &found["milliseconds"];
    let mut text = format!(
        "request {}: {} {}, status {}, {} ms\n",
        word(&found["request_id"]),
        word(&found["method"]),
        word(&found["path"]),
        found["status"],
        times["total"]
    );
    line(&mut text, "at", &format!("{}, by {}", word(&found["at"]), word(&found["caller"])));
    if found["endpoint"].is_string() {
        let version = format!("{}:{}", word(&found["model"]), found["version"]);
        line(&mut text, "answered by", &format!("endpoint {}, {version}", word(&found["endpoint"])));
        for early in found["early"].as_array().into_iter().flatten() {
            let by = format!("{}:{}", word(&early["model"]), early["version"]);
            line(&mut text, "asked first", &format!("{by}, inputs answered {}", early["inputs"]));
        }
        line(&mut text, "size", &format!("inputs {}, tokens {}", found["inputs"], found["tokens"]));
        line(&mut text, "allowed", &format!("{} ms", times["allowed"]));
        let queue = match &found["queue"] {
            Value::Null => "past the queue".to_owned(),
            queue => format!("before it: requests {}, tokens {}", queue["requests"], queue["tokens"]),
        };
        let batch = match &found["batch"] {
            Value::Null => "alone".to_owned(),
            batch => format!(
                "in a batch of texts {}, tokens {}, requests {}",
                batch["texts"], batch["tokens"], batch["requests"]
            ),
        };
        for (part, note) in
            [("queue", queue), ("tokenise", String::new()), ("inference", batch), ("other", String::new())]
        {
            line(&mut text, part, format!("{:>10} ms  {note}", times[part].to_string()).trim_end());
        }
        limits(&mut text, &found["limits"]);
    }
    because(&mut text, found);
    text
}

fn endpoint(found: &Value) -> String {
    let ready = if found["ready"] == true { "ready" } else { "not ready" };
    let condition = &found["condition"];
    let mut text =
        format!("endpoint {}: {ready} ({})\n", word(&found["endpoint"]), word(&condition["reason"]));
    line(&mut text, "since", &word(&condition["lastTransitionTime"]));
    let versions: Vec<String> =
        found["versions"].as_array().into_iter().flatten().map(Value::to_string).collect();
    line(
        &mut text,
        "model",
        &format!("{}, registered versions {}", word(&found["reference"]), versions.join(", ")),
    );
    if found["version"].is_number() {
        let bytes = output::bytes(found["resident_bytes"].as_u64().unwrap_or_default());
        let task = word(&found["task"]);
        line(
            &mut text,
            "answers",
            &format!("{}:{}, {task}, {bytes}", word(&found["model"]), found["version"]),
        );
    }
    for stage in found["cascade"].as_array().into_iter().flatten() {
        line(&mut text, "asked first", &asked_first(stage));
    }
    let counts = &found["requests"];
    let count = |name: &str| format!("{name} {}", counts[name]);
    line(&mut text, "requests", &["answered", "refused", "late", "failed"].map(count).join(", "));
    line(
        &mut text,
        "waiting",
        &format!("requests {}, tokens {}", found["queue"]["requests"], found["queue"]["tokens"]),
    );
    for part in ["queue", "inference"] {
        let times = &found["milliseconds"][part];
        if times["p50"].is_number() {
            line(
                &mut text,
                part,
                &format!("half within {} ms, 99 % within {} ms", times["p50"], times["p99"]),
            );
        }
    }
    limits(&mut text, &found["limits"]);
    for slow in found["slowest"].as_array().into_iter().flatten() {
        let what = format!(
            "{} ms, status {}: loquat why {}",
            slow["milliseconds"],
            slow["status"],
            word(&slow["request_id"])
        );
        line(&mut text, "slow", &what);
    }
    because(&mut text, found);
    text
}

/// A version that is asked before the endpoint's own.
fn asked_first(stage: &Value) -> String {
    let share = &stage["share"];
    let mut text = format!(
        "{}:{}, where sure by {}; answered {} of {} inputs, lately a share of {}, {} when calibrated",
        word(&stage["model"]),
        stage["version"],
        stage["threshold"],
        stage["early"],
        stage["asked"],
        share["live"],
        share["calibrated"]
    );
    if stage["drift"].is_number() {
        let _ = write!(text, ", drift {}", stage["drift"]);
    }
    text
}

fn limits(text: &mut String, limits: &Value) {
    if limits.is_object() {
        let all = format!(
            "timeout {} ms, queue {} requests, batch {} tokens, threads {}",
            limits["timeout_ms"], limits["max_queue"], limits["max_batch_tokens"], limits["threads"]
        );
        line(text, "limits", &all);
    }
}

fn because(text: &mut String, found: &Value) {
    for reason in found["because"].as_array().into_iter().flatten() {
        line(text, "because", &word(reason));
    }
}

fn line(text: &mut String, name: &str, value: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  {name:<12}{value}");
}

/// A text as it is; anything else as JSON.
fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
