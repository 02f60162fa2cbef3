//! `loquat predict` on every form of rows.
#![cfg(feature = "train")]

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, OnceLock};

use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::json;

use crate::support::{loquat, run, run_with_input, starter, write};

const TEXTS: [&str; 3] = ["please send me a refund", "the app crashes, \"again\"", "lovely, thank you"];

/// A folder with a trained `demo`; made once, read by all.
fn trained() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let make = || {
        let folder = tempfile::tempdir().unwrap();
        starter(folder.path(), "text-classification");
        run(folder.path(), &["train", "demo"]).expect_status(0);
        folder
    };
    FOLDER.get_or_init(make).path()
}

fn predict(arguments: &[&str], input: &[u8]) -> crate::support::Run {
    let mut all = vec!["predict", "demo", "--dir", "demo"];
    all.extend(arguments);
    run_with_input(trained(), &all, input)
}

fn expected() -> Vec<serde_json::Value> {
    let lines =
        predict(&["--input-format", "lines"], TEXTS.join("\n").as_bytes()).expect_status(0).json_lines();
    assert_eq!(lines.len(), 3);
    lines
}

fn with_ids(mut lines: Vec<serde_json::Value>, ids: &[serde_json::Value]) -> Vec<serde_json::Value> {
    for (line, id) in lines.iter_mut().zip(ids) {
        line["id"] = id.clone();
    }
    lines
}

fn parquet_rows() -> Vec<u8> {
    let schema =
        parse_message_type("message rows { required binary id (UTF8); required binary text (UTF8); }")
            .unwrap();
    let properties = Arc::new(WriterProperties::builder().build());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, Arc::new(schema), properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for values in [["a", "b", "c"], TEXTS] {
        let values: Vec<ByteArray> = values.into_iter().map(ByteArray::from).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&values, None, None).unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn standard_input_is_read_in_every_form() {
    let jsonl: String =
        TEXTS.iter().enumerate().map(|(id, text)| format!("{}\n", json!({"id": id, "text": text}))).collect();
    let csv =
        "id,text\na,please send me a refund\nb,\"the app crashes, \"\"again\"\"\"\nc,\"lovely, thank you\"\n";
    let tsv = "id\ttext\na\tplease send me a refund\nb\tthe app crashes, \"again\"\nc\tlovely, thank you\n";
    let letters = [json!("a"), json!("b"), json!("c")];
    let numbers = [json!(0), json!(1), json!(2)];
    let given = predict(&[], jsonl.as_bytes()).expect_status(0).json_lines();
    assert_eq!(given, with_ids(expected(), &numbers), "jsonl is recognised");
    let given = predict(&["--input-format", "csv"], csv.as_bytes()).expect_status(0).json_lines();
    assert_eq!(given, with_ids(expected(), &letters), "csv");
    let given = predict(&[], &parquet_rows()).expect_status(0).json_lines();
    assert_eq!(given, with_ids(expected(), &letters), "parquet is recognised");
    let given = predict(&[], csv.as_bytes()).expect_status(0).json_lines();
    assert_eq!(given, with_ids(expected(), &letters), "csv is recognised by its header");
    let given = predict(&[], TEXTS.join("\n").as_bytes()).expect_status(0).json_lines();
    assert_eq!(given, expected(), "plain lines, commas in the first or not");
    let given =
        predict(&["--input-format", "tsv"], tsv.replace("\"", "").as_bytes()).expect_status(0).json_lines();
    assert_eq!(given[0], with_ids(expected(), &letters)[0], "tsv");
    assert_eq!(given.len(), 3);
}

#[test]
fn ids_come_back_as_they_are_written() {
    let ids = [
        "18446744073709551616",
        "-123456789012345678901234567890",
        "18446744073709551615",
        "\"007\"",
        "1.50",
        "[1]",
    ];
    let rows: Vec<String> = ids.iter().map(|id| format!("{{\"id\": {id}, \"text\": \"fine\"}}")).collect();
    let run = predict(&["--input-format", "jsonl"], rows.join("\n").as_bytes()).expect_status(0);
    let expected = [
        "18446744073709551616",
        "-123456789012345678901234567890",
        "18446744073709551615",
        "\"007\"",
        "1.5",
        "[1]",
    ];
    let starts: Vec<String> = expected.iter().map(|id| format!("{{\"id\":{id},")).collect();
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines.len(), starts.len());
    for (line, start) in lines.iter().zip(&starts) {
        assert!(line.starts_with(start), "{line} does not start with {start}");
    }
}

#[test]
fn files_are_read_in_order_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let csv = write(folder.path(), "rows.csv", "text,id\nplease send me a refund,x\n");
    let lines = write(folder.path(), "rows.txt", "lovely, thank you\n");
    let parquet = folder.path().join("rows.parquet");
    std::fs::write(&parquet, parquet_rows()).unwrap();
    let answer = folder.path().join("answer.jsonl");
    let paths = [&csv, &lines, &parquet].map(|path| path.to_str().unwrap());
    let run = predict(&[paths[0], paths[1], paths[2], "-o", answer.to_str().unwrap()], b"").expect_status(0);
    assert_eq!(run.stdout, "");
    let text = std::fs::read_to_string(answer).unwrap();
    let given: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<Option<&str>> = given.iter().map(|line| line["id"].as_str()).collect();
    assert_eq!(ids, [Some("x"), None, Some("a"), Some("b"), Some("c")]);
    assert_eq!(given[1], expected()[2]);
}

#[test]
fn rows_are_never_overwritten_by_their_answers() {
    let folder = tempfile::tempdir().unwrap();
    let rows = write(folder.path(), "rows.txt", "lovely, thank you\n");
    let path = rows.to_str().unwrap();
    let refused = predict(&[path, "-o", path], b"").expect_status(2);
    assert!(refused.stderr.contains("name another file with -o"), "{}", refused.stderr);
    assert_eq!(std::fs::read_to_string(&rows).unwrap(), "lovely, thank you\n");
}

#[test]
fn bad_rows_are_named_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let rows =
        "{\"text\": \"fine\"}\n{broken\n{\"body\": \"no text\"}\n{\"text\": 7}\n{\"text\": \"fine too\"}\n";
    let path = write(folder.path(), "rows.jsonl", rows);
    let run = predict(&[path.to_str().unwrap()], b"").expect_status(1);
    assert_eq!(run.json_lines().len(), 2);
    let errors: Vec<String> =
        run.stderr.lines().map(|line| line.replace(path.to_str().unwrap(), "FILE")).collect();
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert!(errors[0].starts_with("error: FILE: line 2: "), "{errors:?}");
    assert_eq!(
        errors[1],
        "error: FILE: line 3: column \"text\" is missing (found body); name the text \"text\""
    );
    assert_eq!(errors[2], "error: FILE: line 4: column \"text\" is a number, not a text; give it a string");
}

#[test]
fn parameters_shape_the_answer_and_wrong_ones_are_refused() {
    let best =
        predict(&["--top-k", "2", "--explain"], b"please send me a refund").expect_status(0).json_lines();
    assert_eq!(best[0]["scores"].as_array().unwrap().len(), 2);
    assert!(best[0]["explanation"][0]["weight"].is_number(), "{best:?}");
    let refused = predict(&["--threshold", "0.5"], b"x").expect_status(2);
    assert_eq!(
        refused.stderr,
        "error: --threshold: is not a parameter of text-classification; leave it out; send top_k for more labels than the best\n"
    );
    assert!(predict(&["--top-k", "0"], b"x").expect_status(2).stderr.starts_with("error: --top-k: is 0"));
    assert!(predict(&["--labels", "a,b"], b"x").expect_status(2).stderr.starts_with("error: --labels: "));
}

#[test]
fn many_rows_keep_their_order_whatever_the_threads() {
    let rows: String =
        (0..20_000).map(|id| format!("{{\"id\": {id}, \"text\": \"row number {id} please\"}}\n")).collect();
    let one = predict(&["--threads", "1"], rows.as_bytes()).expect_status(0);
    let ids: Vec<u64> = one.json_lines().iter().map(|line| line["id"].as_u64().unwrap()).collect();
    assert!(ids.iter().copied().eq(0..20_000));
    let many = predict(&["--threads", "4"], rows.as_bytes()).expect_status(0);
    assert!(one.stdout == many.stdout, "the answer depends on the number of threads");
}

#[test]
fn the_columns_of_the_training_data_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let demo = starter(folder.path(), "text-classification");
    for file in ["demo.yaml", "data/demo.jsonl"] {
        let path = demo.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace("{ text: text, label: label }", "{ text: body, label: label, id: number }");
        std::fs::write(&path, text.replace("{\"text\": ", "{\"number\": \"n\", \"body\": ")).unwrap();
    }
    run(folder.path(), &["train", "demo"]).expect_status(0);
    let input = b"{\"number\": 4, \"body\": \"please send me a refund\"}\n{\"text\": \"lovely\"}\n";
    let lines = run_with_input(folder.path(), &["predict", "demo", "--dir", "demo"], input)
        .expect_status(0)
        .json_lines();
    assert_eq!(lines[0]["id"], 4);
    assert!(lines[1]["label"].is_string(), "text is understood too: {lines:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let rows: String = (0..200_000).map(|id| format!("row number {id}\n")).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "rows.txt", &rows);
    let mut child = loquat(trained())
        .args(["predict", "demo", "--dir", "demo", path.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
