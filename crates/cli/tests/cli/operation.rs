//! Commands around a server: keys and load.
#![cfg(feature = "serve")]

use std::net::TcpListener;

use crate::support::run;

#[test]
fn a_new_key_is_printed_once_and_its_name_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let new = ["keys", "new", "newsroom", "--keys", "keys.json", "--models", "a,b", "--rate", "5"];
    let made = run(folder.path(), &new).expect_status(0);
    let key = made.stdout.trim();
    assert!(key.starts_with("loquat_") && made.stdout.lines().count() == 1, "{}", made.stdout);
    let file = std::fs::read_to_string(folder.path().join("keys.json")).unwrap();
    assert!(file.contains("newsroom") && !file.contains(key) && !file.contains("admin"), "{file}");
    let all = ["keys", "new", "operator", "--keys", "keys.json", "--scope", "predict,admin"];
    run(folder.path(), &all).expect_status(0);
    let file = std::fs::read_to_string(folder.path().join("keys.json")).unwrap();
    assert!(file.contains("\"admin\""), "{file}");
    let again = run(folder.path(), &new).expect_status(1);
    assert!(again.stderr.contains("already"), "{}", again.stderr);
    let bad = run(folder.path(), &["keys", "new", "News Room", "--keys", "keys.json"]).expect_status(2);
    assert!(bad.stderr.contains("lower-case"), "{}", bad.stderr);
}

#[test]
fn a_file_of_keys_may_lie_beside_the_resources() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["init", "text-classification", "demo"]).expect_status(0);
    run(folder.path(), &["keys", "new", "newsroom", "--keys", "demo/keys.json"]).expect_status(0);
    run(folder.path(), &["check", "demo"]).expect_status(0);
}

#[test]
fn a_server_off_loopback_needs_keys_and_says_how_to_make_them() {
    let folder = tempfile::tempdir().unwrap();
    let refused = run(folder.path(), &["serve", "--listen", "0.0.0.0:0"]).expect_status(2);
    assert!(refused.stderr.contains("loquat keys new"), "{}", refused.stderr);
    let absent = ["serve", "--listen", "0.0.0.0:0", "--keys", "none.json"];
    let absent = run(folder.path(), &absent).expect_status(3);
    assert!(absent.stderr.contains("none.json"), "{}", absent.stderr);
    run(folder.path(), &["serve", "--tls-cert", "a.pem"]).expect_status(2);
}

#[test]
fn a_load_is_refused_or_unreachable_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let unknown = run(folder.path(), &["bench", "serve", "carrier=http://pigeon"]).expect_status(2);
    assert!(unknown.stderr.contains("protocols are loquat"), "{}", unknown.stderr);
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
    let target = format!("loquat=http://{free}/models/m/predict");
    let closed = run(folder.path(), &["bench", "serve", &target]).expect_status(4);
    assert!(closed.stderr.contains("cannot reach"), "{}", closed.stderr);
    for wrong in [["--rate", "0"], ["--within", "0"], ["--warm-up", "-1"]] {
        let flag = format!("{}={}", wrong[0], wrong[1]);
        run(folder.path(), &["bench", "serve", &target, &flag]).expect_status(2);
    }
}
