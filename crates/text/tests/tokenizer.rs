//! Tokenizers against `transformers`, and the own WordPiece path against the `tokenizers` library.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use loquat_text::{Encoding, Pieces, Tokenizer};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    first: String,
    second: Option<String>,
    max_length: Option<usize>,
    ids: Vec<u32>,
    type_ids: Vec<u32>,
    offsets: Vec<(u32, u32)>,
}

fn reference() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference")
}

fn files(name: &str) -> BTreeMap<String, Vec<u8>> {
    let read =
        |file: &&str| Some(((**file).to_owned(), std::fs::read(reference().join(name).join(file)).ok()?));
    Tokenizer::FILES.iter().filter_map(read).collect()
}

fn tokenizer(name: &str) -> Tokenizer {
    let model_type = name.split('-').next().unwrap();
    let model_type = match model_type {
        "xlm" => "xlm-roberta",
        "deberta" => "deberta-v2",
        other => other,
    };
    Tokenizer::from_files(model_type, &files(name)).unwrap()
}

fn names() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(reference())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert!(names.len() >= 8, "{names:?}");
    names
}

#[test]
fn every_tokenizer_encodes_as_transformers_does() {
    let mut failures = Vec::new();
    for name in names() {
        let tokenizer = tokenizer(&name);
        let text = std::fs::read_to_string(reference().join(&name).join("encodings.json")).unwrap();
        let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
        for case in cases {
            let found = tokenizer.encode(&case.first, case.second.as_deref(), case.max_length).unwrap();
            let (first, second, length) = (&case.first, &case.second, case.max_length);
            if found.ids != case.ids || found.type_ids != case.type_ids || found.offsets != case.offsets {
                failures.push(format!(
                    "{name} {first:?} {second:?} {length:?}\n  ids     {:?}\n  not     {:?}\n  types   {:?}\n  not     {:?}\n  offsets {:?}\n  not     {:?}",
                    found.ids, case.ids, found.type_ids, case.type_ids, found.offsets, case.offsets
                ));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} differ\n{}",
        failures.len(),
        failures[..failures.len().min(6)].join("\n")
    );
}

/// Characters of every kind that BERT's rules tell apart.
fn texts() -> impl Strategy<Value = String> {
    let kinds = prop_oneof![
        8 => "[a-z]{1,9}",
        3 => "[A-Z]{1,4}",
        4 => " {1,2}",
        2 => "[!-/:-@\\[-`{-~]",
        2 => "[à-ÿÀ-Ýα-ωа-яё]{1,4}",
        1 => "[\u{300}-\u{36f}]{1,2}",
        1 => "[一-龥]{1,3}",
        1 => prop::sample::select(vec!["[SEP]", "##", "İ", "ß", "한국", "\u{ad}", "\u{200b}", "\u{302e}", "é\u{323}"])
            .prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(kinds, 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_own_path_gives_what_the_library_gives(text in texts()) {
        for tokenizer in [&*BERT, &*CASED, &*ACCENTS] {
            prop_assert_eq!(tokenizer.pieces(&text).unwrap(), tokenizer.library_pieces(&text).unwrap());
        }
    }

    #[test]
    fn offsets_lie_in_the_text_and_ascend(text in texts()) {
        let length = text.chars().count() as u32;
        let pieces = BERT.pieces(&text).unwrap();
        prop_assert!(pieces.offsets.iter().all(|(start, end)| start < end && *end <= length));
        prop_assert!(pieces.offsets.windows(2).all(|pair| pair[0].1 <= pair[1].0));
        prop_assert!(pieces.words.windows(2).all(|pair| pair[0] <= pair[1]));
    }
}

static BERT: std::sync::LazyLock<Tokenizer> = std::sync::LazyLock::new(|| tokenizer("bert"));
static CASED: std::sync::LazyLock<Tokenizer> = std::sync::LazyLock::new(|| tokenizer("bert-cased"));
static ACCENTS: std::sync::LazyLock<Tokenizer> = std::sync::LazyLock::new(|| tokenizer("bert-accents"));

#[test]
fn every_character_alone_is_read_as_the_library_reads_it() {
    let mut wrong = Vec::new();
    for character in (0..=0x0010_FFFF).filter_map(char::from_u32) {
        // The planes beyond the first are sampled: a full pass would take a minute.
        let code = u32::from(character);
        if code >= 0x3_0000 && !code.is_multiple_of(997) {
            continue;
        }
        let text = format!("a{character}b");
        if BERT.pieces(&text).unwrap() != BERT.library_pieces(&text).unwrap() {
            wrong.push(character);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn the_order_of_a_batch_is_kept_whatever_the_threads() {
    let texts: Vec<String> = (0..500).map(|number| format!("parcel {number} of the shop")).collect();
    let inputs: Vec<(&str, Option<&str>)> = texts.iter().map(|text| (text.as_str(), None)).collect();
    let one = BERT.encode_batch(&inputs, Some(8), 1).unwrap();
    assert_eq!(one, BERT.encode_batch(&inputs, Some(8), 3).unwrap());
    assert_eq!(one[7], BERT.encode(&texts[7], None, Some(8)).unwrap());
}

#[test]
fn windows_overlap_and_cover_the_text() {
    let pieces = BERT.pieces("please refund the second order; the first one was paid for").unwrap();
    let windows = BERT.windows(&pieces, 10, 3);
    assert!(windows.len() > 2);
    let body = |window: &Encoding| window.ids[window.first.clone()].to_vec();
    let mut covered = body(&windows[0]);
    for pair in windows.windows(2) {
        assert_eq!(body(&pair[0])[5..], body(&pair[1])[..3]);
        covered.extend_from_slice(&body(&pair[1])[3..]);
    }
    assert_eq!(covered, pieces.ids);
    assert!(windows.iter().all(|window| window.len() <= 10));
    assert_eq!(BERT.windows(&pieces, 512, 3).len(), 1);
    assert_eq!(BERT.windows(&Pieces::default(), 10, 3).len(), 1);
    // An overlap without room for progress still ends.
    assert_eq!(BERT.windows(&pieces, 3, 9).len(), pieces.len());
}

#[test]
fn the_left_is_cut_where_the_model_says_so() {
    let mut files = files("bert");
    files.insert("tokenizer_config.json".to_owned(), br#"{"truncation_side": "left"}"#.to_vec());
    let left = Tokenizer::from_files("bert", &files).unwrap();
    let text = "the parcel arrived on tuesday";
    let whole = left.pieces(text).unwrap();
    let cut = left.encode(text, None, Some(6)).unwrap();
    assert_eq!(cut.ids[cut.first.clone()], whole.ids[whole.len() - 4..]);
}

#[test]
fn files_that_make_no_tokenizer_are_refused() {
    let refusal = |model_type: &str, given: &[(&str, &[u8])]| {
        let files = given.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
        Tokenizer::from_files(model_type, &files).unwrap_err().to_string()
    };
    assert!(refusal("bert", &[]).contains("no tokenizer files"));
    assert!(refusal("bert", &[("tokenizer.json", b"{}")]).starts_with("tokenizer.json: "));
    assert!(refusal("bert", &[("vocab.txt", b"a\nb\n")]).contains("[CLS]"));
    assert!(refusal("modernbert", &[("vocab.txt", b"a\n")]).contains("tokenizer.json"));
    assert!(refusal("deberta-v2", &[("spm.model", b"\n")]).contains("not a sentencepiece model"));
    // One piece, and a trainer that merged pairs.
    let merged = b"\x0a\x03\x0a\x01a\x12\x02\x18\x02";
    for (model_type, file) in [("deberta-v2", "spm.model"), ("xlm-roberta", "sentencepiece.bpe.model")] {
        let refusal = refusal(model_type, &[(file, merged)]);
        assert!(refusal.contains("other than unigram") && refusal.contains("tokenizer.json"), "{refusal}");
    }
    assert!(
        refusal("xlm-roberta", &[("sentencepiece.bpe.model", b"version https://git-lfs")])
            .contains("not a sentencepiece model")
    );
    assert!(refusal("bert", &[("tokenizer_config.json", b"[")]).starts_with("tokenizer_config.json: "));
}

#[test]
fn the_length_that_the_model_states_is_known() {
    assert_eq!(BERT.max_length(), Some(512));
    assert_eq!((BERT.special_tokens(false), BERT.special_tokens(true)), (2, 3));
    assert_eq!(tokenizer("roberta").special_tokens(true), 4);
}
