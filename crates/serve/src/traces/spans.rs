//! A request as spans: one for the whole, and below it what its time went into.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime};

use super::messages::{ERROR, INTERNAL, KeyValue, SERVER, Span, Status};
use super::parent::Parent;
use crate::recent::{Answered, AnsweredBy};

/// Statuses from here on are faults of the server.
const SERVER_FAULT: u16 = 500;

/// The spans of a request, the whole first. Tokenizer, queue and model are laid end to end before the end of the whole: their
/// lengths are measured, their places follow.
pub(super) fn spans(answered: &Answered, parent: Option<Parent>) -> Vec<Span> {
    let trace_id = parent.map_or_else(|| [random(), random()].concat(), |parent| parent.trace.to_vec());
    let (end, whole_id) = (answered.at, random());
    let whole = Span {
        trace_id: trace_id.clone(),
        span_id: whole_id.clone(),
        parent_span_id: parent.map(|parent| parent.span.to_vec()).unwrap_or_default(),
        name: format!("{} {}", answered.asked.0, answered.route),
        kind: SERVER,
        start_time_unix_nano: nanoseconds(end - answered.total),
        end_time_unix_nano: nanoseconds(end),
        attributes: attributes(answered),
        status: (answered.status >= SERVER_FAULT)
            .then(|| Status { message: answered.problem.clone().unwrap_or_default(), code: ERROR }),
    };
    let mut spans = vec![whole];
    let Some(by) = &answered.by else { return spans };
    let mut end = end;
    for (name, time) in
        [("inference", by.times.inference), ("queue", by.times.queue), ("tokenise", by.times.tokenise)]
    {
        if time == Duration::ZERO {
            continue;
        }
        let start = end - time;
        spans.push(Span {
            trace_id: trace_id.clone(),
            span_id: random(),
            parent_span_id: whole_id.clone(),
            name: name.to_owned(),
            kind: INTERNAL,
            start_time_unix_nano: nanoseconds(start),
            end_time_unix_nano: nanoseconds(end),
            attributes: Vec::new(),
            status: None,
        });
        end = start;
    }
    spans
}

fn attributes(answered: &Answered) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::text("http.request.method", &answered.asked.0),
        KeyValue::text("url.path", &answered.asked.1),
        KeyValue::number("http.response.status_code", u64::from(answered.status)),
        KeyValue::text("loquat.request_id", &answered.id),
        KeyValue::text("loquat.caller", &*answered.caller),
    ];
    if let Some(by) = &answered.by {
        attributes.extend(of_model(by));
    }
    attributes
}

fn of_model(by: &AnsweredBy) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::text("loquat.endpoint", &by.endpoint),
        KeyValue::text("loquat.model", &by.version.0),
        KeyValue::number("loquat.version", u64::from(by.version.1)),
        KeyValue::number("loquat.inputs", by.size.0),
        KeyValue::number("loquat.tokens", by.size.1),
    ];
    if let Some(company) = by.company {
        attributes.push(KeyValue::number("loquat.batch.requests", company.batch_requests as u64));
        attributes.push(KeyValue::number("loquat.batch.tokens", company.batch_tokens));
    }
    attributes
}

/// Eight bytes that no other span has, in all likelihood.
fn random() -> Vec<u8> {
    RandomState::new().hash_one(SystemTime::now()).max(1).to_be_bytes().to_vec()
}

fn nanoseconds(moment: SystemTime) -> u64 {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
