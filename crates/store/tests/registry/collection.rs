//! Removal, garbage collection, and what killed processes leave.

use std::fs;

use loquat_spec::ErrorCode;
use loquat_store::{Store, StoreError};

use crate::fixture::{Fixture, files_below, name, reference, staged, write_artifact};

#[test]
fn a_removed_number_is_never_given_again() {
    let fixture = Fixture::new();
    fixture.register("tickets", "a");
    fixture.register("tickets", "b");
    fixture.store.remove(&name("tickets"), 2).unwrap();
    let error = fixture.store.resolve(&reference("tickets:2")).unwrap_err();
    assert!(matches!(error, StoreError::RemovedVersion { .. }), "{error}");
    assert_eq!(error.code(), ErrorCode::NotFound);
    fixture.store.gc().unwrap();
    assert_eq!(fixture.register("tickets", "c").version, 3);
    for version in [1, 3] {
        fixture.store.remove(&name("tickets"), version).unwrap();
    }
    assert!(fixture.store.models().unwrap().is_empty());
    assert_eq!(fixture.register("tickets", "d").version, 4);
}

#[test]
fn collection_keeps_what_any_version_refers_to() {
    let fixture = Fixture::new();
    let shared = fixture.register("tickets", "shared");
    fixture.register("reviews", "shared");
    let own = fixture.register("tickets", "own");
    assert_eq!(fixture.store.gc().unwrap().objects, Vec::<String>::new());
    fixture.store.remove(&name("tickets"), 1).unwrap();
    assert!(fixture.store.gc().unwrap().objects.is_empty());
    fixture.store.verify(&reference("reviews:1")).unwrap();
    fixture.store.remove(&name("tickets"), 2).unwrap();
    let report = fixture.store.gc().unwrap();
    assert_eq!(report.objects, std::slice::from_ref(&own.digest));
    assert_eq!(report.bytes, own.bytes);
    fixture.store.remove(&name("reviews"), 1).unwrap();
    assert_eq!(fixture.store.gc().unwrap().objects, [shared.digest]);
    assert!(files_below(&fixture.path("store/objects")).is_empty());
}

#[test]
fn collection_takes_what_was_made_of_artifacts_that_are_gone() {
    let fixture = Fixture::new();
    let (kept, gone) = (fixture.register("tickets", "kept"), fixture.register("tickets", "gone"));
    let folder = fixture.store.packed_folder();
    fs::create_dir(&folder).unwrap();
    let names = [&kept.digest, &gone.digest]
        .map(|digest| [format!("{digest}.a.packed"), format!("{digest}.b.packed")]);
    let leftover = format!(".{}.c.packed.1.tmp", kept.digest);
    for name in names.iter().flatten().chain([&leftover]) {
        fs::write(folder.join(name), "made").unwrap();
    }
    fixture.store.remove(&name("tickets"), 2).unwrap();
    fixture.store.gc().unwrap();
    let wanted = names[0].each_ref().map(|name| folder.join(name));
    assert_eq!(files_below(&folder), wanted);
    fixture.store.verify(&reference("tickets:1")).unwrap();
}

#[test]
fn leftovers_of_a_killed_process_are_ignored_and_collected() {
    let fixture = Fixture::new();
    fixture.register("tickets", "a");
    let root = fixture.path("store");
    write_artifact(&root.join("staging/999-dead"), "half");
    fs::write(root.join("staging/999-dead.lock"), "").unwrap();
    fs::write(root.join("staging/998-alone.lock"), "").unwrap();
    write_artifact(&root.join("staging/trash-997"), "trash");
    fs::write(root.join(".format.json.999.tmp"), "{").unwrap();
    fs::write(root.join("models/tickets/.aliases.json.999.tmp"), "{\"formatV").unwrap();
    fs::write(root.join("models/tickets/versions/.2.json.999.tmp"), "{\"formatV").unwrap();
    fs::write(root.join("models/tickets/versions/2.report.json"), "{\"formatVersion\":\"1.0\",\"body\":{}}")
        .unwrap();
    write_artifact(&root.join("objects").join("0".repeat(64)), "moved, but never recorded");
    fs::create_dir_all(root.join("models/never-finished/versions")).unwrap();

    let store = Store::open(&root).unwrap();
    assert_eq!(store.names().unwrap(), [name("tickets")]);
    assert_eq!(store.model(&name("tickets")).unwrap().versions.len(), 1);
    let report = store.gc().unwrap();
    assert_eq!(report.objects, ["0".repeat(64)]);
    assert_eq!(report.leftovers, 7);
    assert!(files_below(&root.join("staging")).is_empty());
    assert!(!files_below(&root).iter().any(|path| path.to_string_lossy().ends_with(".tmp")));
    assert_eq!(store.gc().unwrap(), loquat_store::GcReport::default());
    store.verify(&reference("tickets:1")).unwrap();
    assert_eq!(fixture.register("tickets", "b").version, 2);
}

#[test]
fn a_report_left_by_a_killed_process_is_not_taken_for_the_next_version_s() {
    let fixture = Fixture::new();
    fixture.register("tickets", "a");
    let path = fixture.path("store/models/tickets/versions/2.report.json");
    fs::write(path, "{\"formatVersion\":\"1.0\",\"body\":{\"stale\":true}}").unwrap();
    let new = loquat_store::NewVersion { report: None, ..crate::fixture::new_version() };
    fixture.store.register(&name("tickets"), staged(&fixture.store, "b"), new).unwrap();
    assert_eq!(fixture.store.report(&reference("tickets:2")).unwrap(), None);
}

#[test]
fn a_removal_cut_short_counts_as_done_and_is_finished_by_collection() {
    let fixture = Fixture::new();
    fixture.register("tickets", "a");
    fixture.register("tickets", "b");
    let versions = fixture.path("store/models/tickets/versions");
    let record = fs::read(versions.join("2.json")).unwrap();
    fixture.store.remove(&name("tickets"), 2).unwrap();
    fs::write(versions.join("2.json"), record).unwrap();
    assert!(fixture.store.resolve(&reference("tickets:2")).is_err());
    assert_eq!(fixture.versions("tickets"), [1]);
    let report = fixture.store.gc().unwrap();
    assert_eq!((report.objects.len(), report.leftovers), (1, 1));
    assert!(!versions.join("2.json").exists());
}

#[test]
fn staging_folders_in_use_are_not_collected() {
    let fixture = Fixture::new();
    let staging = staged(&fixture.store, "in use");
    assert_eq!(Store::open(fixture.store.root()).unwrap().gc().unwrap().leftovers, 0);
    let record = fixture.store.register(&name("tickets"), staging, crate::fixture::new_version()).unwrap();
    assert_eq!(record.version, 1);
}

#[test]
fn collection_removes_nothing_while_a_record_cannot_be_read() {
    let fixture = Fixture::new();
    fixture.register("tickets", "a");
    fixture.register("tickets", "b");
    let path = fixture.path("store/models/tickets/versions/2.json");
    fs::write(&path, "{ rotten").unwrap();
    let error = fixture.store.gc().unwrap_err();
    assert!(error.to_string().contains("2.json"), "{error}");
    assert_eq!(fs::read_dir(fixture.path("store/objects")).unwrap().count(), 2);
    // The other version is served all the same.
    fixture.store.verify(&reference("tickets:1")).unwrap();
    // The number is taken though its record is rotten.
    assert_eq!(fixture.register("tickets", "c").version, 3);
}
