//! The client against a real server.

#[cfg(test)]
#[expect(dead_code, reason = "a part of the server's own test harness is needed")]
#[path = "../../serve/tests/server/harness.rs"]
mod harness;

use std::time::Duration;

use harness::{LABELS, Registry, tiny_model};
use loquat_client::{Change, Client, ClientError, TlsFiles};
use loquat_spec::{PredictParameters, Prediction, Task};
use loquat_testkit::Authority;

fn client(server: &harness::Server) -> Client {
    Client::new(&format!("http://{}/", server.address))
}

#[test]
fn predictions_come_back_in_their_types() {
    let registry = Registry::with_tickets();
    registry.register("topics", &tiny_model(Task::MultiLabelClassification, 0));
    registry.promote("topics", 1);
    let server = registry.serve();
    let client = client(&server);
    assert!(client.is_ready().unwrap());
    let parameters = PredictParameters { top_k: Some(2), explain: true, ..PredictParameters::default() };
    let answer = client.predict("tickets", &["money", "parcel"], &parameters).unwrap();
    assert_eq!((answer.model.as_str(), answer.version), ("tickets", 1));
    let [Prediction::Label { label, score, scores: Some(scores), explanation: Some(_) }, _] =
        answer.predictions.as_slice()
    else {
        panic!("{answer:?}");
    };
    assert_eq!((label.as_str(), scores.len()), (LABELS[0], 2));
    assert!(*score > 0.9);
    let answer = client.predict("topics", &["parcel"], &PredictParameters::default()).unwrap();
    let Prediction::Labels { labels } = &answer.predictions[0] else { panic!("{answer:?}") };
    assert_eq!(labels[0].label, LABELS[1]);
    let models = client.models().unwrap();
    assert_eq!(models.iter().map(|model| model.name.as_str()).collect::<Vec<_>>(), ["tickets", "topics"]);
    assert_eq!(models[0].labels.as_deref().unwrap(), LABELS);
}

#[test]
fn refusals_name_the_field_and_the_request() {
    let registry = Registry::with_tickets();
    let server = registry.serve();
    let client = client(&server);
    let parameters = PredictParameters { top_k: Some(0), ..PredictParameters::default() };
    for (endpoint, parameters, status, field) in [
        ("tickets", &parameters, 422, "parameters.top_k"),
        ("no/body", &PredictParameters::default(), 404, "endpoint"),
    ] {
        let Err(ClientError::Refused(problem)) = client.predict(endpoint, &["a"], parameters) else {
            panic!("{endpoint} is not refused");
        };
        assert_eq!((problem.status, problem.field.as_deref()), (status, Some(field)));
        assert!(!problem.request_id.is_empty());
    }
}

#[test]
fn a_server_that_is_gone_is_unreachable() {
    let registry = Registry::with_tickets();
    let server = registry.serve();
    let client = client(&server).timeout(Duration::from_secs(5));
    drop(server);
    assert!(matches!(client.models(), Err(ClientError::Unreachable { .. })));
}

#[test]
fn resources_are_applied_listed_and_deleted() {
    let registry = Registry::with_tickets();
    let server = registry.serve();
    let client = client(&server);
    let text = "apiVersion: loquat.dev/v1alpha1\nkind: Endpoint\nmetadata: { name: help }\nspec: { model: tickets }\n";
    let place = ("endpoints", "help");
    assert_eq!(client.apply(place, text, true).unwrap().metadata.generation, 1);
    assert_eq!(client.resources("endpoints").unwrap().len(), 1);
    let applied = client.apply(place, text, false).unwrap();
    assert_eq!(
        (applied.manager(), applied.spec["model"].as_str()),
        ("loquat-apply", Some("tickets@champion"))
    );
    server.eventually("it is ready", |_| {
        client.resource("endpoints", "help").unwrap().ready().is_some_and(|ready| ready.status == "True")
    });
    assert_eq!(client.why("help").unwrap()["kind"], "endpoint");
    client.delete("endpoints", "help").unwrap();
    let Err(ClientError::Refused(problem)) = client.resource("endpoints", "help") else {
        panic!("it is gone")
    };
    assert_eq!(problem.status, 404);
    let Err(ClientError::Refused(problem)) = client.apply(place, "kind: 1", false) else {
        panic!("a bad one")
    };
    assert_eq!(problem.status, 422);
}

#[test]
fn resources_are_applied_together() {
    let registry = Registry::with_tickets();
    let server = registry.serve();
    let client = client(&server);
    let text = |name: &str| {
        format!(
            "apiVersion: loquat.dev/v1alpha1\nkind: Endpoint\nmetadata: {{ name: {name} }}\nspec: {{ model: tickets }}\n"
        )
    };
    let both = format!("{}---\n{}", text("one"), text("two"));
    let words = |dry_run| -> Vec<(String, Change)> {
        let applied = client.apply_all(&both, dry_run).unwrap();
        applied.into_iter().map(|(resource, change)| (resource.metadata.name, change)).collect()
    };
    let created = [("one".to_owned(), Change::Created), ("two".to_owned(), Change::Created)];
    assert_eq!(words(true), created);
    assert_eq!(words(false), created);
    assert!(words(false).iter().all(|(_, change)| *change == Change::Unchanged));
}

/// What trusts an authority, and shows nothing.
fn secured(authority: &Authority) -> TlsFiles {
    TlsFiles { authority: Some(authority.certificate()), identity: None }
}

#[test]
fn a_server_of_a_trusted_authority_is_asked_over_tls_and_no_other() {
    let registry = Registry::with_tickets();
    let ours = Authority::new(registry.folder.path(), "ours");
    let theirs = Authority::new(registry.folder.path(), "theirs");
    let (certificate, key) = ours.sign("localhost");
    let server = registry.serve_with(|config| {
        config.tls = Some(loquat_serve::TlsFiles { certificate, key, client_authority: None });
    });
    let client = |host: &str| Client::new(&format!("https://{host}:{}", server.address.port()));
    let trusting = |authority| client("localhost").tls(&secured(authority)).unwrap();
    let answer = trusting(&ours).predict("tickets", &["parcel"], &PredictParameters::default()).unwrap();
    assert_eq!(answer.version, 1);
    assert_eq!(trusting(&ours).timeout(Duration::from_secs(20)).models().unwrap().len(), 1);
    for stranger in
        [trusting(&theirs), client("localhost"), client("127.0.0.1").tls(&secured(&ours)).unwrap()]
    {
        let error = stranger.models().unwrap_err();
        assert!(matches!(error, ClientError::Untrusted { .. }), "{error:?}");
        assert!(error.to_string().contains("name the file of its authority"), "{error}");
    }
}

#[test]
fn a_server_that_asks_for_a_certificate_gets_one() {
    let registry = Registry::with_tickets();
    let ours = Authority::new(registry.folder.path(), "ours");
    let theirs = Authority::new(registry.folder.path(), "theirs");
    let (certificate, key) = ours.sign("localhost");
    let client_authority = Some(ours.certificate());
    let server = registry.serve_with(|config| {
        config.tls = Some(loquat_serve::TlsFiles { certificate, key, client_authority });
    });
    let with = |identity| {
        let client = Client::new(&format!("https://localhost:{}", server.address.port()));
        client.tls(&TlsFiles { identity, ..secured(&ours) }).unwrap()
    };
    assert!(with(Some(ours.sign("friend"))).is_ready().unwrap());
    for identity in [None, Some(theirs.sign("stranger"))] {
        let error = with(identity).is_ready().unwrap_err();
        assert!(error.to_string().contains("client certificate"), "{error}");
    }
}

#[test]
fn files_that_hold_no_certificate_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let client = || Client::new("https://localhost:1");
    let files = TlsFiles { authority: Some(path.clone()), identity: None };
    assert!(client().tls(&files).unwrap_err().to_string().contains("ca.pem"), "it is missing");
    std::fs::write(&path, "nothing").unwrap();
    assert!(client().tls(&files).unwrap_err().to_string().contains("BEGIN CERTIFICATE"));
    let (certificate, _) = Authority::new(folder.path(), "ours").sign("me");
    let files = TlsFiles { authority: None, identity: Some((certificate.clone(), certificate)) };
    assert!(client().tls(&files).unwrap_err().to_string().contains("BEGIN PRIVATE KEY"));
}
