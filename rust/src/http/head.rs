//! The head of a message: start line, headers, and how the body is framed.
//!
//! Nothing is allocated while parsing: where the headers are is written into room that was made when the
//! parser was, for 128 of them; only who raised that limit may see it grow.

use memchr::memchr;

use super::error::{Error, Kind, Reason, Setting, Span};
use super::framing::{
    body_framing, read_content_length, read_transfer_encoding, Answers, Coding, Framing, Lenient, NOT_LAST,
};
use super::lines::{check_terminator, is_space, line_end, read_header_line, spaces_end, trimmed_end};
use super::scan;
use super::start_line::{read_request_line, read_status_line};
use super::tables::{is, TOKEN};

pub use super::start_line::{StartLine, TargetForm};

/// The limits; netkit/http/parser/head.py says what each is.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Limits {
    pub max_request_line: u32,
    pub max_header_line: u32,
    pub max_headers_total: u32,
    pub max_header_count: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_request_line: 8192,
            max_header_line: 16384,
            max_headers_total: 65536,
            max_header_count: 128,
        }
    }
}

/// Where a header field is, from the start of the message on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Field {
    pub name: u32,
    pub name_end: u32,
    pub value: u32,
    pub value_end: u32,
}

impl Field {
    /// The octets of the name.
    #[must_use]
    pub fn name<'a>(&self, message: &'a [u8]) -> &'a [u8] {
        &message[self.name as usize..self.name_end as usize]
    }

    /// The octets of the value, a tolerated fold in it as it was sent.
    #[must_use]
    pub fn value<'a>(&self, message: &'a [u8]) -> &'a [u8] {
        &message[self.value as usize..self.value_end as usize]
    }
}

/// A head that is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its octets, which is where the body begins.
    pub consumed: usize,
    /// The length of the body, where it is known.
    pub body_len: Option<u64>,
    /// How the end of the body is found.
    pub framing: Framing,
    /// Whether both Content-Length and Transfer-Encoding were sent.
    pub framing_conflict: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    EmptyLines,
    StartLine,
    Headers,
}

/// The parser. Every offset counts from the start of the message.
#[derive(Debug)]
pub struct Parser {
    answers: Option<Answers>,
    lenient: Lenient,
    limits: Limits,
    state: State,
    /// Where the line begins that is being read.
    line: usize,
    /// Up to where there is no LF in it.
    scanned: usize,
    headers_start: usize,
    start_line: Option<StartLine>,
    fields: Vec<Field>,
    length: Option<u64>,
    coding: Coding,
    coding_field: Span,
    looked_at: u64,
}

impl Parser {
    /// A parser of requests, or, with what they answer, of responses.
    #[must_use]
    pub fn new(answers: Option<Answers>, lenient: Lenient, limits: Limits) -> Self {
        Self {
            answers,
            lenient,
            limits,
            state: State::EmptyLines,
            line: 0,
            scanned: 0,
            headers_start: 0,
            start_line: None,
            fields: Vec::with_capacity(limits.max_header_count.min(128) as usize),
            length: None,
            coding: Coding::Absent,
            coding_field: Span::default(),
            looked_at: 0,
        }
    }

    /// Forget the message, for the next one.
    pub fn reset(&mut self, answers: Option<Answers>) {
        self.answers = answers;
        self.state = State::EmptyLines;
        self.line = 0;
        self.scanned = 0;
        self.headers_start = 0;
        self.start_line = None;
        self.fields.clear();
        self.length = None;
        self.coding = Coding::Absent;
        self.coding_field = Span::default();
        self.looked_at = 0;
    }

    /// Whether this parses requests.
    #[must_use]
    pub fn is_request(&self) -> bool {
        self.answers.is_none()
    }

    /// What is tolerated.
    #[must_use]
    pub fn lenient(&self) -> Lenient {
        self.lenient
    }

    /// The start line, if it was read.
    #[must_use]
    pub fn start_line(&self) -> Option<&StartLine> {
        self.start_line.as_ref()
    }

    /// The header fields that were read.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// How many octets were looked at, those looked at twice counted twice.
    #[must_use]
    pub fn looked_at(&self) -> u64 {
        self.looked_at
    }

    /// Whether the connection may be used again after the message (RFC 9112 section 9.3), whose octets are
    /// `message`: what `connection_persists` of the Python twin says.
    #[must_use]
    pub fn persists(&self, message: &[u8]) -> bool {
        let mut persists = self.start_line.as_ref().is_some_and(|line| line.minor() >= 1);
        for field in &self.fields {
            // The octets may be fewer than those that were fed.
            if field.name_end - field.name != 10 || message.len() < field.value as usize {
                continue;
            }
            if !field.name(message).eq_ignore_ascii_case(b"connection") {
                continue;
            }
            let value = &message[field.value as usize..message.len().min(field.value_end as usize)];
            // A tolerated fold is whitespace around an option as well.
            for option in value.split(|&octet| octet == b',').map(<[u8]>::trim_ascii) {
                if option.eq_ignore_ascii_case(b"close") {
                    return false;
                }
                persists |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        }
        persists
    }

    /// Whether a message has begun in a buffer of this size: empty lines before one are none.
    #[must_use]
    pub fn has_begun(&self, size: usize) -> bool {
        self.state != State::EmptyLines || size > self.line
    }

    /// Read on; `buffer` is the message from its start. None where more is needed.
    ///
    /// # Errors
    /// This is no HTTP/1.1 message.
    pub fn feed(&mut self, buffer: &[u8]) -> Result<Option<Head>, Error> {
        if self.state != State::Headers && !self.read_start(buffer)? {
            return Ok(None);
        }
        if !self.read_headers(buffer)? {
            return Ok(None);
        }
        self.frame().map(Some)
    }

    fn look(&mut self, octets: usize) {
        self.looked_at += octets as u64;
    }

    fn read_start(&mut self, buffer: &[u8]) -> Result<bool, Error> {
        if self.state == State::EmptyLines {
            if !self.skip_empty_lines(buffer)? || !self.check_first(buffer)? {
                return Ok(false);
            }
            self.state = State::StartLine;
            self.scanned = self.line;
        }
        let limit = self.limits.max_request_line as usize;
        let Some(line_feed) = self.find_line_feed(buffer, limit + 2) else {
            if buffer.len() >= limit + 2 {
                return self.request_line_too_long();
            }
            return Ok(false);
        };
        self.look(line_feed + 1 - self.line);
        let read = if self.is_request() { read_request_line } else { read_status_line };
        self.start_line = Some(read(buffer, self.line, line_feed, self.lenient)?);
        self.state = State::Headers;
        self.line = line_feed + 1;
        self.scanned = self.line;
        self.headers_start = self.line;
        Ok(true)
    }

    fn request_line_too_long<T>(&self) -> Result<T, Error> {
        let limit = self.limits.max_request_line;
        Kind::RequestLineTooLong { limit: limit.into(), setting: Setting::MaxRequestLine }.at(limit as usize)
    }

    /// Where the LF is that ends the line; None if not before `window`, and then remember how far it was.
    fn find_line_feed(&mut self, buffer: &[u8], window: usize) -> Option<usize> {
        let end = buffer.len().min(window);
        let from = self.scanned;
        let found = memchr(b'\n', buffer.get(from..end)?);
        if let Some(distance) = found {
            self.look(distance + 1);
        } else {
            self.look(end - from);
            self.scanned = end;
        }
        found.map(|distance| from + distance)
    }

    /// A server ignores empty lines before a request (RFC 9112 section 2.2).
    fn skip_empty_lines(&mut self, buffer: &[u8]) -> Result<bool, Error> {
        if !self.is_request() {
            return Ok(self.line < buffer.len());
        }
        loop {
            let at = self.line;
            if at > self.limits.max_request_line as usize {
                return self.request_line_too_long();
            }
            let Some(&octet) = buffer.get(at) else { return Ok(false) };
            self.look(1);
            match octet {
                b'\n' => {
                    check_terminator(at, at, self.lenient)?;
                    self.line = at + 1;
                }
                b'\r' => match buffer.get(at + 1) {
                    None => return Ok(false),
                    Some(b'\n') => self.line = at + 2,
                    Some(_) => return Kind::BareCarriageReturn.at(at),
                },
                _ => return Ok(true),
            }
        }
    }

    /// Refuse at once what cannot be the beginning of a message; false if one octet does not tell.
    fn check_first(&self, buffer: &[u8]) -> Result<bool, Error> {
        let at = self.line;
        let octet = buffer[at];
        // A TLS record begins with its type, of which an alert and a handshake come first, and version 3.
        if octet == 21 || octet == 22 {
            match buffer.get(at + 1) {
                None => return Ok(false),
                Some(3) => return Kind::TlsBytes.at(at),
                Some(_) => {}
            }
        }
        if self.is_request() {
            if !is(octet, TOKEN) {
                return Kind::InvalidMethod { octet: Some(octet) }.at(at);
            }
        } else if octet != b'H' {
            let reason = Reason::Words("it does not begin with an HTTP version");
            return Kind::InvalidStatusLine { reason }.at(at);
        }
        Ok(true)
    }

    fn read_headers(&mut self, buffer: &[u8]) -> Result<bool, Error> {
        let total = self.headers_start + self.limits.max_headers_total as usize;
        let mut tried = false; // whether `read_lines` has looked at this line in vain
        loop {
            let line = self.line;
            // A line of which something was seen before is tried only when its end has come, so that no
            // octet is looked at for every piece that follows it.
            if self.scanned == line && !tried {
                if self.read_lines(&buffer[..buffer.len().min(total + 2)])? {
                    return Ok(true);
                }
                self.scanned = self.line;
                tried = true;
                continue;
            }
            let longest = line + self.limits.max_header_line as usize;
            let window = longest.min(total) + 2;
            let found = self.find_line_feed(buffer, window);
            if tried {
                self.look(found.map_or(buffer.len(), |line_feed| line_feed + 1) - line);
            }
            let Some(line_feed) = found else {
                if buffer.len() < window {
                    return Ok(false);
                }
                let (limit, setting, at) = if total < longest {
                    (self.limits.max_headers_total, Setting::MaxHeadersTotal, total)
                } else {
                    (self.limits.max_header_line, Setting::MaxHeaderLine, longest)
                };
                return Kind::HeaderTooLong { limit: limit.into(), setting }.at(at);
            };
            if tried {
                if self.read_line(buffer, line, line_feed)? {
                    return Ok(true);
                }
                self.line = line_feed + 1;
            }
            tried = false;
            self.scanned = self.line;
        }
    }

    /// Read lines as long as they are what they should be. True at the empty one.
    fn read_lines(&mut self, buffer: &[u8]) -> Result<bool, Error> {
        let begun = self.line;
        let longest = self.limits.max_header_line as usize + 2;
        let count = self.limits.max_header_count as usize;
        let mut line = begun;
        loop {
            let name_end = scan::token_end(buffer, line);
            let Some(&octet) = buffer.get(name_end) else { break };
            if octet != b':' || name_end == line {
                if name_end == line && octet == b'\r' && buffer.get(line + 1) == Some(&b'\n') {
                    self.look(line + 2 - begun);
                    self.line = line + 2;
                    return Ok(true);
                }
                break;
            }
            let value = spaces_end(buffer, name_end + 1);
            let end = scan::value_end(buffer, value);
            if !matches!(buffer.get(end..), Some([b'\r', b'\n', ..])) {
                break;
            }
            let after = end + 2;
            if self.fields.len() >= count || after - line > longest {
                break;
            }
            let value_end = trimmed_end(buffer, value, end);
            self.push(line, name_end, value, value_end);
            if matches!(name_end - line, 14 | 17) {
                self.note(buffer, line, name_end, value, value_end)?;
            }
            line = after;
            self.line = line;
        }
        self.look(line - begun);
        Ok(false)
    }

    /// Read a line the careful way. True if it is the empty one.
    fn read_line(&mut self, buffer: &[u8], start: usize, line_feed: usize) -> Result<bool, Error> {
        self.look(line_feed + 1 - start);
        if line_end(buffer, start, line_feed) == start {
            if buffer[start] == b'\n' {
                check_terminator(start, line_feed, self.lenient)?;
            }
            self.line = line_feed + 1;
            return Ok(true);
        }
        let limit = self.limits.max_header_count;
        if !is_space(buffer[start]) && self.fields.len() >= limit as usize {
            return Kind::TooManyHeaders { limit: limit.into(), setting: Setting::MaxHeaderCount }.at(start);
        }
        let first = self.fields.is_empty();
        let line = read_header_line(buffer, start, line_feed, self.lenient, first, !self.is_framing(buffer))?;
        if line.name_end > start {
            self.push(line.name, line.name_end, line.value, line.value_end);
            self.note(buffer, line.name, line.name_end, line.value, line.value_end)?;
        } else if line.value_end > line.value {
            if let Some(last) = self.fields.last_mut() {
                if last.value == last.value_end {
                    last.value = narrow(line.value);
                }
                last.value_end = narrow(line.value_end);
            }
        }
        Ok(false)
    }

    #[inline]
    fn push(&mut self, name: usize, name_end: usize, value: usize, value_end: usize) {
        self.fields.push(Field {
            name: narrow(name),
            name_end: narrow(name_end),
            value: narrow(value),
            value_end: narrow(value_end),
        });
    }

    /// Whether the last field is one that frames the body, which no fold may change.
    fn is_framing(&self, buffer: &[u8]) -> bool {
        self.fields.last().is_some_and(|field| {
            let name = field.name(buffer);
            name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"transfer-encoding")
        })
    }

    /// Take in what a field says about the framing, if it does.
    fn note(
        &mut self,
        buffer: &[u8],
        name: usize,
        name_end: usize,
        value: usize,
        value_end: usize,
    ) -> Result<(), Error> {
        if self.answers.is_some_and(|answers| answers.makes_tunnel(self.status())) {
            return Ok(());
        }
        let name = &buffer[name..name_end];
        let span = Span::new(value, value_end);
        if name.eq_ignore_ascii_case(b"content-length") {
            let repeats = self.lenient.has(Lenient::CONTENT_LENGTH);
            let second = read_content_length(buffer, span, repeats)?;
            if let Some(first) = self.length {
                if !repeats || first != second {
                    return Kind::ConflictingContentLength { first, second }.at(value);
                }
            }
            self.length = Some(second);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let until_close = !self.is_request() && self.lenient.has(Lenient::UNTIL_CLOSE);
            self.coding = read_transfer_encoding(buffer, span, self.coding, until_close)?;
            self.coding_field = span;
            // Allowed whitespace, which parsers have taken for a part of the coding's name.
            let mut behind = buffer[value_end..].iter().take_while(|&&octet| is_space(octet));
            if !self.lenient.has(Lenient::TRANSFER_ENCODING) && behind.any(|&octet| octet == b'\t') {
                return Kind::InvalidTransferEncoding { raw: span, reason: "a tab behind it" }.at(value);
            }
        }
        Ok(())
    }

    /// The status code of a response, 0 for a request.
    fn status(&self) -> u16 {
        match self.start_line {
            Some(StartLine::Status { code, .. }) => code,
            _ => 0,
        }
    }

    /// The head is complete: how its body is framed.
    fn frame(&self) -> Result<Head, Error> {
        let minor = self.start_line.as_ref().map_or(1, StartLine::minor);
        if self.coding != Coding::Absent {
            let reason = if minor == 0 && !self.lenient.has(Lenient::TRANSFER_ENCODING) {
                Some("in an HTTP/1.0 message")
            } else if self.is_request() && self.coding == Coding::Other {
                Some(NOT_LAST)
            } else {
                None
            };
            if let Some(reason) = reason {
                let raw = self.coding_field;
                return Kind::InvalidTransferEncoding { raw, reason }.at(raw.start);
            }
        }
        let framing = body_framing(self.answers, self.status(), self.coding, self.length);
        Ok(Head {
            consumed: self.line,
            body_len: match framing {
                Framing::None => Some(0),
                Framing::Length => self.length,
                Framing::Chunked | Framing::UntilClose => None,
            },
            framing,
            framing_conflict: self.coding != Coding::Absent && self.length.is_some(),
        })
    }
}

/// An offset in a head. Its limits are at most 2**30 each, so that it never needs more than 32 bits.
#[inline]
#[allow(clippy::cast_possible_truncation)]
fn narrow(offset: usize) -> u32 {
    debug_assert!(u32::try_from(offset).is_ok());
    offset as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests() -> Parser {
        Parser::new(None, Lenient::default(), Limits::default())
    }

    #[test]
    fn a_request_at_once_and_octet_by_octet() {
        let message = b"POST /x?y HTTP/1.1\r\nHost:  example.com \r\nContent-Length: 5\r\n\r\nhello";
        let mut whole = requests();
        let head = whole.feed(message).unwrap().unwrap();
        assert_eq!(
            (head.consumed, head.body_len, head.framing),
            (message.len() - 5, Some(5), Framing::Length)
        );
        assert!(!head.framing_conflict);
        let fields: Vec<_> = whole.fields().iter().map(|f| (f.name(message), f.value(message))).collect();
        assert_eq!(fields, [(&b"Host"[..], &b"example.com"[..]), (b"Content-Length", b"5")]);
        let mut pieces = requests();
        for end in 0..head.consumed {
            assert_eq!(pieces.feed(&message[..end]), Ok(None));
        }
        assert_eq!(pieces.feed(&message[..head.consumed]), Ok(Some(head)));
        assert_eq!(pieces.fields(), whole.fields());
        assert_eq!(pieces.start_line(), whole.start_line());
    }

    #[test]
    fn a_response_is_framed_by_what_it_answers() {
        let message = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        for (answers, framing) in [
            (Answers::Other, Framing::Length),
            (Answers::Head, Framing::None),
            (Answers::Connect, Framing::None),
        ] {
            let mut parser = Parser::new(Some(answers), Lenient::default(), Limits::default());
            assert_eq!(parser.feed(message).unwrap().unwrap().framing, framing);
        }
    }

    #[test]
    fn whether_the_connection_persists() {
        for (message, persists) in [
            (&b"HTTP/1.1 200 OK\r\n\r\n"[..], true),
            (b"HTTP/1.0 200 OK\r\n\r\n", false),
            (b"HTTP/1.1 200 OK\r\nConnection: x, CLOSE\r\n\r\n", false),
            (b"HTTP/1.0 200 OK\r\nconnection: Keep-Alive ,x\r\n\r\n", true),
            (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", false),
            (b"HTTP/1.1 200 OK\r\nConnections: close\r\nX: close\r\n\r\n", true),
        ] {
            let mut parser = Parser::new(Some(Answers::Other), Lenient::default(), Limits::default());
            assert!(parser.feed(message).unwrap().is_some());
            assert_eq!(parser.persists(message), persists);
        }
    }

    #[test]
    fn the_first_octet_that_is_wrong() {
        for (message, offset, kind) in [
            (&b"GET / HTTP/1.1\r\nA : b\r\n\r\n"[..], 17, Kind::SpaceBeforeColon),
            (b"GET / HTTP/1.1\r\nA: b\x00\r\n\r\n", 20, Kind::InvalidHeaderValue { octet: Some(0) }),
            (b"GET / HTTP/1.1\r\nA: b\n\r\n", 20, Kind::BareLineFeed),
            (b"PRI * HTTP/2.0\r\n\r\n", 0, Kind::Http2Preface),
            (b"\x16\x03", 0, Kind::TlsBytes),
        ] {
            assert_eq!(requests().feed(message), kind.at(offset));
        }
    }
}
