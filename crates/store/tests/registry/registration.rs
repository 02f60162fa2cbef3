//! Versions: numbers, immutability, content addressing, damage.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use loquat_spec::ErrorCode;
use loquat_store::{NewVersion, Store, StoreError};

use crate::fixture::{Fixture, files_below, name, new_version, reference, register, staged, write_artifact};

#[test]
fn opening_creates_nothing_and_an_empty_store_lists_nothing() {
    let fixture = Fixture::new();
    assert!(fixture.store.models().unwrap().is_empty());
    assert!(fixture.store.resolve(&reference("tickets")).is_err());
    assert_eq!(fixture.store.gc().unwrap(), loquat_store::GcReport::default());
    assert!(!fixture.path("store").exists());
}

#[test]
fn numbers_count_from_one_for_each_model() {
    let fixture = Fixture::new();
    assert_eq!(fixture.register("tickets", "a").version, 1);
    assert_eq!(fixture.register("tickets", "b").version, 2);
    assert_eq!(fixture.register("other", "c").version, 1);
    assert_eq!(fixture.versions("tickets"), [1, 2]);
}

#[test]
fn a_record_is_read_back_as_it_was_registered() {
    let fixture = Fixture::new();
    let staging = staged(&fixture.store, "weights");
    let new = new_version();
    let record = fixture.store.register(&name("tickets"), staging, new.clone()).unwrap();
    assert_eq!(record.metrics, new.metrics);
    assert_eq!(record.weights_digest.len(), 64);
    assert_ne!(record.weights_digest, record.digest);
    let resolved = Store::open(fixture.store.root()).unwrap().verify(&reference("tickets:1")).unwrap();
    assert_eq!(resolved.record, record);
    assert_eq!(fixture.store.report(&reference("tickets:1")).unwrap(), new.report);
    assert_eq!(record.bytes, record.files.iter().map(|file| file.bytes).sum::<u64>());
}

#[test]
fn the_digest_is_the_hash_of_the_sorted_listing() {
    let fixture = Fixture::new();
    let staging = fixture.store.stage().unwrap();
    write_artifact(staging.path(), "a");
    fs::create_dir(staging.path().join("tokenizer")).unwrap();
    fs::write(staging.path().join("tokenizer/vocab.txt"), "a\nb\n").unwrap();
    let record = fixture.store.register(&name("tickets"), staging, new_version()).unwrap();
    let paths: Vec<&str> = record.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["loquat.json", "model.safetensors", "tokenizer/vocab.txt"]);
    assert_eq!(record.files[2].sha256, "911169ddaaf146aff539f58c26c489af3b892dff0fe283c1c264c65ae5aa59a2");
    let lines: String =
        record.files.iter().map(|file| format!("{} {} {}\n", file.sha256, file.bytes, file.path)).collect();
    fs::write(fixture.path("listing.txt"), lines).unwrap();
    let listing = fixture.store.stage().unwrap();
    write_artifact(listing.path(), "a");
    fs::copy(fixture.path("listing.txt"), listing.path().join("listing.txt")).unwrap();
    let other = fixture.store.register(&name("other"), listing, new_version()).unwrap();
    assert_eq!(other.files[0].path, "listing.txt");
    assert_eq!(other.files[0].sha256, record.digest);
}

#[test]
fn the_same_content_is_kept_once_and_other_content_apart() {
    let fixture = Fixture::new();
    let first = fixture.register("tickets", "same");
    let second = fixture.register("tickets", "same");
    let third = fixture.register("other", "same");
    let fourth = fixture.register("other", "different");
    assert_eq!(first.digest, second.digest);
    assert_eq!(first.digest, third.digest);
    assert_ne!(first.digest, fourth.digest);
    assert_eq!(fs::read_dir(fixture.path("store/objects")).unwrap().count(), 2);
}

#[test]
fn nothing_that_happens_later_changes_a_version() {
    let fixture = Fixture::new();
    fixture.register("tickets", "first");
    let path = fixture.path("store/models/tickets/versions/1.json");
    let before = fs::read(&path).unwrap();
    fixture.register("tickets", "second");
    fixture.register("tickets", "first");
    fixture.store.set_alias(&name("tickets"), &name("champion"), 2).unwrap();
    fixture.store.gc().unwrap();
    assert_eq!(fs::read(&path).unwrap(), before);
    fixture.store.verify(&reference("tickets:1")).unwrap();
}

#[test]
fn artifact_files_are_read_only() {
    let fixture = Fixture::new();
    fixture.register("tickets", "first");
    let resolved = fixture.store.resolve(&reference("tickets:1")).unwrap();
    for file in files_below(&resolved.path) {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o222, 0, "{file:?}");
    }
}

#[test]
fn a_changed_length_is_seen_at_once_and_a_changed_byte_by_verify() {
    let fixture = Fixture::new();
    fixture.register("tickets", "weights");
    let path = fixture.store.resolve(&reference("tickets:1")).unwrap().path.join("model.safetensors");
    let good = fs::read(&path).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    replace(&path, &flipped);
    assert!(fixture.store.resolve(&reference("tickets:1")).is_ok());
    let error = fixture.store.verify(&reference("tickets:1")).unwrap_err();
    assert!(error.to_string().contains("model.safetensors changed"), "{error}");
    assert_eq!(error.code(), ErrorCode::Failed);
    replace(&path, &good[..good.len() - 1]);
    let error = fixture.store.resolve(&reference("tickets:1")).unwrap_err();
    assert!(matches!(error, StoreError::DamagedArtifact { .. }), "{error}");
    fs::remove_file(&path).unwrap();
    assert!(fixture.store.resolve(&reference("tickets:1")).is_err());
}

#[test]
fn verify_sees_a_file_that_was_added() {
    let fixture = Fixture::new();
    fixture.register("tickets", "weights");
    let path = fixture.store.resolve(&reference("tickets:1")).unwrap().path;
    fs::write(path.join("pytorch_model.bin"), b"\x80\x02").unwrap();
    let error = fixture.store.verify(&reference("tickets:1")).unwrap_err().to_string();
    assert!(error.contains("pytorch_model.bin was added"), "{error}");
}

#[test]
fn registering_the_same_content_again_mends_a_damaged_artifact() {
    let fixture = Fixture::new();
    fixture.register("tickets", "weights");
    let path = fixture.store.resolve(&reference("tickets:1")).unwrap().path;
    fs::remove_file(path.join("model.safetensors")).unwrap();
    fixture.register("tickets", "weights");
    fixture.store.verify(&reference("tickets:1")).unwrap();
    fixture.store.verify(&reference("tickets:2")).unwrap();
}

#[test]
fn refuses_metrics_that_json_cannot_hold_and_outcomes_that_are_no_model() {
    let fixture = Fixture::new();
    let mut not_a_number = new_version();
    not_a_number.metrics.insert("log-loss".to_owned(), f64::NAN);
    let failed = NewVersion { outcome: "failed".to_owned(), ..new_version() };
    let cancelled = NewVersion { outcome: "Cancelled".to_owned(), ..new_version() };
    for new in [not_a_number, failed, cancelled] {
        let staging = staged(&fixture.store, "a");
        let error = fixture.store.register(&name("tickets"), staging, new).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Invalid, "{error}");
    }
    assert!(fixture.store.models().unwrap().is_empty());
}

#[test]
fn refuses_a_staging_folder_of_another_store() {
    let (one, other) = (Fixture::new(), Fixture::new());
    let error = one.store.register(&name("tickets"), staged(&other.store, "a"), new_version()).unwrap_err();
    assert!(matches!(error, StoreError::ForeignStaging { .. }), "{error}");
}

#[test]
fn an_abandoned_staging_folder_removes_itself() {
    let fixture = Fixture::new();
    drop(staged(&fixture.store, "a"));
    fixture.register("tickets", "b");
    assert!(files_below(&fixture.path("store/staging")).is_empty());
    assert_eq!(fs::read_dir(fixture.path("store/staging")).unwrap().count(), 0);
}

#[test]
fn errors_say_what_exists_instead() {
    let fixture = Fixture::new();
    let message = |text: &str| fixture.store.resolve(&reference(text)).unwrap_err();
    let empty = message("tickets");
    assert!(empty.to_string().contains("train a model"), "{empty}");
    fixture.register("tickets", "a");
    fixture.register("tickets", "b");
    fixture.register("reviews", "c");
    struct Case {
        reference: &'static str,
        words: &'static [&'static str],
    }
    let cases = [
        Case { reference: "ticket", words: &["did you mean \"tickets\"", "reviews, tickets"] },
        Case { reference: "zzz", words: &["registered are reviews, tickets"] },
        Case { reference: "tickets:3", words: &["no version 3", "1, 2"] },
        Case {
            reference: "tickets",
            words: &["no alias \"champion\"", "aliases are none", "versions 1, 2", "promote"],
        },
    ];
    for case in cases {
        let error = message(case.reference);
        assert_eq!(error.code(), ErrorCode::NotFound);
        for word in case.words {
            assert!(error.to_string().contains(word), "{}: {error}", case.reference);
        }
    }
}

#[test]
fn names_that_look_alike_are_kept_apart() {
    let fixture = Fixture::new();
    let names = ["a", "a-1", "a-10", "a1", "1", "tickets", "tickets-linear", "tickets0", "ticketso"];
    for name in names {
        fixture.register(name, name);
    }
    for _ in 0..10 {
        fixture.register("a", "more");
    }
    for text in names {
        fixture.store.set_alias(&name(text), &name("champion"), 1).unwrap();
        let resolved = fixture.store.resolve(&reference(text)).unwrap();
        assert_eq!(resolved.record.name, text);
        assert!(fs::read(resolved.path.join("model.safetensors")).unwrap().ends_with(text.as_bytes()));
    }
    assert_eq!(fixture.versions("a"), (1..=11).collect::<Vec<_>>());
    assert_eq!(fixture.versions("a-1"), [1]);
    let mut sorted = names.map(name).to_vec();
    sorted.sort();
    assert_eq!(fixture.store.names().unwrap(), sorted);
}

#[test]
fn files_that_only_look_like_versions_are_not_versions() {
    let fixture = Fixture::new();
    fixture.register("tickets", "a");
    let versions = fixture.path("store/models/tickets/versions");
    for file in [
        "01.json",
        "0.json",
        "+2.json",
        "2.json.bak",
        "4294967296.json",
        "-3.json",
        "x.json",
        ".2.json.9.tmp",
    ] {
        fs::write(versions.join(file), "{").unwrap();
    }
    fs::create_dir_all(fixture.path("store/models/Tickets/versions")).unwrap();
    fs::write(fixture.path("store/models/Tickets/versions/1.json"), "{").unwrap();
    assert_eq!(fixture.versions("tickets"), [1]);
    assert_eq!(fixture.register("tickets", "b").version, 2);
    assert_eq!(fixture.store.names().unwrap(), [name("tickets")]);
}

#[test]
fn a_record_copied_from_another_model_is_refused() {
    let fixture = Fixture::new();
    fixture.register("tickets", "a");
    fixture.register("reviews", "b");
    let versions = fixture.path("store/models");
    fs::copy(versions.join("tickets/versions/1.json"), versions.join("reviews/versions/1.json")).unwrap();
    let error = fixture.store.resolve(&reference("reviews:1")).unwrap_err().to_string();
    assert!(error.contains("the record of tickets:1"), "{error}");
    fixture.store.resolve(&reference("tickets:1")).unwrap();
}

#[test]
fn the_nearest_store_with_the_model_is_found() {
    let folder = tempfile::tempdir().unwrap();
    for (path, model) in [("deep/er/project", "tickets"), ("near", "tickets"), ("near/reviews", "reviews")] {
        let store = Store::open(&folder.path().join(path).join(".loquat/store")).unwrap();
        register(&store, model, "a");
    }
    let nearest = |model| Store::nearest(folder.path(), &name(model));
    assert_eq!(nearest("tickets"), Some(folder.path().join("near/.loquat/store")));
    assert_eq!(nearest("reviews"), Some(folder.path().join("near/reviews/.loquat/store")));
    assert_eq!(nearest("nothing"), None);
}

#[test]
fn differences_name_what_changed() {
    let fixture = Fixture::new();
    let left = fixture.register("tickets", "a");
    let mut new = new_version();
    new.seed = 18;
    new.metrics.insert("accuracy".to_owned(), 0.95);
    new.resource = new.resource.replace("Training", "Trained");
    let right = fixture.store.register(&name("tickets"), staged(&fixture.store, "b"), new).unwrap();
    let fields: Vec<String> =
        left.differences(&right).into_iter().map(|difference| difference.field).collect();
    assert_eq!(fields, ["metrics.accuracy", "seed", "weightsDigest", "digest", "resource", "resource"]);
    assert!(left.differences(&left).is_empty());
}

/// Replaces a read-only file.
fn replace(path: &std::path::Path, content: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, content).unwrap();
}
