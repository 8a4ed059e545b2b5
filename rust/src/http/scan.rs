//! How far octets of a kind go: sixteen at a time where the processor has SSE2, which every `x86_64` has, so
//! that there is nothing to detect when running; elsewhere one at a time.
//!
//! Header names and values are a few tens of octets long. Wider registers, chosen at run time behind a call,
//! have no time to win in that.

use super::tables::{run, TARGET, TOKEN, VALUE};

/// The first octet from `at` on that no field value may have; the length of the buffer if there is none.
#[inline]
pub(super) fn value_end(buffer: &[u8], at: usize) -> usize {
    let mut at = at;
    loop {
        match wide::skip_long(buffer, at, wide::control) {
            // A tab is rare enough to be told from the other control characters only when there is one.
            Ok(found) if buffer[found] == b'\t' => at = found + 1,
            Ok(found) => return found,
            Err(at) => return at + run(&buffer[at..], VALUE),
        }
    }
}

/// The first octet from `at` on that no token may have; the length of the buffer if there is none.
#[inline]
pub(super) fn token_end(buffer: &[u8], at: usize) -> usize {
    // Letters, digits and hyphens are what names are made of, and a colon is what ends them.
    let at = match wide::skip(buffer, at, wide::not_in_names) {
        Ok(found) if buffer[found] == b':' => return found,
        Ok(at) | Err(at) => at,
    };
    at + run(&buffer[at..], TOKEN)
}

/// The first octet from `at` on that no request target may have; the length of the buffer if there is none.
#[inline]
pub(super) fn target_end(buffer: &[u8], at: usize) -> usize {
    match wide::skip_long(buffer, at, wide::not_in_targets) {
        Ok(found) => found,
        Err(at) => at + run(&buffer[at..], TARGET),
    }
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi8, _mm_cmpeq_epi8, _mm_cmpgt_epi8, _mm_loadu_si128, _mm_min_epu8,
        _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    };

    /// The first octet from `at` on that `mask` has a bit for; as an error, where there is no whole block left
    /// to look at.
    #[inline]
    pub(super) fn skip(
        buffer: &[u8],
        mut at: usize,
        mask: impl Fn(&[u8; 16]) -> u32,
    ) -> Result<usize, usize> {
        while let Some(block) = buffer.get(at..).and_then(<[u8]>::first_chunk::<16>) {
            let bits = mask(block);
            if bits != 0 {
                return Ok(at + bits.trailing_zeros() as usize);
            }
            at += 16;
        }
        Err(at)
    }

    /// The same, by two blocks at a time as long as there are two.
    #[inline]
    pub(super) fn skip_long(
        buffer: &[u8],
        mut at: usize,
        mask: impl Fn(&[u8; 16]) -> u32,
    ) -> Result<usize, usize> {
        while let Some(blocks) = buffer.get(at..).and_then(<[u8]>::first_chunk::<32>) {
            let (Some(first), Some(second)) = (blocks.first_chunk(), blocks.last_chunk()) else { break };
            let bits = mask(first) | mask(second) << 16;
            if bits != 0 {
                return Ok(at + bits.trailing_zeros() as usize);
            }
            at += 32;
        }
        skip(buffer, at, mask)
    }

    /// A bit for each control character, tabs and DEL included.
    #[inline]
    pub(super) fn control(block: &[u8; 16]) -> u32 {
        bits(block, |octets| {
            // SAFETY: these need SSE2 and nothing else; see `bits`.
            #[allow(unsafe_code)]
            unsafe {
                let low = _mm_cmpeq_epi8(_mm_min_epu8(octets, _mm_set1_epi8(0x1f)), octets);
                _mm_or_si128(low, _mm_cmpeq_epi8(octets, _mm_set1_epi8(0x7f)))
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
    pub(super) fn skip(_: &[u8], at: usize, (): ()) -> Result<usize, usize> {
        Err(at)
    }

    pub(super) use skip as skip_long;

    #[allow(non_upper_case_globals)]
    pub(super) const control: () = ();
    #[allow(non_upper_case_globals)]
    pub(super) const not_in_targets: () = ();
    #[allow(non_upper_case_globals)]
    pub(super) const not_in_names: () = ();
}

#[cfg(test)]
mod tests {
    use super::super::tables::is;
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
