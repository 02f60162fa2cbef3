//! Usage, exit statuses and the commands that need no model.

use std::path::Path;

use crate::support::{loquat, run, write};

struct Case {
    arguments: &'static [&'static str],
    status: i32,
    stderr: &'static str,
}

#[test]
fn refusals_name_the_cause_and_the_remedy() {
    let cases = [
        Case {
            arguments: &["stream", "everything", "--fast"],
            status: 2,
            stderr: "error: loquat stream is not yet supported; `loquat --help` lists what is\n",
        },
        Case {
            arguments: &["apply", "-f", "x.yaml"],
            status: 3,
            stderr: "error: cannot read x.yaml: No such file or directory (os error 2)\n",
        },
        Case {
            arguments: &["delete", "streams", "x"],
            status: 2,
            stderr: "error: streams of a running server is not yet supported; kinds are Dataset, Training, Model, \
                     Endpoint\n",
        },
        Case {
            arguments: &["get", "endpiont"],
            status: 2,
            stderr: "error: no kind is named \"endpiont\": did you mean \"Endpoint\"?\n",
        },
        Case {
            arguments: &["init", "translation", "x"],
            status: 2,
            stderr: "error: a starter for translation is not yet supported; there are text-classification, \
                     multi-label-classification, language-identification, token-classification, \
                     text-pair-classification, zero-shot-classification, embedding\n",
        },
        Case {
            arguments: &["--store", "ftp://host/models", "models", "list"],
            status: 2,
            stderr: "error: no store is at ftp://: name a folder, s3://, gs:// or az:// with --store\n",
        },
        Case {
            arguments: &["schema", "Stream"],
            status: 2,
            stderr: "error: kind Stream is not yet supported; there are Dataset, Training, Model, Endpoint\n",
        },
        Case {
            arguments: &["schema", "Datset"],
            status: 2,
            stderr: "error: no kind is named \"Datset\": did you mean \"Dataset\"?\n",
        },
        Case {
            arguments: &["check", "nowhere"],
            status: 3,
            stderr: "error: cannot read the folder nowhere: No such file or directory (os error 2): the first \
                     argument is a folder of resources; names of resources follow it\n",
        },
        Case {
            arguments: &["check"],
            status: 3,
            stderr: "error: no resource (in *.yaml, *.yml, *.json) in .: `loquat init text-classification .` \
                     writes a starter\n",
        },
        Case {
            arguments: &["predict", "tickets"],
            status: 3,
            stderr: "error: no model \"tickets\" in .loquat/store: it is empty; train a model with `loquat train DIR`, \
                     or name its folder with --dir\n",
        },
        Case {
            arguments: &["models", "rm", "tickets@champion"],
            status: 2,
            stderr: "error: rm takes a version, not an alias: write tickets:VERSION\n",
        },
        Case {
            arguments: &["predict", "tickets", "rows.jsonl"],
            status: 3,
            stderr: "error: rows.jsonl: no such file; name a file that exists, or none to read standard input\n",
        },
    ];
    let folder = tempfile::tempdir().unwrap();
    for case in cases {
        let run = run(folder.path(), case.arguments);
        assert_eq!((run.status, run.stderr.as_str()), (case.status, case.stderr), "{:?}", case.arguments);
        assert_eq!(run.stdout, "", "{:?}", case.arguments);
    }
}

#[test]
fn bad_usage_is_status_2() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [&[&str]; 6] = [
        &[],
        &["frobnicate"],
        &["models", "show"],
        &["predict", "Not A Name"],
        &["--threads", "0", "models", "list"],
        &["init", "poetry"],
    ];
    for arguments in cases {
        assert_eq!(run(folder.path(), arguments).status, 2, "{arguments:?}");
    }
}

#[test]
fn help_and_version_are_answers() {
    let folder = tempfile::tempdir().unwrap();
    let help = run(folder.path(), &["--help"]).expect_status(0);
    assert!(help.stdout.contains("Usage: loquat"), "{}", help.stdout);
    assert!(!help.stdout.contains("monitor"), "commands that do not exist yet are not listed");
    let version = run(folder.path(), &["--version"]).expect_status(0);
    assert_eq!(version.stdout, format!("loquat {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_kind_has_a_schema_and_so_have_all_together() {
    let folder = tempfile::tempdir().unwrap();
    for kind in loquat_spec::KINDS {
        let schema = run(folder.path(), &["schema", kind]).expect_status(0).json();
        assert_eq!(schema["properties"]["kind"]["const"], *kind);
    }
    assert!(run(folder.path(), &["schema"]).expect_status(0).json().is_object());
}

#[test]
fn configuration_shows_flag_over_environment_over_default() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = loquat(folder.path());
    command.env("LOQUAT_THREADS", "3").env("LOQUAT_COLOR", "always");
    command.args(["config", "show", "--color", "never", "--dir", "there"]);
    let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        rows,
        [
            vec!["FLAG", "VALUE", "SOURCE"],
            vec!["--store", "there/.loquat/store", "default"],
            vec!["--dir", "there", "flag"],
            vec!["--threads", "3", "environment", "(LOQUAT_THREADS)"],
            vec!["--kernels", "auto", "default"],
            vec!["--onnxruntime", "none", "default"],
            vec!["--log", "warn", "default"],
            vec!["--color", "never", "flag"],
        ]
    );
}

#[test]
fn a_flag_of_a_command_follows_its_environment_variable() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["init", "text-classification", "demo"]).expect_status(0);
    let mut command = loquat(folder.path());
    let output = command.args(["check", "demo"]).env("LOQUAT_CHECK_FORMAT", "json").output().unwrap();
    serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap();
}

#[test]
fn shells_and_man_get_their_pages() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(folder.path(), &["completions", shell]).expect_status(0);
        assert!(script.stdout.contains("loquat"), "{shell}");
    }
    assert!(run(folder.path(), &["man"]).expect_status(0).stdout.contains(".TH loquat 1"));
    assert!(
        run(folder.path(), &["man", "models", "diff"])
            .expect_status(0)
            .stdout
            .contains("loquat\\-models\\-diff")
    );
    let unknown = run(folder.path(), &["man", "trian"]).expect_status(2);
    assert_eq!(unknown.stderr, "error: no command is named \"trian\": did you mean \"train\"?\n");
}

#[test]
fn the_reference_does_not_depend_on_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let plain = run(folder.path(), &["help-markdown"]).expect_status(0).stdout;
    let mut command = loquat(folder.path());
    command.arg("help-markdown").env("COLUMNS", "40").env("LOQUAT_THREADS", "7");
    let other = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert_eq!(plain, other);
    assert!(plain.starts_with("# Command line\n"), "{plain}");
}

#[test]
fn init_writes_nothing_over() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "demo/demo.yaml", "mine");
    let run = run(folder.path(), &["init", "text-classification", "demo"]).expect_status(1);
    assert_eq!(
        run.stderr,
        "error: demo/demo.yaml exists and is not written over: name another folder, or move it away\n"
    );
    assert_eq!(std::fs::read_to_string(folder.path().join("demo/demo.yaml")).unwrap(), "mine");
    assert!(!Path::new(&folder.path().join("demo/data/demo.jsonl")).exists());
}

#[test]
fn init_names_resources_after_the_folder_where_it_can() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["init", "language-identification", "Not a name"]).expect_status(0);
    assert!(folder.path().join("Not a name/starter.yaml").exists());
    assert!(folder.path().join("Not a name/data/starter.jsonl").exists());
}

#[test]
fn colours_come_only_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let plain = run(folder.path(), &["monitor"]);
    assert!(!plain.stderr.contains('\u{1b}'));
    let coloured = run(folder.path(), &["--color", "always", "monitor"]);
    assert!(coloured.stderr.starts_with("\u{1b}[31;1merror:\u{1b}[0m "), "{:?}", coloured.stderr);
}
