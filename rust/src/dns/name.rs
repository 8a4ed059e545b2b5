//! Names: RFC 1035 sections 2.3.4 (limits) and 4.1.4 (pointers), by the rules of `netkit.dns.messages.wire`.

use std::collections::HashMap;

/// The longest name, with its length octets and its root.
pub const MAX_NAME: usize = 255;
/// The most pointers followed for one name.
pub const MAX_POINTERS: usize = 127;

/// A name that is within the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// Where its first label is (or its root), behind all pointers before it: one place for each name that is
    /// there, however many pointers lead to it.
    pub first: u16,
    /// How many octets it has without pointers.
    pub size: u8,
    /// The octet behind it in its own place.
    pub after: u16,
}

/// What names are from octets on that pointers have led to: their size and how many pointers follow.
///
/// Only what is behind `SHALLOW` pointers is kept, which no common message has. Without it, every name that leads
/// into a long chain of pointers would cost the time of the whole chain.
#[derive(Debug, Default)]
pub struct Deep(HashMap<u16, (usize, usize)>);

/// The pointers of one name that are followed without looking at what is known, or keeping it.
const SHALLOW: usize = 8;

/// The name at `start`, whose own place ends before `end`; none where it breaks a rule.
///
/// A pointer must lead to an octet before the labels that it continues, so that each jump goes lower than the
/// jump before. Of a message with more than 64 KiB, nothing is read.
#[must_use]
pub fn check(message: &[u8], start: usize, end: usize, compression: bool, deep: &mut Deep) -> Option<Name> {
    let mut end = end.min(message.len());
    let mut at = start;
    let mut segment = start;
    let mut first = start;
    let mut after = None;
    let mut jumps = 0;
    // With the octet of the root, which is not reached yet.
    let mut size = 1;
    // Where pointers led to, with the size and the pointers before.
    let mut passed = Vec::new();
    loop {
        let octet = usize::from(*message.get(..end)?.get(at)?);
        match octet {
            0 => {
                after = after.or(Some(at + 1));
                break;
            }
            1..=63 => {
                size += 1 + octet;
                if size > MAX_NAME {
                    return None;
                }
                at += 1 + octet;
            }
            0xC0.. => {
                let target = (octet & 0x3F) << 8 | usize::from(*message.get(..end)?.get(at + 1)?);
                jumps += 1;
                if !compression || target >= segment || jumps > MAX_POINTERS {
                    return None;
                }
                after = after.or(Some(at + 2));
                if size == 1 {
                    first = target;
                }
                at = target;
                segment = target;
                end = message.len();
                if jumps > SHALLOW {
                    let target = u16::try_from(target).ok()?;
                    if let Some((rest, more)) = deep.0.get(&target) {
                        size += rest - 1;
                        jumps += more;
                        if size > MAX_NAME || jumps > MAX_POINTERS {
                            return None;
                        }
                        break;
                    }
                    passed.push((target, size, jumps));
                }
            }
            _ => return None,
        }
    }
    for (target, before, passed) in passed {
        deep.0.insert(target, (size - before + 1, jumps - passed));
    }
    Some(Name {
        first: u16::try_from(first).ok()?,
        size: u8::try_from(size).ok()?,
        after: u16::try_from(after?).ok()?,
    })
}

/// The octets of a name that was checked, without pointers, behind what `out` has.
pub fn write(message: &[u8], name: Name, out: &mut Vec<u8>) {
    let mut at = usize::from(name.first);
    let mut left = usize::from(name.size);
    while let Some(&octet) = message.get(at) {
        let octet = usize::from(octet);
        if octet >= 0xC0 {
            let Some(&low) = message.get(at + 1) else { return };
            at = (octet & 0x3F) << 8 | usize::from(low);
            continue;
        }
        // The size that was found bounds the walk, whatever the octets are by now.
        let Some(label) = message.get(at..=at + octet).filter(|label| label.len() <= left) else { return };
        out.extend_from_slice(label);
        left -= label.len();
        if left == 0 {
            return;
        }
        at += 1 + octet;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(message: &[u8], start: usize) -> Option<(Vec<u8>, u16)> {
        let name = check(message, start, message.len(), true, &mut Deep::default())?;
        let mut out = Vec::new();
        write(message, name, &mut out);
        assert_eq!(out.len(), usize::from(name.size));
        Some((out, name.after))
    }

    #[test]
    fn compression_as_rfc_1035_shows_it() {
        let mut message = [0; 93];
        message[20..32].copy_from_slice(b"\x01F\x03ISI\x04ARPA\0");
        message[40..46].copy_from_slice(b"\x03FOO\xc0\x14");
        message[64..66].copy_from_slice(b"\xc0\x1a");
        assert_eq!(text(&message, 20), Some((b"\x01F\x03ISI\x04ARPA\0".to_vec(), 32)));
        assert_eq!(text(&message, 40), Some((b"\x03FOO\x01F\x03ISI\x04ARPA\0".to_vec(), 46)));
        assert_eq!(text(&message, 64), Some((b"\x04ARPA\0".to_vec(), 66)));
        assert_eq!(text(&message, 92), Some((b"\0".to_vec(), 93)));
        let mut deep = Deep::default();
        let pointed = check(&message, 64, 93, true, &mut deep).map(|name| name.first);
        assert_eq!(pointed, Some(26));
        assert_eq!(check(&message, 40, 93, false, &mut deep), None);
        assert_eq!(check(&message, 40, 45, true, &mut deep), None);
        assert!(deep.0.is_empty());
    }

    #[test]
    fn what_does_not_point_back_is_refused() {
        for message in
            [&b"\xc0\x00"[..], b"\xc0\x01\0", b"\x01a\xc0\x00", b"\xc0\x05\0\0\0\0", b"\x40\0", b"\x80\0"]
        {
            assert_eq!(text(message, 0), None);
        }
        assert_eq!(text(b"\0\x01a\xc0\x01", 1), None);
        assert!(text(b"\0\x01a\xc0\x00", 1).is_some());
    }

    #[test]
    fn limits() {
        let mut labels = [b"\x3f".as_slice(), &[b'a'; 63]].concat().repeat(3);
        labels.extend([[61].as_slice(), &[b'b'; 61], b"\0"].concat());
        assert_eq!(text(&labels, 0).map(|(octets, _)| octets.len()), Some(255));
        let mut long = b"\x01x".to_vec();
        long.extend(&labels);
        assert_eq!(text(&long, 0), None);
        // A chain of pointers, each to the one before.
        let mut chain = b"\0".to_vec();
        for link in 0u8..128 {
            let target = if link == 0 { 0 } else { 1 + 2 * (link - 1) };
            chain.extend([0xc0, target]);
        }
        assert!(text(&chain, 1 + 2 * 126).is_some());
        assert_eq!(text(&chain, 1 + 2 * 127), None);
        // The same, with what is known of the links before.
        let mut deep = Deep::default();
        for link in 0..127 {
            let alone = check(&chain, 1 + 2 * link, chain.len(), true, &mut Deep::default());
            let name = check(&chain, 1 + 2 * link, chain.len(), true, &mut deep);
            assert_eq!(name.map(|name| (name.size, name.after)), alone.map(|name| (name.size, name.after)));
            assert!(name.is_some());
        }
        assert!(deep.0.len() > 100);
        assert_eq!(check(&chain, 1 + 2 * 127, chain.len(), true, &mut deep), None);
    }
}
