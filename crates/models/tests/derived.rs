//! Models made of others: with fewer layers, and with fewer tokens.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use loquat_kernels::Kernels;
use loquat_models::{Checkpoint, Encoder, EncoderScratch, PackedBatch, Precision, load_tokenizer};
use loquat_text::Scripts;

const WORDS: [&str; 9] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "die", "мы", "м", "##ы"];

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(name)
}

fn features(folder: &Path, ids: &[u32]) -> Vec<f32> {
    let encoder = Encoder::load(folder, Kernels::detect(), Precision::F32).unwrap();
    let mut batch = PackedBatch::default();
    batch.push(ids, &vec![0; ids.len()]);
    encoder.features(&batch, &mut EncoderScratch::default()).unwrap().to_vec()
}

#[test]
fn layers_that_are_kept_are_counted_from_zero() {
    for name in ["bert-plain", "roberta-sequence", "distilbert-sequence"] {
        let whole = Checkpoint::open(&reference(name)).unwrap();
        assert_eq!(whole.layers(), Some(2), "{name}");
        let folder = tempfile::tempdir().unwrap();
        whole.with_layers(&[1]).save(folder.path()).unwrap();
        let cut = Checkpoint::open(folder.path()).unwrap();
        assert_eq!(cut.layers(), Some(1), "{name}");
        let of =
            |number: &str| whole.names().filter(|name| name.contains(&format!(".layer.{number}."))).count();
        assert_eq!(cut.names().count(), whole.names().count() - of("0"), "{name}");
        for layer in cut.names().filter(|name| name.contains(".layer.0.")) {
            let before = layer.replace(".layer.0.", ".layer.1.");
            let same = cut.tensor(layer).unwrap().unwrap().bytes()
                == whole.tensor(&before).unwrap().unwrap().bytes();
            assert!(same, "{name}: {layer}");
        }
        assert!(features(folder.path(), &[5, 6, 7]).iter().all(|value| value.is_finite()), "{name}");
    }
}

#[test]
fn a_trimmed_model_answers_the_same_bits() {
    let given = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(reference("bert-plain").join(file), given.path().join(file)).unwrap();
    }
    let others = (WORDS.len()..61)
        .map(|number| if number < 30 { format!("[unused{number}]") } else { format!("w{number}") });
    let words: Vec<String> = WORDS.into_iter().map(str::to_owned).chain(others).collect();
    std::fs::write(given.path().join("vocab.txt"), words.join("\n")).unwrap();
    std::fs::write(
        given.path().join("tokenizer_config.json"),
        r#"{"added_tokens_decoder": {"3": {"content": "[SEP]"}, "29": {"content": "[unused29]"}}}"#,
    )
    .unwrap();
    let tokenizer = load_tokenizer(given.path()).unwrap();
    let seen = BTreeSet::from([50]);
    let trimmed = tokenizer.trimmed(&Scripts::of_languages(["de"]), &seen).unwrap();
    // Every placeholder goes, and the Russian word, whose letters have pieces.
    assert_eq!(trimmed.kept.len(), 61 - 21 - 1);
    let folder = tempfile::tempdir().unwrap();
    Checkpoint::open(given.path()).unwrap().save_trimmed(&trimmed, folder.path()).unwrap();
    assert!(!folder.path().join("vocab.txt").exists());
    let small = load_tokenizer(folder.path()).unwrap();
    let ids = |text: &str| [&tokenizer, &small].map(|one| one.encode(text, None, None).unwrap().ids);
    let [before, after] = ids("die w40 w60 die?");
    assert_ne!(before, after);
    assert_eq!(features(given.path(), &before), features(folder.path(), &after));
    let [before, after] = ids("мы");
    assert_eq!((before.len(), after.len()), (3, 4), "another script is cut into its letters");
    let config = Checkpoint::open(folder.path()).unwrap().config().clone();
    assert_eq!((config["vocab_size"].as_u64(), config["pad_token_id"].as_u64()), (Some(39), Some(0)));
    let renumbered = std::fs::read_to_string(folder.path().join("tokenizer_config.json")).unwrap();
    assert!(renumbered.contains("[SEP]") && !renumbered.contains("unused"), "{renumbered}");
}
