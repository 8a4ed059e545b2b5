//! Whole messages: the header, the question, and where each record is (RFC 1035 section 4.1, RFC 6891 section 6).

use super::layout::Layout;
use super::name::{check, Deep, Name};

/// The longest message: all offsets have 16 bits.
pub const MAX_MESSAGE: usize = 0xFFFF;
const HEADER: usize = 12;
/// The shortest question and the shortest record have the root as their name.
const MIN_QUESTION: usize = 5;
const MIN_RECORD: usize = 11;
const OPT: u16 = 41;
/// RFC 2181 section 8: a TTL with its sign bit set is 0.
const MAX_TTL: u32 = 0x7FFF_FFFF;

/// What the RDATA of a record is read by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape<T> {
    /// The type is not known: any octets.
    Unknown,
    /// Something else has to read it: it is not looked at here.
    Other,
    /// A layout.
    Known(T),
}

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name asked for.
    pub name: Name,
    /// The type asked for.
    pub rdtype: u16,
    /// Its class.
    pub rdclass: u16,
}

/// A record: its fixed fields, and where its RDATA is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<T> {
    /// The owner.
    pub name: Name,
    /// The type.
    pub rdtype: u16,
    /// The class.
    pub rdclass: u16,
    /// The TTL, at most 31 bits.
    pub ttl: u32,
    /// The first octet of the RDATA.
    pub start: u16,
    /// The octet behind it.
    pub end: u16,
    /// What the RDATA is read by.
    pub shape: Shape<T>,
}

/// The OPT record, whose fields mean something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opt {
    /// The largest message that its sender takes over UDP.
    pub payload_size: u16,
    /// High bits of the response code, version and flags.
    pub ttl: u32,
    /// The first octet of the options.
    pub start: u16,
    /// The octet behind them.
    pub end: u16,
}

/// A valid message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View<T> {
    /// The message's number.
    pub id: u16,
    /// Flags, opcode and the low bits of the response code.
    pub bits: u16,
    /// The questions.
    pub questions: Vec<Question>,
    /// The records of all sections, without OPT.
    pub records: Vec<Record<T>>,
    /// How many of them are before the end of the answer and of the authority section.
    pub ends: [usize; 2],
    /// The OPT record.
    pub opt: Option<Opt>,
}

impl<T> View<T> {
    /// The records of a section: 1 is the answer, 2 the authority, 3 what is additional.
    #[must_use]
    pub fn section(&self, number: usize) -> &[Record<T>] {
        let [answer, authority] = self.ends;
        match number {
            1 => &self.records[..answer],
            2 => &self.records[answer..authority],
            3 => &self.records[authority..],
            _ => &[],
        }
    }
}

/// The parts of a message; none where it breaks a rule.
///
/// `shape` says by what RDATA of a type and class is read; it is asked once for each run of records of one type.
///
/// # Errors
/// Those of `shape`.
pub fn scan<T: AsRef<Layout> + Copy, E>(
    message: &[u8],
    mut shape: impl FnMut(u16, u16) -> Result<Shape<T>, E>,
) -> Result<Option<View<T>>, E> {
    let Some(counts) = counts(message) else { return Ok(None) };
    let mut deep = Deep::default();
    let Some((questions, mut at)) = questions(message, counts[0], &mut deep) else { return Ok(None) };
    let most = (message.len() - at) / MIN_RECORD;
    let wanted: usize = counts[1..].iter().map(|&count| usize::from(count)).sum();
    if wanted > most {
        return Ok(None); // so that a false count costs no time
    }
    let mut view = View {
        id: u16_at(message, 0).unwrap_or_default(),
        bits: u16_at(message, 2).unwrap_or_default(),
        questions,
        records: Vec::with_capacity(wanted),
        ends: [0; 2],
        opt: None,
    };
    let mut last = None;
    for (section, &count) in counts[1..].iter().enumerate() {
        for _ in 0..count {
            let Some((record, root)) = record::<T>(message, at, &mut deep) else { return Ok(None) };
            at = usize::from(record.end);
            if record.rdtype == OPT {
                if section != 2 || view.opt.is_some() || !root {
                    return Ok(None);
                }
                let Record { rdclass, ttl, start, end, .. } = record;
                view.opt = Some(Opt { payload_size: rdclass, ttl, start, end });
                continue;
            }
            let asked = (record.rdtype, record.rdclass);
            let shape = match last {
                Some((same, shape)) if same == asked => shape,
                _ => shape(record.rdtype, record.rdclass)?,
            };
            last = Some((asked, shape));
            if let Shape::Known(known) = shape {
                if known.as_ref().read(message, record.start.into(), at, &mut deep, |_| ()).is_none() {
                    return Ok(None);
                }
            }
            let ttl = if record.ttl > MAX_TTL { 0 } else { record.ttl };
            view.records.push(Record { ttl, shape, ..record });
        }
        if let Some(end) = view.ends.get_mut(section) {
            *end = view.records.len();
        }
    }
    Ok((at == message.len()).then_some(view))
}

fn u16_at(message: &[u8], at: usize) -> Option<u16> {
    message.get(at..)?.first_chunk().map(|octets| u16::from_be_bytes(*octets))
}

/// The four counts of a header, where there is one.
fn counts(message: &[u8]) -> Option<[u16; 4]> {
    if message.len() < HEADER || message.len() > MAX_MESSAGE {
        return None;
    }
    Some([u16_at(message, 4)?, u16_at(message, 6)?, u16_at(message, 8)?, u16_at(message, 10)?])
}

fn questions(message: &[u8], count: u16, deep: &mut Deep) -> Option<(Vec<Question>, usize)> {
    let mut at = HEADER;
    if usize::from(count) > (message.len() - at) / MIN_QUESTION {
        return None;
    }
    let mut questions = Vec::with_capacity(count.into());
    for _ in 0..count {
        let name = check(message, at, message.len(), true, deep)?;
        at = usize::from(name.after);
        let (rdtype, rdclass) = (u16_at(message, at)?, u16_at(message, at + 2)?);
        at += 4;
        questions.push(Question { name, rdtype, rdclass });
    }
    Some((questions, at))
}

/// The record at `at`, its shape not known yet, and whether the root owns it.
fn record<T>(message: &[u8], at: usize, deep: &mut Deep) -> Option<(Record<T>, bool)> {
    let name = check(message, at, message.len(), true, deep)?;
    let at = usize::from(name.after);
    let fields: &[u8; 10] = message.get(at..)?.first_chunk()?;
    let &[t0, t1, c0, c1, l0, l1, l2, l3, s0, s1] = fields;
    let start = at + 10;
    let end = start + usize::from(u16::from_be_bytes([s0, s1]));
    if end > message.len() {
        return None;
    }
    let record = Record {
        name,
        rdtype: u16::from_be_bytes([t0, t1]),
        rdclass: u16::from_be_bytes([c0, c1]),
        ttl: u32::from_be_bytes([l0, l1, l2, l3]),
        start: u16::try_from(start).ok()?,
        end: u16::try_from(end).ok()?,
        shape: Shape::Other,
    };
    Some((record, name.size == 1))
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::*;

    const ANSWER: &[u8] = b"\x12\x34\x81\x80\0\x01\0\x02\0\x01\0\x01\
        \x03www\x07example\x03com\0\0\x01\0\x01\
        \xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\xc0\0\x02\x01\
        \xc0\x10\0\x0f\0\x01\xff\xff\xff\xff\0\x06\0\x0a\x01m\xc0\x10\
        \xc0\x10\xff\0\0\x01\0\0\0\0\0\x02hi\
        \0\0\x29\x04\xd0\x01\0\x80\0\0\0";

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Known(&'static Layout);

    impl AsRef<Layout> for Known {
        fn as_ref(&self) -> &Layout {
            self.0
        }
    }

    fn shape(rdtype: u16, _: u16) -> Result<Shape<Known>, ()> {
        static LAYOUTS: OnceLock<[Option<Layout>; 2]> = OnceLock::new();
        let [address, mail] = LAYOUTS.get_or_init(|| ["4", "Hn"].map(Layout::parse));
        let known = match rdtype {
            1 => address,
            15 => mail,
            _ => return Ok(Shape::Unknown),
        };
        known.as_ref().map(|layout| Shape::Known(Known(layout))).ok_or(())
    }

    fn scanned(message: &[u8]) -> Option<View<Known>> {
        scan(message, shape).unwrap_or_default()
    }

    #[test]
    fn an_answer() {
        let view = scanned(ANSWER).map(|view| {
            assert_eq!((view.id, view.bits), (0x1234, 0x8180));
            assert_eq!(view.questions.len(), 1);
            let lengths = [1, 2, 3].map(|number| view.section(number).len());
            assert_eq!(lengths, [2, 1, 0]);
            assert_eq!(view.records.iter().map(|record| record.ttl).collect::<Vec<_>>(), [300, 0, 0]);
            assert_eq!(view.records[1].name.first, 16);
            view.opt.map(|opt| (opt.payload_size, opt.ttl, opt.start, opt.end))
        });
        let size = u16::try_from(ANSWER.len()).unwrap_or_default();
        assert_eq!(view, Some(Some((1232, 0x0100_8000, size, size))));
    }

    #[test]
    fn every_cut_and_every_trailing_octet_is_refused() {
        for length in 0..ANSWER.len() {
            assert_eq!(scanned(&ANSWER[..length]), None, "{length}");
        }
        assert_eq!(scanned(&[ANSWER, b"\0"].concat()), None);
    }

    #[test]
    fn opt_has_its_place() {
        let opt = b"\0\0\x29\x04\xd0\0\0\0\0\0\0";
        let header = |counts: [u8; 3]| {
            let [answer, authority, additional] = counts;
            [0, 1, 0, 0, 0, 0, 0, answer, 0, authority, 0, additional]
        };
        assert!(scanned(&[&header([0, 0, 1])[..], opt].concat()).is_some());
        assert_eq!(scanned(&[&header([1, 0, 0])[..], opt].concat()), None);
        assert_eq!(scanned(&[&header([0, 1, 0])[..], opt].concat()), None);
        assert_eq!(scanned(&[&header([0, 0, 2])[..], opt, opt].concat()), None);
        assert_eq!(scanned(&[&header([0, 0, 1])[..], b"\x01a", opt].concat()), None);
    }
}
