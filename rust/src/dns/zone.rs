//! The plain lines of master files (RFC 1035 section 5.1): a record a line, without parentheses and escapes.
//!
//! What is not known to be right is refused, and then read by Python, which says what it is or what is wrong
//! with it (`netkit.dns.zones.masterfile`). So nothing here has words, and to refuse is never a mistake: only to take a
//! line that Python refuses, or reads in another way, would be.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::name::MAX_NAME;

const MAX_LABEL: usize = 63;
const MAX_STRING: usize = 255;
const MAX_TTL: u32 = 0x7FFF_FFFF;

/// The wire form of a name, not compressed.
pub type Wire = Vec<u8>;

/// The data of a record, of the types that most lines have.
#[derive(Debug, PartialEq, Eq)]
pub enum Data {
    /// A.
    Ipv4(Ipv4Addr),
    /// AAAA.
    Ipv6(Ipv6Addr),
    /// NS, CNAME, PTR, DNAME; with a number before it MX, with three SRV.
    Name(Vec<u16>, Wire),
    /// TXT.
    Strings(Vec<Vec<u8>>),
}

/// A line with a record.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// Where its first word is.
    pub start: usize,
    /// Where the next line begins.
    pub end: usize,
    /// The owner; none where the line begins with a blank.
    pub owner: Option<Wire>,
    /// The TTL, if there is one.
    pub ttl: Option<u32>,
    /// The type.
    pub rdtype: u16,
    /// The data.
    pub data: Data,
}

/// A word or quoted string of a line.
#[derive(Clone, Copy)]
struct Word<'a> {
    start: usize,
    text: &'a [u8],
    quoted: bool,
}

/// A line that is read word by word.
struct Words<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Words<'a> {
    /// The next word; none at the end of the line. An error where there is something else.
    fn next(&mut self) -> Result<Option<Word<'a>>, ()> {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\r' | 0x0C)) {
            self.at += 1;
        }
        let start = self.at;
        let rest = &self.text[start..];
        let word = match rest.first() {
            None | Some(b'\n' | b';') => return Ok(None),
            Some(b'"') => {
                let size = rest[1..].iter().position(|&octet| !is_plain(octet, b" ();"));
                let size = size.filter(|&size| rest[1 + size] == b'"').ok_or(())?;
                self.at = start + size + 2;
                Word { start, text: &rest[1..=size], quoted: true }
            }
            Some(_) => {
                let size = rest.iter().position(|&octet| !is_plain(octet, b"")).unwrap_or(rest.len());
                self.at = start + size;
                Word { start, text: &rest[..size], quoted: false }
            }
        };
        match self.text.get(self.at) {
            None | Some(b' ' | b'\t' | b'\r' | 0x0C | b'\n' | b';') => Ok(Some(word)),
            Some(_) => Err(()),
        }
    }

    /// The next word, which is there and not quoted.
    fn word(&mut self) -> Option<Word<'a>> {
        self.next().ok()?.filter(|word| !word.quoted)
    }

    /// The next line's beginning, where no word is left in this one.
    fn end(&mut self) -> Option<usize> {
        if self.next().ok()?.is_some() {
            return None;
        }
        // A comment may have anything.
        let size = memchr::memchr(b'\n', &self.text[self.at..]);
        Some(size.map_or(self.text.len(), |size| self.at + size + 1))
    }
}

/// Whether an octet stands for itself in a word. A question mark may stand for a character beyond ASCII.
fn is_plain(octet: u8, also: &[u8]) -> bool {
    match octet {
        b'"' | b'\\' | b'?' => false,
        b'(' | b')' | b';' | b' ' => also.contains(&octet),
        0x21..=0x7E => true,
        _ => false,
    }
}

/// What is at the beginning of a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// A record.
    Record(Line),
    /// Nothing: the next line begins here.
    Nothing(usize),
    /// A line for Python to read, or the end.
    Other,
}

/// Read the line at `at`. `origin` is the wire form of what completes relative names.
#[must_use]
pub fn read_line(text: &[u8], at: usize, origin: Option<&[u8]>) -> Read {
    if at >= text.len() {
        return Read::Other;
    }
    let mut words = Words { text, at };
    match words.next() {
        Err(()) => Read::Other,
        Ok(None) => words.end().map_or(Read::Other, Read::Nothing),
        Ok(Some(first)) => record(words, first, at, origin).map_or(Read::Other, Read::Record),
    }
}

fn record(mut words: Words<'_>, first: Word<'_>, at: usize, origin: Option<&[u8]>) -> Option<Line> {
    let start = first.start;
    let mut owner = None;
    let mut word = first;
    if word.quoted {
        return None;
    }
    if start == at {
        if word.text[0] == b'$' {
            return None;
        }
        owner = Some(name(word.text, origin)?);
        word = words.word()?;
    }
    let mut ttl = None;
    let mut classed = false;
    loop {
        if ttl.is_none() && word.text[0].is_ascii_digit() {
            ttl = Some(seconds(word.text).filter(|&ttl| ttl <= MAX_TTL)?);
        } else if !classed && word.text.eq_ignore_ascii_case(b"IN") {
            classed = true;
        } else {
            break;
        }
        word = words.word()?;
    }
    let (rdtype, data) = data(word.text, &mut words, origin)?;
    let end = words.end()?;
    Some(Line { start, end, owner, ttl, rdtype, data })
}

/// The type that a word names, and the data behind it.
fn data(word: &[u8], words: &mut Words<'_>, origin: Option<&[u8]>) -> Option<(u16, Data)> {
    let mut upper = [0; 5];
    let upper = upper.get_mut(..word.len())?;
    upper.copy_from_slice(word);
    upper.make_ascii_uppercase();
    let (rdtype, numbers) = match &*upper {
        b"A" => return Some((1, Data::Ipv4(ascii(words.word()?.text)?.parse().ok()?))),
        b"AAAA" => return Some((28, Data::Ipv6(ipv6(words.word()?.text)?))),
        b"TXT" => return Some((16, Data::Strings(strings(words)?))),
        b"NS" => (2, 0),
        b"CNAME" => (5, 0),
        b"PTR" => (12, 0),
        b"DNAME" => (39, 0),
        b"MX" => (15, 1),
        b"SRV" => (33, 3),
        _ => return None,
    };
    let mut before = Vec::with_capacity(numbers);
    for _ in 0..numbers {
        before.push(u16::try_from(number(words.word()?.text)?).ok()?);
    }
    Some((rdtype, Data::Name(before, name(words.word()?.text, origin)?)))
}

fn ascii(word: &[u8]) -> Option<&str> {
    std::str::from_utf8(word).ok()
}

/// An IPv6 address; one whose end is written as an IPv4 address is not read here.
fn ipv6(word: &[u8]) -> Option<Ipv6Addr> {
    ascii(word).filter(|text| !text.contains('.'))?.parse().ok()
}

/// A number of at most ten digits.
fn number(word: &[u8]) -> Option<u32> {
    if word.len() > 10 || !word.iter().all(u8::is_ascii_digit) {
        return None;
    }
    ascii(word)?.parse().ok()
}

/// A time: numbers with units, of which the last may go without.
fn seconds(word: &[u8]) -> Option<u32> {
    let mut total = 0u32;
    let mut rest = word;
    while !rest.is_empty() {
        let size = rest.iter().position(|octet| !octet.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, behind) = rest.split_at(size);
        let scale = match behind.first().map(u8::to_ascii_lowercase) {
            None | Some(b's') => 1,
            Some(b'm') => 60,
            Some(b'h') => 3600,
            Some(b'd') => 86_400,
            Some(b'w') => 604_800,
            Some(_) => return None,
        };
        total = total.checked_add(number(digits)?.checked_mul(scale)?)?;
        rest = behind.get(1..).unwrap_or_default();
    }
    Some(total)
}

/// All strings that are left, at least one.
fn strings(words: &mut Words<'_>) -> Option<Vec<Vec<u8>>> {
    let mut strings = Vec::with_capacity(1);
    while let Some(word) = words.next().ok()? {
        if word.text.len() > MAX_STRING {
            return None;
        }
        strings.push(word.text.to_vec());
    }
    (!strings.is_empty()).then_some(strings)
}

/// The name of a word without escapes: within the limits of RFC 1035 section 2.3.4, completed if it is relative.
fn name(word: &[u8], origin: Option<&[u8]>) -> Option<Wire> {
    if word == b"@" {
        return origin.map(<[u8]>::to_vec);
    }
    if word == b"." {
        return Some(vec![0]);
    }
    let (labels, end) = match word.strip_suffix(b".") {
        Some(labels) => (labels, &[0][..]),
        None => (word, origin?),
    };
    let mut wire = Vec::with_capacity(labels.len() + 1 + end.len());
    for label in labels.split(|&octet| octet == b'.') {
        if label.is_empty() || label.len() > MAX_LABEL {
            return None;
        }
        wire.push(u8::try_from(label.len()).ok()?);
        wire.extend_from_slice(label);
    }
    wire.extend_from_slice(end);
    (wire.len() <= MAX_NAME).then_some(wire)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &[u8] = b"\x01e\x00";

    fn line(text: &str) -> Option<Line> {
        match read_line(text.as_bytes(), 0, Some(ORIGIN)) {
            Read::Record(line) => Some(line),
            _ => None,
        }
    }

    #[test]
    fn plain_lines() {
        let expected = Line {
            start: 0,
            end: 26,
            owner: Some(b"\x01a\x01e\x00".to_vec()),
            ttl: Some(60),
            rdtype: 1,
            data: Data::Ipv4(Ipv4Addr::new(192, 0, 2, 1)),
        };
        assert_eq!(line("a 60 IN A 192.0.2.1 ; \"(?\nb A"), Some(expected));
        let blank = line("\tin 5 mx 00010 @\r\n").map(|line| (line.start, line.owner, line.ttl, line.data));
        assert_eq!(blank, Some((1, None, Some(5), Data::Name(vec![10], ORIGIN.to_vec()))));
        let text = line("a. TXT \"b (c);\" d;e").map(|line| (line.owner, line.data));
        let strings = Data::Strings(vec![b"b (c);".to_vec(), b"d".to_vec()]);
        assert_eq!(text, Some((Some(b"\x01a\x00".to_vec()), strings)));
        assert_eq!(line("a 1W2d3h4m5 A 192.0.2.1").and_then(|line| line.ttl), Some(788_645));
        assert!(line("a SRV 1 2 3 .").is_some());
        assert!(line("a AAAA 2001:db8::1").is_some());
        assert_eq!(read_line(b" ; (\na", 0, None), Read::Nothing(5));
        assert_eq!(read_line(b"\r\n", 0, None), Read::Nothing(2));
    }

    #[test]
    fn lines_for_python() {
        let long = format!("{} A 192.0.2.1", "a.".repeat(128));
        for text in [
            "",
            "$TTL 60",
            "a",
            "a A",
            "a A 192.0.2.01",
            "a A 192.0.2.1 b",
            "a A (192.0.2.1)",
            "a 1h2x A 192.0.2.1",
            "a 1hh A 192.0.2.1",
            "a 9999w A 192.0.2.1",
            "a 2147483648 A 192.0.2.1",
            "a 99999999999 A 192.0.2.1",
            "a CH A 192.0.2.1",
            "a IN IN A 192.0.2.1",
            "a 1 1 A 192.0.2.1",
            "\"a\" A 192.0.2.1",
            "a \"A\" 192.0.2.1",
            "a..b A 192.0.2.1",
            ".a A 192.0.2.1",
            "a\\.b A 192.0.2.1",
            "a? A 192.0.2.1",
            "a AAAA ::192.0.2.1",
            "a MX 65536 b",
            "a MX +1 b",
            "a MX b",
            "a TXT",
            "a TXT \"b",
            "a TXT \"b\nc\"",
            "a TXT \"b\"c",
            "a TXT b\"c\"",
            "a TXT \\# 1 00",
            "a SOA b c 1 2 3 4 5",
            "a TYPE65280 x",
            "\"",
            &long,
            &format!("{} A 192.0.2.1", "a".repeat(64)),
            &format!("a TXT {}", "a".repeat(256)),
        ] {
            assert_eq!(read_line(text.as_bytes(), 0, Some(ORIGIN)), Read::Other, "{text}");
        }
        assert_eq!(read_line(b"a A 192.0.2.1", 0, None), Read::Other);
        assert_eq!(read_line(b"@ A 192.0.2.1", 0, None), Read::Other);
    }
}
