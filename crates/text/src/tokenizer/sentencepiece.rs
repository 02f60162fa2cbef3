//! The few fields of a sentencepiece model file that a tokenizer needs.
//!
//! The file is a protocol buffer (`sentencepiece_model.proto` of <https://github.com/google/sentencepiece>): pieces with
//! scores and kinds in field 1, the trainer's settings in field 2, the normaliser's in field 3.

/// What a model file says.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// Pieces in order of their ids.
    pub(super) pieces: Vec<Piece>,
    /// Id of the piece that stands for what no other does.
    pub(super) unknown: u64,
    /// Whether it is a unigram model.
    pub(super) unigram: bool,
    /// The normaliser's table, in base 64.
    pub(super) character_map: Option<String>,
}

/// One piece.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) text: String,
    /// Its log-probability.
    pub(super) score: f32,
    pub(super) kind: Kind,
}

/// What a piece is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Found in texts, or standing for what is not.
    Text,
    /// Stands in no text, such as the end of a sentence.
    Control,
    /// Always one piece where a text holds it, whatever the scores.
    Whole,
}

/// One field of a message.
enum Field<'b> {
    Number(u64),
    Bytes(&'b [u8]),
    Fixed([u8; 4]),
    Other,
}

impl Model {
    /// Reads a file; `None` when it is not such a model.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        // Unigram is the default, which the file need not write.
        let mut model = Self { unigram: true, ..Self::default() };
        fields(bytes, |number, field| {
            match (number, field) {
                (1, Field::Bytes(piece)) => model.pieces.push(read_piece(piece)?),
                (2, Field::Bytes(trainer)) => fields(trainer, |number, field| {
                    match (number, field) {
                        (3, Field::Number(kind)) => model.unigram = kind == 1,
                        (40, Field::Number(id)) => model.unknown = id,
                        _ => {}
                    }
                    Some(())
                })?,
                (3, Field::Bytes(normaliser)) => fields(normaliser, |number, field| {
                    match (number, field) {
                        (2, Field::Bytes(map)) if !map.is_empty() => model.character_map = Some(base64(map)),
                        _ => {}
                    }
                    Some(())
                })?,
                _ => {}
            }
            Some(())
        })?;
        (!model.pieces.is_empty()).then_some(model)
    }
}

fn read_piece(bytes: &[u8]) -> Option<Piece> {
    let (mut text, mut score, mut kind) = (None, 0.0, Kind::Text);
    fields(bytes, |number, field| {
        match (number, field) {
            (1, Field::Bytes(piece)) => text = Some(std::str::from_utf8(piece).ok()?.to_owned()),
            (2, Field::Fixed(bits)) => score = f32::from_le_bytes(bits),
            (3, Field::Number(3)) => kind = Kind::Control,
            (3, Field::Number(4)) => kind = Kind::Whole,
            _ => {}
        }
        Some(())
    })?;
    Some(Piece { text: text?, score, kind })
}

/// Hands over each field of a message; `None` when the bytes are not one.
fn fields<'b>(mut bytes: &'b [u8], mut each: impl FnMut(u64, Field<'b>) -> Option<()>) -> Option<()> {
    while !bytes.is_empty() {
        let key = variable(&mut bytes)?;
        let field = match key & 7 {
            0 => Field::Number(variable(&mut bytes)?),
            1 => take(&mut bytes, 8).map(|_| Field::Other)?,
            2 => {
                let length = usize::try_from(variable(&mut bytes)?).ok()?;
                Field::Bytes(take(&mut bytes, length)?)
            }
            5 => Field::Fixed(take(&mut bytes, 4)?.try_into().ok()?),
            _ => return None,
        };
        each(key >> 3, field)?;
    }
    Some(())
}

fn take<'b>(bytes: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (first, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(first)
}

fn variable(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let value = (group >> (18 - 6 * digit)) & 63;
            text.push(if digit <= chunk.len() { char::from(DIGITS[value as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads_to_four() {
        assert_eq!(base64(b"any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==");
        assert_eq!(base64(b"any carnal pleasu"), "YW55IGNhcm5hbCBwbGVhc3U=");
        assert_eq!(base64(b"any carnal pleasur"), "YW55IGNhcm5hbCBwbGVhc3Vy");
    }

    #[test]
    fn garbage_is_no_model() {
        assert!(Model::parse(b"version https://git-lfs.github.com/spec/v1").is_none());
        assert!(Model::parse(&[0x0a, 0xff]).is_none());
        assert!(Model::parse(&[]).is_none());
    }
}
