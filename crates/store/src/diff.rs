//! What differs between two versions.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::record::VersionRecord;

type Field = fn(&VersionRecord) -> Option<String>;

/// One field that differs between two versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The field, as in the record: `metrics.macro-f1`, `seed`, `dataHash`.
    pub field: String,
    /// The first version's value; `None` when it has none.
    pub left: Option<String>,
    /// The second version's value; `None` when it has none.
    pub right: Option<String>,
}

impl VersionRecord {
    /// What differs between this version and `other`, in a fixed order: metrics first, then what went in, then what came out. The
    /// number and the time are not differences. A changed resource is given line by line, lines of one only.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        let mut compare = |field: String, left: Option<String>, right: Option<String>| {
            if left != right {
                found.push(Difference { field, left, right });
            }
        };
        let metrics: BTreeSet<&String> = self.metrics.keys().chain(other.metrics.keys()).collect();
        for metric in metrics {
            let value = |record: &Self| record.metrics.get(metric).map(ToString::to_string);
            compare(format!("metrics.{metric}"), value(self), value(other));
        }
        let fields: [(&str, Field); 10] = [
            ("dataHash", |record| Some(record.data_hash.clone())),
            ("codeVersion", |record| Some(record.code_version.clone())),
            ("seed", |record| Some(record.seed.to_string())),
            ("inputsHash", |record| Some(record.inputs_hash.clone())),
            ("outcome", |record| Some(record.outcome.clone())),
            ("parent", |record| record.parent.map(|parent| parent.to_string())),
            ("origin", |record| record.origin.clone()),
            ("weightsDigest", |record| Some(record.weights_digest.clone())),
            ("digest", |record| Some(record.digest.clone())),
            ("bytes", |record| Some(record.bytes.to_string())),
        ];
        for (field, value) in fields {
            compare(field.to_owned(), value(self), value(other));
        }
        found.extend(resource_lines(&self.resource, &other.resource));
        found
    }
}

fn resource_lines(left: &str, right: &str) -> Vec<Difference> {
    let only = |these: &str, those: &str| -> Vec<String> {
        let those: BTreeSet<&str> = those.lines().collect();
        these.lines().filter(|line| !those.contains(line)).map(str::to_owned).collect()
    };
    let field = || "resource".to_owned();
    let removed = only(left, right).into_iter().map(|line| Difference {
        field: field(),
        left: Some(line),
        right: None,
    });
    let added = only(right, left).into_iter().map(|line| Difference {
        field: field(),
        left: None,
        right: Some(line),
    });
    removed.chain(added).collect()
}
