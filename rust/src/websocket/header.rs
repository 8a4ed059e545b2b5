//! The header of a frame (RFC 6455 section 5.2).

use super::{refuse, Error, Kind, FIN, RSV1};

/// The longest header: two octets, a 64-bit length and a masking key.
pub const MAX_HEADER: usize = 14;
/// Octets that the payload of a control frame has at most.
const MAX_CONTROL: u8 = 125;
const MASKED: u8 = 0x80;
/// What stands for a length in the 16 bits that follow, and in 64.
const SHORT_16: u8 = 0x7e;
const SHORT_64: u8 = 0x7f;

/// A header with its length, whose masking key may still be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// FIN, the reserved bits and the opcode.
    pub first: u8,
    /// Octets of the payload.
    pub length: u64,
    /// Octets of the header, its masking key included.
    pub size: usize,
    /// Where in the header the length is.
    pub length_at: u64,
}

/// Read what there is of a header. `in_message`: whether a message is under way.
///
/// # Errors
/// The frame breaks a rule, as soon as the octets that say so are there. `at` is the frame's place.
pub fn read(
    head: &[u8],
    at: u64,
    allow_compressed: bool,
    expect_masked: bool,
    in_message: bool,
) -> Result<Option<Header>, Error> {
    let Some(&first) = head.first() else { return Ok(None) };
    check_first(first, at, allow_compressed, in_message)?;
    let Some(&second) = head.get(1) else { return Ok(None) };
    if (second & MASKED != 0) != expect_masked {
        return refuse(if expect_masked { Kind::MaskMissing } else { Kind::MaskForbidden }, at + 1);
    }
    let short = second & 0x7f;
    if first & 0x08 != 0 && short > MAX_CONTROL {
        return refuse(Kind::ControlTooLong { opcode: first & 0x0f }, at + 1);
    }
    let mask = if expect_masked { 4 } else { 0 };
    if short < SHORT_16 {
        return Ok(Some(Header { first, length: short.into(), size: 2 + mask, length_at: 1 }));
    }
    let (length, size, least) = if short == SHORT_16 {
        let Some(length) = head[2..].first_chunk() else { return Ok(None) };
        (u64::from(u16::from_be_bytes(*length)), 4, 126)
    } else {
        if head.get(2).is_some_and(|octet| octet & 0x80 != 0) {
            return refuse(Kind::LengthOverflow, at + 2);
        }
        let Some(length) = head[2..].first_chunk() else { return Ok(None) };
        (u64::from_be_bytes(*length), 10, 65536)
    };
    if length < least {
        return refuse(Kind::NonMinimalLength { length }, at + 2);
    }
    Ok(Some(Header { first, length, size: size + mask, length_at: 2 }))
}

fn check_first(first: u8, at: u64, allow_compressed: bool, in_message: bool) -> Result<(), Error> {
    let opcode = first & 0x0f;
    let allowed = if allow_compressed && matches!(opcode, 1 | 2) { RSV1 } else { 0 };
    let bits = first & 0x70 & !allowed;
    if bits != 0 {
        return refuse(Kind::ReservedBitsSet { bits }, at);
    }
    match opcode {
        0 if !in_message => refuse(Kind::UnexpectedContinuation, at),
        1 | 2 if in_message => refuse(Kind::UnfinishedMessage { opcode }, at),
        8..=10 if first & FIN == 0 => refuse(Kind::FragmentedControl { opcode }, at),
        0..=2 | 8..=10 => Ok(()),
        _ => refuse(Kind::ReservedOpcode { opcode }, at),
    }
}

/// Write the header of a frame without its masking key; the octets, and how many of them there are.
#[must_use]
pub fn write(first: u8, length: usize, is_masked: bool) -> ([u8; MAX_HEADER], usize) {
    let mut head = [0; MAX_HEADER];
    let bit = if is_masked { MASKED } else { 0 };
    head[0] = first;
    if let Ok(short @ 0..=125) = u8::try_from(length) {
        head[1] = bit | short;
        (head, 2)
    } else if let Ok(length) = u16::try_from(length) {
        head[1] = bit | SHORT_16;
        head[2..4].copy_from_slice(&length.to_be_bytes());
        (head, 4)
    } else {
        head[1] = bit | SHORT_64;
        head[2..10].copy_from_slice(&(length as u64).to_be_bytes());
        (head, 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, 125, 126, 127, 65535, 65536, 1 << 40] {
            for is_masked in [false, true] {
                let (head, size) = write(0x82, length, is_masked);
                let header = read(&head[..size], 0, false, is_masked, false).unwrap().unwrap();
                assert_eq!((header.first, header.length), (0x82, length as u64));
                assert_eq!(header.size, size + if is_masked { 4 } else { 0 });
                for cut in 0..size {
                    assert_eq!(
                        read(&head[..cut], 0, false, is_masked, false),
                        Ok(None),
                        "{length} cut at {cut}"
                    );
                }
            }
        }
    }

    #[test]
    fn each_rule_is_judged_at_its_octet() {
        for (head, kind, offset) in [
            (&[0xc1][..], Kind::ReservedBitsSet { bits: 0x40 }, 7),
            (&[0xb1], Kind::ReservedBitsSet { bits: 0x30 }, 7),
            (&[0x83], Kind::ReservedOpcode { opcode: 3 }, 7),
            (&[0x8b], Kind::ReservedOpcode { opcode: 11 }, 7),
            (&[0x09], Kind::FragmentedControl { opcode: 9 }, 7),
            (&[0x80], Kind::UnexpectedContinuation, 7),
            (&[0x81, 0x81], Kind::MaskForbidden, 8),
            (&[0x89, 126], Kind::ControlTooLong { opcode: 9 }, 8),
            (&[0x82, 126, 0, 125], Kind::NonMinimalLength { length: 125 }, 9),
            (&[0x82, 127, 0x80], Kind::LengthOverflow, 9),
            (&[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff], Kind::NonMinimalLength { length: 65535 }, 9),
        ] {
            assert_eq!(read(head, 7, false, false, false), Err(Error { kind, offset }));
            assert_eq!(read(&head[..head.len() - 1], 7, false, false, false), Ok(None));
        }
    }
}
