//! A registry in an object store, written by several at once and read through mirrors.

use std::time::Duration;

use loquat_connect::objects::{Bucket, ObjectSettings};
use loquat_spec::ErrorCode;
use loquat_store::{Store, StoreError};
use loquat_testkit::ObjectServer;
use tempfile::TempDir;

use crate::cascades::calibration;
use crate::fixture::{Fixture, name, reference, register, staged};

/// An object store with a registry, and mirrors of it.
struct Shared {
    server: ObjectServer,
    mirrors: TempDir,
}

#[expect(clippy::unwrap_used, reason = "what goes wrong in a helper fails the test that called it")]
impl Shared {
    fn new() -> Self {
        Self { server: ObjectServer::start().unwrap(), mirrors: tempfile::tempdir().unwrap() }
    }

    fn try_open(&self, mirror: &str) -> Result<Store, StoreError> {
        let settings = ObjectSettings::new(self.server.variables()).with_retries(0, Duration::from_millis(1));
        let bucket = Bucket::open(&"s3://bucket/registry".parse().unwrap(), &settings).unwrap();
        Store::open_bucket(bucket, &self.mirrors.path().join(mirror))
    }

    fn open(&self, mirror: &str) -> Store {
        self.try_open(mirror).unwrap()
    }

    fn keys(&self, part: &str) -> Vec<String> {
        self.server.state().objects.keys().filter(|key| key.contains(part)).cloned().collect()
    }
}

#[test]
fn what_one_machine_registers_another_finds_with_the_digest_of_a_folder() {
    let shared = Shared::new();
    let there = shared.open("there");
    let written = register(&there, "tickets", "weights");
    there.set_alias(&name("tickets"), &name("champion"), written.version).unwrap();
    let here = shared.open("here");
    let resolved = here.verify(&reference("tickets@champion")).unwrap();
    assert_eq!(resolved.record, written);
    assert!(resolved.path.starts_with(shared.mirrors.path().join("here")));
    let in_folder = Fixture::new().register("tickets", "weights");
    assert_eq!(written.digest, in_folder.digest);
    assert_eq!(here.place().display().to_string(), "s3://bucket/registry");
}

#[test]
fn what_one_machine_calibrates_another_finds_and_a_removal_takes_it_away() {
    let shared = Shared::new();
    let (there, here) = (shared.open("there"), shared.open("here"));
    let (cheap, dear) = (register(&there, "small", "a"), register(&there, "large", "b"));
    there.record_cascade(&calibration(&cheap, &dear, 0.98)).unwrap();
    here.record_cascade(&calibration(&cheap, &dear, 0.95)).unwrap();
    assert_eq!(
        here.cascades(&name("large"), 1).unwrap().len(),
        2,
        "neither writer loses what the other wrote"
    );
    there.remove(&name("large"), 1).unwrap();
    assert!(shared.keys("cascades").is_empty());
}

#[test]
fn of_many_writers_at_once_every_version_and_every_move_is_kept() {
    const WRITERS: usize = 6;
    let shared = Shared::new();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let store = shared.open(&writer.to_string());
            scope.spawn(move || {
                let record = register(&store, "tickets", &format!("weights {writer}"));
                store.set_alias(&name("tickets"), &name("champion"), record.version).unwrap();
            });
        }
    });
    let store = shared.open("last");
    let model = store.model(&name("tickets")).unwrap();
    let numbers: Vec<u32> = model.versions.iter().map(|record| record.version).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    let mut digests: Vec<&str> = model.versions.iter().map(|record| record.digest.as_str()).collect();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), WRITERS);
    let mut moved: Vec<u32> =
        store.alias_history(&name("tickets"), &name("champion")).unwrap().iter().map(|c| c.version).collect();
    moved.sort_unstable();
    assert_eq!(moved, numbers);
    for number in numbers {
        store.verify(&reference(&format!("tickets:{number}"))).unwrap();
    }
}

#[test]
fn a_writer_whose_mirror_is_behind_works_on_what_is_there_now() {
    let shared = Shared::new();
    let (first, second) = (shared.open("first"), shared.open("second"));
    register(&first, "tickets", "one");
    assert_eq!(register(&second, "tickets", "two").version, 2);
    first.set_alias(&name("tickets"), &name("champion"), 1).unwrap();
    assert_eq!(second.set_alias(&name("tickets"), &name("champion"), 2).unwrap(), Some(1));
    assert_eq!(first.rollback(&name("tickets"), &name("champion")).unwrap(), 1);
    second.remove(&name("tickets"), 2).unwrap();
    let error = first.set_alias(&name("tickets"), &name("champion"), 2).unwrap_err();
    assert!(matches!(error, StoreError::RemovedVersion { .. }), "{error}");
    let error = second.remove(&name("tickets"), 1).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    assert_eq!(register(&first, "tickets", "three").version, 3);
}

#[test]
fn a_version_that_is_being_removed_gets_no_alias() {
    let shared = Shared::new();
    let store = shared.open("a");
    register(&store, "tickets", "one");
    register(&store, "tickets", "two");
    store.set_alias(&name("tickets"), &name("champion"), 1).unwrap();
    // The other writer has announced the removal and not come further.
    let key = "bucket/registry/models/tickets/aliases.json";
    let text = String::from_utf8(shared.server.state().objects[key].clone()).unwrap();
    let mut log: serde_json::Value = serde_json::from_str(&text).unwrap();
    log["body"]["removed"] = serde_json::json!([2]);
    shared.server.put(key, log.to_string());
    let error = store.set_alias(&name("tickets"), &name("champion"), 2).unwrap_err();
    assert!(matches!(error, StoreError::RemovedVersion { version: 2, .. }), "{error}");
}

#[test]
fn out_of_reach_the_mirror_reads_and_writing_fails() {
    let shared = Shared::new();
    let store = shared.open("a");
    register(&store, "tickets", "one");
    store.resolve(&reference("tickets:1")).unwrap();
    shared.server.state().unable = usize::MAX;
    let again = shared.open("a");
    again.verify(&reference("tickets:1")).unwrap();
    let error = again.set_alias(&name("tickets"), &name("champion"), 1).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable, "{error}");
    assert_eq!(shared.try_open("never-filled").unwrap_err().code(), ErrorCode::Unavailable);
}

#[test]
fn an_artifact_that_was_changed_in_the_object_store_is_refused() {
    let shared = Shared::new();
    register(&shared.open("a"), "tickets", "one");
    let weights = shared.keys("model.safetensors").remove(0);
    shared.server.put(&weights, "else");
    let error = shared.open("b").resolve(&reference("tickets:1")).unwrap_err();
    assert!(matches!(error, StoreError::DamagedArtifact { .. }), "{error}");
}

#[test]
fn a_writer_that_was_killed_costs_a_number_and_no_version() {
    let shared = Shared::new();
    let store = shared.open("a");
    shared.server.put(
        "bucket/registry/models/tickets/versions/1.claim.json",
        "{\"formatVersion\":\"1.0\",\"body\":{\"at\":\"x\"}}",
    );
    shared.server.put(
        "bucket/registry/models/tickets/versions/1.report.json",
        "{\"formatVersion\":\"1.0\",\"body\":{}}",
    );
    assert_eq!(register(&store, "tickets", "one").version, 2);
    assert_eq!(store.model(&name("tickets")).unwrap().versions.len(), 1);
}

#[test]
fn collecting_removes_what_nothing_refers_to_and_waits_for_writers() {
    let shared = Shared::new();
    let store = shared.open("a");
    register(&store, "tickets", "one");
    let second = register(&store, "tickets", "two");
    store.remove(&name("tickets"), 2).unwrap();
    let claim = "bucket/registry/models/tickets/versions/3.claim.json";
    shared.server.put(claim, "{\"formatVersion\":\"1.0\",\"body\":{\"at\":\"now\"}}");
    let error = store.gc().unwrap_err();
    assert!(matches!(error, StoreError::Registering { .. }), "{error}");
    // A day later it is a killed writer's.
    shared.server.state().old = true;
    assert_eq!(store.gc().unwrap().objects, std::slice::from_ref(&second.digest));
    assert!(shared.keys(&second.digest).is_empty() && shared.keys("collecting").is_empty());
    store.verify(&reference("tickets:1")).unwrap();
    shared.open("fresh").verify(&reference("tickets:1")).unwrap();
    shared
        .server
        .put("bucket/registry/collecting.json", "{\"formatVersion\":\"1.0\",\"body\":{\"at\":\"now\"}}");
    let error = store.gc().unwrap_err();
    assert!(error.to_string().contains("being collected since now"), "{error}");
}

#[test]
fn a_staged_artifact_that_is_not_registered_leaves_nothing_in_the_object_store() {
    let shared = Shared::new();
    drop(staged(&shared.open("a"), "one"));
    assert!(shared.keys("objects").is_empty());
}

#[test]
fn a_registry_of_a_newer_loquat_is_not_touched() {
    let shared = Shared::new();
    shared.server.put("bucket/registry/format.json", "{\"formatVersion\":\"2.0\",\"body\":{}}");
    assert_eq!(shared.try_open("a").unwrap_err().code(), ErrorCode::Unsupported);
}
