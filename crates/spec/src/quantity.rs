//! Quantities with units: sizes (`20MB`), durations (`10m`) and shares (`10%`).

use std::time::Duration;

/// A quantity that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not a {what}: {rule}")]
pub struct QuantityError {
    /// The text found.
    pub found: String,
    /// What it should have been.
    pub what: &'static str,
    /// The form allowed.
    pub rule: &'static str,
}

/// A size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

/// A share between 0 and 1; zero by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd)]
pub struct Share(f64);

fn split_unit(text: &str) -> (Option<f64>, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    (text[..end].parse().ok(), text[end..].trim())
}

impl Bytes {
    /// Reads `500`, `20MB`, `1.5GiB`.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let (number, unit) = split_unit(text);
        let factor = match unit {
            "" | "B" => Some(1.0),
            "kB" => Some(1e3),
            "MB" => Some(1e6),
            "GB" => Some(1e9),
            "KiB" => Some(1024.0),
            "MiB" => Some(1024.0 * 1024.0),
            "GiB" => Some(1024.0 * 1024.0 * 1024.0),
            _ => None,
        };
        match (number, factor) {
            (Some(number), Some(factor)) => Ok(Self((number * factor).round() as u64)),
            _ => Err(QuantityError {
                found: text.to_owned(),
                what: "size",
                rule: "write a number with kB, MB, GB, KiB, MiB or GiB",
            }),
        }
    }
}

impl Span {
    /// Reads `20ms`, `30s`, `10m`, `24h`, `7d`.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let (number, unit) = split_unit(text);
        let factor = match unit {
            "ms" => Some(1e-3),
            "s" => Some(1.0),
            "m" => Some(60.0),
            "h" => Some(3600.0),
            "d" => Some(86400.0),
            _ => None,
        };
        match number.zip(factor).map(|(number, factor)| Duration::try_from_secs_f64(number * factor)) {
            Some(Ok(duration)) => Ok(Self(duration)),
            _ => Err(QuantityError {
                found: text.to_owned(),
                what: "duration",
                rule: "write a number with ms, s, m, h or d",
            }),
        }
    }
}

impl Share {
    /// Reads `10%`; the share lies between 0 and 100 %.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let (number, unit) = split_unit(text);
        match (number, unit) {
            (Some(number), "%") if (0.0..=100.0).contains(&number) => Ok(Self(number / 100.0)),
            _ => Err(QuantityError {
                found: text.to_owned(),
                what: "share",
                rule: "write a percentage between 0% and 100%",
            }),
        }
    }

    /// The share as a fraction between 0 and 1.
    pub fn fraction(self) -> f64 {
        self.0
    }
}
