//! API keys: who is let in, to what, and how often.

use loquat_serve::{Grant, KeyError, KeyFile, Scope};
use serde_json::{Value, json};

use crate::harness::{Registry, Reply, Server, grant, tiny_model};

const PATH: &str = "/models/tickets/predict";

/// A store with two models and a place for keys beside it.
struct Guarded {
    registry: Registry,
}

impl Guarded {
    fn new() -> Self {
        let registry = Registry::with_tickets();
        registry.register("other", &tiny_model(loquat_spec::Task::TextClassification, 0));
        registry.promote("other", 1);
        Self { registry }
    }

    fn file(&self) -> std::path::PathBuf {
        self.registry.folder.path().join("keys.json")
    }

    fn key(&self, name: &str, models: Option<&[&str]>, rate: Option<f64>) -> String {
        let models = models.map(|models| models.iter().map(|model| (*model).to_owned()).collect());
        KeyFile::add(&self.file(), Grant { models, rate, ..grant(name) }).unwrap()
    }

    fn serve(&self) -> Server {
        self.registry.serve_with(|config| config.keys = Some(self.file()))
    }
}

fn ask(server: &Server, path: &str, headers: &[(&str, &str)]) -> Reply {
    let body = serde_json::to_vec(&json!({ "inputs": "parcel" })).unwrap();
    let mut all = vec![("content-type", "application/json")];
    all.extend(headers);
    server.client().request("POST", path, &all, &body)
}

fn with_key(server: &Server, path: &str, key: &str) -> Reply {
    ask(server, path, &[("authorization", &format!("Bearer {key}"))])
}

#[test]
fn only_a_known_key_is_answered() {
    let guarded = Guarded::new();
    let key = guarded.key("newsroom", None, None);
    let server = guarded.serve();
    let without = ask(&server, PATH, &[]);
    assert_eq!((without.status, without.header("www-authenticate")), (401, Some("Bearer")));
    assert_eq!(without.json()["field"], "authorization");
    assert_eq!(with_key(&server, PATH, &key).status, 200);
    assert_eq!(ask(&server, PATH, &[("x-api-key", &key)]).status, 200);
    let wrong = format!("{}0", &key[..key.len() - 1]);
    let wrong = if wrong == key { format!("{}1", &key[..key.len() - 1]) } else { wrong };
    for bad in [wrong.as_str(), wrong.as_str(), "", "loquat_", "loquat_000000000000_", "sk-12345"] {
        assert_eq!(with_key(&server, PATH, bad).status, 401, "{bad}");
    }
    for open in ["/health", "/health/live", "/health/ready", "/v2/health/ready"] {
        assert_eq!(server.get(open).status, 200, "{open}");
    }
    for closed in ["/metrics", "/models", "/v2/models/tickets", "/nothing"] {
        assert_eq!(server.get(closed).status, 401, "{closed}");
    }
}

#[test]
fn a_key_may_be_bound_to_endpoints() {
    let guarded = Guarded::new();
    let key = guarded.key("narrow", Some(&["tickets"]), None);
    let server = guarded.serve();
    assert_eq!(with_key(&server, PATH, &key).status, 200);
    let refused = with_key(&server, "/models/other/predict", &key);
    assert_eq!(refused.status, 403);
    assert!(refused.json()["remedy"].as_str().unwrap().contains("tickets"), "{}", refused.text());
}

#[test]
fn a_rate_refuses_with_the_time_to_come_back_and_bounds_no_other_key() {
    let guarded = Guarded::new();
    let slow = guarded.key("slow", None, Some(0.05));
    let free = guarded.key("free", None, None);
    let server = guarded.serve();
    assert_eq!(with_key(&server, PATH, &slow).status, 200);
    let refused = with_key(&server, PATH, &slow);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert_eq!(refused.status, 429);
    assert!((2..=20).contains(&wait), "{wait}");
    assert_eq!(with_key(&server, PATH, &free).status, 200);
}

#[test]
fn a_changed_file_is_followed_and_a_broken_one_changes_nothing() {
    let guarded = Guarded::new();
    let first = guarded.key("first", None, None);
    let server = guarded.serve();
    let second = guarded.key("second", None, None);
    server.eventually("the new key is known", |server| with_key(server, PATH, &second).status == 200);
    assert_eq!(with_key(&server, PATH, &first).status, 200);
    let sound = std::fs::read_to_string(guarded.file()).unwrap();
    std::fs::write(guarded.file(), "{").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1200));
    assert_eq!(with_key(&server, PATH, &first).status, 200);
    let mut keys: Value = serde_json::from_str(&sound).unwrap();
    keys["keys"].as_array_mut().unwrap().remove(0);
    std::fs::write(guarded.file(), keys.to_string()).unwrap();
    server.eventually("the first key is forgotten", |server| with_key(server, PATH, &first).status == 401);
    assert_eq!(with_key(&server, PATH, &second).status, 200);
}

#[test]
fn the_file_holds_no_key_and_is_its_owners_alone() {
    let guarded = Guarded::new();
    let key = guarded.key("newsroom", Some(&["tickets"]), Some(5.0));
    let text = std::fs::read_to_string(guarded.file()).unwrap();
    let secret = key.rsplit('_').next().unwrap();
    assert!(secret.len() == 64 && !text.contains(secret) && text.contains("$argon2id$"));
    let file: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&file["formatVersion"], &file["keys"][0]["scopes"]), (&json!("1.1"), &json!(["predict"])));
    assert_eq!(
        (&file["keys"][0]["name"], &file["keys"][0]["models"], &file["keys"][0]["rate"]),
        (&json!("newsroom"), &json!(["tickets"]), &json!(5.0))
    );
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(guarded.file()).unwrap().permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn files_that_can_not_be_used_say_why() {
    let guarded = Guarded::new();
    guarded.key("newsroom", None, None);
    let add = |name: &str, rate| KeyFile::add(&guarded.file(), Grant { rate, ..grant(name) }).unwrap_err();
    assert!(matches!(add("newsroom", None), KeyError::Taken { .. }));
    assert!(add("News Room", None).to_string().contains("lower-case"));
    assert!(add("zero", Some(0.0)).to_string().contains("above 0"));
    assert!(add("nan", Some(f64::NAN)).to_string().contains("above 0"));
    let scoped = |models, scopes| {
        let grant = Grant { models, scopes, ..grant("scoped") };
        KeyFile::add(&guarded.file(), grant).unwrap_err().to_string()
    };
    assert!(scoped(None, vec![]).contains("predict, admin or both"));
    let some = Some(vec!["tickets".to_owned()]);
    assert!(scoped(some, vec![Scope::Predict, Scope::Admin]).contains("every endpoint"));
    let sound = std::fs::read_to_string(guarded.file()).unwrap();
    for (text, says) in [
        (sound.replace("\"1.1\"", "\"2.0\""), "format version 2.0"),
        (sound.replace("\"predict\"", "\"everything\""), "everything"),
        (sound.replace("argon2id", "argon2i"), "Argon2id"),
        (sound.replace("\"hash\"", "\"secret\""), "no file of keys"),
    ] {
        std::fs::write(guarded.file(), text).unwrap();
        let error = KeyFile::read(&guarded.file()).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn keys_of_a_file_without_scopes_go_on_asking_and_change_nothing() {
    let guarded = Guarded::new();
    let key = guarded.key("newsroom", None, None);
    let mut file: Value = serde_json::from_slice(&std::fs::read(guarded.file()).unwrap()).unwrap();
    file["formatVersion"] = "1.0".into();
    file["keys"][0].as_object_mut().unwrap().remove("scopes");
    std::fs::write(guarded.file(), file.to_string()).unwrap();
    let server = guarded.serve();
    assert_eq!(with_key(&server, PATH, &key).status, 200);
    let refused = with_key(&server, "/v2/repository/models/tickets/unload", &key);
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("admin"), "{}", refused.text());
    guarded.key("second", None, None);
    let file: Value = serde_json::from_slice(&std::fs::read(guarded.file()).unwrap()).unwrap();
    assert_eq!(file["formatVersion"], "1.1");
    assert_eq!(file["keys"][0]["scopes"], json!(["predict"]));
}

#[test]
fn pages_of_allowed_origins_may_ask() {
    let registry = Registry::with_tickets();
    let server = registry.serve_with(|config| config.origins = vec!["https://a.example".to_owned()]);
    let preflight = [
        ("origin", "https://a.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    let reply = server.client().request("OPTIONS", PATH, &preflight, b"");
    assert_eq!(reply.status, 204);
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://a.example"));
    assert_eq!(reply.header("access-control-allow-headers"), Some("content-type"));
    let reply = ask(&server, PATH, &[("origin", "https://a.example")]);
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://a.example"));
    let reply = ask(&server, PATH, &[("origin", "https://b.example")]);
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, None));
}
