//! The chunked transfer coding (RFC 9112 section 7.1).
//!
//! The decoder has no notion of the buffer: it is handed what lies in front of it, from the line or the data
//! it is at, and says how far to go on. Whoever calls it keeps the place.

use memchr::memchr;

use super::error::{refuse, Error, Kind, Setting, Span};
use super::framing::Lenient;
use super::lines::{check_terminator, is_space, line_end, read_header_line};
use super::tables::{is, run, HEX, TOKEN};

/// Digits of a chunk's size, zeros before it included.
const MAX_DIGITS: usize = 16;

/// The limits; netkit/http/parser/chunked.py says what each is.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Limits {
    pub max_chunk_size: u64,
    pub max_extension: u32,
    pub max_extensions_total: u32,
    pub max_header_line: u32,
    pub max_headers_total: u32,
    pub max_header_count: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_chunk_size: u32::MAX.into(),
            max_extension: 1024,
            max_extensions_total: 16 * 1024,
            max_header_line: 16384,
            max_headers_total: 65536,
            max_header_count: 128,
        }
    }
}

/// What lies in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The line that lies there is not complete.
    NeedMore,
    /// Go on by this many octets.
    Advance(usize),
    /// So many octets of data, after which so many of the chunk are to follow.
    Data(usize, u64),
    /// A trailer: where its name and its value are, and how far to go on. Without a name, it continues the
    /// one before.
    Trailer(Span, Span, usize),
    /// The body has ended, these octets on.
    End(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    Data(u64),
    DataEnd,
    Trailers,
    Ended,
}

/// The decoder.
#[derive(Debug)]
pub struct Decoder {
    lenient: Lenient,
    limits: Limits,
    state: State,
    /// Octets of the line in front that have no LF.
    scanned: usize,
    /// Octets of extensions so far.
    extensions: u64,
    /// Octets of trailer lines so far, and how many fields.
    trailer_octets: i64,
    trailer_count: u32,
    looked_at: u64,
}

impl Decoder {
    /// A decoder of one body.
    #[must_use]
    pub fn new(lenient: Lenient, limits: Limits) -> Self {
        Self {
            lenient,
            limits,
            state: State::Size,
            scanned: 0,
            extensions: 0,
            trailer_octets: 0,
            trailer_count: 0,
            looked_at: 0,
        }
    }

    /// Forget the body, for the next one.
    pub fn reset(&mut self) {
        *self = Self::new(self.lenient, self.limits);
    }

    /// How many octets were looked at, those looked at twice counted twice.
    #[must_use]
    pub fn looked_at(&self) -> u64 {
        self.looked_at
    }

    /// Whether data lies in front, of which no octet needs to be seen.
    #[must_use]
    pub fn is_in_data(&self) -> bool {
        matches!(self.state, State::Data(_))
    }

    fn look(&mut self, octets: usize) {
        self.looked_at += octets as u64;
    }

    /// The next step, if data lies in front, of which this many octets are there.
    pub fn data(&mut self, available: usize) -> Step {
        let State::Data(remaining) = self.state else { return Step::NeedMore };
        if available == 0 {
            return Step::NeedMore;
        }
        let length = usize::try_from(remaining).map_or(available, |remaining| remaining.min(available));
        let left = remaining - length as u64;
        self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
        Step::Data(length, left)
    }

    /// The next step; `front` is the buffer from the place that the last one led to.
    ///
    /// # Errors
    /// The body is not chunked as it should be. Offsets count from the front.
    pub fn step(&mut self, front: &[u8]) -> Result<Step, Error> {
        let step = match self.state {
            State::Size => self.size(front)?,
            State::Data(_) => self.data(front.len()),
            State::DataEnd => self.data_end(front)?,
            State::Trailers => self.trailer(front)?,
            State::Ended => Step::End(0),
        };
        if step != Step::NeedMore {
            self.scanned = 0;
        }
        Ok(step)
    }

    /// Where the LF is that ends the line in front; None if not before `window`.
    fn find_line_feed(&mut self, front: &[u8], window: usize) -> Option<usize> {
        let end = front.len().min(window);
        let from = self.scanned;
        let found = memchr(b'\n', front.get(from..end)?);
        if let Some(distance) = found {
            self.look(distance + 1);
        } else {
            self.look(end - from);
            self.scanned = end;
        }
        found.map(|distance| from + distance)
    }

    /// `chunk-size [ chunk-ext ] CRLF`.
    fn size(&mut self, front: &[u8]) -> Result<Step, Error> {
        let Some(&first) = front.first() else { return Ok(Step::NeedMore) };
        if !is(first, HEX) {
            self.look(1);
            return Kind::InvalidChunkSize { octet: Some(first) }.at(0);
        }
        let window = MAX_DIGITS + self.limits.max_extension as usize + 2;
        let line_feed = self.find_line_feed(front, window);
        if line_feed.is_none() && front.len() < window {
            return Ok(Step::NeedMore);
        }
        let end = line_feed.map_or(window, |line_feed| line_end(front, 0, line_feed));
        self.look(end);
        let digits = run(&front[..end], HEX);
        let size = self.chunk_size(&front[..digits])?;
        let too_long =
            |limit: u32, setting| Kind::ChunkExtensionTooLong { limit: limit.into(), setting }.at(digits);
        let Some(line_feed) = line_feed.filter(|_| end - digits <= self.limits.max_extension as usize) else {
            return too_long(self.limits.max_extension, Setting::MaxExtension);
        };
        self.extensions += (end - digits) as u64;
        if self.extensions > u64::from(self.limits.max_extensions_total) {
            return too_long(self.limits.max_extensions_total, Setting::MaxExtensionsTotal);
        }
        check_extension(&front[..end], digits, self.lenient.has(Lenient::CHUNK_SPACE))?;
        check_terminator(end, line_feed, self.lenient)?;
        self.state = if size == 0 { State::Trailers } else { State::Data(size) };
        Ok(Step::Advance(line_feed + 1))
    }

    /// Hexadecimal digits as the number they are, if it is not too large.
    fn chunk_size(&self, digits: &[u8]) -> Result<u64, Error> {
        let overflow =
            Kind::ChunkSizeOverflow { limit: self.limits.max_chunk_size, setting: Setting::MaxChunkSize };
        if digits.len() > MAX_DIGITS {
            return overflow.at(0);
        }
        let size = digits.iter().fold(0_u64, |size, &digit| {
            let value = if digit <= b'9' { digit - b'0' } else { (digit | 0x20) - b'a' + 10 };
            size << 4 | u64::from(value)
        });
        if size > self.limits.max_chunk_size {
            return overflow.at(0);
        }
        Ok(size)
    }

    /// The CRLF after a chunk's data.
    fn data_end(&mut self, front: &[u8]) -> Result<Step, Error> {
        let wrong = |octet, at| Kind::InvalidChunkEnd { octet: Some(octet) }.at(at);
        let Some(&first) = front.first() else { return Ok(Step::NeedMore) };
        self.look(1);
        let length = match (first, front.get(1)) {
            (b'\n', _) if self.lenient.has(Lenient::BARE_LF) => 1,
            (b'\r', None) => return Ok(Step::NeedMore),
            (b'\r', Some(b'\n')) => 2,
            (b'\r', Some(&second)) => return wrong(second, 1),
            _ => return wrong(first, 0),
        };
        self.state = State::Size;
        Ok(Step::Advance(length))
    }

    /// One line of the trailer section (RFC 9112 section 7.1.2), or the empty line that ends it.
    fn trailer(&mut self, front: &[u8]) -> Result<Step, Error> {
        let limits = self.limits;
        // From the front on: it may lie two octets before it, where the line end of the last trailer, which
        // the limit leaves room for, was no empty line's.
        let total = i64::from(limits.max_headers_total) - self.trailer_octets;
        let longest = i64::from(limits.max_header_line);
        let window = usize::try_from(total.min(longest) + 2).unwrap_or(0);
        let Some(line_feed) = self.find_line_feed(front, window) else {
            if front.len() < window {
                return Ok(Step::NeedMore);
            }
            let (limit, setting, at) = if total < longest {
                (limits.max_headers_total, Setting::MaxHeadersTotal, total)
            } else {
                (limits.max_header_line, Setting::MaxHeaderLine, longest)
            };
            // What is before the front wraps, as `Error` says.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            return Kind::HeaderTooLong { limit: limit.into(), setting }.at(at as usize);
        };
        let after = line_feed + 1;
        if line_end(front, 0, line_feed) == 0 {
            if front[0] == b'\n' {
                check_terminator(0, line_feed, self.lenient)?;
            }
            self.state = State::Ended;
            return Ok(Step::End(after));
        }
        self.look(after);
        let limit = limits.max_header_count;
        if !is_space(front[0]) && self.trailer_count >= limit {
            return Kind::TooManyHeaders { limit: limit.into(), setting: Setting::MaxHeaderCount }.at(0);
        }
        let line = read_header_line(front, 0, line_feed, self.lenient, self.trailer_count == 0, true)?;
        let name = Span::new(0, line.name_end);
        let octets = name.of(front);
        if octets.eq_ignore_ascii_case(b"content-length") || octets.eq_ignore_ascii_case(b"transfer-encoding")
        {
            return Kind::ForbiddenTrailer { raw: name }.at(0);
        }
        self.trailer_octets += i64::try_from(after).unwrap_or(i64::MAX);
        self.trailer_count += u32::from(line.name_end > 0);
        Ok(Step::Trailer(name, Span::new(line.value, line.value_end), after))
    }
}

/// Where one is in a chunk extension, which is `*( ";" chunk-ext-name [ "=" chunk-ext-val ] )`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Between,
    NameStart,
    Name,
    NameEnd,
    ValueStart,
    Value,
    Quoted,
    Escaped,
}

/// Refuse what is no chunk extension (RFC 9112 section 7.1.1), at the first octet that is wrong.
fn check_extension(line: &[u8], start: usize, spaces: bool) -> Result<(), Error> {
    let mut place = Place::Between;
    for (at, &octet) in line.iter().enumerate().skip(start) {
        match after(place, octet, spaces) {
            Some(next) => place = next,
            None => return refuse(line, at, |octet| Kind::InvalidChunkExtension { octet }),
        }
    }
    if may_end(place) {
        return Ok(());
    }
    Kind::InvalidChunkExtension { octet: None }.at(line.len())
}

fn may_end(place: Place) -> bool {
    matches!(place, Place::Between | Place::Name | Place::NameEnd | Place::Value)
}

/// The place that an octet leads to; None where it may not stand.
fn after(place: Place, octet: u8, spaces: bool) -> Option<Place> {
    use Place::{Between, Escaped, Name, NameEnd, NameStart, Quoted, Value, ValueStart};
    match (place, octet) {
        (Quoted, b'"') => Some(Between),
        (Quoted, b'\\') => Some(Escaped),
        (Quoted | Escaped, _) => (octet == b'\t' || (octet >= 0x20 && octet != 0x7f)).then_some(Quoted),
        (NameStart | Name, _) if is(octet, TOKEN) => Some(Name),
        (ValueStart | Value, _) if is(octet, TOKEN) => Some(Value),
        // The bad whitespace of RFC 9110 section 5.6.3, and such before the end of the line.
        (_, b' ' | b'\t') => spaces.then_some(match place {
            Name => NameEnd,
            Value => Between,
            other => other,
        }),
        (_, b';') if may_end(place) => Some(NameStart),
        (Name | NameEnd, b'=') => Some(ValueStart),
        (ValueStart, b'"') => Some(Quoted),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data and the length of a body that is fed in pieces of one size.
    fn decoded(body: &[u8], piece: usize) -> Result<(Vec<u8>, usize), Error> {
        let mut decoder = Decoder::new(Lenient::default(), Limits::default());
        let (mut place, mut end, mut data) = (0, 0, Vec::new());
        loop {
            match decoder.step(&body[place..end])? {
                Step::NeedMore => {
                    assert!(end < body.len(), "the body has no end");
                    end = (end + piece).min(body.len());
                }
                Step::Advance(octets) | Step::Trailer(_, _, octets) => place += octets,
                Step::Data(length, _) => {
                    data.extend_from_slice(&body[place..place + length]);
                    place += length;
                }
                Step::End(octets) => return Ok((data, place + octets)),
            }
        }
    }

    #[test]
    fn data_and_trailers_in_pieces() {
        let body = b"5;a=\"b;\"\r\nhello\r\n00A\r\n0123456789\r\n0\r\nX: y\r\n\r\nmore";
        for piece in 1..=body.len() {
            assert_eq!(decoded(body, piece), Ok((b"hello0123456789".to_vec(), body.len() - 4)));
        }
    }

    #[test]
    fn what_is_refused() {
        let overflow = Kind::ChunkSizeOverflow { limit: u32::MAX.into(), setting: Setting::MaxChunkSize };
        for (body, kind, offset) in [
            (&b"100000000\r\n"[..], overflow, 0),
            (b"5\nhello", Kind::BareLineFeed, 1),
            (b"5;\r\n", Kind::InvalidChunkExtension { octet: None }, 2),
            (b"+5\r\n", Kind::InvalidChunkSize { octet: Some(b'+') }, 0),
            // Offsets count from what lies in front.
            (b"1\r\nxy\r\n", Kind::InvalidChunkEnd { octet: Some(b'y') }, 0),
        ] {
            assert_eq!(decoded(body, body.len()).unwrap_err(), Error { offset, kind });
        }
    }
}
