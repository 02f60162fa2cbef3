//! Many threads and processes at once, and processes killed at any moment.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use loquat_store::Store;

use crate::fixture::{Fixture, files_below, name, reference, register};

const THREADS: usize = 6;
const PROCESSES: usize = 3;
const EACH: usize = 5;

#[test]
fn threads_with_handles_of_their_own_get_numbers_of_their_own() {
    let fixture = Fixture::new();
    let root = fixture.store.root();
    let numbers: Vec<u32> = thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|thread| scope.spawn(move || register_many(root, &format!("thread {thread}"))))
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert_complete(&fixture, &numbers, THREADS * EACH);
}

#[test]
fn processes_get_numbers_of_their_own() {
    let fixture = Fixture::new();
    std::fs::create_dir(fixture.store.root()).unwrap();
    let children: Vec<Child> =
        (0..PROCESSES).map(|_| start(fixture.store.root(), "processes::child_registers_a_few")).collect();
    let mut numbers = Vec::new();
    for mut child in children {
        numbers.extend(acknowledgements(&mut child));
        assert!(child.wait().unwrap().success());
    }
    assert_complete(&fixture, &numbers, PROCESSES * EACH);
}

#[test]
fn readers_never_see_half_of_a_change() {
    let fixture = Fixture::new();
    let root = fixture.store.root();
    fixture.register("tickets", "first");
    fixture.store.set_alias(&name("tickets"), &name("champion"), 1).unwrap();
    thread::scope(|scope| {
        let writer = scope.spawn(move || {
            let store = Store::open(root).unwrap();
            for number in 0..10 {
                let record = register(&store, "tickets", &number.to_string());
                store.set_alias(&name("tickets"), &name("champion"), record.version).unwrap();
                store.gc().unwrap();
            }
        });
        let mut seen = 0;
        while !writer.is_finished() {
            let store = Store::open(root).unwrap();
            let version = store.verify(&reference("tickets")).unwrap().record.version;
            assert!(version >= seen);
            seen = version;
            store.models().unwrap();
        }
        writer.join().unwrap();
    });
}

#[test]
fn a_process_killed_at_any_moment_loses_nothing_acknowledged() {
    let fixture = Fixture::new();
    std::fs::create_dir(fixture.store.root()).unwrap();
    let mut known = BTreeSet::new();
    for round in 0..12 {
        let mut child = start(fixture.store.root(), "processes::child_registers_until_killed");
        let mut output = acknowledgements(&mut child);
        if round % 2 == 1 {
            // However slowly a process starts, half of them have work to lose.
            known.extend(output.next());
        }
        thread::sleep(Duration::from_millis(20 + 17 * round));
        child.kill().unwrap();
        known.extend(output);
        child.wait().unwrap();
        let store = Store::open(fixture.store.root()).unwrap();
        let existing: BTreeSet<u32> = match store.model(&name("tickets")) {
            Ok(model) => model.versions.iter().map(|record| record.version).collect(),
            Err(_) => BTreeSet::new(),
        };
        assert!(known.is_subset(&existing), "{known:?} {existing:?}");
        for version in existing {
            store.verify(&reference(&format!("tickets:{version}"))).unwrap();
        }
        if let Some(version) = store.aliases(&name("tickets")).unwrap().get("champion") {
            store.verify(&reference(&format!("tickets:{version}"))).unwrap();
        }
    }
    assert!(!known.is_empty());
    fixture.store.gc().unwrap();
    assert!(files_below(&fixture.path("store/staging")).is_empty());
    let versions = fixture.versions("tickets").len();
    assert_eq!(std::fs::read_dir(fixture.path("store/objects")).unwrap().count(), versions);
}

#[test]
#[ignore = "a child process of another test"]
fn child_registers_a_few() {
    for number in register_many(&std::env::current_dir().unwrap(), &std::process::id().to_string()) {
        println!("\nregistered {number}");
    }
}

#[test]
#[ignore = "a child process of another test"]
fn child_registers_until_killed() {
    let store = Store::open(&std::env::current_dir().unwrap()).unwrap();
    for round in 0.. {
        let record = register(&store, "tickets", &format!("{} {round}", std::process::id()));
        println!("\nregistered {}", record.version);
        store.set_alias(&name("tickets"), &name("champion"), record.version).unwrap();
        if round % 3 == 2 {
            store.gc().unwrap();
        }
    }
}

fn register_many(root: &Path, content: &str) -> Vec<u32> {
    (0..EACH)
        .map(|round| {
            let store = Store::open(root).unwrap();
            let version = register(&store, "tickets", &format!("{content} {round}")).version;
            store.set_alias(&name("tickets"), &name("champion"), version).unwrap();
            version
        })
        .collect()
}

fn assert_complete(fixture: &Fixture, numbers: &[u32], expected: usize) {
    let unique: BTreeSet<u32> = numbers.iter().copied().collect();
    assert_eq!(unique, (1..=expected as u32).collect());
    assert_eq!(numbers.len(), expected);
    let model = fixture.store.model(&name("tickets")).unwrap();
    let digests: BTreeSet<&str> = model.versions.iter().map(|record| record.digest.as_str()).collect();
    assert_eq!((model.versions.len(), digests.len()), (expected, expected));
    for version in numbers {
        fixture.store.verify(&reference(&format!("tickets:{version}"))).unwrap();
    }
    let history = fixture.store.alias_history(&name("tickets"), &name("champion")).unwrap();
    assert_eq!(history.len(), expected);
    assert_eq!(fixture.store.gc().unwrap(), loquat_store::GcReport::default());
}

/// Runs one ignored test of this binary in a process of its own, in the store's folder.
fn start(root: &Path, test: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .current_dir(root)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The versions that a child says it has registered.
fn acknowledgements(child: &mut Child) -> impl Iterator<Item = u32> + use<> {
    let output = BufReader::new(child.stdout.take().unwrap());
    let lines = output.lines().map(Result::unwrap);
    lines.filter_map(|line| line.strip_prefix("registered ")?.parse().ok())
}
