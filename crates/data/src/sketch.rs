//! Sketches of texts by which those that resemble each other are found without comparing all with all: MinHash
//! (Broder 1997) with banding (Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", chapter 3).
//!
//! A text is the set of its words, each with the number of its occurrence, so that a repeated word counts as often as
//! it stands there. Punctuation counts for nothing, and scripts without spaces count by character.

use loquat_text::{Ngrams, Normalisation, Prepared};

/// Bands of a sketch. Texts that agree in one are compared.
pub(crate) const BANDS: usize = 12;

/// Values of a band. With 12 bands of 4, 99.9 % of the pairs that share 0.82 of their words agree in a band.
const VALUES: usize = 4;

/// Words of a text that are kept, those with the smallest hashes: all of them for all but long documents, whose
/// likeness is estimated.
pub(crate) const KEPT: usize = 256;

/// Fewest words of a text that is compared: in shorter ones one other word is another meaning.
const FEWEST: usize = 10;

/// Least share of words, of all that one of two texts has, that both must have. One word in ten replaced leaves 0.82.
const LIKENESS: f64 = 0.75;

const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// One hash a band, and the words that verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sketch {
    pub(crate) bands: [u32; BANDS],
    /// Hashes of the words, sorted, at most [`KEPT`].
    pub(crate) words: Vec<u32>,
}

impl Sketch {
    /// The sketch of `texts` together; `None` when they are too short to compare.
    pub(crate) fn new(texts: &[&str], prepared: &mut Prepared) -> Option<Self> {
        let mut words = Vec::new();
        for text in texts {
            prepared.fill(text, Normalisation::default());
            Ngrams::Words { max: 1 }.for_each(prepared, |hash, start, _| {
                if prepared.is_lettered(start) {
                    words.push(hash);
                }
            });
        }
        if words.len() < FEWEST {
            return None;
        }
        words.sort_unstable();
        number_repetitions(&mut words);
        words.sort_unstable();
        words.truncate(KEPT);
        Some(Self { bands: bands(&words), words })
    }
}

/// Gives each repetition of a hash, in sorted `words`, a hash of its own.
fn number_repetitions(words: &mut [u32]) {
    let mut first = 0;
    for index in 1..words.len() {
        if words[index] != words[first] {
            first = index;
            continue;
        }
        let occurrence = (index - first) as u64;
        words[index] = high(u64::from(words[index]) ^ occurrence.wrapping_mul(MULTIPLIER));
    }
}

fn high(value: u64) -> u32 {
    let mixed = (value ^ (value >> 31)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    ((mixed ^ (mixed >> 32)).wrapping_mul(MULTIPLIER) >> 32) as u32
}

fn bands(words: &[u32]) -> [u32; BANDS] {
    let mut bands = [0; BANDS];
    for (band, hash) in bands.iter_mut().enumerate() {
        let mut joined = band as u64;
        for value in 0..VALUES {
            let seed = high((band * VALUES + value + 1) as u64);
            let smallest = words.iter().map(|word| high(u64::from(*word) | u64::from(seed) << 32)).min();
            joined =
                (joined.rotate_left(23) ^ u64::from(smallest.unwrap_or_default())).wrapping_mul(MULTIPLIER);
        }
        *hash = (joined >> 32) as u32;
    }
    bands
}

/// Whether texts of these numbers of words can resemble each other.
pub(crate) fn may_resemble(one: usize, other: usize) -> bool {
    one.min(other) as f64 >= LIKENESS * one.max(other) as f64
}

/// Whether two texts share so many words that one looks like the other edited.
///
/// Exact for texts of at most [`KEPT`] words; of longer ones the smallest hashes of both are compared, which estimates
/// the same share.
pub(crate) fn resemble(one: &[u32], other: &[u32]) -> bool {
    let is_whole = one.len() < KEPT && other.len() < KEPT;
    let most = if is_whole { usize::MAX } else { KEPT };
    let (mut left, mut right, mut shared, mut all) = (0, 0, 0, 0);
    while left < one.len() && right < other.len() && all < most {
        all += 1;
        match one[left].cmp(&other[right]) {
            std::cmp::Ordering::Less => left += 1,
            std::cmp::Ordering::Greater => right += 1,
            std::cmp::Ordering::Equal => {
                shared += 1;
                left += 1;
                right += 1;
            }
        }
    }
    let rest = one.len() - left + other.len() - right;
    all += rest.min(most - all.min(most));
    f64::from(shared) >= LIKENESS * all as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch(text: &str) -> Option<Sketch> {
        Sketch::new(&[text], &mut Prepared::default())
    }

    fn numbered(range: std::ops::Range<usize>) -> String {
        range.map(|n| format!("word{n} ")).collect()
    }

    #[test]
    fn a_text_resembles_itself_edited_and_nothing_else() {
        struct Case {
            name: &'static str,
            one: String,
            other: String,
            resembles: bool,
        }
        let case = |name, one: &str, other: &str, resembles| Case {
            name,
            one: one.to_owned(),
            other: other.to_owned(),
            resembles,
        };
        let cases = [
            case("one word in ten", &numbered(0..10), &numbered(1..11), true),
            case("three words in ten", &numbered(0..10), &numbered(3..13), false),
            case(
                "case and spaces",
                &numbered(0..12),
                &numbered(0..12).to_uppercase().replace(' ', "\t"),
                true,
            ),
            case("a long text, a tenth replaced", &numbered(0..3000), &numbered(300..3300), true),
            case("long texts that share half", &numbered(0..3000), &numbered(1000..4000), false),
            case("repeated words count", &"to be ".repeat(12), &"to be ".repeat(6), false),
            case("chinese", "我昨天买的外套颜色不对我想退货", "我昨天买的外套尺码不对我想退货", true),
        ];
        for Case { name, one, other, resembles } in cases {
            let (one, other) = (sketch(&one).unwrap(), sketch(&other).unwrap());
            assert_eq!(resemble(&one.words, &other.words), resembles, "{name}");
            assert!(resemble(&one.words, &one.words), "{name}");
        }
    }

    #[test]
    fn short_texts_are_not_compared() {
        assert_eq!(sketch(&numbered(0..9)), None);
        assert!(sketch(&numbered(0..10)).is_some());
    }

    #[test]
    fn edited_texts_agree_in_a_band() {
        let agreeing = (0..500).filter(|n| {
            let (one, other) = (numbered(n * 30..n * 30 + 20), numbered(n * 30 + 2..n * 30 + 22));
            let (one, other) = (sketch(&one).unwrap(), sketch(&other).unwrap());
            one.bands.iter().zip(other.bands).any(|(a, b)| *a == b)
        });
        assert!(agreeing.count() >= 490);
    }
}
