//! The fields of RDATA by their letters, as `DnsRecord.LAYOUT` in Python lists them.

use super::name::{check, Deep, Name};

/// A kind of field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `B`, `H`, `I`, `L`, `Q`: a number of 1, 2, 4, 6 or 8 octets.
    Number(u8),
    /// `4`: an IPv4 address.
    Ipv4,
    /// `6`: an IPv6 address.
    Ipv6,
    /// `n`: a name, with or without pointers; `N`: one that may have none.
    Name {
        /// Whether it may have pointers.
        compression: bool,
    },
    /// `s`: a character string; `x`: one that is not empty.
    String {
        /// The least size.
        least: usize,
    },
    /// `S`: all that is left as character strings, at least one.
    Strings,
    /// `r`: all that is left; `R`: at least one octet of it.
    Rest {
        /// The least size.
        least: usize,
    },
    /// `t`: all that is left as a set of types, which may be empty (RFC 4034 section 4.1.2).
    Types,
}

impl Kind {
    fn of(letter: u8) -> Option<Self> {
        Some(match letter {
            b'B' => Self::Number(1),
            b'H' => Self::Number(2),
            b'I' => Self::Number(4),
            b'L' => Self::Number(6),
            b'Q' => Self::Number(8),
            b'4' => Self::Ipv4,
            b'6' => Self::Ipv6,
            b'n' => Self::Name { compression: true },
            b'N' => Self::Name { compression: false },
            b's' => Self::String { least: 0 },
            b'x' => Self::String { least: 1 },
            b'S' => Self::Strings,
            b'r' => Self::Rest { least: 0 },
            b'R' => Self::Rest { least: 1 },
            b't' => Self::Types,
            _ => return None,
        })
    }
}

/// A value of a field: where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number.
    Number(u64),
    /// The octets of a string, or the rest, or a set of types.
    Octets(&'a [u8]),
    /// An IPv4 address.
    Ipv4(&'a [u8; 4]),
    /// An IPv6 address.
    Ipv6(&'a [u8; 16]),
    /// A name.
    Name(Name),
    /// Character strings, each behind its length.
    Strings(&'a [u8]),
}

/// The fields of one type's RDATA, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout(Vec<Kind>);

impl Layout {
    /// The layout of letters; none where one of them is unknown.
    #[must_use]
    pub fn parse(letters: &str) -> Option<Self> {
        letters.bytes().map(Kind::of).collect::<Option<_>>().map(Self)
    }

    /// Read the RDATA in `message[start..end]`, a value at a time; whether it is valid, and all of it was read.
    pub fn read<'a>(
        &self,
        message: &'a [u8],
        start: usize,
        end: usize,
        deep: &mut Deep,
        mut each: impl FnMut(Value<'a>),
    ) -> Option<()> {
        let data = message.get(..end)?;
        let mut at = start;
        for kind in &self.0 {
            let value = match *kind {
                Kind::Number(size) => {
                    let octets = data.get(at..at + usize::from(size))?;
                    at += octets.len();
                    Value::Number(octets.iter().fold(0, |number, &octet| number << 8 | u64::from(octet)))
                }
                Kind::Ipv4 => {
                    let octets = data.get(at..)?.first_chunk()?;
                    at += octets.len();
                    Value::Ipv4(octets)
                }
                Kind::Ipv6 => {
                    let octets = data.get(at..)?.first_chunk()?;
                    at += octets.len();
                    Value::Ipv6(octets)
                }
                Kind::Name { compression } => {
                    let name = check(message, at, end, compression, deep)?;
                    at = usize::from(name.after);
                    Value::Name(name)
                }
                Kind::String { least } => {
                    let octets = string(data, at).filter(|octets| octets.len() >= least)?;
                    at += 1 + octets.len();
                    Value::Octets(octets)
                }
                Kind::Strings => {
                    let first = at;
                    while at < end || at == first {
                        at += 1 + string(data, at)?.len();
                    }
                    Value::Strings(&data[first..at])
                }
                Kind::Rest { least } => {
                    let octets = data.get(at..).filter(|octets| octets.len() >= least)?;
                    at = end;
                    Value::Octets(octets)
                }
                Kind::Types => {
                    let octets = data.get(at..).filter(|octets| is_bitmap(octets))?;
                    at = end;
                    Value::Octets(octets)
                }
            };
            each(value);
        }
        (at == end).then_some(())
    }
}

/// The octets of the character string at `at`.
fn string(data: &[u8], at: usize) -> Option<&[u8]> {
    let length = usize::from(*data.get(at)?);
    data.get(at + 1..at + 1 + length)
}

/// Whether octets are windows of types: in their order, each with 1 to 32 octets, the last of them not zero.
fn is_bitmap(mut octets: &[u8]) -> bool {
    let mut previous = None;
    while let Some((&[window, size], rest)) = octets.split_first_chunk() {
        let Some((types, rest)) = rest.split_at_checked(size.into()) else { return false };
        if previous >= Some(window) || size > 32 || types.last().is_none_or(|&last| last == 0) {
            return false;
        }
        previous = Some(window);
        octets = rest;
    }
    octets.is_empty()
}

/// Each of some character strings behind their lengths.
pub fn strings(mut octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (&length, rest) = octets.split_first()?;
        let (string, rest) = rest.split_at_checked(usize::from(length))?;
        octets = rest;
        Some(string)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(letters: &str, data: &[u8]) -> Option<Vec<String>> {
        let mut values = Vec::new();
        let layout = Layout::parse(letters)?;
        layout.read(data, 0, data.len(), &mut Deep::default(), |value| values.push(format!("{value:?}")))?;
        Some(values)
    }

    #[test]
    fn every_letter() {
        let data = b"\x01\x00\x02\x00\x00\x00\x03\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x05\x01a\x00\x02xyrest";
        let values = read("BHILQnsr", data).unwrap_or_default();
        assert_eq!(values.len(), 8);
        assert_eq!(values[..5], ["Number(1)", "Number(2)", "Number(3)", "Number(4)", "Number(5)"]);
        assert_eq!(values[6..], ["Octets([120, 121])", "Octets([114, 101, 115, 116])"]);
        assert_eq!(read("4", b"\x01\x02\x03\x04"), Some(vec!["Ipv4([1, 2, 3, 4])".into()]));
        assert!(read("6", &[0; 16]).is_some());
        assert!(read("r", b"").is_some());
        assert!(read("R", b"a").is_some());
        assert!(read("x", b"\x01a").is_some());
        assert!(read("t", b"").is_some());
        assert!(read("t", b"\x00\x01\x40\x01\x02\x00\x40").is_some());
        assert!(read("t", &[&b"\x00\x20"[..], &[1; 32]].concat()).is_some());
        assert!(read("S", b"\x00").is_some());
        assert_eq!(strings(b"\x01a\x00\x02bc").collect::<Vec<_>>(), [&b"a"[..], b"", b"bc"]);
        assert_eq!(read("N", b"\x01a\x00").map(|values| values.len()), Some(1));
    }

    #[test]
    fn what_is_short_or_left_over() {
        for (letters, data) in [
            ("4", &b"\x01\x02\x03"[..]),
            ("4", b"\x01\x02\x03\x04\x05"),
            ("H", b"\x01"),
            ("n", b""),
            ("n", b"\x01a"),
            ("N", b"\x00\x00"),
            ("s", b""),
            ("s", b"\x02a"),
            ("S", b""),
            ("S", b"\x01a\x02b"),
            ("x", b"\x00"),
            ("R", b""),
            ("t", b"\x00"),
            ("t", b"\x00\x00"),
            ("t", b"\x00\x02\x40"),
            ("t", b"\x00\x01\x00"),
            ("t", b"\x01\x01\x40\x01\x01\x40"),
            ("t", b"\x01\x01\x40\x00\x01\x40"),
            ("t", &[&b"\x00\x21"[..], &[1; 33]].concat()),
        ] {
            assert_eq!(read(letters, data), None, "{letters} {data:?}");
        }
        assert_eq!(Layout::parse("B?"), None);
    }
}
