//! `loquat check`: findings in each form.

use crate::support::{run, write};

const GOOD: &str = "\
apiVersion: loquat.dev/v1alpha1
kind: Dataset
metadata: { name: tickets }
spec:
  task: text-classification
  source: { path: rows.jsonl }
  columns: { text: text, label: label }
";

const BROKEN: &str = "\
apiVersion: loquat.dev/v1alpha1
kind: Dataset
metadata: { name: tickets }
spec:
  task: text-clasification
  source: { path: rows.jsonl }
  columns: { text: text, label: label }
---
apiVersion: loquat.dev/v1alpha1
kind: Training
metadata: { name: tickets }
spec:
  dataset: ticket
  metrik: macro-f1
  search: { trials: 0 }
";

const ROWS: &str = "\
{\"text\": \"the parcel is late again\", \"label\": \"late\"}
{\"text\": \"my parcel came a week late\", \"label\": \"late\"}
{\"text\": \"please return my money\", \"label\": \"refund\"}
{\"text\": \"i want a refund for this\", \"label\": \"refund\"}
";

#[test]
fn all_problems_of_all_files_come_at_once_with_their_places() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.yaml", BROKEN);
    write(folder.path(), "b.yml", "kind: [\n");
    let run = run(folder.path(), &["check"]).expect_status(1);
    let places: Vec<String> = run
        .stdout
        .lines()
        .filter(|line| line.contains(": error["))
        .map(|line| line.split_once(": error[").unwrap())
        .map(|(place, rest)| format!("{place} {}", rest.split_once(']').unwrap().0))
        .collect();
    assert_eq!(
        places,
        [
            "a.yaml:5:9 invalid-value",
            "a.yaml:13:12 unknown-resource",
            "a.yaml:14:3 unknown-field",
            "a.yaml:15:21 invalid-value",
            "b.yml:2:1 invalid-yaml",
        ],
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("    remedy: did you mean \"metric\"?\n"), "{}", run.stdout);
    assert!(run.stdout.ends_with("0 resources, 0 rows: 5 errors, 0 warnings\n"), "{}", run.stdout);
    assert_eq!(run.stderr, "");
}

#[test]
fn json_findings_have_the_documented_form() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.yaml", BROKEN);
    let report = run(folder.path(), &["check", "--format", "json"]).expect_status(1).json();
    assert_eq!(report["resources"], 0);
    assert_eq!(report["rows"], 0);
    let finding = &report["findings"][0];
    assert_eq!(finding["severity"], "error");
    assert_eq!(finding["check"], "invalid-value");
    assert_eq!(finding["file"], "a.yaml");
    assert_eq!((finding["line"].as_u64(), finding["column"].as_u64()), (Some(5), Some(9)));
    assert_eq!(finding["field"], "spec.task");
    assert!(finding["message"].is_string() && finding["remedy"].is_string());
}

#[test]
fn sarif_has_a_rule_for_each_result() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.yaml", BROKEN);
    let log = run(folder.path(), &["check", "--format", "sarif"]).expect_status(1).json();
    assert_eq!(log["version"], "2.1.0");
    let driver = &log["runs"][0]["tool"]["driver"];
    let rules: Vec<&str> =
        driver["rules"].as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap()).collect();
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 4);
    for result in results {
        assert!(rules.contains(&result["ruleId"].as_str().unwrap()));
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a.yaml");
        assert!(place["region"]["startLine"].as_u64().unwrap() > 0);
    }
}

#[test]
fn good_data_is_counted_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.yaml", GOOD);
    write(folder.path(), "rows.jsonl", ROWS);
    let report = run(folder.path(), &["check", "--format", "json"]).expect_status(0).json();
    assert_eq!(report["resources"], 1);
    assert_eq!(report["rows"], 4);
}

#[test]
fn errors_in_the_data_are_status_1() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.yaml", GOOD);
    write(folder.path(), "rows.jsonl", "{\"text\": \"only one\", \"label\": \"class\"}\n");
    let run = run(folder.path(), &["check"]).expect_status(1);
    assert!(run.stdout.contains("error["), "{}", run.stdout);
}

#[test]
fn data_that_is_not_there_is_a_finding() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.yaml", GOOD);
    let report = run(folder.path(), &["check", "--format", "json"]).expect_status(1).json();
    let finding = &report["findings"][0];
    assert_eq!(finding["severity"], "error");
    assert_eq!(finding["resource"], "tickets");
    assert!(finding["message"].as_str().unwrap().contains("rows.jsonl"), "{finding}");
}

#[test]
fn one_data_set_may_be_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let second = GOOD.replace("name: tickets", "name: other").replace("rows.jsonl", "missing.jsonl");
    write(folder.path(), "a.yaml", &format!("{GOOD}---\n{second}"));
    write(folder.path(), "rows.jsonl", ROWS);
    run(folder.path(), &["check", "--dataset", "tickets"]).expect_status(0);
    run(folder.path(), &["check"]).expect_status(1);
    let unknown = run(folder.path(), &["check", "--dataset", "ticket"]).expect_status(3);
    assert_eq!(unknown.stderr, "error: no Dataset is named \"ticket\": did you mean \"tickets\"?\n");
}

#[test]
fn a_file_that_is_not_utf8_is_named_with_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yaml"), b"kind: \xff\n").unwrap();
    let report = run(folder.path(), &["check", "--format", "json"]).expect_status(1).json();
    assert!(report["findings"][0]["message"].as_str().unwrap().contains("byte 6"), "{report}");
}

#[test]
fn hidden_files_and_state_are_no_resources() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.yaml", GOOD);
    write(folder.path(), "rows.jsonl", ROWS);
    write(folder.path(), ".hidden.yaml", "kind: [");
    write(folder.path(), ".loquat/runs/x/endpoint.yaml", "kind: [");
    run(folder.path(), &["check"]).expect_status(0);
}

#[test]
fn a_repaired_file_is_clean_and_the_account_is_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.yaml", GOOD);
    let rows = format!("{ROWS}{}", ROWS.lines().next().unwrap());
    write(folder.path(), "rows.jsonl", &format!("{rows}\n{{\"text\": \"\", \"label\": \"late\"}}\n"));
    let before = run(folder.path(), &["check"]).expect_status(0);
    assert!(before.stdout.contains("warning[duplicate]"), "{}", before.stdout);
    let fixed = run(folder.path(), &["check", "--fix", "fixed.jsonl"]).expect_status(0);
    assert!(fixed.stdout.starts_with("fixed.jsonl: 4 of 6 rows kept, 0 of them changed"), "{}", fixed.stdout);
    assert!(fixed.stdout.contains("split: { column: split }"), "{}", fixed.stdout);
    let account = std::fs::read_to_string(folder.path().join("fixed.jsonl.changes.jsonl")).unwrap();
    assert_eq!(account.lines().count(), 2, "{account}");
    write(folder.path(), "a.yaml", &GOOD.replace("rows.jsonl", "fixed.jsonl"));
    let after = run(folder.path(), &["check"]).expect_status(0);
    let repaired = ["warning[duplicate]", "warning[empty-row]"];
    assert!(!repaired.iter().any(|finding| after.stdout.contains(finding)), "{}", after.stdout);
    let refused = run(folder.path(), &["check", "--fix", "fixed.jsonl"]).expect_status(2);
    assert!(refused.stderr.contains("is a file of the source"), "{}", refused.stderr);
}

#[test]
fn new_findings_reach_json_and_sarif_with_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.yaml", GOOD);
    write(folder.path(), "rows.jsonl", &format!("{ROWS}{{\"text\": \"StraÃŸe\", \"label\": \"late\"}}\n"));
    let report = run(folder.path(), &["check", "--format", "json"]).expect_status(0).json();
    let findings = report["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["check"] == "mojibake").unwrap();
    assert_eq!((&finding["line"], &finding["rows"][0]), (&5.into(), &4.into()));
    let log = run(folder.path(), &["check", "--format", "sarif"]).expect_status(0).json();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let result = results.iter().find(|result| result["ruleId"] == "mojibake").unwrap();
    assert_eq!(result["level"], "warning");
    assert_eq!(result["locations"][0]["physicalLocation"]["region"]["startLine"], 5);
}

#[test]
fn findings_name_files_from_where_the_command_runs() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("below");
    std::fs::create_dir(&below).unwrap();
    write(&below, "a.yaml", GOOD);
    write(&below, "rows.jsonl", &format!("{ROWS}{{broken\n"));
    let found = run(folder.path(), &["check", "below", "--format", "json"]).expect_status(1).json();
    assert_eq!(found["findings"][0]["file"], "below/rows.jsonl", "{found}");
    let found = run(&below, &["check", "--format", "json"]).expect_status(1).json();
    assert_eq!(found["findings"][0]["file"], "rows.jsonl", "{found}");
}
