//! The fields of a head that was read already, for whoever wants one that [`Head`](super::head::Head) did not keep.

use super::bytes::{find, trimmed};

/// Walks the field lines of a complete, valid head: names as they were sent, values trimmed.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'i> {
    lines: &'i [u8],
}

impl<'i> Fields<'i> {
    /// `lines` are field lines, each with its end, and the empty line behind them.
    pub fn of(lines: &'i [u8]) -> Self {
        Self { lines }
    }

    /// The values of a name, in order; `name` in any case.
    pub fn all(self, name: &[u8]) -> impl Iterator<Item = &'i [u8]> {
        self.filter(move |field| field.0.eq_ignore_ascii_case(name)).map(|field| field.1)
    }

    /// The value of a name, if exactly one field has it.
    pub fn one(self, name: &[u8]) -> Option<&'i [u8]> {
        let mut values = self.all(name);
        let first = values.next();
        if values.next().is_some() { None } else { first }
    }
}

impl<'i> Iterator for Fields<'i> {
    type Item = (&'i [u8], &'i [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        // A value holds no CR, so the first one ends the line.
        let (line, rest) = self.lines.split_at_checked(find(self.lines, b'\r')?)?;
        self.lines = rest.get(2..).unwrap_or(&[]);
        let (name, value) = line.split_at_checked(find(line, b':')?)?;
        Some((name, trimmed(value.get(1..).unwrap_or(&[]))))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    const LINES: &[u8] = b"Host: a\r\nX:\r\nRange:\t bytes=1-2 \r\nx: 2\r\nY: a:b\r\n\r\n";

    #[test]
    fn fields_come_in_order_with_trimmed_values() {
        let fields: Vec<_> = Fields::of(LINES).map(|(name, _)| name).collect();
        assert_eq!(fields, [&b"Host"[..], b"X", b"Range", b"x", b"Y"]);
        assert_eq!(Fields::of(LINES).one(b"range"), Some(&b"bytes=1-2"[..]));
        assert_eq!(Fields::of(LINES).one(b"y"), Some(&b"a:b"[..]));
        assert_eq!(Fields::of(LINES).one(b"x"), None, "two are not one");
        assert_eq!(Fields::of(LINES).all(b"X").collect::<Vec<_>>(), [&b""[..], b"2"]);
        assert_eq!(Fields::of(b"\r\n").next(), None);
        assert_eq!(Fields::of(b"").next(), None);
    }
}
