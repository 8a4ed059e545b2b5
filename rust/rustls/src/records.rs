//! Where records end (RFC 8446 section 5.1): rustls is fed whole records only, so that all that is left over
//! when a connection moves into the kernel is here, and nothing inside rustls.

/// The header of a record: type, version, length.
const HEADER: usize = 5;

/// The most that a record may hold: 2^14 of plaintext, and 256 for TLS 1.3 or 2,048 for TLS 1.2 around it.
const LONGEST: usize = 16_384 + 2_048;

/// How many octets at the beginning of `data` are whole records.
///
/// A record that is longer than any may be is counted as far as it is there: rustls refuses its header.
#[must_use]
pub fn whole(data: &[u8]) -> usize {
    let mut end = 0;
    while let Some(header) = data.get(end..end + HEADER) {
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        if length > LONGEST {
            return data.len();
        }
        if data.len() < end + HEADER + length {
            break;
        }
        end += HEADER + length;
    }
    end
}

/// Whether what came first cannot be TLS: its first octet is no type of a record.
#[must_use]
pub fn is_foreign(data: &[u8]) -> bool {
    data.first().is_some_and(|first| !(20..=24).contains(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(length: usize) -> Vec<u8> {
        let mut made = vec![23, 3, 3];
        made.extend(u16::try_from(length).unwrap().to_be_bytes());
        made.resize(HEADER + length, 0);
        made
    }

    #[test]
    fn only_whole_records_count() {
        let two = [record(3), record(0)].concat();
        for end in 0..two.len() {
            assert_eq!(whole(&two[..end]), if end < 8 { 0 } else { 8 });
        }
        assert_eq!(whole(&two), 13);
        assert_eq!(whole(&record(LONGEST)), HEADER + LONGEST);
    }

    #[test]
    fn one_that_is_too_long_is_not_waited_for() {
        assert_eq!(whole(&[22, 3, 1, 0xff, 0xff, 0]), 6);
    }

    #[test]
    fn other_protocols_begin_otherwise() {
        assert!(is_foreign(b"HTTP/1.1 400"));
        assert!(!is_foreign(&[22, 3, 1]));
        assert!(!is_foreign(b""));
    }
}
