//! Rows worth labelling and labels in doubt, without a terminal and on a pseudo-terminal.
#![cfg(feature = "train")]

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use serde_json::{Value, json};

use crate::support::{Run, loquat, run, starter, write};

/// Ends every question on the screen.
const PROMPT: &str = "q quit";

/// A trained starter whose data has rows without a label, two of them with one text.
fn trained(at: &Path, task: &str, label: &str) {
    let demo = starter(at, task);
    let data = demo.join("data/demo.jsonl");
    let mut text = std::fs::read_to_string(&data).unwrap();
    for number in 0..30 {
        let row = json!({ "text": format!("new message {} about order {number}", "x".repeat(number)), label: null });
        text.push_str(&format!("{row}\n"));
    }
    text.push_str(&format!("{}\n", json!({ "text": "New message  about order 0", label: null })));
    std::fs::write(&data, text).unwrap();
    run(at, &["train", "demo"]).expect_status(0);
}

fn rows(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn texts(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["text"].as_str().unwrap()).collect()
}

/// Runs the binary on a pseudo-terminal and presses a key at each question; the terminal's text is `stderr`.
fn at_terminal(folder: &Path, arguments: &[&str], keys: &str) -> Run {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let terminal = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let mut command = loquat(folder);
    command.args(arguments).stdout(Stdio::piped());
    command.stdin(terminal.try_clone().unwrap()).stderr(terminal);
    let child = command.spawn().unwrap();
    drop(command);

    let mut master = File::from(master);
    let seen = Arc::new(Mutex::new(String::new()));
    let (shown, mut screen) = (Arc::clone(&seen), master.try_clone().unwrap());
    let reader = std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        // Reading fails once nobody holds the other end.
        while let Ok(count @ 1..) = screen.read(&mut bytes) {
            shown.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    });
    let deadline = Instant::now() + Duration::from_secs(60);
    for (asked, key) in keys.chars().enumerate() {
        // A key typed before the binary awaits single keys is edited as part of a line, and Ctrl-C is no key at all.
        while seen.lock().unwrap().matches(PROMPT).count() <= asked || edits_lines(&master) {
            assert!(Instant::now() < deadline, "no question for {key:?}: {}", seen.lock().unwrap());
            std::thread::sleep(Duration::from_millis(5));
        }
        master.write_all(key.to_string().as_bytes()).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    reader.join().unwrap();
    Run {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: seen.lock().unwrap().clone(),
    }
}

/// Whether the terminal gathers what is typed into lines.
fn edits_lines(terminal: &File) -> bool {
    tcgetattr(terminal).unwrap().local_modes.contains(LocalModes::ICANON)
}

#[test]
fn rows_worth_labelling_are_chosen_the_same_each_time_and_never_twice() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let unready = starter(at, "text-classification");
    let refused = run(at, &["label", "next", "demo", "-o", "a.jsonl"]).expect_status(3);
    assert!(refused.stderr.contains("loquat train demo"), "{}", refused.stderr);
    std::fs::remove_dir_all(unready).unwrap();
    trained(at, "text-classification", "label");

    let said = run(at, &["label", "next", "demo", "-n", "4", "-o", "a.jsonl"]).expect_status(0);
    assert!(said.stdout.contains("4 rows to label in column \"label\""), "{}", said.stdout);
    run(at, &["label", "next", "demo", "-n", "4", "-o", "b.jsonl"]).expect_status(0);
    let first = rows(&at.join("a.jsonl"));
    assert_eq!(first, rows(&at.join("b.jsonl")));
    assert!(first.iter().all(|row| row["label"].is_null() && row["text"].is_string()), "{first:?}");

    let said = run(at, &["label", "next", "demo", "-n", "4", "-o", "a.jsonl"]).expect_status(0);
    assert!(said.stdout.contains("holds 4 rows already"), "{}", said.stdout);
    run(at, &["label", "next", "demo", "-n", "1000", "-o", "a.jsonl"]).expect_status(0);
    let all = rows(&at.join("a.jsonl"));
    assert_eq!(all[..4], first[..]);
    let mut distinct = texts(&all).iter().map(|text| loquat_data::text_key(text)).collect::<Vec<_>>();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), all.len(), "each text is asked about once");
    assert!((10..31).contains(&all.len()), "rows of the training part only: {}", all.len());

    let refused = run(at, &["label", "next", "demo", "-o", "demo/data/demo.jsonl"]).expect_status(2);
    assert!(refused.stderr.contains("is a file of the source"), "{}", refused.stderr);
}

#[test]
fn keys_label_rows_and_a_second_session_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    trained(at, "text-classification", "label");
    run(at, &["label", "next", "demo", "-n", "4", "-o", "expected.jsonl"]).expect_status(0);
    let expected = rows(&at.join("expected.jsonl"));
    let next = ["label", "next", "demo", "-n", "4", "-o", "a.jsonl"];

    let session = at_terminal(at, &next, "12u1\u{3}").expect_status(130);
    assert!(session.stderr.contains("1/4"), "{}", session.stderr);
    assert!(session.stdout.contains("2 rows labelled, 0 skipped"), "{}", session.stdout);
    let first = rows(&at.join("a.jsonl"));
    assert_eq!(texts(&first), texts(&expected[..2]));
    assert!(first.iter().all(|row| row["label"].is_string()), "{first:?}");

    let session = at_terminal(at, &next, "s2").expect_status(0);
    assert!(session.stdout.contains("1 row labelled, 1 skipped"), "{}", session.stdout);
    let second = rows(&at.join("a.jsonl"));
    assert_eq!(second[..2], first[..]);
    assert_eq!(texts(&second[2..]), texts(&expected[3..]));

    // The file may be added to the source: it has the columns of the Dataset.
    let resources = at.join("demo/demo.yaml");
    let text = std::fs::read_to_string(&resources).unwrap();
    let source = "source: { path: data/demo.jsonl }";
    assert!(text.contains(source));
    let both = "source: { files: [{ path: data/demo.jsonl }, { path: ../a.jsonl }] }";
    std::fs::write(&resources, text.replace(source, both)).unwrap();
    run(at, &["check", "demo"]).expect_status(0);
    run(at, &["label", "next", "demo", "-n", "1000", "-o", "rest.jsonl"]).expect_status(0);
    let rest = rows(&at.join("rest.jsonl"));
    assert!(texts(&second).iter().all(|text| !texts(&rest).contains(text)), "labelled rows are asked again");
}

#[test]
fn sets_of_labels_are_ticked() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    trained(at, "multi-label-classification", "labels");
    let next = ["label", "next", "demo", "-n", "1", "-o", "a.jsonl"];
    let session = at_terminal(at, &next, "1122\n").expect_status(0);
    assert!(session.stderr.contains("[ ] "), "{}", session.stderr);
    let untouched = rows(&at.join("a.jsonl"))[0]["labels"].as_array().unwrap().len();
    std::fs::remove_file(at.join("a.jsonl")).unwrap();
    at_terminal(at, &next, "1\n").expect_status(0);
    let ticked = rows(&at.join("a.jsonl"))[0]["labels"].as_array().unwrap().len();
    assert_eq!(ticked.abs_diff(untouched), 1);
}

#[test]
fn labels_in_doubt_are_kept_replaced_and_named_by_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    trained(at, "text-classification", "label");
    let review = ["label", "review", "demo", "-o", "r.jsonl"];
    // The run's own doubts are replaced, so that there are two.
    let file = at.join("demo/.loquat/runs/demo/out-of-fold.jsonl");
    let mut held_out = rows(&file);
    for (place, odds) in [(0, 0.7), (1, 0.9), (2, 0.0)] {
        let row = held_out[place].as_object_mut().unwrap();
        row.remove("suggested");
        let given = row["labels"][0].as_str().unwrap().to_owned();
        if odds > 0.0 {
            row.insert("suggested".to_owned(), json!(["other"]));
            row["probabilities"] = json!({ "other": odds, given: 0.01 });
        }
    }
    let doubtful: Vec<Value> = held_out[..3].to_vec();
    let lines: Vec<String> = doubtful.iter().map(Value::to_string).collect();
    write(at, "demo/.loquat/runs/demo/out-of-fold.jsonl", &(lines.join("\n") + "\n"));

    run(at, &["label", "review", "demo", "-o", "list.jsonl"]).expect_status(0);
    let list = rows(&at.join("list.jsonl"));
    let numbers: Vec<&Value> = list.iter().map(|row| &row["review"]["row"]).collect();
    assert_eq!(numbers, [&doubtful[1]["row"], &doubtful[0]["row"]], "the surer suggestion comes first");
    assert!(list.iter().all(|row| row["label"].is_null()), "{list:?}");

    at_terminal(at, &review, "1q").expect_status(0);
    let session = at_terminal(at, &review, "k").expect_status(0);
    assert!(session.stdout.contains("0 rows with a new label, 1 kept"), "{}", session.stdout);

    let apply = ["label", "apply", "demo", "--reviewed", "r.jsonl", "-o", "new.jsonl"];
    let applied = run(at, &apply).expect_status(0);
    assert!(applied.stdout.contains("1 with a new label"), "{}", applied.stdout);
    let corrected = rows(&at.join("new.jsonl"));
    let source = rows(&at.join("demo/data/demo.jsonl"));
    let other: Vec<usize> = (0..source.len()).filter(|row| source[*row] != corrected[*row]).collect();
    assert_eq!(other, [doubtful[1]["row"].as_u64().unwrap() as usize]);
    assert_eq!(corrected[other[0]]["label"], "other");
    let source_named =
        run(at, &["label", "apply", "demo", "--reviewed", "r.jsonl", "-o", "demo/data/demo.jsonl"]);
    assert!(source_named.expect_status(2).stderr.contains("is a file of the source"));
    run(at, &["label", "apply", "demo", "--reviewed", "none.jsonl", "-o", "x.jsonl"]).expect_status(3);
    run(at, &["label", "apply", "demo", "--reviewed", "new.jsonl", "-o", "x.jsonl"]).expect_status(2);

    let decided = rows(&at.join("r.jsonl"));
    assert_eq!(decided[0]["label"], "other");
    assert_eq!(decided[0]["review"]["was"], doubtful[1]["labels"][0]);
    assert_eq!(decided[1]["label"], doubtful[0]["labels"][0]);
    let source = std::fs::read_to_string(at.join("demo/data/demo.jsonl")).unwrap();
    let line = decided[0]["review"]["line"].as_u64().unwrap() as usize;
    let found: Value = serde_json::from_str(source.lines().nth(line - 1).unwrap()).unwrap();
    assert_eq!(found["text"], decided[0]["text"]);
    let said = run(at, &review).expect_status(0);
    assert!(said.stdout.contains("no label is left in doubt"), "{}", said.stdout);

    let labelled = format!("{}\n{source}", json!({ "text": "one row more", "label": "other" }));
    write(at, "demo/data/demo.jsonl", &labelled);
    let refused = run(at, &review);
    assert_ne!(refused.status, 0);
    assert!(refused.stderr.contains("changed since its last run"), "{}", refused.stderr);
    let refused = run(at, &apply);
    assert_ne!(refused.status, 0);
    assert!(refused.stderr.contains("no longer the row"), "{}", refused.stderr);
    assert_eq!(rows(&at.join("new.jsonl")), corrected, "nothing is written");
}

#[test]
fn spans_are_marked_with_keys_and_doubtful_ones_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let demo = starter(at, "token-classification");
    let data = demo.join("data/demo.jsonl");
    let mut text = std::fs::read_to_string(&data).unwrap();
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let column = if first["spans"].is_array() { "spans" } else { "tags" };
    for number in 0..20 {
        let words = ["Maria", "Lindner", "wrote", "to", "Oslo", &"x".repeat(number)].join(" ");
        let row = match column {
            "spans" => json!({ "text": words.trim_end(), "spans": null }),
            _ => json!({ "tokens": words.split_whitespace().collect::<Vec<_>>(), "tags": null }),
        };
        text.push_str(&format!("{row}\n"));
    }
    std::fs::write(&data, &text).unwrap();
    run(at, &["train", "demo"]).expect_status(0);

    let next = ["label", "next", "demo", "-n", "2", "-o", "a.jsonl"];
    let said = run(at, &["label", "next", "demo", "-n", "2", "-o", "list.jsonl"]).expect_status(0);
    assert!(said.stdout.contains("2 rows to label in column"), "{}", said.stdout);
    assert!(rows(&at.join("list.jsonl")).iter().all(|row| row[column].is_null()));
    // All spans go, one of the first word is added, stretched over the second and named.
    let keys = "x".repeat(6) + "a+1\n" + &"x".repeat(6) + "\n";
    let session = at_terminal(at, &next, &keys).expect_status(0);
    assert!(session.stderr.contains("»[Maria Lindner "), "{}", session.stderr);
    assert!(session.stdout.contains("2 rows labelled"), "{}", session.stdout);
    let marked = rows(&at.join("a.jsonl"));
    match column {
        "spans" => {
            let span = &marked[0]["spans"][0];
            assert_eq!((&span["start"], &span["end"]), (&json!(0), &json!(13)), "{marked:?}");
            assert_eq!(marked[1]["spans"], json!([]));
        }
        _ => {
            let tags: Vec<&str> =
                marked[0]["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()).collect();
            assert!(tags[0].starts_with("B-") && tags[1].starts_with("I-") && tags[2] == "O", "{tags:?}");
        }
    }

    // The run's own doubts are replaced by one about a row that has spans.
    let file = at.join("demo/.loquat/runs/demo/out-of-fold.jsonl");
    let held_out = rows(&file);
    assert!(held_out.iter().all(|row| row["answered"].is_array()), "{held_out:?}");
    let mut doubt = held_out.into_iter().find(|row| !row["labels"].as_array().unwrap().is_empty()).unwrap();
    let members = doubt.as_object_mut().unwrap();
    members.insert("suggested".to_owned(), json!([]));
    members.insert("spans".to_owned(), json!([]));
    members.insert("odds".to_owned(), json!(50.0));
    write(at, "demo/.loquat/runs/demo/out-of-fold.jsonl", &format!("{doubt}\n"));
    let review = ["label", "review", "demo", "-o", "r.jsonl"];
    let session = at_terminal(at, &review, "\n").expect_status(0);
    assert!(
        session.stderr.contains("k  keep ") && session.stdout.contains("1 row with a new label"),
        "{}",
        session.stderr
    );
    let apply = ["label", "apply", "demo", "--reviewed", "r.jsonl", "-o", "new.jsonl"];
    assert!(run(at, &apply).expect_status(0).stdout.contains("1 with a new label"));
    let place = doubt["row"].as_u64().unwrap() as usize;
    let (before, after) = (&rows(&data)[place], &rows(&at.join("new.jsonl"))[place]);
    assert_ne!(before, after);
    assert_eq!(rows(&at.join("r.jsonl"))[0]["review"]["was"], before[column]);
}

#[test]
fn pairs_are_shown_with_both_texts() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let resources = "apiVersion: loquat.dev/v1alpha1\nkind: Dataset\nmetadata: { name: demo }\nspec:\n  task: \
                     text-pair-classification\n  source: { path: pairs.jsonl }\n  columns: { premise: one, hypothesis: two, label: \
                     label }\n---\napiVersion: loquat.dev/v1alpha1\nkind: Training\nmetadata: { name: demo }\nspec: { dataset: \
                     demo, crossValidation: { folds: 2 }, search: { families: [linear], trials: 2 } }\n";
    write(at, "demo/demo.yaml", resources);
    let mut text = String::new();
    for number in 0..60 {
        let (one, two, label) = match number % 2 {
            0 => ("the train was late", "it arrived late", "same"),
            _ => ("the train was late", "the soup was cold", "other"),
        };
        let row = json!({ "one": format!("{one} on day {number}"), "two": format!("{two}, note {number}"), "label": label });
        text.push_str(&format!("{row}\n"));
    }
    for number in 0..6 {
        let row = json!({ "one": format!("a bus {number}"), "two": format!("a tram {}", number * 7), "label": null });
        text.push_str(&format!("{row}\n"));
    }
    write(at, "demo/pairs.jsonl", &text);
    run(at, &["train", "demo"]).expect_status(0);
    let session =
        at_terminal(at, &["label", "next", "demo", "-n", "2", "-o", "a.jsonl"], "12").expect_status(0);
    assert!(session.stderr.contains("a bus ") && session.stderr.contains(" ‖ a tram "), "{}", session.stderr);
    let labelled = rows(&at.join("a.jsonl"));
    assert_eq!(labelled.len(), 2);
    assert!(labelled.iter().all(|row| row["label"].is_string() && row["two"].is_string()), "{labelled:?}");
    let rest = run(at, &["label", "next", "demo", "-n", "100", "-o", "a.jsonl"]).expect_status(0);
    assert!(rest.stdout.contains("to label"), "{}", rest.stdout);
    let all = rows(&at.join("a.jsonl"));
    let mut distinct: Vec<&str> = all.iter().map(|row| row["one"].as_str().unwrap()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), all.len(), "no row is asked about twice");
}
