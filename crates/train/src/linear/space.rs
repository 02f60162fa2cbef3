//! The search space of the linear family, and the configurations that a search looks at first.

use loquat_spec::Task;
use serde_json::json;

use super::Parameters;

/// The values that a parameter may take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Domain {
    /// One of a list.
    Choice(&'static [&'static str]),
    /// A number, searched on a logarithmic scale when `log`.
    Real { low: f64, high: f64, log: bool },
}

/// A parameter of the search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Dimension {
    pub name: &'static str,
    pub domain: Domain,
    /// Only there when the parameter named first has one of the values.
    pub active_when: Option<(&'static str, &'static [&'static str])>,
}

/// Solvers where a text has one label.
pub(crate) const SINGLE: &[&str] = &[
    "svm",
    "softmax",
    "complement-bayes",
    "bayes-svm",
    "logistic",
    "multinomial-bayes",
    "bayes-softmax",
    "embedding",
];
/// Solvers where a text has a set of labels.
pub(crate) const MULTI: &[&str] = &["logistic", "svm", "bayes-logistic", "bayes-svm", "multinomial-bayes"];
const WITH_COST: &[&str] = &["svm", "bayes-svm", "logistic", "bayes-logistic", "softmax", "bayes-softmax"];
const WITH_SMOOTHING: &[&str] = &["complement-bayes", "multinomial-bayes", "bayes-softmax"];
const NOT_EMBEDDING: &[&str] = &[
    "svm",
    "softmax",
    "complement-bayes",
    "bayes-svm",
    "logistic",
    "bayes-logistic",
    "multinomial-bayes",
    "bayes-softmax",
];
const NGRAMS: &[&str] = &[
    "words2+characters2-5",
    "words1+characters1-5",
    "words2+characters2-5+skips1",
    "words2",
    "characters1-5",
    "words3+characters2-6",
    "words2+characters1-6+skips2",
];
const LANGUAGE_NGRAMS: &[&str] = &[
    "words1+characters1-5",
    "characters1-5",
    "words2+characters1-4",
    "words1+characters2-6",
    "characters1-4",
];

/// The parameters of a search over the linear family.
pub(crate) fn space(task: Task, multi_label: bool) -> Vec<Dimension> {
    let choice = |name, values| Dimension { name, domain: Domain::Choice(values), active_when: None };
    let ngrams = if task == Task::LanguageIdentification { LANGUAGE_NGRAMS } else { NGRAMS };
    let real = |name, low, high, when| Dimension {
        name,
        domain: Domain::Real { low, high, log: true },
        active_when: Some(("solver", when)),
    };
    vec![
        choice("solver", if multi_label { MULTI } else { SINGLE }),
        choice("ngrams", ngrams),
        real("cost", 0.02, 50.0, WITH_COST),
        real("smoothing", 0.003, 3.0, WITH_SMOOTHING),
        real("bayes-share", 0.1, 0.8, &["bayes-softmax"]),
        Dimension { active_when: Some(("solver", &["embedding"])), ..choice("dimensions", &["32", "64"]) },
        Dimension { active_when: Some(("solver", &["embedding"])), ..choice("epochs", &["10", "20", "40"]) },
        real("rate", 0.1, 2.0, &["embedding"]),
        choice("term-frequency", &["sublinear", "binary", "count"]),
        Dimension {
            active_when: Some(("solver", NOT_EMBEDDING)),
            ..choice("class-weight", &["none", "root", "balanced"])
        },
        choice("idf", &["yes", "no"]),
        choice("min-rows", &["2", "1", "3"]),
        choice("case", &["fold", "keep"]),
    ]
}

/// The first round: one sound configuration for each solver, so that a search of any length has seen each.
pub(crate) fn first_guesses(task: Task, classes: usize, rows: usize) -> Vec<Parameters> {
    let language = task == Task::LanguageIdentification;
    let ngrams = if language { "words1+characters1-5" } else { "words2+characters2-5" };
    let multi_label = task == Task::MultiLabelClassification;
    let few = rows / classes.max(1) < 60 && rows < 5000;
    // A word seen once still names its language.
    let min_rows = if language || few { "1" } else { "2" };
    // Which n-grams are common is what tells languages apart, so naive Bayes does without their rarity there.
    let idf = |solver: &str| match solver {
        "bayes-softmax" => "no",
        "multinomial-bayes" if language => "no",
        _ => "yes",
    };
    let base = |solver: &str| {
        let mut parameters: Parameters = [
            ("solver", json!(solver)),
            ("ngrams", json!(ngrams)),
            ("term-frequency", json!("sublinear")),
            ("idf", json!(idf(solver))),
            ("min-rows", json!(min_rows)),
            ("case", json!("fold")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let (name, value) = match solver {
            "svm" => ("cost", 0.4),
            "bayes-svm" => ("cost", if language { 0.3 } else { 0.1 }),
            "softmax" => ("cost", 8.0),
            "logistic" => ("cost", 4.0),
            "bayes-logistic" => ("cost", 1.0),
            "bayes-softmax" => ("cost", if language { 0.5 } else { 4.0 }),
            "complement-bayes" => ("smoothing", 0.1),
            "multinomial-bayes" => ("smoothing", if language { 0.01 } else { 0.03 }),
            _ => ("rate", 0.5),
        };
        parameters.insert(name.to_owned(), json!(value));
        if solver == "bayes-softmax" {
            parameters.insert("smoothing".to_owned(), json!(if language { 0.005 } else { 0.05 }));
            parameters.insert("bayes-share".to_owned(), json!(0.3));
        }
        if solver == "embedding" {
            parameters.insert("dimensions".to_owned(), json!("64"));
            parameters.insert("epochs".to_owned(), json!("20"));
        } else {
            parameters.insert("class-weight".to_owned(), json!("none"));
        }
        parameters
    };
    (if multi_label { MULTI } else { SINGLE }).iter().map(|solver| base(solver)).collect()
}
