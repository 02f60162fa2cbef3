//! What comes into the cache, and how.

use std::fs;

use loquat_connect::hub::{Hub, HubConfig};
use loquat_spec::HubReference;

use crate::server::{COMMIT, Server, hex};

fn model(text: &str) -> HubReference {
    text.parse().unwrap()
}

fn silent(_: loquat_connect::hub::Progress<'_>) {}

#[test]
fn a_model_comes_whole_into_the_layout_of_the_cache() {
    let server = Server::start();
    let snapshot = server.hub().snapshot(&model("hf://some/model"), &silent).unwrap();
    assert_eq!((snapshot.commit.as_str(), snapshot.warning), (COMMIT, None));
    let root = server.cache.path().join("models--some--model");
    assert_eq!(snapshot.path, root.join("snapshots").join(COMMIT));
    let state = server.state.lock().unwrap();
    for (path, content) in state.small.iter().chain(&state.large) {
        assert_eq!(fs::read(snapshot.path.join(path)).unwrap(), *content, "{path}");
    }
    assert!(!snapshot.path.join("pytorch_model.bin").exists() && !snapshot.path.join("README.md").exists());
    assert!(root.join("blobs").join(hex(&state.large["model.safetensors"])).is_file());
    assert_eq!(fs::read_to_string(root.join("refs/main")).unwrap(), COMMIT);
}

#[test]
fn what_the_cache_holds_is_not_fetched_again() {
    let server = Server::start();
    server.hub().snapshot(&model("hf://some/model"), &silent).unwrap();
    server.asked();
    server.hub().snapshot(&model("hf://some/model"), &silent).unwrap();
    let paths: Vec<String> = server.asked().into_iter().map(|(_, path, ..)| path).collect();
    assert_eq!(paths, ["/api/models/some/model/revision/main"]);
    let commit = server.hub().snapshot(&model(&format!("hf://some/model@{COMMIT}")), &silent).unwrap();
    assert_eq!(commit.commit, COMMIT);
    assert_eq!(server.asked(), []);
}

#[test]
fn a_revision_with_parts_and_a_model_that_moved_are_found() {
    let server = Server::start();
    let revision = server.hub().snapshot(&model("hf://some/model@refs/pr/1"), &silent).unwrap();
    assert_eq!(revision.commit, COMMIT);
    let moved = server.hub().snapshot(&model("hf://some/old"), &silent).unwrap();
    assert!(moved.path.join("model.safetensors").is_file());
}

#[test]
fn a_transfer_that_breaks_off_is_resumed_where_it_ended() {
    let server = Server::start();
    server.change(|state| state.breaks = vec![70_000, 50_000]);
    let snapshot = server.hub().snapshot(&model("hf://some/model"), &silent).unwrap();
    let wanted = server.state.lock().unwrap().large["model.safetensors"].clone();
    assert_eq!(fs::read(snapshot.path.join("model.safetensors")).unwrap(), wanted);
    let ranges: Vec<_> =
        server.asked().into_iter().filter_map(|(_, path, range, _)| Some((path, range?))).collect();
    // Bytes that were on their way when the connection ended may be lost: the range starts at what was written.
    let starts: Vec<usize> = ranges
        .iter()
        .filter(|(path, _)| path.starts_with("/store/"))
        .map(|(_, range)| range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap())
        .collect();
    assert_eq!(starts, [70_000, 120_000]);
}

#[test]
fn a_server_without_ranges_sends_everything_again() {
    let server = Server::start();
    server.change(|state| (state.breaks, state.no_ranges) = (vec![70_000], true));
    let snapshot = server.hub().snapshot(&model("hf://some/model"), &silent).unwrap();
    let wanted = server.state.lock().unwrap().large["model.safetensors"].clone();
    assert_eq!(fs::read(snapshot.path.join("model.safetensors")).unwrap(), wanted);
}

#[test]
fn a_run_that_ended_early_is_continued_by_the_next() {
    let server = Server::start();
    server.change(|state| state.breaks = vec![70_000]);
    let once = Hub::new(HubConfig { retries: 0, ..server.config() });
    once.snapshot(&model("hf://some/model"), &silent).unwrap_err();
    server.asked();
    server.hub().snapshot(&model("hf://some/model"), &silent).unwrap();
    let resumed =
        server.asked().into_iter().filter(|(_, _, range, _)| range.as_deref() == Some("bytes=70000-"));
    assert!(resumed.count() > 0);
}

#[test]
fn the_token_goes_to_the_hub_and_not_to_the_store_of_large_files() {
    let server = Server::start();
    server.change(|state| state.token = Some("secret".into()));
    server.hub_with_token(" secret\n").snapshot(&model("hf://some/model"), &silent).unwrap();
    let asked = server.asked();
    assert!(asked.iter().any(|(_, path, ..)| path.starts_with("/store/")));
    for (method, path, _, token) in asked {
        assert_eq!(token, !path.starts_with("/store/"), "{method} {path}");
    }
    assert!(!format!("{:?}", server.hub_with_token("secret")).contains("secret"));
}

#[test]
fn progress_ends_at_the_whole() {
    let server = Server::start();
    let last = std::cell::RefCell::new(None);
    let note = |progress: loquat_connect::hub::Progress<'_>| {
        *last.borrow_mut() = Some((progress.file.to_owned(), progress.done, progress.bytes));
    };
    server.hub().snapshot(&model("hf://some/model"), &note).unwrap();
    assert_eq!(*last.borrow(), Some(("model.safetensors".to_owned(), 200_000, Some(200_000))));
}

#[test]
fn offline_and_out_of_reach_the_cache_answers() {
    let server = Server::start();
    let offline = Hub::new(HubConfig { offline: true, ..server.config() });
    let error = offline.snapshot(&model("hf://some/model"), &silent).unwrap_err();
    assert!(error.to_string().contains("HF_HUB_OFFLINE"), "{error}");
    let fetched = server.hub().snapshot(&model("hf://some/model"), &silent).unwrap();
    server.asked();
    assert_eq!(offline.snapshot(&model("hf://some/model"), &silent).unwrap(), fetched);
    assert_eq!(server.asked(), []);

    server.change(|state| state.unable = usize::MAX);
    let stale = server.hub().snapshot(&model("hf://some/model"), &silent).unwrap();
    assert_eq!((stale.commit, stale.path), (fetched.commit, fetched.path));
    assert!(stale.warning.unwrap().contains("the cache's copy of hf://some/model is used"));
}

#[test]
fn half_a_model_in_the_cache_is_none() {
    let server = Server::start();
    let snapshot = server.hub().snapshot(&model("hf://some/model"), &silent).unwrap();
    fs::remove_file(snapshot.path.join("model.safetensors")).unwrap();
    let offline = Hub::new(HubConfig { offline: true, ..server.config() });
    assert!(offline.snapshot(&model("hf://some/model"), &silent).is_err());
    server.hub().snapshot(&model("hf://some/model"), &silent).unwrap();
    assert!(snapshot.path.join("model.safetensors").is_file());
}
