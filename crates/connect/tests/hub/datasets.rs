//! Data sets, as the hub converted them to Parquet.

use std::fs;

use loquat_connect::hub::{DatasetFiles, Hub, HubConfig, HubError};
use loquat_spec::ErrorCode;

use crate::server::{COMMIT, Server, hex};

/// A hub whose data set has the files of `paths`, each with its own path as content.
fn serving(paths: &[&str]) -> Server {
    let server = Server::start();
    server.change(|state| {
        state.large = paths.iter().map(|path| ((*path).to_owned(), path.as_bytes().to_vec())).collect();
    });
    server
}

fn fetch(hub: &Hub, address: &str) -> Result<DatasetFiles, HubError> {
    hub.dataset(&address.parse().unwrap(), &|_| ())
}

fn contents(found: &DatasetFiles) -> Vec<String> {
    found.files.iter().map(|(path, _)| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn the_only_split_of_the_only_configuration_comes_in_order_into_the_layout_of_the_cache() {
    let paths = ["default/train/0001.parquet", "default/train/0000.parquet"];
    let server = serving(&paths);
    for address in ["hf://datasets/some/data", "hf://some/data", "hf://datasets/some/data/default/train"] {
        let found = fetch(&server.hub(), address).unwrap();
        assert_eq!(
            contents(&found),
            ["default/train/0000.parquet", "default/train/0001.parquet"],
            "{address}"
        );
        assert_eq!((found.commit.as_str(), found.warning), (COMMIT, None));
    }
    let root = server.cache.path().join("datasets--some--data");
    assert!(root.join("blobs").join(hex(paths[0].as_bytes())).is_file());
    assert_eq!(fs::read_to_string(root.join("refs/refs/convert/parquet")).unwrap(), COMMIT);
}

#[test]
fn of_several_the_one_that_is_meant_must_be_written() {
    let server = serving(&["da/train/0.parquet", "da/test/0.parquet", "de/train/0.parquet"]);
    let error = fetch(&server.hub(), "hf://datasets/some/data").unwrap_err();
    assert!(error.to_string().contains("its configurations are da, de; write one as"), "{error}");
    let error = fetch(&server.hub(), "hf://datasets/some/data/da").unwrap_err();
    assert!(error.to_string().contains("its splits are test, train; write one as"), "{error}");
    assert_eq!(error.code(), ErrorCode::NotFound);
    assert_eq!(
        contents(&fetch(&server.hub(), "hf://datasets/some/data/de").unwrap()),
        ["de/train/0.parquet"]
    );
    let found = fetch(&server.hub(), "hf://datasets/some/data/da/test").unwrap();
    assert_eq!(found.files[0].1, "da/test/0.parquet");
    assert!(fetch(&server.hub(), "hf://datasets/some/data/da/validation").is_err());
}

#[test]
fn offline_and_out_of_reach_the_cache_answers_for_the_splits_that_it_has_whole() {
    let server = serving(&["default/train/0.parquet", "default/test/0.parquet"]);
    let train = fetch(&server.hub(), "hf://datasets/some/data/default/train").unwrap();
    let offline = Hub::new(HubConfig { offline: true, ..server.config() });
    server.asked();
    assert_eq!(fetch(&offline, "hf://datasets/some/data/default/train").unwrap(), train);
    let error = fetch(&offline, "hf://datasets/some/data/default/test").unwrap_err();
    assert!(error.to_string().contains("HF_HUB_OFFLINE"), "{error}");
    assert_eq!(server.asked(), []);
    server.change(|state| state.unable = usize::MAX);
    let stale = fetch(&server.hub(), "hf://datasets/some/data/default/train").unwrap();
    assert_eq!(stale.files, train.files);
    assert!(stale.warning.unwrap().contains("the cache's copy of"));
}

#[test]
fn a_transfer_that_breaks_off_is_resumed_and_a_wrong_content_is_refused() {
    let server = serving(&["default/train/0.parquet"]);
    server.change(|state| state.breaks = vec![5]);
    assert_eq!(
        contents(&fetch(&server.hub(), "hf://datasets/some/data").unwrap()),
        ["default/train/0.parquet"]
    );
    let other = serving(&["default/train/0.parquet"]);
    other.change(|state| state.corrupt = true);
    assert!(matches!(fetch(&other.hub(), "hf://datasets/some/data"), Err(HubError::Checksum { .. })));
}

#[test]
fn names_that_lead_out_of_the_cache_and_sets_without_a_conversion_are_refused() {
    let server = serving(&["../../escape.parquet", "README.md"]);
    let error = fetch(&server.hub(), "hf://datasets/some/data").unwrap_err();
    assert!(matches!(error, HubError::NoParquet { .. }), "{error}");
    let error = fetch(&server.hub(), "hf://datasets/some/other").unwrap_err();
    assert!(matches!(error, HubError::NotFound { .. }), "{error}");
}
