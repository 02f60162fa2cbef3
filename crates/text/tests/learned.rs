//! Vocabularies that are learned from texts.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use loquat_text::{LearnedPieces, Tokenizer};
use proptest::prelude::*;

const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

fn tokenizer(pieces: &LearnedPieces) -> Tokenizer {
    Tokenizer::from_files("bert", &pieces.files(128).unwrap()).unwrap()
}

fn tokens(tokenizer: &Tokenizer) -> Vec<String> {
    (0..tokenizer.vocabulary_size() as u32).map(|id| tokenizer.token(id).unwrap()).collect()
}

fn cut(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
    tokenizer.pieces(text).unwrap().ids.into_iter().map(|id| tokenizer.token(id).unwrap()).collect()
}

/// The example of Sennrich, Haddow and Birch 2016: `e s`, `es t`, `l o`, `lo w` are merged first there too, but for the sign
/// that ends words.
#[test]
fn the_most_frequent_neighbours_become_one() {
    let text = [("low ", 5), ("lowest ", 2), ("newer ", 6), ("wider ", 3)];
    let text: String = text.map(|(word, count)| word.repeat(count)).concat();
    let pieces = LearnedPieces::of([text.as_str()], 1000).unwrap();
    let tokens = tokens(&tokenizer(&pieces));
    assert_eq!(tokens[..5], SPECIAL);
    let merged: Vec<&str> =
        tokens.iter().map(String::as_str).filter(|token| token.trim_start_matches('#').len() > 1).collect();
    // "er" nine times, then "lo" and "low" seven times, and of pairs that are there six times the ones with smaller ids first.
    assert_eq!(merged[5..], ["##er", "lo", "low", "ne", "##wer", "newer", "wi", "##der", "wider"]);
}

#[test]
fn words_are_folded_but_accents_stay_and_signs_stand_alone() {
    let texts = vec!["Él pagó, ¿sí? Pagó!"; 4];
    let tokenizer = tokenizer(&LearnedPieces::of(texts, 1000).unwrap());
    assert_eq!(cut(&tokenizer, "PAGÓ él?"), ["pagó", "él", "?"]);
    assert_eq!(tokenizer.id("##?"), None, "what never goes on with a word needs no second piece");
    assert_eq!(cut(&tokenizer, "lapí"), ["l", "##a", "##p", "##í"], "other words are spelt");
    assert_eq!(cut(&tokenizer, "xyz"), ["[UNK]"]);
}

#[test]
fn a_full_vocabulary_has_the_most_frequent_pieces() {
    let long = "a".repeat(20);
    assert_eq!(LearnedPieces::of([long.as_str(); 3], 10).unwrap().len(), 10);
    let pieces = LearnedPieces::of(["aaab aaab aaab", "abab abab q"], 13).unwrap();
    assert!(pieces.len() <= 13);
    let tokenizer = tokenizer(&pieces);
    assert_eq!(tokenizer.id("q"), None, "characters have no more than half of the room");
    assert!(!cut(&tokenizer, "abab").contains(&"[UNK]".to_owned()));
}

#[test]
fn no_texts_give_special_tokens_alone() {
    assert!(LearnedPieces::of(["", " \n"], 100).unwrap().is_empty());
}

/// What the tokenizer's own files say of it: `transformers` reads these fields.
#[test]
fn the_files_say_how_texts_are_read() {
    let files = LearnedPieces::of(["one two two"], 100).unwrap().files(64).unwrap();
    let config: serde_json::Value = serde_json::from_slice(&files["tokenizer_config.json"]).unwrap();
    assert_eq!(config["model_max_length"], 64);
    assert_eq!(config["do_lower_case"], true);
    let tokenizer = Tokenizer::from_files("bert", &files).unwrap();
    assert_eq!(tokenizer.max_length(), Some(64));
    let pair = tokenizer.encode("one", Some("two"), None).unwrap();
    assert_eq!(pair.type_ids.first(), Some(&0));
    assert_eq!(pair.type_ids.last(), Some(&1));
    assert_eq!(pair.ids.first().copied(), tokenizer.id("[CLS]"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The own path and the library agree on learned vocabularies, whose texts are cut without unknown pieces.
    #[test]
    fn texts_that_were_learned_from_are_known(texts in prop::collection::vec("[a-dÀ-ä .!日本👍#]{0,30}", 1..8)) {
        let pieces = LearnedPieces::of(texts.iter().map(String::as_str), 4000).unwrap();
        let again = LearnedPieces::of(texts.iter().map(String::as_str), 4000).unwrap();
        prop_assert_eq!(&pieces, &again);
        let tokenizer = tokenizer(&pieces);
        prop_assert_eq!(tokenizer.vocabulary_size(), pieces.len());
        let unknown = tokenizer.id("[UNK]").unwrap();
        for text in &texts {
            let found = tokenizer.pieces(text).unwrap();
            prop_assert_eq!(&found, &tokenizer.library_pieces(text).unwrap());
            prop_assert!(!found.ids.contains(&unknown), "{:?} {:?}", text, found);
        }
    }
}
