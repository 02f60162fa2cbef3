//! What a look at one row shows; workers take it in parallel, the [`Survey`](crate::survey::Survey) adds it up.

use std::ops::Range;

use loquat_text::{DetectedLanguage, Ngrams, Prepared, detect_language, is_unspaced};
use sha2::{Digest, Sha256};

use crate::scan::Seen;
use crate::sketch::Sketch;
use crate::split::{normalised, normalised_key};
use crate::table::{Input, LabelledSpan};

/// Words of a text's beginning and end that may be boilerplate.
const CUE_WORDS: usize = 5;

/// Fewest words of a text, and characters of a cue, for it to count: a beginning of a short text is the text.
const CUE_FEWEST_WORDS: usize = 10;
const CUE_FEWEST_CHARACTERS: usize = 15;

/// Most entities looked at in a row, and most characters of one.
const ENTITIES: usize = 64;
const LONGEST_ENTITY: usize = 80;

/// What a row shows by itself.
#[derive(Debug)]
pub(crate) struct Glance {
    /// By which rows that resemble it are found; `None` for short texts.
    pub(crate) sketch: Option<Sketch>,
    /// Characters of its texts.
    pub(crate) length: u32,
    pub(crate) seen: Seen,
    /// What the detector says, where it was asked.
    pub(crate) language: Option<DetectedLanguage>,
    /// Beginning and end of the text: their hash and byte range.
    pub(crate) cues: Vec<(u64, Range<usize>)>,
    /// Hash of tags or spans; 0 where labels say all.
    pub(crate) says: u64,
    /// Key of the premise; 0 for tasks without one.
    pub(crate) premise: u64,
    /// Whether premise and hypothesis are the same text.
    pub(crate) same_pair: bool,
    /// Whether an `I-` tag continues no entity of its type.
    pub(crate) loose_tags: bool,
    /// Whether a span begins or ends inside a word or with white space.
    pub(crate) cut_spans: bool,
    /// Surface and type of its entities.
    pub(crate) entities: Vec<(String, String)>,
}

/// What to look for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// Whether the detector is asked: it is the slowest part.
    pub(crate) language: bool,
    /// Whether sketches are made.
    pub(crate) sketch: bool,
}

impl Glance {
    /// Looks at `input`; `prepared` is scratch space.
    pub(crate) fn new(input: &Input, look: Look, prepared: &mut Prepared) -> Self {
        let joined;
        let texts: Vec<&str> = match input {
            Input::Text(text) | Input::Spans { text, .. } => vec![text],
            Input::Pair { premise, hypothesis } => vec![premise, hypothesis],
            Input::Alike { first, second, .. } => vec![first, second],
            Input::Tokens { tokens, .. } => {
                joined = tokens.join(" ");
                vec![&joined]
            }
        };
        let sketch = look.sketch.then(|| Sketch::new(&texts, prepared)).flatten();
        let last = texts.last().copied().unwrap_or_default();
        let is_read_whole = matches!(input, Input::Text(_) | Input::Pair { .. });
        let cues = if sketch.is_some() && is_read_whole { cues(last, prepared) } else { Vec::new() };
        let longest = texts.iter().copied().max_by_key(|text| text.len()).unwrap_or_default();
        let (premise, same_pair) = pair(input);
        Self {
            length: texts.iter().map(|text| text.chars().count() as u32).sum(),
            seen: texts.iter().map(|text| Seen::of(text)).fold(Seen::default(), Seen::or),
            language: look.language.then(|| detect_language(longest)).flatten(),
            sketch,
            cues,
            says: says(input),
            premise,
            same_pair,
            loose_tags: matches!(input, Input::Tokens { tags, .. } if has_loose_tags(tags)),
            cut_spans: matches!(input, Input::Spans { text, spans } if has_cut_spans(text, spans)),
            entities: entities(input),
        }
    }
}

/// First and last words of the text that `prepared` holds.
fn cues(text: &str, prepared: &Prepared) -> Vec<(u64, Range<usize>)> {
    let mut words = Vec::new();
    Ngrams::Words { max: 1 }.for_each(prepared, |hash, start, end| {
        if prepared.is_lettered(start) {
            words.push((hash, start, end));
        }
    });
    if words.len() < CUE_FEWEST_WORDS {
        return Vec::new();
    }
    let mut cues = Vec::new();
    for (side, run) in [(1, &words[..CUE_WORDS]), (2, &words[words.len() - CUE_WORDS..])] {
        let Some((start, end)) = prepared.source_span(run[0].1, run[CUE_WORDS - 1].2) else { continue };
        if end - start < CUE_FEWEST_CHARACTERS {
            continue;
        }
        let hash = run.iter().fold(side, |hash: u64, word| {
            (hash.rotate_left(23) ^ u64::from(word.0)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        });
        cues.push((hash, byte_of(text, start)..byte_of(text, end)));
    }
    cues
}

/// Byte place of a character.
fn byte_of(text: &str, character: usize) -> usize {
    text.char_indices().nth(character).map_or(text.len(), |(byte, _)| byte)
}

fn pair(input: &Input) -> (u64, bool) {
    match input {
        Input::Pair { premise, hypothesis } => {
            let premise = normalised(premise);
            let same = premise == normalised(hypothesis);
            (normalised_key(&premise).max(1), same)
        }
        _ => (0, false),
    }
}

/// A hash of what a row says of its text beyond the set of its labels.
fn says(input: &Input) -> u64 {
    let mut hasher = Sha256::new();
    match input {
        Input::Text(_) | Input::Pair { .. } | Input::Alike { score: None, .. } => return 0,
        Input::Alike { score: Some(score), .. } => hasher.update(score.to_le_bytes()),
        Input::Tokens { tags, .. } => tags.iter().for_each(|tag| hasher.update(format!("{tag}\n"))),
        Input::Spans { spans, .. } => spans
            .iter()
            .for_each(|span| hasher.update(format!("{} {} {}\n", span.start, span.end, span.label))),
    }
    hasher.finalize().iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

/// The type of a tag that belongs to an entity.
fn kind(tag: &str) -> Option<&str> {
    tag.strip_prefix("B-").or_else(|| tag.strip_prefix("I-"))
}

fn has_loose_tags(tags: &[String]) -> bool {
    let before = std::iter::once(None).chain(tags.iter().map(|tag| kind(tag)));
    tags.iter()
        .zip(before)
        .any(|(tag, before)| tag.strip_prefix("I-").is_some_and(|kind| before != Some(kind)))
}

fn has_cut_spans(text: &str, spans: &[LabelledSpan]) -> bool {
    let characters: Vec<char> = text.chars().collect();
    let inside = |at: usize| {
        let joins = |c: &char| c.is_alphanumeric() && !is_unspaced(*c);
        at > 0 && characters.get(at - 1).is_some_and(joins) && characters.get(at).is_some_and(joins)
    };
    let is_space = |at: usize| characters.get(at).is_some_and(|c| c.is_whitespace());
    spans.iter().any(|span| {
        inside(span.start) || inside(span.end) || is_space(span.start) || is_space(span.end.saturating_sub(1))
    })
}

/// The entities of a row, with their types.
fn entities(input: &Input) -> Vec<(String, String)> {
    let mut found = Vec::new();
    match input {
        Input::Text(_) | Input::Pair { .. } | Input::Alike { .. } => {}
        Input::Tokens { tokens, tags } => {
            let mut before = None;
            for (token, tag) in tokens.iter().zip(tags) {
                let kind = kind(tag);
                match (kind, found.last_mut()) {
                    (Some(kind), Some((surface, _))) if before == Some(kind) && tag.starts_with("I-") => {
                        *surface = format!("{surface} {token}");
                    }
                    (Some(kind), _) => found.push((token.clone(), kind.to_owned())),
                    (None, _) => {}
                }
                before = kind;
            }
        }
        Input::Spans { text, spans } => {
            for span in spans {
                let surface = &text[byte_of(text, span.start)..byte_of(text, span.end)];
                found.push((surface.trim().to_owned(), span.label.clone()));
            }
        }
    }
    found.truncate(ENTITIES);
    found.retain(|(surface, _)| surface.len() <= LONGEST_ENTITY);
    found
}
