//! Trimmed tokenizers: texts in the scripts kept are cut as before, others into pieces that are left.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::collections::{BTreeMap, BTreeSet};

use loquat_text::{Scripts, Tokenizer, Trimmed};
use proptest::prelude::*;
use serde_json::{Value, json};

const SPECIAL: [&str; 4] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];
const LATIN: [&str; 12] = ["a", "b", "n", "s", "t", "an", "as", "ban", "nas", "sta", "banana", "nastan"];
const CYRILLIC: [&str; 10] = ["б", "а", "н", "с", "т", "ан", "бан", "нас", "банан", "настан"];

fn added(ids: &BTreeMap<&str, u32>) -> Value {
    let one = |token: &&str| {
        json!({"id": ids[token], "content": token, "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false, "special": true})
    };
    SPECIAL.iter().map(one).collect()
}

/// Pieces of both scripts in an order in which what goes lies between what stays.
fn pieces() -> Vec<&'static str> {
    let mixed = CYRILLIC.iter().zip(LATIN.iter()).flat_map(|(one, other)| [*one, *other]);
    SPECIAL.into_iter().chain(mixed).chain(LATIN[CYRILLIC.len()..].iter().copied()).collect()
}

fn tokenizer(model: Value, pre_tokenizer: Value, tokens: &[String]) -> Tokenizer {
    let ids: BTreeMap<&str, u32> = tokens.iter().map(String::as_str).zip(0..).collect();
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added(&ids),
        "normalizer": null, "pre_tokenizer": pre_tokenizer, "decoder": null, "model": model,
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", ids["[SEP]"]], "cls": ["[CLS]", ids["[CLS]"]]},
    });
    Tokenizer::from_files("bert", &files(file.to_string())).unwrap()
}

fn files(json: String) -> BTreeMap<String, Vec<u8>> {
    [("tokenizer.json".to_owned(), json.into_bytes())].into()
}

fn word_piece() -> Tokenizer {
    let mut tokens: Vec<String> = vec!["[unused0]".to_owned()];
    tokens.extend(pieces().into_iter().map(str::to_owned));
    tokens.extend(pieces().into_iter().skip(SPECIAL.len()).map(|piece| format!("##{piece}")));
    let vocabulary: BTreeMap<&String, usize> = tokens.iter().zip(0..).collect();
    let model = json!({"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                       "max_input_chars_per_word": 100, "vocab": vocabulary});
    tokenizer(model, json!({"type": "BertPreTokenizer"}), &tokens)
}

/// A byte as GPT-2 writes it.
fn written_byte(byte: u8) -> char {
    let stands_for_itself = |byte: u8| matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
    match byte {
        _ if stands_for_itself(byte) => char::from(byte),
        _ => {
            let before = (0..byte).filter(|one| !stands_for_itself(*one)).count();
            char::from_u32(0x100 + before as u32).unwrap()
        }
    }
}

fn written(text: &str) -> String {
    text.bytes().map(written_byte).collect()
}

fn byte_pairs() -> Tokenizer {
    let mut tokens: Vec<String> = SPECIAL.map(str::to_owned).to_vec();
    tokens.extend((0..=u8::MAX).map(|byte| written_byte(byte).to_string()));
    let mut merges: Vec<[String; 2]> = Vec::new();
    // The two bytes of a letter are merged before letters are.
    for letter in ["б", "а", "н"] {
        let bytes: Vec<String> = letter.bytes().map(|byte| written_byte(byte).to_string()).collect();
        merges.push([bytes[0].clone(), bytes[1].clone()]);
    }
    for [one, other] in [["б", "а"], ["b", "a"], ["ба", "н"], ["ba", "n"], ["a", "s"]] {
        merges.push([written(one), written(other)]);
    }
    tokens.extend(merges.iter().map(|merge| merge.concat()));
    let vocabulary: BTreeMap<&String, usize> = tokens.iter().zip(0..).collect();
    let model = json!({"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
                       "end_of_word_suffix": "", "fuse_unk": false, "vocab": vocabulary, "merges": merges});
    let pre =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    tokenizer(model, pre, &tokens)
}

fn unigram() -> Tokenizer {
    let tokens: Vec<String> = pieces().into_iter().map(str::to_owned).chain(["▁".to_owned()]).collect();
    // Longer pieces are more probable than their parts together; the least probable one is Cyrillic.
    let score = |piece: &String| match piece.as_str() {
        "[PAD]" | "[UNK]" | "[CLS]" | "[SEP]" => 0.0,
        "настан" => -60.0,
        piece => -8.0 - 0.37 * piece.chars().count() as f64,
    };
    let scored: Vec<(&String, f64)> = tokens.iter().map(|piece| (piece, score(piece))).collect();
    let model = json!({"type": "Unigram", "unk_id": 1, "vocab": scored, "byte_fallback": false});
    let pre = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true});
    tokenizer(model, pre, &tokens)
}

struct Case {
    name: &'static str,
    tokenizer: Tokenizer,
    /// Tokens that are gone when only Latin letters are needed.
    gone: usize,
}

fn cases() -> Vec<Case> {
    vec![
        // A placeholder, and the pieces of several Cyrillic letters at the beginning and inside of words.
        Case { name: "WordPiece", tokenizer: word_piece(), gone: 1 + 2 * 5 },
        Case { name: "BPE", tokenizer: byte_pairs(), gone: 2 },
        // The least probable piece is kept.
        Case { name: "Unigram", tokenizer: unigram(), gone: 4 },
    ]
}

fn latin() -> Scripts {
    Scripts::of_languages(["en", "de"])
}

fn opened(trimmed: &Trimmed) -> Tokenizer {
    Tokenizer::from_files("bert", &files(trimmed.json.clone())).unwrap()
}

fn ids(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    tokenizer.encode(text, None, None).unwrap().ids
}

/// The ids that a text had before.
fn before(trimmed: &Trimmed, ids: &[u32]) -> Vec<u32> {
    ids.iter().map(|id| trimmed.kept[*id as usize]).collect()
}

#[test]
fn only_pieces_that_no_text_of_the_scripts_needs_are_gone() {
    for Case { name, tokenizer, gone } in cases() {
        let trimmed = tokenizer.trimmed(&latin(), &BTreeSet::new()).unwrap();
        let small = opened(&trimmed);
        assert_eq!(small.vocabulary_size() + gone, tokenizer.vocabulary_size(), "{name}");
        assert_eq!(trimmed.kept.len(), small.vocabulary_size(), "{name}");
        for (id, old) in trimmed.kept.iter().enumerate() {
            assert_eq!(small.token(id as u32), tokenizer.token(*old), "{name}: a token keeps its text");
        }
    }
}

#[test]
fn other_texts_are_cut_into_characters_and_nothing_becomes_unknown() {
    for Case { name, tokenizer, .. } in cases() {
        let trimmed = tokenizer.trimmed(&latin(), &BTreeSet::new()).unwrap();
        let small = opened(&trimmed);
        let unknown = small.id("[UNK]").unwrap();
        for text in ["банан", "настан бан", "banana банан", "банана нас"] {
            let (was, found) = (ids(&tokenizer, text), ids(&small, text));
            assert!(!found.contains(&unknown), "{name}: {text:?} is {found:?}");
            assert!(found.len() > was.len() || name == "BPE", "{name}: {text:?} is {found:?}");
        }
    }
}

#[test]
fn pieces_that_were_seen_stay_with_all_that_makes_them() {
    for Case { name, tokenizer, .. } in cases() {
        let text = "банан настан";
        let seen: BTreeSet<u32> = ids(&tokenizer, text).into_iter().collect();
        let trimmed = tokenizer.trimmed(&latin(), &seen).unwrap();
        assert_eq!(before(&trimmed, &ids(&opened(&trimmed), text)), ids(&tokenizer, text), "{name}");
    }
}

#[test]
fn other_kinds_of_tokenizers_are_refused() {
    let tokens: Vec<String> = pieces().into_iter().map(str::to_owned).collect();
    let vocabulary: BTreeMap<&String, usize> = tokens.iter().zip(0..).collect();
    let model = json!({"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"});
    let words = tokenizer(model, json!({"type": "WhitespaceSplit"}), &tokens);
    let error = words.trimmed(&latin(), &BTreeSet::new()).unwrap_err();
    assert!(error.to_string().contains("WordLevel"), "{error}");
}

/// Tokenizers that were learned from texts, with their normalisation.
fn learned(name: &str) -> Tokenizer {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(name);
    let read = |file: &&str| Some(((**file).to_owned(), std::fs::read(folder.join(file)).ok()?));
    let files: BTreeMap<String, Vec<u8>> = Tokenizer::FILES.iter().filter_map(read).collect();
    let model_type = if name == "xlm-roberta" { name } else { name.split('-').next().unwrap() };
    Tokenizer::from_files(model_type, &files).unwrap()
}

proptest! {
    #[test]
    fn learned_tokenizers_cut_texts_of_the_scripts_as_before(text in "[a-zA-ZäöüéèçñßÅ .,!?0-9€–-]{0,60}") {
        for name in ["bart-fast", "bert", "bert-accents", "bert-cased", "roberta", "xlm-roberta"] {
            let tokenizer = learned(name);
            let trimmed = tokenizer.trimmed(&latin(), &BTreeSet::new()).unwrap();
            prop_assert_eq!(before(&trimmed, &ids(&opened(&trimmed), &text)), ids(&tokenizer, &text), "{}", name);
        }
    }

    #[test]
    fn texts_of_the_scripts_are_cut_as_before(text in "[abnstxé .,!7😀]{0,40}") {
        for Case { name, tokenizer, .. } in cases() {
            let trimmed = tokenizer.trimmed(&latin(), &BTreeSet::new()).unwrap();
            prop_assert_eq!(before(&trimmed, &ids(&opened(&trimmed), &text)), ids(&tokenizer, &text), "{}", name);
        }
    }
}
