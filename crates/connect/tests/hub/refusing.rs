//! What is refused, and in which words.

use std::fs;

use loquat_connect::hub::{Hub, HubConfig, HubError};
use loquat_spec::{ErrorCode, HubReference};

use crate::server::Server;

fn error(hub: &Hub, text: &str) -> HubError {
    let model: HubReference = text.parse().unwrap();
    hub.snapshot(&model, &|_| ()).unwrap_err()
}

#[test]
fn pickles_alone_are_refused_with_the_way_out_and_nothing_is_fetched() {
    let server = Server::start();
    server.change(|state| state.large.clear());
    let error = error(&server.hub(), "hf://some/model");
    assert_eq!(error.code(), ErrorCode::Unsupported);
    assert!(error.to_string().contains("pytorch_model.bin"), "{error}");
    assert!(error.to_string().contains("save_pretrained"), "{error}");
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn names_that_lead_out_of_the_cache_are_left_out() {
    let server = Server::start();
    server.change(|state| state.listed.extend(["../../escape.json".into(), "/etc/escape.json".into()]));
    server.hub().snapshot(&"hf://some/model".parse().unwrap(), &|_| ()).unwrap();
    assert!(server.asked().iter().all(|(_, path, ..)| !path.contains("escape")));
}

#[test]
fn a_content_that_is_not_what_was_announced_is_deleted() {
    let server = Server::start();
    server.change(|state| state.corrupt = true);
    let error = error(&server.hub(), "hf://some/model");
    assert!(matches!(error, HubError::Checksum { .. }), "{error}");
    let left: Vec<_> = fs::read_dir(server.cache.path().join("models--some--model/blobs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.len() >= 64)
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_hub_that_wants_a_token_says_which_variable_holds_it() {
    let server = Server::start();
    server.change(|state| state.token = Some("secret".into()));
    for hub in [server.hub(), server.hub_with_token("wrong")] {
        let error = error(&hub, "hf://some/model");
        assert_eq!(error.code(), ErrorCode::NotFound);
        assert!(
            error.to_string().contains("HF_TOKEN") && error.to_string().contains("Invalid credentials"),
            "{error}"
        );
    }
}

#[test]
fn an_unknown_model_or_revision_is_not_found() {
    let server = Server::start();
    for text in ["hf://some/other", "hf://some/model@nowhere"] {
        let error = error(&server.hub(), text);
        assert!(matches!(&error, HubError::NotFound { model } if model == text), "{error}");
    }
}

#[test]
fn a_hub_out_of_reach_is_unavailable() {
    let server = Server::start();
    // Nothing listens on the discard port of the loopback.
    let config = HubConfig { endpoint: "http://127.0.0.1:9".into(), ..server.config() };
    let error = error(&Hub::new(config), "hf://some/model");
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert!(error.to_string().contains("HF_HUB_OFFLINE=1"), "{error}");
}

#[test]
fn answers_of_something_else_are_not_believed() {
    let server = Server::start();
    // The path of the listing, below a prefix that the server does not know.
    let config = HubConfig { endpoint: format!("{}/prefix", server.config().endpoint), ..server.config() };
    assert!(matches!(error(&Hub::new(config), "hf://some/model"), HubError::NotFound { .. }));
}
