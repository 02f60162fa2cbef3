//! The words of a text, as labels of words are learned and answered: what labelled spans begin and end with.
//!
//! White space parts words. Punctuation and symbols at the ends of a run, and single characters of scripts without spaces,
//! are words of their own; what stands between letters (`Bad-Ems`, `3.5`) stays inside. An English `'s` is a word.

use std::ops::Range;

use crate::prepared::is_unspaced;

/// Places of the words of `text`, in Unicode scalar values, in order.
pub fn words(text: &str) -> Vec<Range<usize>> {
    let characters: Vec<char> = text.chars().collect();
    let mut words = Vec::new();
    let mut at = 0;
    while at < characters.len() {
        let blank = |place: &usize| characters[*place].is_whitespace() || characters[*place].is_control();
        if blank(&at) {
            at += 1;
            continue;
        }
        let end = (at..characters.len()).find(blank).unwrap_or(characters.len());
        run(&characters, at..end, &mut words);
        at = end;
    }
    words
}

/// The words of a run without white space.
fn run(characters: &[char], run: Range<usize>, words: &mut Vec<Range<usize>>) {
    let solid = |place: &usize| characters[*place].is_alphanumeric();
    let (Some(first), Some(last)) = (run.clone().find(solid), run.clone().rev().find(solid)) else {
        words.extend(run.map(|place| place..place + 1));
        return;
    };
    // Marks that follow the last letter belong to it.
    let mark = |place: &usize| unicode_normalization::char::is_combining_mark(characters[*place]);
    let last = last + (last + 1..run.end).take_while(mark).count();
    let clitic = clitic(characters, first..last + 1);
    words.extend((run.start..first).map(|place| place..place + 1));
    spaced(characters, first..clitic.unwrap_or(last + 1), words);
    words.extend(clitic.map(|from| from..last + 1));
    words.extend((last + 1..run.end).map(|place| place..place + 1));
}

/// Where an English `'s` at the end begins, behind at least one letter.
fn clitic(characters: &[char], core: Range<usize>) -> Option<usize> {
    let from = core.end.checked_sub(2).filter(|from| *from > core.start)?;
    (matches!(characters[from], '\'' | '’') && matches!(characters[from + 1], 's' | 'S')).then_some(from)
}

/// Parts characters of scripts without spaces from what stands around them.
fn spaced(characters: &[char], core: Range<usize>, words: &mut Vec<Range<usize>>) {
    let mut from = core.start;
    for place in core.clone() {
        if is_unspaced(characters[place]) {
            words.extend((from < place).then_some(from..place));
            words.push(place..place + 1);
            from = place + 1;
        }
    }
    words.extend((from < core.end).then_some(from..core.end));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<String> {
        let characters: Vec<char> = text.chars().collect();
        words(text).into_iter().map(|word| characters[word].iter().collect()).collect()
    }

    #[test]
    fn punctuation_at_the_ends_stands_alone() {
        struct Case {
            text: &'static str,
            words: &'static [&'static str],
        }
        let cases = [
            Case { text: "in Riga.", words: &["in", "Riga", "."] },
            Case { text: "  (Bad-Ems), 3.5 km ", words: &["(", "Bad-Ems", ")", ",", "3.5", "km"] },
            Case { text: "Anna's dogs' \"toys\"", words: &["Anna", "'s", "dogs", "'", "\"", "toys", "\""] },
            Case { text: "it 's ... 's", words: &["it", "'", "s", ".", ".", ".", "'", "s"] },
            Case { text: "@jürgen #Köln", words: &["@", "jürgen", "#", "Köln"] },
            Case { text: "iPhone在北京", words: &["iPhone", "在", "北", "京"] },
            Case { text: "", words: &[] },
        ];
        for case in cases {
            assert_eq!(cut(case.text), case.words, "{:?}", case.text);
        }
    }

    #[test]
    fn every_character_that_is_no_blank_is_in_one_word() {
        for text in ["Añb\u{301} c--d ’s x’s", "a\u{a0}b\tc", "東京 タワー!", "\u{301}x"] {
            let covered: usize = words(text).iter().map(ExactSizeIterator::len).sum();
            assert_eq!(covered, text.chars().filter(|c| !c.is_whitespace()).count(), "{text:?}");
            assert!(words(text).is_sorted_by(|a, b| a.end <= b.start));
        }
    }
}
