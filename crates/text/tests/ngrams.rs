//! N-grams and offsets through the public surface.

use loquat_text::{Ngrams, Normalisation, Prepared};
use proptest::prelude::*;

fn prepared(text: &str) -> Prepared {
    let mut prepared = Prepared::default();
    prepared.fill(text, Normalisation::default());
    prepared
}

fn spans(text: &str, ngrams: Ngrams) -> Vec<String> {
    let prepared = prepared(text);
    let characters: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    ngrams.for_each(&prepared, |_, start, end| {
        if let Some((start, end)) = prepared.source_span(start, end) {
            found.push(characters[start..end].iter().collect());
        }
    });
    found
}

fn hashes(text: &str, ngrams: Ngrams) -> Vec<u32> {
    let mut found = Vec::new();
    ngrams.for_each(&prepared(text), |hash, _, _| found.push(hash));
    found
}

#[test]
fn words_follow_the_script() {
    struct Case {
        text: &'static str,
        words: &'static [&'static str],
    }
    let cases = [
        Case { text: "Where is MY parcel?!", words: &["Where", "is", "MY", "parcel", "?", "!"] },
        Case { text: "don't  stop", words: &["don't", "stop"] },
        Case { text: "返金を", words: &["返", "金", "を"] },
        Case { text: "Größe 42", words: &["Größe", "42"] },
        Case { text: " \t\n", words: &[] },
        Case { text: "हिन्दी में", words: &["हिन्दी", "में"] },
    ];
    for case in cases {
        assert_eq!(spans(case.text, Ngrams::Words { max: 1 }), case.words, "{}", case.text);
    }
}

#[test]
fn case_width_and_composition_do_not_change_features() {
    let ngrams = Ngrams::Characters { min: 1, max: 4 };
    assert_eq!(hashes("Café", ngrams), hashes("CAFE\u{301}", ngrams));
    assert_eq!(hashes("ＡＢＣ", ngrams), hashes("abc", ngrams));
    assert_eq!(hashes("a  b", ngrams), hashes("a\nb", ngrams));
}

#[test]
fn word_pairs_differ_from_joined_words() {
    assert_ne!(hashes("ab c", Ngrams::Words { max: 2 }), hashes("a bc", Ngrams::Words { max: 2 }));
    assert_eq!(hashes("a b c", Ngrams::Words { max: 2 }).len(), 5);
}

#[test]
fn skip_pairs_leave_words_out() {
    assert_eq!(spans("a b c d", Ngrams::SkipPairs { gap: 1 }), ["a b c", "b c d"]);
    assert_eq!(spans("a b c d", Ngrams::SkipPairs { gap: 2 }), ["a b c", "a b c d", "b c d"]);
    assert_eq!(hashes("a x c", Ngrams::SkipPairs { gap: 1 }), hashes("a y c", Ngrams::SkipPairs { gap: 1 }));
}

#[test]
fn hashes_never_move() {
    // Golden: a stored model is useless when these change.
    assert_eq!(hashes("ab", Ngrams::Words { max: 1 }), GOLDEN_WORD);
    assert_eq!(hashes("a", Ngrams::Characters { min: 1, max: 2 }), GOLDEN_CHARACTERS);
}

const GOLDEN_WORD: [u32; 1] = [4_180_234_700];
const GOLDEN_CHARACTERS: [u32; 5] = [3_282_731_875, 1_488_850_050, 436_992_288, 1_603_684_937, 3_282_731_875];

proptest! {
    #[test]
    fn offsets_slice_the_text_as_sent(text in "\\PC{0,60}") {
        let length = text.chars().count();
        let prepared = prepared(&text);
        for ngrams in [Ngrams::Words { max: 3 }, Ngrams::SkipPairs { gap: 2 }, Ngrams::Characters { min: 1, max: 5 }] {
            ngrams.for_each(&prepared, |_, start, end| {
                if let Some((start, end)) = prepared.source_span(start, end) {
                    assert!(start < end && end <= length, "{start}..{end} of {length}");
                }
            });
        }
    }
}
