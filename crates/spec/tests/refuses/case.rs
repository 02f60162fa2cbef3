//! What the tests share: a file with what is found in it, and files in short.

use loquat_spec::{Finding, RESOURCE_CHECKS, SourceText, parse};

/// A resource file and what is found in it, as `line:column check field`, in order.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) text: String,
    pub(crate) found: &'static [&'static str],
    /// Words that the messages and remedies hold together.
    pub(crate) says: &'static [&'static str],
}

pub(crate) fn findings(text: &str) -> Vec<Finding> {
    let file = SourceText { path: "r.yaml".into(), text: text.to_owned() };
    parse(&[file]).err().unwrap_or_default()
}

pub(crate) fn brief(finding: &Finding) -> String {
    let (line, column) = (finding.line.unwrap_or(0), finding.column.unwrap_or(0));
    format!("{line}:{column} {} {}", finding.check, finding.field.as_deref().unwrap_or("-"))
}

pub(crate) fn check(cases: &[Case]) {
    let mut failures = Vec::new();
    for case in cases {
        let findings = findings(&case.text);
        let found: Vec<String> = findings.iter().map(brief).collect();
        let said: String =
            findings.iter().map(|finding| format!("{}; {}\n", finding.message, finding.remedy)).collect();
        let silent: Vec<_> = case.says.iter().filter(|words| !said.contains(**words)).collect();
        if found != case.found || !silent.is_empty() {
            failures.push(format!("{}: found {found:#?}\n{said}missing words {silent:?}", case.name));
        }
        for finding in &findings {
            assert!(RESOURCE_CHECKS.contains(&finding.check), "{finding:?}");
            assert!(!finding.message.is_empty() && !finding.remedy.is_empty(), "{finding:?}");
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

pub(crate) fn resource(kind: &str, spec: &str) -> String {
    format!("apiVersion: loquat.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: x }}\nspec:\n{spec}")
}

/// The spec starts on line 5, after its task and source on line 7.
pub(crate) fn dataset(rest: &str) -> String {
    resource("Dataset", &format!("  task: text-classification\n  source: {{ path: a.csv }}\n{rest}"))
}

/// A Dataset `d` of `task` on lines 1 to 4; the training's `spec` is on line 9, `rest` starts on line 11.
pub(crate) fn training_on(task: &str, rest: &str) -> String {
    let dataset = format!(
        "apiVersion: loquat.dev/v1alpha1\nkind: Dataset\nmetadata: {{ name: d }}\nspec: {{ task: {task}, source: {{ path: a }} }}\n---\n"
    );
    dataset + &resource("Training", &format!("  dataset: d\n{rest}"))
}

pub(crate) fn training(rest: &str) -> String {
    training_on("text-classification", rest)
}

/// `rest` starts on line 6.
pub(crate) fn endpoint(rest: &str) -> String {
    resource("Endpoint", &format!("  model: m@champion\n{rest}"))
}
