//! Replays the corpus of the fuzz target for resource files.

mod entry;

use std::path::Path;

#[test]
fn no_resource_file_of_the_corpus_panics() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/resources");
    let mut replayed = 0;
    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        eprintln!("{}", path.display());
        entry::resources(&std::fs::read(&path).unwrap());
        replayed += 1;
    }
    assert!(replayed > 0, "{} is empty", folder.display());
}
