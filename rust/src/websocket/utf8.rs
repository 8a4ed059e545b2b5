//! UTF-8 (RFC 3629): the first octet that cannot stand where it does.
//!
//! What is right, which is nearly everything, is found to be so by a library that uses vector instructions;
//! only where something is wrong the standard library says where.

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
    let whole = octets.len() - unfinished(octets);
    let (front, back) = octets.split_at(whole);
    if simdutf8::basic::from_utf8(front).is_err() {
        return located(octets, 0);
    }
    located(back, whole)
}

/// The same, octet by octet: where the error is, in octets that have so many before them.
fn located(octets: &[u8], before: usize) -> Text {
    let Err(error) = std::str::from_utf8(octets) else { return Text::Valid(before + octets.len()) };
    let start = error.valid_up_to();
    match error.error_len() {
        None => Text::Valid(before + start),
        // What begins no character is wrong itself; otherwise it is the octet behind those that were right.
        Some(length) => match octets[start] {
            0xc2..=0xf4 => Text::Wrong(before + start + length),
            _ => Text::Wrong(before + start),
        },
    }
}

/// How many octets at the end may belong to a character that is not complete: those from the last one that
/// begins a longer character, if that is one of the last three.
fn unfinished(octets: &[u8]) -> usize {
    let end = octets.len();
    (1..=end.min(3)).find(|back| octets[end - back] >= 0xc0).unwrap_or(0)
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
