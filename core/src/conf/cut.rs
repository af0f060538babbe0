//! Cutting a text at an ASCII byte. The searchers of `str` do the same and carry slice panics into the firmware.

/// What stands before and behind the first such byte.
pub fn first(text: &str, byte: u8) -> Option<(&str, &str)> {
    at(text, text.bytes().position(|other| other == byte)?)
}

/// What stands before and behind the last such byte.
pub fn last(text: &str, byte: u8) -> Option<(&str, &str)> {
    at(text, text.bytes().rposition(|other| other == byte)?)
}

/// The pieces between such bytes; one where there is none.
pub fn pieces(text: &str, byte: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    core::iter::from_fn(move || {
        let text = rest?;
        match first(text, byte) {
            Some((piece, behind)) => {
                rest = Some(behind);
                Some(piece)
            }
            None => rest.take(),
        }
    })
}

fn at(text: &str, at: usize) -> Option<(&str, &str)> {
    let (before, behind) = text.split_at_checked(at)?;
    Some((before, behind.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_as_the_standard_library_cuts_them() {
        for text in ["", ".", "a", "a.", ".a", "a.b.c", "é.ü..", "..."] {
            assert_eq!(first(text, b'.'), text.split_once('.'));
            assert_eq!(last(text, b'.'), text.rsplit_once('.'));
            assert!(pieces(text, b'.').eq(text.split('.')));
        }
    }
}
