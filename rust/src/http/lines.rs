//! The lines of a message, one at a time and octet by octet: the careful way (RFC 9112 sections 2.2 and 5).

use super::error::{refuse, Error, Kind};
use super::framing::Lenient;
use super::scan;

/// Where the parts of a header line are; a line that continues another has an empty name.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeaderLine {
    pub(super) name: usize,
    pub(super) name_end: usize,
    pub(super) value: usize,
    pub(super) value_end: usize,
}

/// Whether an octet is a space or a tab.
#[inline]
pub(super) fn is_space(octet: u8) -> bool {
    octet == b' ' || octet == b'\t'
}

/// The first octet from `at` on that is neither a space nor a tab.
#[inline]
pub(super) fn spaces_end(buffer: &[u8], mut at: usize) -> usize {
    while at < buffer.len() && is_space(buffer[at]) {
        at += 1;
    }
    at
}

/// Where a value ends without the spaces and tabs behind it.
#[inline]
pub(super) fn trimmed_end(buffer: &[u8], start: usize, mut end: usize) -> usize {
    while end > start && is_space(buffer[end - 1]) {
        end -= 1;
    }
    end
}

/// Where the content of a line ends that ends in the LF at `line_feed`: at its CR, if it has one.
pub(super) fn line_end(buffer: &[u8], start: usize, line_feed: usize) -> usize {
    if line_feed > start && buffer[line_feed - 1] == b'\r' {
        line_feed - 1
    } else {
        line_feed
    }
}

/// Refuse LF without CR, unless that is tolerated.
pub(super) fn check_terminator(end: usize, line_feed: usize, lenient: Lenient) -> Result<(), Error> {
    if end == line_feed && !lenient.has(Lenient::BARE_LF) {
        return Kind::BareLineFeed.at(line_feed);
    }
    Ok(())
}

/// One line of a header or trailer section that is not the empty one which ends it.
///
/// `first` says that there is no field before it which it could continue, `fold` that the one before may be
/// continued where that is tolerated.
pub(super) fn read_header_line(
    buffer: &[u8],
    start: usize,
    line_feed: usize,
    lenient: Lenient,
    first: bool,
    fold: bool,
) -> Result<HeaderLine, Error> {
    let end = line_end(buffer, start, line_feed);
    let line = &buffer[..end];
    let mut at = start;
    let mut name_end = start;
    if is_space(buffer[start]) {
        // RFC 9112 section 2.2: whitespace before the first field is another matter than a fold.
        if first {
            return Kind::InvalidHeaderName { octet: Some(buffer[start]) }.at(start);
        }
        if !fold || !lenient.has(Lenient::OBS_FOLD) {
            return Kind::ObsoleteFold.at(start);
        }
    } else {
        at = scan::token_end(line, start);
        name_end = at;
        if at < end && is_space(buffer[at]) {
            let colon = spaces_end(line, at);
            if colon == end || buffer[colon] != b':' {
                return Kind::InvalidHeaderName { octet: Some(buffer[at]) }.at(at);
            }
            if at == start || !lenient.has(Lenient::SPACE_BEFORE_COLON) {
                return Kind::SpaceBeforeColon.at(at);
            }
            at = colon;
        }
        if at == end {
            return Kind::MissingColon.at(at);
        }
        if buffer[at] != b':' || at == start {
            return refuse(line, at, |octet| Kind::InvalidHeaderName { octet });
        }
        at += 1;
    }
    let value = spaces_end(line, at);
    let wrong = scan::value_end(line, value);
    if wrong < end {
        return refuse(line, wrong, |octet| Kind::InvalidHeaderValue { octet });
    }
    check_terminator(end, line_feed, lenient)?;
    Ok(HeaderLine { name: start, name_end, value, value_end: trimmed_end(buffer, value, end) })
}
