//! UTF-8 (RFC 3629): the first octet that cannot stand where it does.

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// So many octets are whole characters; up to three behind them may be the beginning of one.
    Valid(usize),
    /// The octet at this place is wrong.
    Wrong(usize),
}

/// Check octets that begin with a character.
#[must_use]
pub fn check(octets: &[u8]) -> Text {
    let Err(error) = std::str::from_utf8(octets) else { return Text::Valid(octets.len()) };
    let start = error.valid_up_to();
    match error.error_len() {
        None => Text::Valid(start),
        // What begins no character is wrong itself; otherwise it is the octet behind those that were right.
        Some(length) => match octets[start] {
            0xc2..=0xf4 => Text::Wrong(start + length),
            _ => Text::Wrong(start),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_octet_that_cannot_be_right() {
        for (octets, found) in [
            (&b"plain"[..], Text::Valid(5)),
            (b"", Text::Valid(0)),
            (b"a\xc3\xa4", Text::Valid(3)),
            (b"a\xe2\x82", Text::Valid(1)),
            (b"a\x80", Text::Wrong(1)),
            (b"a\xc0\xaf", Text::Wrong(1)),
            (b"a\xe0\x80\x80", Text::Wrong(2)),
            (b"a\xed\xa0", Text::Wrong(2)),
            (b"a\xf4\x90", Text::Wrong(2)),
            (b"a\xf5", Text::Wrong(1)),
            (b"a\xe2\x82c", Text::Wrong(3)),
            (b"a\xf0\x9f\x98 ", Text::Wrong(4)),
        ] {
            assert_eq!(check(octets), found, "{octets:02x?}");
        }
    }
}
