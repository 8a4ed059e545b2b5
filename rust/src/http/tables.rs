//! Which octets may stand where: a bit for each class, a byte for each octet.

/// The characters of a token (RFC 9110 section 5.6.2).
pub(super) const TOKEN: u8 = 1;
/// What a field value or a reason phrase may have (RFC 9110 section 5.5).
pub(super) const VALUE: u8 = 2;
/// What a request target may have: every visible ASCII character but `#`.
pub(super) const TARGET: u8 = 4;
/// What a target may have besides where that is tolerated.
pub(super) const HIGH: u8 = 8;
/// What a host name may have (RFC 3986 section 3.2.2), escapes not checked.
pub(super) const REG_NAME: u8 = 16;
/// What stands between the brackets of an IPv6 address.
pub(super) const IN_BRACKETS: u8 = 32;
/// Hexadecimal digits.
pub(super) const HEX: u8 = 64;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        #[allow(clippy::cast_possible_truncation)] // it is below 256
        let octet = index as u8;
        let mut class = 0;
        if octet.is_ascii_alphanumeric() || is_one_of(octet, b"!#$%&'*+-.^_`|~") {
            class |= TOKEN;
        }
        if octet == b'\t' || (octet >= 0x20 && octet != 0x7f) {
            class |= VALUE;
        }
        if octet.is_ascii_graphic() && octet != b'#' {
            class |= TARGET;
        }
        if octet >= 0x80 {
            class |= HIGH;
        }
        if octet.is_ascii_alphanumeric() || is_one_of(octet, b"-._~%!$&'()*+,;=") {
            class |= REG_NAME;
        }
        if octet.is_ascii_hexdigit() || octet == b':' || octet == b'.' {
            class |= IN_BRACKETS;
        }
        if octet.is_ascii_hexdigit() {
            class |= HEX;
        }
        table[index] = class;
        index += 1;
    }
    table
}

const fn is_one_of(octet: u8, octets: &[u8]) -> bool {
    let mut at = 0;
    while at < octets.len() {
        if octets[at] == octet {
            return true;
        }
        at += 1;
    }
    false
}

/// Whether an octet is of one of these classes.
#[inline]
pub(super) fn is(octet: u8, class: u8) -> bool {
    CLASSES[usize::from(octet)] & class != 0
}

/// How many octets from the first on are of one of these classes.
#[inline]
pub(super) fn run(octets: &[u8], class: u8) -> usize {
    octets.iter().position(|&octet| !is(octet, class)).unwrap_or(octets.len())
}
