//! JSON of a given form in which any part may be another, missing, twice, or none.

use crate::choices::Choices;

/// A member's name and what it holds.
pub(crate) type Member = (&'static str, Kind);

/// What a value is as a rule.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Text,
    /// A text, a list of texts, or a list of lists of texts.
    Texts,
    Flag,
    Number,
    /// One of these strings.
    Name(&'static [&'static str]),
    List(&'static Kind),
    /// Any of these.
    Either(&'static [Kind]),
    Object(&'static [Member]),
}

const TEXTS: [&str; 10] = [
    "where is my parcel?",
    "",
    " \\n\\t ",
    "I want my money back, and the rest of a text that is longer than the sixty-four characters allowed",
    "Gr\u{fc}\u{df}e \u{1f600} \u{e9}e\u{301}",
    "\\ud800",
    "\\u0000",
    "{label}",
    "[MASK]",
    "\u{202e}\u{feff}",
];
const NUMBERS: [&str; 14] = [
    "1",
    "0",
    "2",
    "-1",
    "0.5",
    "1e400",
    "-0.0",
    "1.0",
    "9007199254740993",
    "18446744073709551616",
    "1e-400",
    "3",
    "4294967296",
    "00",
];

/// Writes a value that is of `kind` as a rule.
pub(crate) fn write(choices: &mut Choices<'_>, kind: Kind, out: &mut Vec<u8>) {
    match choices.below(16) {
        12 => text(choices, out),
        13 => out.extend_from_slice(choices.of(&NUMBERS).as_bytes()),
        14 => {
            out.extend_from_slice(choices.of(&["null", "true", "[]", "{}", "[null]", "[[[[]]]]"]).as_bytes())
        }
        15 => out.extend_from_slice(choices.raw()),
        _ => of_kind(choices, kind, out),
    }
}

fn of_kind(choices: &mut Choices<'_>, kind: Kind, out: &mut Vec<u8>) {
    match kind {
        Kind::Text => text(choices, out),
        Kind::Texts if choices.once_in(3) => list(choices, Kind::Texts, out),
        Kind::Texts => text(choices, out),
        Kind::Flag => out.extend_from_slice(choices.of(&["false", "true"]).as_bytes()),
        Kind::Number => out.extend_from_slice(choices.of(&NUMBERS).as_bytes()),
        Kind::Name(names) => out.extend(format!("\"{}\"", choices.of(names)).into_bytes()),
        Kind::List(kind) => list(choices, *kind, out),
        Kind::Either(kinds) => {
            let kind = choices.of(kinds);
            of_kind(choices, kind, out);
        }
        Kind::Object(members) => object(choices, members, out),
    }
}

fn text(choices: &mut Choices<'_>, out: &mut Vec<u8>) {
    out.push(b'"');
    if choices.once_in(6) {
        out.extend(choices.raw().iter().filter(|byte| **byte != b'"'));
    } else {
        out.extend_from_slice(choices.of(&TEXTS).as_bytes());
    }
    out.push(b'"');
}

fn list(choices: &mut Choices<'_>, kind: Kind, out: &mut Vec<u8>) {
    out.push(b'[');
    for place in 0..choices.of(&[1, 2, 0, 3, 9]) {
        if place > 0 {
            out.push(b',');
        }
        write(choices, kind, out);
    }
    out.push(b']');
}

fn object(choices: &mut Choices<'_>, members: &[Member], out: &mut Vec<u8>) {
    out.push(b'{');
    let start = out.len();
    for &(name, kind) in members {
        for _ in 0..choices.of(&[1, 1, 1, 0, 0, 0, 2]) {
            member(choices, (name, kind), start, out);
        }
    }
    if choices.once_in(12) {
        member(choices, ("unknown", Kind::Texts), start, out);
    }
    if !choices.once_in(40) {
        out.push(b'}');
    }
}

fn member(choices: &mut Choices<'_>, (name, kind): Member, start: usize, out: &mut Vec<u8>) {
    if out.len() > start {
        out.push(b',');
    }
    out.extend(format!("\"{name}\":").into_bytes());
    write(choices, kind, out);
}
