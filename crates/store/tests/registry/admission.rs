//! What an artifact may hold.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use loquat_spec::ErrorCode;
use loquat_store::{RefusalReason, StoreError};

use crate::fixture::{Fixture, name, new_version, safetensors, write_artifact};

/// What is wrong with an artifact that `spoil` changed, by import and by registration.
fn refusals(spoil: impl Fn(&Path)) -> Vec<(String, RefusalReason)> {
    let fixture = Fixture::new();
    let dir = fixture.path("made-elsewhere");
    write_artifact(&dir, "a");
    spoil(&dir);
    let imported = fixture.store.import(&name("tickets"), &dir);
    let staging = fixture.store.stage().unwrap();
    write_artifact(staging.path(), "a");
    spoil(staging.path());
    let registered = fixture.store.register(&name("tickets"), staging, new_version());
    let lists = [imported, registered].map(|outcome| match outcome {
        Ok(_) => Vec::new(),
        Err(error) => {
            assert_eq!(error.code(), ErrorCode::Invalid, "{error}");
            let StoreError::Refused { refusals, .. } = error else { panic!("{error}") };
            refusals.into_iter().map(|refusal| (refusal.path, refusal.reason)).collect::<Vec<_>>()
        }
    });
    assert_eq!(lists[0], lists[1]);
    let [imported, _] = lists;
    assert_eq!(fixture.store.names().unwrap().is_empty(), !imported.is_empty());
    imported
}

fn refuses(file: &str, content: &[u8]) -> Option<RefusalReason> {
    let mut found = refusals(|dir| fs::write(dir.join(file), content).unwrap());
    assert!(found.len() <= 1, "{found:?}");
    found.pop().map(|(path, reason)| {
        assert_eq!(path, file);
        reason
    })
}

#[test]
fn weights_in_eight_bits_stand_for_the_others() {
    let moved =
        |to: &'static str| move |dir: &Path| fs::rename(dir.join("model.safetensors"), dir.join(to)).unwrap();
    assert!(refusals(moved("model.int8.safetensors")).is_empty());
    let missing = ("model.safetensors".to_owned(), RefusalReason::Missing);
    assert_eq!(refusals(moved("model.fp8.safetensors")), [missing]);
}

/// The outline of an ONNX file: a version, and a graph of three bytes.
const GRAPH: &[u8] = b"\x08\x09\x3a\x03abc";

#[test]
fn a_graph_stands_for_the_weights_and_may_have_some_outside() {
    let with = |graph: &'static [u8]| {
        move |dir: &Path| {
            fs::remove_file(dir.join("model.safetensors")).unwrap();
            fs::write(dir.join("model.onnx"), graph).unwrap();
            fs::write(dir.join("weights.onnx_data"), [0xff, 0, 1]).unwrap();
        }
    };
    assert!(refusals(with(GRAPH)).is_empty());
    for damaged in [&GRAPH[..GRAPH.len() - 1], &GRAPH[..2], b"", b"x", b"no graph at all"] {
        let found = refusals(with(damaged));
        assert_eq!(found, [("model.onnx".to_owned(), RefusalReason::Onnx)], "{damaged:?}");
    }
    assert_eq!(refusals(with(b"\x80\x02}q\x00.")), [("model.onnx".to_owned(), RefusalReason::Pickle)]);
}

#[test]
fn refuses_pickles_by_name() {
    for file in
        ["pytorch_model.bin", "model.pt", "model.PTH", "a.pkl", "a.pickle", "a.ckpt", "a.joblib", "a.npz"]
    {
        assert_eq!(refuses(file, b"harmless"), Some(RefusalReason::Pickle), "{file}");
    }
}

#[test]
fn refuses_pickles_by_content_under_any_name() {
    let zip = b"PK\x03\x04\x14\x00archive/data.pkl";
    for content in [&b"\x80\x02}q\x00."[..], b"\x80\x03}.", b"\x80\x04\x95\x01\x00", b"\x80\x05.", zip] {
        for file in ["model.safetensors", "config.json", "README.md", "vocab.txt", "weights", "weights.dat"] {
            assert_eq!(refuses(file, content), Some(RefusalReason::Pickle), "{file} {content:?}");
        }
    }
}

#[test]
fn the_refusal_names_the_remedy() {
    let fixture = Fixture::new();
    let dir = fixture.path("torch");
    write_artifact(&dir, "a");
    fs::write(dir.join("pytorch_model.bin"), b"\x80\x02").unwrap();
    let error = fixture.store.import(&name("tickets"), &dir).unwrap_err().to_string();
    for word in ["pytorch_model.bin", "safetensors.torch.save_file", "safe_serialization"] {
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_header_length_that_reads_like_a_pickle_is_no_pickle() {
    for header in [0x0280, 0x0380, 0x0480, 0x0580] {
        let file = safetensors(b"abc", header);
        assert_eq!(file[0], 0x80);
        assert_eq!(refuses("model.safetensors", &file), None, "{header}");
    }
}

#[test]
fn refuses_safetensors_that_are_cut_short_or_are_none() {
    let whole = safetensors(b"abcdefgh", 0);
    let mut long_header = whole.clone();
    long_header[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let no_offsets = [&18_u64.to_le_bytes()[..], br#"{"t":{"shape":[]}}"#].concat();
    let longer = [&whole[..], b"!"].concat();
    let cases = [&whole[..whole.len() - 1], &whole[..20], b"", b"x", &long_header, &no_offsets, &longer];
    for content in cases {
        let reason = refuses("model.safetensors", content);
        assert!(matches!(reason, Some(RefusalReason::Safetensors { .. })), "{reason:?}");
    }
    assert_eq!(refuses("model.safetensors", &whole), None);
    assert_eq!(refuses("empty.safetensors", &[&2_u64.to_le_bytes()[..], b"{}"].concat()), None);
}

#[test]
fn refuses_what_is_not_of_its_kind() {
    assert!(matches!(refuses("config.json", b"{]"), Some(RefusalReason::Json { line: 1, column: 2 })));
    assert!(matches!(refuses("config.json", b"{} {}"), Some(RefusalReason::Json { .. })));
    assert_eq!(refuses("vocab.txt", b"\xff\xfe"), Some(RefusalReason::Text));
    assert_eq!(refuses("vocab.txt", b"a\0b"), Some(RefusalReason::Text));
    for file in [
        "other.onnx",
        "weights.onnx_data",
        "run.py",
        "libx.so",
        "LICENSE",
        "model.safetensors.gz",
        "model.h5",
    ] {
        assert_eq!(refuses(file, b"x"), Some(RefusalReason::Kind), "{file}");
    }
    for file in ["README.md", "notes.txt", "special_tokens_map.json"] {
        assert_eq!(refuses(file, b"[]"), None, "{file}");
    }
}

#[test]
fn refuses_links_of_every_sort() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret.txt"), "secret").unwrap();
    for target in
        [outside.path().join("secret.txt"), outside.path().to_owned(), "loquat.json".into(), "nowhere".into()]
    {
        let found = refusals(|dir| symlink(&target, dir.join("link.txt")).unwrap());
        assert_eq!(found, [("link.txt".to_owned(), RefusalReason::Link)]);
    }
    let found = refusals(|dir| {
        fs::rename(dir.join("model.safetensors"), outside.path().join("weights")).unwrap();
        symlink(outside.path().join("weights"), dir.join("model.safetensors")).unwrap();
    });
    assert_eq!(found, [("model.safetensors".to_owned(), RefusalReason::Link)]);
}

#[test]
fn refuses_sockets_and_other_non_files() {
    let found = refusals(|dir| drop(std::os::unix::net::UnixListener::bind(dir.join("s.json")).unwrap()));
    assert_eq!(found, [("s.json".to_owned(), RefusalReason::NotAFile)]);
}

#[test]
fn refuses_names_that_lead_elsewhere_on_some_system() {
    for file in ["..\\..\\evil.json", "c:evil.json", "new\nline.json", ".hidden.json", "trailing.json "] {
        assert_eq!(refuses(file, b"{}"), Some(RefusalReason::Name), "{file:?}");
    }
    use std::os::unix::ffi::OsStrExt;
    let bytes = std::ffi::OsStr::from_bytes(b"\xff.json");
    let found = refusals(|dir| fs::write(dir.join(bytes), "{}").unwrap());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].1, RefusalReason::Name);
}

#[test]
fn refuses_names_that_differ_only_in_case() {
    let found = refusals(|dir| {
        fs::write(dir.join("config.json"), "{}").unwrap();
        fs::write(dir.join("Config.json"), "{}").unwrap();
    });
    let reason = RefusalReason::LooksAlike { other: "Config.json".to_owned() };
    assert_eq!(found, [("config.json".to_owned(), reason)]);
}

#[test]
fn refuses_an_index_that_names_weights_outside() {
    for shard in ["../../model.safetensors", "/etc/passwd", "model-00002.safetensors"] {
        let index = serde_json::json!({"weight_map": {"a": "model.safetensors", "b": shard}}).to_string();
        let reason = refuses("model.safetensors.index.json", index.as_bytes());
        assert_eq!(reason, Some(RefusalReason::Shard { shard: shard.to_owned() }));
    }
    let index = br#"{"weight_map": {"a": "model.safetensors"}}"#;
    assert_eq!(refuses("model.safetensors.index.json", index), None);
    assert_eq!(refuses("model.safetensors.index.json", b"[]"), None);
}

#[test]
fn names_what_is_missing_and_everything_else_at_once() {
    let found = refusals(|dir| {
        fs::remove_file(dir.join("loquat.json")).unwrap();
        fs::remove_file(dir.join("model.safetensors")).unwrap();
        fs::create_dir(dir.join("sub")).unwrap();
        fs::write(dir.join("sub/optimizer.pt"), "").unwrap();
        fs::write(dir.join("config.json"), "").unwrap();
    });
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["config.json", "sub/optimizer.pt", "loquat.json", "model.safetensors"]);
}
