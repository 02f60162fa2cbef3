//! Starter folders of `loquat init`: commented resources and a small data file that trains.
//!
//! The texts were written for Loquat; they carry its licence.

use crate::Task;

const TEMPLATE: &str = include_str!("template.yaml");

/// What fills the template for one task.
struct Starter {
    name: &'static str,
    role: &'static str,
    /// Lines below the source's path.
    source: &'static str,
    rows: &'static str,
}

/// The files of a starter folder for `task` as relative path and text, or `None` where training does not exist yet.
pub fn starter(task: Task) -> Option<Vec<(String, String)>> {
    let starter = match task {
        Task::TextClassification => Starter {
            name: "topics",
            role: "label",
            source: "",
            rows: include_str!("text-classification.jsonl"),
        },
        Task::MultiLabelClassification => Starter {
            name: "repairs",
            role: "labels",
            source: "    # Where labels are one string, such as \"plumbing;noise\", say what separates them:\n    \
                     # delimiter: \";\"\n",
            rows: include_str!("multi-label-classification.jsonl"),
        },
        Task::LanguageIdentification => Starter {
            name: "languages",
            role: "label",
            source: "",
            rows: include_str!("language-identification.jsonl"),
        },
        Task::TokenClassification
        | Task::TextPairClassification
        | Task::ZeroShotClassification
        | Task::Embedding
        | Task::Translation => return None,
    };
    let data = format!("data/{}.jsonl", starter.name);
    let metrics: Vec<&str> = task.metrics().iter().map(|metric| metric.as_str()).collect();
    let resources = TEMPLATE
        .replace("{name}", starter.name)
        .replace("{task}", task.as_str())
        .replace("{data}", &data)
        .replace("{source}", starter.source)
        .replace("{role}", starter.role)
        .replace("{metrics}", &metrics.join(", "))
        .replace("{metric}", metrics.first()?);
    Some(vec![(format!("{}.yaml", starter.name), resources), (data, starter.rows.to_owned())])
}
