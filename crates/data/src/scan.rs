//! What a look at the characters of one text shows: text decoded wrongly, and personal data.

/// What was seen in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    /// UTF-8 that was read as Windows-1252 or Latin-1 and written again (`Ã¼` for `ü`).
    pub(crate) mojibake: bool,
    /// Characters that stand for what could not be decoded (U+FFFD), and control characters of Latin-1.
    pub(crate) lost: bool,
    /// A mail address.
    pub(crate) mail: bool,
    /// A telephone number.
    pub(crate) phone: bool,
    /// The number of a payment card.
    pub(crate) card: bool,
}

impl Seen {
    /// Looks at `text`.
    pub(crate) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let has_digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count() >= FEWEST_DIGITS;
        let has_others = !text.is_ascii();
        Self {
            mojibake: has_others && mended(text).is_some(),
            lost: has_others && text.chars().any(|c| c == '\u{fffd}' || ('\u{80}'..'\u{a0}').contains(&c)),
            mail: bytes.contains(&b'@') && mails(text).next().is_some(),
            phone: has_digits && numbers(text).any(|number| number.is_phone()),
            card: has_digits && numbers(text).any(|number| number.is_card()),
        }
    }

    /// What was seen in either of two texts.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            mojibake: self.mojibake | other.mojibake,
            lost: self.lost | other.lost,
            mail: self.mail | other.mail,
            phone: self.phone | other.phone,
            card: self.card | other.card,
        }
    }
}

/// The characters that Windows-1252 has for the bytes 0x80 to 0x9f; bytes without one stand for themselves.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// The character of a byte in Windows-1252.
pub(crate) fn windows_1252(byte: u8) -> char {
    match byte {
        0x80..=0x9f => WINDOWS_1252[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

/// The byte of a character in Windows-1252, or in Latin-1 where that has another one.
fn byte_of(character: char) -> Option<u8> {
    match u32::from(character) {
        code @ 0x80..=0xff => Some(code as u8),
        _ => WINDOWS_1252.iter().position(|c| *c == character).map(|place| place as u8 + 0x80),
    }
}

/// `text` as it was before it was decoded wrongly; `None` where nothing shows that it was.
///
/// Each sequence of characters whose bytes are one character of UTF-8 counts. Such characters may stand next to each
/// other by chance (`Ö–`, `é »`), so only sequences that begin as those of Western letters, quotes and pictures do
/// (`Ã`, `Â`, `â`, `ð`) count by themselves; others where they are all that is not ASCII in the text.
pub(crate) fn mended(text: &str) -> Option<String> {
    let characters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let (mut sure, mut likely) = (0, 0);
    let mut at = 0;
    while at < characters.len() {
        match decoded(&characters[at..]) {
            Some((character, length)) => {
                let is_sure = matches!((characters[at], length), ('Ã' | 'Â', 2) | ('â', 3) | ('ð', 4));
                sure += usize::from(is_sure);
                likely += if is_sure { 0 } else { length };
                out.push(character);
                at += length;
            }
            None => {
                out.push(characters[at]);
                at += 1;
            }
        }
    }
    let others = characters.iter().filter(|character| !character.is_ascii()).count();
    (sure > 0 || (likely > 4 && likely == others)).then_some(out)
}

/// The character that the bytes at the start of `characters` are in UTF-8, and how many they are.
fn decoded(characters: &[char]) -> Option<(char, usize)> {
    let first = byte_of(*characters.first()?)?;
    let length = match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return None,
    };
    let bytes: Option<Vec<u8>> = characters.get(..length)?.iter().copied().map(byte_of).collect();
    let bytes = bytes?;
    let decoded = std::str::from_utf8(&bytes).ok()?;
    let character = decoded.chars().next()?;
    // What decodes to a control character was none.
    (!character.is_control()).then_some((character, length))
}

/// Fewest digits of a telephone number.
const FEWEST_DIGITS: usize = 9;

/// Domains that stand in documentation and belong to nobody (RFC 2606).
const NOBODYS: &[&str] = &["example.com", "example.org", "example.net"];
const NOBODYS_ENDINGS: &[&str] = &["example", "test", "invalid", "localhost"];

/// The byte ranges of mail addresses.
fn mails(text: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
    text.match_indices('@').filter_map(|(at, _)| {
        let local = |c: char| c.is_alphanumeric() || "._%+-".contains(c);
        let start = text[..at]
            .rfind(|c| !local(c))
            .map_or(0, |place| place + text[place..].chars().next().map_or(1, char::len_utf8));
        let host = |c: char| c.is_alphanumeric() || ".-".contains(c);
        let domain = &text[at + 1..];
        let domain = &domain[..domain.find(|c| !host(c)).unwrap_or(domain.len())];
        let domain = domain.trim_end_matches(['.', '-']);
        let (name, ending) = domain.rsplit_once('.')?;
        let is_real = start < at
            && !name.is_empty()
            && !name.contains("..")
            && ending.chars().count() >= 2
            && ending.chars().all(char::is_alphabetic);
        let lower = domain.to_lowercase();
        let is_nobodys = NOBODYS.contains(&lower.as_str())
            || NOBODYS_ENDINGS.contains(&lower.rsplit('.').next().unwrap_or_default());
        (is_real && !is_nobodys).then(|| start..at + 1 + domain.len())
    })
}

/// A run of digits with what people put between and before them.
struct Number<'a> {
    text: &'a str,
    digits: Vec<u8>,
    range: std::ops::Range<usize>,
}

/// The runs of digits of `text`, joined over single separators.
fn numbers(text: &str) -> impl Iterator<Item = Number<'_>> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() && !bytes[at].is_ascii_digit() {
            at += 1;
        }
        if at == bytes.len() {
            return None;
        }
        let mut start = at;
        while start > 0 && matches!(bytes[start - 1], b'+' | b'(') {
            start -= 1;
        }
        let (mut end, mut gap) = (at, 0);
        while at < bytes.len() && gap < 3 {
            if bytes[at].is_ascii_digit() {
                (end, gap) = (at + 1, 0);
            } else if matches!(bytes[at], b' ' | b'-' | b'.' | b'(' | b')' | b'/') {
                gap += 1;
            } else {
                break;
            }
            at += 1;
        }
        let digits = bytes[start..end].iter().filter(|byte| byte.is_ascii_digit()).map(|byte| byte - b'0');
        let before = text[..start].chars().next_back();
        let after = text[end..].chars().next();
        let alone = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && !"_#$€£%".contains(c));
        let digits: Vec<u8> = if alone(before) && alone(after) { digits.collect() } else { Vec::new() };
        Some(Number { text: &text[start..end], digits, range: start..end })
    })
}

impl Number<'_> {
    /// Whether it is written as telephone numbers are: with a country's prefix, or in groups behind a 0 or an area
    /// in parentheses. Plain digits are a number of something.
    fn is_phone(&self) -> bool {
        if !(FEWEST_DIGITS..=15).contains(&self.digits.len()) || self.is_card() {
            return false;
        }
        let groups = self.text.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty());
        let groups: Vec<usize> = groups.map(str::len).collect();
        let international = self.text.starts_with('+') || self.text.starts_with("(+");
        let area = self.text.starts_with('(') && self.text.contains(')');
        let national =
            self.text.starts_with('0') && (2..=6).contains(&groups.len()) && !self.text.contains('.');
        let american = groups == [3, 3, 4];
        // Dates and times have a group of one or two digits in each place.
        let is_date = groups.iter().all(|length| *length <= 2) || groups.contains(&1);
        international || ((area || national || american) && !is_date)
    }

    /// Whether it is the number of a card: an issuer's prefix, the length that goes with it, a right check digit (Luhn).
    fn is_card(&self) -> bool {
        let digits = &self.digits;
        let prefix = |count: usize| digits.iter().take(count).fold(0, |value, d| value * 10 + u32::from(*d));
        let issued = match digits.len() {
            16 => {
                prefix(1) == 4
                    || (51..=55).contains(&prefix(2))
                    || (2221..=2720).contains(&prefix(4))
                    || prefix(4) == 6011
                    || prefix(2) == 65
            }
            15 => matches!(prefix(2), 34 | 37),
            _ => false,
        };
        issued && luhn(digits)
    }
}

/// Whether the digits' check digit is right (ISO/IEC 7812).
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => 2 * digit - 9,
            (_, digit) => 2 * digit,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// `text` with `[mail]`, `[phone]` and `[card]` in place of personal data; `None` where there is none.
pub(crate) fn masked(text: &str) -> Option<String> {
    let mut found: Vec<(std::ops::Range<usize>, &str)> = mails(text).map(|range| (range, "[mail]")).collect();
    for number in numbers(text) {
        if number.is_card() {
            found.push((number.range, "[card]"));
        } else if number.is_phone() {
            found.push((number.range, "[phone]"));
        }
    }
    found.sort_by_key(|(range, _)| range.start);
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (range, mask) in &found {
        if range.start >= at {
            out.push_str(&text[at..range.start]);
            out.push_str(mask);
            at = range.end;
        }
    }
    out.push_str(&text[at..]);
    (!found.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// UTF-8 read as Windows-1252.
    fn misread(text: &str) -> String {
        text.bytes().map(windows_1252).collect()
    }

    #[test]
    fn misread_text_is_mended_and_sound_text_left_alone() {
        let texts = [
            "Müller über Straße",
            "It’s “fine” – really",
            "naïve café",
            "Привет, мир",
            "日本語",
            "emoji 😀 ok",
        ];
        for text in texts {
            assert_eq!(mended(&misread(text)).as_deref(), Some(text));
            assert_eq!(mended(text), None, "{text}");
        }
        for sound in [
            "Ö–Netz",
            "São Paulo à l’été",
            "ÅÄÖ åäö",
            "Ñandú «sí»",
            "É® ½°C",
            "« pensé\u{a0}», dit-il, « allé\u{a0}» et « né\u{a0}»",
        ] {
            assert_eq!(mended(sound), None, "{sound}");
        }
        assert!(Seen::of("caf\u{fffd}").lost && !Seen::of("café").lost);
    }

    #[test]
    fn personal_data_is_seen_and_masked() {
        struct Case {
            text: &'static str,
            masked: Option<&'static str>,
        }
        let case = |text, masked| Case { text, masked };
        let cases = [
            case("write to jo.doe+x@mail.acme.io.", Some("write to [mail].")),
            case("me@example.com or @handle or a@b", None),
            case("call +49 30 1234567 now", Some("call [phone] now")),
            case("call (030) 123-45678!", Some("call [phone]!")),
            case("ring 030 1234 5678", Some("ring [phone]")),
            case("555-010-4477 is it", Some("[phone] is it")),
            case("card 4111 1111 1111 1111,", Some("card [card],")),
            case("card 4111 1111 1111 1112,", None),
            case("order 2024111500012 of 2024-11-15 10:30", None),
            case("from 01.02.2024 to 03.04.2024", None),
            case("1,234,567,890 people, 3.14159265358979", None),
            case("ticket AB123456789012", None),
        ];
        for Case { text, masked: expected } in cases {
            assert_eq!(masked(text).as_deref(), expected, "{text}");
            let seen = Seen::of(text);
            assert_eq!(seen.mail || seen.phone || seen.card, expected.is_some(), "{text}");
        }
    }
}
