//! How far octets of a kind go: sixteen at a time where the processor has SSE2, which every `x86_64` has, so
//! that there is nothing to detect when running; elsewhere one at a time.
//!
//! Header names and values are a few tens of octets long. Wider registers, chosen at run time behind a call,
//! have no time to win in that.

use super::tables::{is, run, TARGET, TOKEN, VALUE};

/// The first octet from `at` on that no field value may have; the length of the buffer if there is none.
#[inline]
pub(super) fn value_end(buffer: &[u8], at: usize) -> usize {
    let at = wide::skip(buffer, at, wide::not_in_values);
    at + run(&buffer[at..], VALUE)
}

/// The first octet from `at` on that no token may have; the length of the buffer if there is none.
#[inline]
pub(super) fn token_end(buffer: &[u8], at: usize) -> usize {
    // Letters, digits and hyphens are what names are made of. Other characters of a token are rare.
    let mut at = wide::skip(buffer, at, wide::not_in_names);
    while at < buffer.len() && is(buffer[at], TOKEN) {
        at += 1;
    }
    at
}

/// The first octet from `at` on that no request target may have; the length of the buffer if there is none.
#[inline]
pub(super) fn target_end(buffer: &[u8], at: usize) -> usize {
    let at = wide::skip(buffer, at, wide::not_in_targets);
    at + run(&buffer[at..], TARGET)
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi8, _mm_and_si128, _mm_cmpeq_epi8, _mm_cmpgt_epi8, _mm_loadu_si128, _mm_min_epu8,
        _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    };

    /// Go on from `at` by whole blocks of sixteen, up to the first octet that `mask` has a bit for. At the
    /// end of the buffer, where there is no whole block, an octet before that one.
    #[inline]
    pub(super) fn skip(buffer: &[u8], mut at: usize, mask: impl Fn(&[u8; 16]) -> u32) -> usize {
        while let Some(block) = buffer.get(at..).and_then(<[u8]>::first_chunk::<16>) {
            let bits = mask(block);
            if bits != 0 {
                return at + bits.trailing_zeros() as usize;
            }
            at += 16;
        }
        at
    }

    /// A bit for each octet that no field value may have: controls but HTAB, and DEL.
    #[inline]
    pub(super) fn not_in_values(block: &[u8; 16]) -> u32 {
        bits(block, |octets| {
            // SAFETY: these need SSE2 and nothing else; see `bits`.
            #[allow(unsafe_code)]
            unsafe {
                let control = _mm_cmpeq_epi8(_mm_min_epu8(octets, _mm_set1_epi8(0x1f)), octets);
                let tab = _mm_cmpeq_epi8(octets, _mm_set1_epi8(0x09));
                let delete = _mm_cmpeq_epi8(octets, _mm_set1_epi8(0x7f));
                // Of a control and a tab, both all ones or all zeros, the first without the second.
                let control = _mm_and_si128(control, _mm_cmpeq_epi8(tab, _mm_set1_epi8(0)));
                _mm_or_si128(control, delete)
            }
        })
    }

    /// A bit for each octet that is no visible ASCII character, or is `#`.
    #[inline]
    pub(super) fn not_in_targets(block: &[u8; 16]) -> u32 {
        bits(block, |octets| {
            // SAFETY: these need SSE2 and nothing else; see `bits`.
            #[allow(unsafe_code)]
            unsafe {
                // As signed numbers, octets from 0x80 on are below the space.
                let low = _mm_cmpgt_epi8(_mm_set1_epi8(0x21), octets);
                let delete = _mm_cmpeq_epi8(octets, _mm_set1_epi8(0x7f));
                let hash = _mm_cmpeq_epi8(octets, _mm_set1_epi8(0x23));
                _mm_or_si128(_mm_or_si128(low, delete), hash)
            }
        })
    }

    /// A bit for each octet that is no ASCII letter, digit or hyphen.
    #[inline]
    pub(super) fn not_in_names(block: &[u8; 16]) -> u32 {
        !bits(block, |octets| {
            // SAFETY: these need SSE2 and nothing else; see `bits`.
            #[allow(unsafe_code)]
            unsafe {
                let lower = _mm_or_si128(octets, _mm_set1_epi8(0x20));
                let letter = in_range(lower, i8::wrapping_neg(0x61), 25);
                let digit = in_range(octets, i8::wrapping_neg(0x30), 9);
                let hyphen = _mm_cmpeq_epi8(octets, _mm_set1_epi8(0x2d));
                _mm_or_si128(_mm_or_si128(letter, digit), hyphen)
            }
        }) & 0xffff
    }

    /// All ones for each octet that is, with `bias` added, from 0 to `last` as an unsigned number.
    ///
    /// # Safety
    /// The processor has SSE2.
    #[inline]
    #[allow(unsafe_code)]
    unsafe fn in_range(octets: __m128i, bias: i8, last: i8) -> __m128i {
        // SAFETY: these need SSE2 and nothing else, which the caller vouches for.
        unsafe {
            let shifted = _mm_add_epi8(octets, _mm_set1_epi8(bias));
            _mm_cmpeq_epi8(_mm_min_epu8(shifted, _mm_set1_epi8(last)), shifted)
        }
    }

    /// The high bit of each octet of what `test` makes of a block.
    #[inline]
    fn bits(block: &[u8; 16], test: impl Fn(__m128i) -> __m128i) -> u32 {
        // SAFETY: SSE2 is part of every x86_64, and the load takes the 16 octets that `block` has, at any
        // alignment.
        #[allow(unsafe_code, clippy::cast_sign_loss)] // of the mask, only the low sixteen bits are ever set
        unsafe {
            _mm_movemask_epi8(test(_mm_loadu_si128(block.as_ptr().cast()))) as u32
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod wide {
    /// Nothing is skipped: what is left is looked at one by one.
    #[inline]
    pub(super) fn skip(_: &[u8], at: usize, (): ()) -> usize {
        at
    }

    #[allow(non_upper_case_globals)]
    pub(super) const not_in_values: () = ();
    #[allow(non_upper_case_globals)]
    pub(super) const not_in_targets: () = ();
    #[allow(non_upper_case_globals)]
    pub(super) const not_in_names: () = ();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every octet at every place of buffers of several lengths, against the table.
    #[test]
    fn blocks_and_the_table_agree() {
        type Scan = fn(&[u8], usize) -> usize;
        let scans: [(Scan, u8, u8); 3] =
            [(value_end, VALUE, b'v'), (token_end, TOKEN, b'-'), (target_end, TARGET, b'/')];
        for (scan, class, filler) in scans {
            for length in [0, 1, 15, 16, 17, 31, 32, 33, 50] {
                let mut buffer = vec![filler; length];
                assert_eq!(scan(&buffer, 0), length);
                for place in 0..length {
                    for octet in 0..=u8::MAX {
                        buffer[place] = octet;
                        let expected = if is(octet, class) { length } else { place };
                        assert_eq!(scan(&buffer, 0), expected, "octet {octet:#04x} at {place} of {length}");
                        assert_eq!(scan(&buffer, place), expected);
                    }
                    buffer[place] = filler;
                }
            }
        }
    }
}
