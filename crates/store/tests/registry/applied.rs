//! What was applied to a server: kept, replaced, forgotten, and whole beside a damaged file.

use loquat_store::{AppliedFolder, AppliedResource};

fn resource(name: &str, generation: u64) -> AppliedResource {
    AppliedResource {
        kind: "Endpoint".to_owned(),
        name: name.to_owned(),
        text: Some(format!("kind: Endpoint # {generation}\n")),
        over: None,
        generation,
        created: "2026-01-02T03:04:05Z".to_owned(),
    }
}

#[test]
fn what_is_kept_is_read_again_until_it_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let applied = AppliedFolder::new(&folder.path().join("deep/applied"));
    assert!(applied.read().unwrap().0.is_empty());
    for kept in [resource("b", 1), resource("a", 1), resource("b", 2)] {
        applied.keep(&kept).unwrap();
    }
    assert_eq!(applied.read().unwrap().0, [resource("a", 1), resource("b", 2)]);
    applied.forget("Endpoint", "a").unwrap();
    applied.forget("Endpoint", "a").unwrap();
    assert_eq!(applied.read().unwrap().0, [resource("b", 2)]);
}

#[test]
fn a_damaged_file_is_named_and_takes_nothing_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let applied = AppliedFolder::new(folder.path());
    for name in ["cut", "good", "moved"] {
        applied.keep(&resource(name, 1)).unwrap();
    }
    let path = |name: &str| folder.path().join(format!("Endpoint.{name}.json"));
    let text = std::fs::read_to_string(path("cut")).unwrap();
    std::fs::write(path("cut"), &text[..text.len() / 2]).unwrap();
    std::fs::rename(path("moved"), path("other")).unwrap();
    std::fs::write(folder.path().join(".Endpoint.half.json.7.tmp"), "{").unwrap();
    let (found, damaged) = applied.read().unwrap();
    assert_eq!(found, [resource("good", 1)]);
    let damaged: Vec<String> = damaged.iter().map(ToString::to_string).collect();
    assert_eq!(damaged.len(), 2, "{damaged:?}");
    assert!(damaged[0].contains("Endpoint.cut.json") && damaged[0].contains("apply this"), "{damaged:?}");
    assert!(damaged[1].contains("Endpoint.other.json") && damaged[1].contains("moved"), "{damaged:?}");
    applied.keep(&resource("cut", 2)).unwrap();
    assert_eq!(applied.read().unwrap().0, [resource("cut", 2), resource("good", 1)]);
}

#[test]
fn writers_at_once_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let applied = AppliedFolder::new(folder.path());
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let applied = applied.clone();
            scope.spawn(move || {
                for number in 0..10 {
                    applied.keep(&resource("shared", number)).unwrap();
                    applied.keep(&resource(&format!("own-{writer}-{number}"), number)).unwrap();
                }
            });
        }
    });
    let (found, damaged) = applied.read().unwrap();
    assert!(damaged.is_empty(), "{damaged:?}");
    assert_eq!(found.len(), 41);
}
