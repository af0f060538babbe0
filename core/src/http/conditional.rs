//! Conditional requests (RFC 9110 13): whether what the client holds is still good.

use super::date;
use super::etag::{self, Compare, ETAG_BYTES};
use super::fields::Fields;

/// What a representation is compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validators {
    pub etag: [u8; ETAG_BYTES],
    /// Seconds since 1970, as `Last-Modified` says; `None` where it is not sent.
    pub modified_s: Option<i64>,
}

/// What the conditions of a request say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is answered as if there were none.
    Send,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

impl Validators {
    /// Judges a `GET` or `HEAD` in the order of RFC 9110 13.2.2. A date that is none, or two of them, is ignored.
    pub fn judge(&self, fields: Fields<'_>, now_s: i64) -> Verdict {
        let tags = |name, compare| {
            fields.all(name).map(|list| etag::matches(list, &self.etag, compare)).reduce(|one, other| one || other)
        };
        let since = |name| Some((self.modified_s?, date::parse(fields.one(name)?, now_s)?));
        match tags(b"If-Match", Compare::Strong) {
            Some(false) => return Verdict::Failed,
            Some(true) => {}
            None => {
                if since(b"If-Unmodified-Since").is_some_and(|(modified_s, since_s)| modified_s > since_s) {
                    return Verdict::Failed;
                }
            }
        }
        let same = match tags(b"If-None-Match", Compare::Weak) {
            Some(same) => same,
            None => since(b"If-Modified-Since").is_some_and(|(modified_s, since_s)| modified_s <= since_s),
        };
        if same { Verdict::NotModified } else { Verdict::Send }
    }

    /// Whether a `Range` counts: without an `If-Range`, or with one that names exactly this representation.
    pub fn range_counts(&self, fields: Fields<'_>, now_s: i64) -> bool {
        let mut values = fields.all(b"If-Range");
        match (values.next(), values.next()) {
            (None, _) => true,
            (Some(value), None) if value.contains(&b'"') => etag::matches(value, &self.etag, Compare::Strong),
            // A date names a representation only if it is the very date we sent.
            (Some(value), None) => self.modified_s.is_some() && date::parse(value, now_s) == self.modified_s,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::String;

    const NOW_S: i64 = 1_784_000_000;
    const OURS: &str = "\"00000000000000ab\"";
    const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    /// Lines with the words in capitals filled in.
    fn lines(text: &str) -> String {
        [("OURS", OURS), ("THEN", THEN), ("EARLIER", EARLIER), ("LATER", LATER)]
            .iter()
            .fold(text.replace('|', "\r\n"), |text, (word, value)| text.replace(word, value))
    }

    fn ours() -> Validators {
        Validators { etag: etag::write(0xab), modified_s: Some(784_111_777) }
    }

    #[test]
    fn conditions_are_judged_in_the_order_of_the_standard() {
        use Verdict::*;
        for (text, verdict) in [
            ("", Send),
            ("If-None-Match: OURS|", NotModified),
            ("If-None-Match: W/OURS|", NotModified),
            ("If-None-Match: *|", NotModified),
            ("If-None-Match: \"x\"|", Send),
            ("If-None-Match: \"x\"|If-None-Match: OURS|", NotModified),
            ("If-None-Match: \"x\"|If-Modified-Since: LATER|", Send),
            ("If-None-Match: \"x\"|If-Modified-Since: THEN|", Send),
            ("If-Modified-Since: THEN|", NotModified),
            ("If-Modified-Since: LATER|", NotModified),
            ("If-Modified-Since: EARLIER|", Send),
            ("If-Modified-Since: yesterday|", Send),
            ("If-Modified-Since: THEN|If-Modified-Since: THEN|", Send),
            ("If-Match: OURS|", Send),
            ("If-Match: *|", Send),
            ("If-Match: W/OURS|", Failed),
            ("If-Match: \"x\"|If-None-Match: OURS|", Failed),
            ("If-Match: OURS|If-Unmodified-Since: EARLIER|", Send),
            ("If-Unmodified-Since: EARLIER|", Failed),
            ("If-Unmodified-Since: THEN|", Send),
        ] {
            assert_eq!(ours().judge(Fields::of(lines(text).as_bytes()), NOW_S), verdict, "{text}");
        }
        let unknown = Validators { modified_s: None, ..ours() };
        let lines = lines("If-Modified-Since: LATER|");
        assert_eq!(unknown.judge(Fields::of(lines.as_bytes()), NOW_S), Send, "what is not sent is not compared");
    }

    #[test]
    fn a_range_counts_only_of_the_representation_it_was_meant_for() {
        for (text, counts) in [
            ("", true),
            ("If-Range: OURS|", true),
            ("If-Range: W/OURS|", false),
            ("If-Range: \"x\"|", false),
            ("If-Range: THEN|", true),
            ("If-Range: LATER|", false),
            ("If-Range: EARLIER|", false),
            ("If-Range: x|", false),
            ("If-Range: *|", false),
            ("If-Range: OURS|If-Range: OURS|", false),
        ] {
            assert_eq!(ours().range_counts(Fields::of(lines(text).as_bytes()), NOW_S), counts, "{text}");
        }
        let unknown = Validators { modified_s: None, ..ours() };
        assert!(!unknown.range_counts(Fields::of(b"If-Range: x\r\n"), NOW_S));
    }
}
