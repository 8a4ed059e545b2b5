//! WebSocket masking (RFC 6455 section 5.3).
//!
//! Octet i of the payload is combined by exclusive or with octet i mod 4 of the key.
//!
//! Every loop runs over blocks of a fixed size, which is all the compiler needs to make vector code of it.

use std::mem::MaybeUninit;

/// The masking key, four octets long (RFC 6455 section 5.2).
pub type Key = [u8; 4];

/// Octets in a block: a multiple of the key's length, and of every vector register's.
const BLOCK: usize = 64;

/// The key as it meets a piece of a payload that has `offset` octets before it.
#[must_use]
pub fn turned(key: Key, offset: usize) -> Key {
    std::array::from_fn(|i| key[(offset % 4 + i) % 4])
}

/// XOR `source` with the repeated key into `target`.
///
/// # Panics
/// If the lengths differ.
pub fn mask_into(source: &[u8], key: Key, target: &mut [u8]) {
    assert_eq!(source.len(), target.len());
    let keys = repeated(key);
    let mut sources = source.chunks_exact(BLOCK);
    let mut targets = target.chunks_exact_mut(BLOCK);
    for (from, to) in sources.by_ref().zip(targets.by_ref()) {
        for i in 0..BLOCK {
            to[i] = from[i] ^ keys[i];
        }
    }
    let rest = sources.remainder().iter().zip(targets.into_remainder());
    for ((from, to), key) in rest.zip(keys) {
        *to = from ^ key;
    }
}

/// XOR `source` with the repeated key into `target`, each octet of which is written.
///
/// # Panics
/// If the lengths differ.
pub fn mask_new(source: &[u8], key: Key, target: &mut [MaybeUninit<u8>]) {
    assert_eq!(source.len(), target.len());
    let keys = repeated(key);
    let mut sources = source.chunks_exact(BLOCK);
    let mut targets = target.chunks_exact_mut(BLOCK);
    for (from, to) in sources.by_ref().zip(targets.by_ref()) {
        for i in 0..BLOCK {
            to[i].write(from[i] ^ keys[i]);
        }
    }
    let rest = sources.remainder().iter().zip(targets.into_remainder());
    for ((from, to), key) in rest.zip(keys) {
        to.write(from ^ key);
    }
}

/// Copy `source` into `target`, each octet of which is written.
///
/// # Panics
/// If the lengths differ.
pub fn copy_new(source: &[u8], target: &mut [MaybeUninit<u8>]) {
    assert_eq!(source.len(), target.len());
    for (from, to) in source.iter().zip(target) {
        to.write(*from);
    }
}

/// XOR `data` with the repeated key, in place.
pub fn mask_in_place(data: &mut [u8], key: Key) {
    let keys = repeated(key);
    let mut blocks = data.chunks_exact_mut(BLOCK);
    for block in blocks.by_ref() {
        for i in 0..BLOCK {
            block[i] ^= keys[i];
        }
    }
    for (octet, key) in blocks.into_remainder().iter_mut().zip(keys) {
        *octet ^= key;
    }
}

/// The key over and over, as long as a block.
fn repeated(key: Key) -> [u8; BLOCK] {
    std::array::from_fn(|i| key[i % 4])
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = [0x37, 0xfa, 0x21, 0x3d];

    /// RFC 6455 section 5.3, word for word.
    fn by_the_rule(data: &[u8], key: Key) -> Vec<u8> {
        data.iter().enumerate().map(|(i, octet)| octet ^ key[i % 4]).collect()
    }

    fn masked(data: &[u8], key: Key) -> Vec<u8> {
        let mut target = vec![0; data.len()];
        mask_into(data, key, &mut target);
        target
    }

    fn sample(length: usize) -> Vec<u8> {
        (0..length).map(|i| u8::try_from(i * 31 % 251).unwrap()).collect()
    }

    #[test]
    fn hello_of_section_5_7() {
        assert_eq!(masked(b"Hello", KEY), [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }

    #[test]
    fn every_length_around_a_block() {
        for length in 0..=3 * BLOCK {
            let data = sample(length);
            let expected = by_the_rule(&data, KEY);
            assert_eq!(masked(&data, KEY), expected, "{length} octets");
            let mut copy = data;
            mask_in_place(&mut copy, KEY);
            assert_eq!(copy, expected, "{length} octets in place");
        }
    }

    #[test]
    fn in_pieces_as_in_one() {
        let data = sample(200);
        let whole = masked(&data, KEY);
        for cut in 0..=data.len() {
            let (head, tail) = data.split_at(cut);
            assert_eq!([masked(head, KEY), masked(tail, turned(KEY, cut))].concat(), whole, "cut at {cut}");
        }
        assert_eq!(turned(KEY, usize::MAX), [KEY[3], KEY[0], KEY[1], KEY[2]]);
    }

    #[test]
    fn twice_is_not_at_all() {
        let data = sample(150);
        assert_eq!(masked(&masked(&data, KEY), KEY), data);
    }

    #[test]
    #[should_panic(expected = "left == right")]
    fn lengths_that_differ() {
        mask_into(&[1, 2], KEY, &mut [0; 3]);
    }
}
