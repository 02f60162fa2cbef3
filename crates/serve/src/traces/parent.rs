//! Header `traceparent` of W3C Trace Context: which trace a request belongs to.

use axum::http::HeaderMap;

/// The span that a request was sent by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parent {
    /// The trace.
    pub(super) trace: [u8; 16],
    /// The span.
    pub(super) span: [u8; 8],
    /// Whether its sender records it.
    pub(super) sampled: bool,
}

impl Parent {
    /// The parent that the headers name. A header that breaks the rules is none.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get("traceparent")?.to_str().ok()?;
        let mut parts = text.split('-');
        let [version, trace, span, flags] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        let [version] = bytes::<1>(version)?;
        // Later versions may say more behind it, the first does not.
        if version == 0xff || (version == 0 && parts.next().is_some()) {
            return None;
        }
        let (trace, span, [flags]) = (bytes::<16>(trace)?, bytes::<8>(span)?, bytes::<1>(flags)?);
        let valid = trace != [0; 16] && span != [0; 8];
        valid.then_some(Self { trace, span, sampled: flags & 1 == 1 })
    }
}

/// Bytes written as lower-case hexadecimal digits.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    let known = |digit: &u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != 2 * N || !digits.iter().all(known) {
        return None;
    }
    let mut bytes = [0; N];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_by_the_rules_of_trace_context() {
        const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
        const SPAN: &str = "b7ad6b7169203331";
        let of = |text: String| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", text.parse().expect("a header"));
            Parent::of(&headers)
        };
        let parent = of(format!("00-{TRACE}-{SPAN}-01")).expect("a parent");
        assert_eq!((parent.trace[0], parent.span[7], parent.sampled), (0x0a, 0x31, true));
        assert_eq!(of(format!("00-{TRACE}-{SPAN}-00")).map(|parent| parent.sampled), Some(false));
        assert!(of(format!("cc-{TRACE}-{SPAN}-01-more")).is_some());
        for wrong in [
            String::new(),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{SPAN}-{TRACE}-01"),
        ] {
            assert_eq!(of(wrong.clone()), None, "{wrong}");
        }
    }
}
