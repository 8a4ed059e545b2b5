//! The receiving half of a connection: the twin of `netkit.websocket.reader`.
//!
//! The reader is handed octets and says, step by step, what they complete. A message that lies whole in front
//! is not copied: the step says where it is and how it is masked. What comes in pieces is kept here.

use std::cell::Cell;

use super::header::{self, Header, MAX_HEADER};
use super::utf8::{check, Text};
use super::{refuse, Error, Kind, FIN, RSV1};
use crate::masking::{mask_in_place, turned, Key};

/// From this length on, a message in one frame is written straight to where it ends up.
const LARGE: usize = 1 << 15;
/// How many times as much memory may be reserved as octets have come of a message.
const AHEAD: usize = 8;

/// Capacity that an idle reader keeps for its next message.
const KEPT: usize = 1 << 16;
/// Capacity that a thread keeps for the next large message of any reader: memory that is new costs more than
/// what is done with it.
const SHARED: usize = 1 << 21;

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

const TEXT: u8 = 1;
const OCTETS: u8 = 2;
const CLOSE: u8 = 8;

/// What a reader is told; netkit/websocket/reader.py says what each is.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Settings {
    pub expect_masked: bool,
    pub allow_compressed: bool,
    pub max_frame: u64,
    pub max_message: u64,
    pub max_fragments: u64,
    pub max_empty_fragments: u64,
}

/// What the octets completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing more: all of them were read.
    NeedMore,
    /// A whole message in one frame, which lies in front: its kind, where it begins and its length.
    Whole {
        /// 1 for text, which is not checked yet, 2 for octets.
        opcode: u8,
        /// Where in the input its payload begins.
        start: usize,
        /// The payload's octets.
        length: usize,
        /// What it is masked with.
        key: Option<Key>,
    },
    /// The next octets of a message of 2, octets, which is in one frame and has `total` of them: where they
    /// are in the input, and what they are masked with. They are not kept here.
    Part {
        /// The octets of the whole message.
        total: usize,
        /// Where in the input these begin.
        start: usize,
        /// How many they are.
        length: usize,
        /// What they are masked with.
        key: Option<Key>,
    },
    /// A message that came in pieces: `payload` has it, and the kind is 1 or 2, text being checked, or for
    /// a compressed message its first octet.
    Message(u8),
    /// A control frame of that opcode, which `control` has.
    Control(u8),
}

/// Where a frame's payload is, and how much of it is to come.
#[derive(Clone, Copy, Debug)]
struct Frame {
    first: u8,
    key: Option<Key>,
    read: usize,
    left: u64,
    /// The octets of the message, if it is handed out in parts.
    apart: Option<usize>,
}

/// The reader.
#[derive(Debug)]
pub struct Reader {
    settings: Settings,
    offset: u64,
    is_stopped: bool,
    head: [u8; MAX_HEADER],
    head_length: usize,
    frame: Option<Frame>,
    /// The first octet of the message under way, without FIN; 0 if there is none.
    message: u8,
    total: u64,
    fragments: u64,
    empty: u64,
    payload: Vec<u8>,
    control: Vec<u8>,
    /// How many octets of the payload are known to be whole characters.
    checked: usize,
}

impl Reader {
    /// A reader at the beginning of a stream.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            offset: 0,
            is_stopped: false,
            head: [0; MAX_HEADER],
            head_length: 0,
            frame: None,
            message: 0,
            total: 0,
            fragments: 0,
            empty: 0,
            payload: Vec::new(),
            control: Vec::new(),
            checked: 0,
        }
    }

    /// How many octets were read, or where the error is.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether a message or a frame is under way.
    #[must_use]
    pub fn is_in_message(&self) -> bool {
        !self.is_stopped && (self.message != 0 || self.frame.is_some() || self.head_length != 0)
    }

    /// Whether nothing is read any more.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// The payload of the message that was completed, or of the one under way.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// How many octets of the message under way are kept, here or by who was handed them.
    #[must_use]
    pub fn buffered(&self) -> usize {
        match self.frame {
            Some(Frame { apart: Some(_), read, .. }) => read,
            _ => self.payload.len(),
        }
    }

    /// Forget the payload that was completed, or handed on.
    pub fn clear(&mut self) {
        self.checked = 0;
        if self.payload.capacity() > KEPT {
            let mut payload = std::mem::take(&mut self.payload);
            if payload.capacity() <= SHARED {
                payload.clear();
                SPARE.set(payload);
            }
        } else {
            self.payload.clear();
        }
    }

    /// The payload of the control frame that was completed.
    #[must_use]
    pub fn control(&self) -> &[u8] {
        &self.control
    }

    /// The first octet of a compressed message under way of which something is there.
    #[must_use]
    pub fn compressed_piece(&self) -> Option<u8> {
        (self.message & RSV1 != 0 && !self.payload.is_empty()).then_some(self.message)
    }

    /// Read nothing more, because of this error.
    pub fn stop(&mut self, error: Error) {
        self.is_stopped = true;
        self.offset = error.offset;
        self.payload = Vec::new();
    }

    /// What is wrong with the text of a whole message, which ends where the reader is.
    #[must_use]
    pub fn wrong_text(&self, text: &[u8]) -> Error {
        let start = self.offset - text.len() as u64;
        let (octet, at) = match check(text) {
            Text::Wrong(at) => (Some(text[at]), at),
            Text::Valid(_) => (None, text.len()),
        };
        Error { kind: Kind::InvalidUtf8 { octet }, offset: start + at as u64 }
    }

    /// The next step, and how many octets of the input it used.
    ///
    /// # Errors
    /// The peer broke a rule. The caller hands that to `stop`.
    pub fn step(&mut self, input: &[u8]) -> Result<(Step, usize), Error> {
        let mut used = 0;
        while !self.is_stopped {
            let mut frame = if let Some(frame) = self.frame.take() {
                frame
            } else {
                let (frame, size) = self.read_head(&input[used..])?;
                used += size;
                let Some(frame) = frame else { break };
                if let Some((opcode, length)) = whole(frame, input.len() - used) {
                    self.message = 0;
                    self.offset += length as u64;
                    return Ok((Step::Whole { opcode, start: used, length, key: frame.key }, used + length));
                }
                self.prepare(frame, input.len() - used)
            };
            if let Some(total) = frame.apart {
                let start = used;
                let length = (total - frame.read).min(input.len() - used);
                if length == 0 {
                    self.frame = Some(frame);
                    break;
                }
                let key = frame.key.map(|key| turned(key, frame.read));
                self.offset += length as u64;
                frame.read += length;
                if frame.read == total {
                    self.message = 0;
                } else {
                    self.frame = Some(frame);
                }
                return Ok((Step::Part { total, start, length, key }, used + length));
            }
            let size = self.take(&mut frame, &input[used..])?;
            used += size;
            if frame.left != 0 {
                self.frame = Some(frame);
                break;
            }
            if let Some(step) = self.end(frame.first)? {
                return Ok((step, used));
            }
        }
        Ok((Step::NeedMore, used))
    }

    /// Decide where the payload of a frame that is not all there goes.
    fn prepare(&mut self, mut frame: Frame, available: usize) -> Frame {
        let Ok(length) = usize::try_from(frame.left) else { return frame };
        if length < LARGE || length / AHEAD > available {
            return frame;
        }
        if frame.first == FIN | OCTETS {
            frame.apart = Some(length);
        } else if frame.first & 0x08 == 0 {
            if self.payload.is_empty() && self.payload.capacity() < length {
                self.payload = SPARE.take();
            }
            if self.payload.is_empty() {
                self.payload.reserve_exact(length);
            } else {
                // Exactly, each of many fragments would copy all that is there.
                self.payload.reserve(length);
            }
        }
        frame
    }

    /// Read the header of a frame, and say how many octets of the input it had.
    fn read_head(&mut self, input: &[u8]) -> Result<(Option<Frame>, usize), Error> {
        let before = self.head_length;
        let at = self.offset - before as u64;
        if before == 0 {
            return if let Some((frame, size)) = self.parse(input, at)? {
                self.offset += size as u64;
                Ok((Some(frame), size))
            } else {
                // What is not complete is shorter than the longest header.
                self.head[..input.len()].copy_from_slice(input);
                self.head_length = input.len();
                self.offset += input.len() as u64;
                Ok((None, input.len()))
            };
        }
        let more = input.len().min(MAX_HEADER - before);
        let mut head = self.head;
        head[before..before + more].copy_from_slice(&input[..more]);
        if let Some((frame, size)) = self.parse(&head[..before + more], at)? {
            self.head_length = 0;
            self.offset = at + size as u64;
            return Ok((Some(frame), size - before));
        }
        self.head = head;
        self.head_length = before + more;
        self.offset += more as u64;
        Ok((None, more))
    }

    /// The frame that begins here, and the size of its header, if that is complete.
    fn parse(&mut self, head: &[u8], at: u64) -> Result<Option<(Frame, usize)>, Error> {
        let Settings { expect_masked, allow_compressed, .. } = self.settings;
        let Some(header) = header::read(head, at, allow_compressed, expect_masked, self.message != 0)? else {
            return Ok(None);
        };
        self.check_length(header, at)?;
        let Some(head) = head.get(..header.size) else { return Ok(None) };
        let key = if expect_masked { head.last_chunk().copied() } else { None };
        self.begin(header);
        Ok(Some((Frame { first: header.first, key, read: 0, left: header.length, apart: None }, header.size)))
    }

    fn check_length(&self, header: Header, at: u64) -> Result<(), Error> {
        let Settings { max_frame, max_message, max_fragments, max_empty_fragments, .. } = self.settings;
        let Header { first, length, length_at, .. } = header;
        let exceeded =
            |setting, limit, size, offset| refuse(Kind::LimitExceeded { setting, limit, size }, offset);
        if length > max_frame {
            return exceeded("max_frame", max_frame, Some(length), at + length_at);
        }
        if first & 0x08 != 0 {
            return Ok(());
        }
        let (message, total, fragments, empty) = match self.message {
            0 => (first, 0, 0, 0),
            message => (message, self.total, self.fragments, self.empty),
        };
        let slack = if message & RSV1 != 0 { (max_message >> 4) + 64 } else { 0 };
        // Neither of them is above 2**63.
        if total + length > max_message + slack {
            return exceeded("max_message", max_message, Some(total + length), at + length_at);
        }
        if fragments + 1 > max_fragments {
            return exceeded("max_fragments", max_fragments, None, at);
        }
        if length == 0 && first & FIN == 0 && empty + 1 > max_empty_fragments {
            return exceeded("max_empty_fragments", max_empty_fragments, None, at + length_at);
        }
        Ok(())
    }

    fn begin(&mut self, header: Header) {
        let Header { first, length, .. } = header;
        if first & 0x08 != 0 {
            self.control.clear();
            return;
        }
        if self.message == 0 {
            self.message = first & (RSV1 | 0x0f);
            (self.total, self.fragments, self.empty, self.checked) = (0, 0, 0, 0);
        }
        self.total += length;
        self.fragments += 1;
        self.empty += u64::from(length == 0 && first & FIN == 0);
    }

    /// Keep the next octets of a frame's payload, and say how many they were.
    fn take(&mut self, frame: &mut Frame, input: &[u8]) -> Result<usize, Error> {
        let size = usize::try_from(frame.left).map_or(input.len(), |left| left.min(input.len()));
        let is_control = frame.first & 0x08 != 0;
        let target = if is_control { &mut self.control } else { &mut self.payload };
        let before = target.len();
        target.extend_from_slice(&input[..size]);
        if let Some(key) = frame.key {
            mask_in_place(&mut target[before..], turned(key, frame.read));
        }
        if !is_control && self.message == TEXT {
            match check(&self.payload[self.checked..]) {
                Text::Valid(octets) => self.checked += octets,
                Text::Wrong(at) => {
                    let at = self.checked + at;
                    let octet = Some(self.payload[at]);
                    // It is one of those that have just come.
                    return refuse(Kind::InvalidUtf8 { octet }, self.offset + (at - before) as u64);
                }
            }
        }
        frame.read = frame.read.wrapping_add(size);
        frame.left -= size as u64;
        self.offset += size as u64;
        Ok(size)
    }

    /// A frame is complete: what that completes.
    fn end(&mut self, first: u8) -> Result<Option<Step>, Error> {
        let opcode = first & 0x0f;
        if opcode >= CLOSE {
            if opcode == CLOSE {
                self.is_stopped = true;
                self.payload = Vec::new(); // its message will never be whole
            }
            return Ok(Some(Step::Control(opcode)));
        }
        if first & FIN == 0 {
            return Ok(None);
        }
        let message = std::mem::take(&mut self.message);
        if message & RSV1 != 0 {
            return Ok(Some(Step::Message(FIN | message)));
        }
        if message == TEXT && self.checked != self.payload.len() {
            return refuse(Kind::InvalidUtf8 { octet: None }, self.offset);
        }
        Ok(Some(Step::Message(message)))
    }
}

/// Whether a whole message lies in front, behind the header of this frame: its opcode and its length.
fn whole(frame: Frame, available: usize) -> Option<(u8, usize)> {
    let opcode = frame.first & !FIN;
    if frame.first & FIN == 0 || !matches!(opcode, 1 | 2) {
        return None;
    }
    let length = usize::try_from(frame.left).ok()?;
    (length <= available).then_some((opcode, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings {
        expect_masked: true,
        allow_compressed: false,
        max_frame: 1 << 20,
        max_message: 1 << 20,
        max_fragments: 100,
        max_empty_fragments: 10,
    };

    /// What a stream has in it, fed in pieces of that size.
    fn read(stream: &[u8], piece: usize) -> (Vec<(u8, Vec<u8>)>, Option<Error>) {
        let mut reader = Reader::new(SETTINGS);
        let mut found = Vec::new();
        let mut parts = Vec::new();
        for input in stream.chunks(piece) {
            let mut at = 0;
            loop {
                let (step, used) = match reader.step(&input[at..]) {
                    Ok(done) => done,
                    Err(error) => return (found, Some(error)),
                };
                match step {
                    Step::NeedMore => break,
                    Step::Whole { opcode, start, length, key } => {
                        let mut payload = input[at + start..at + start + length].to_vec();
                        mask_in_place(&mut payload, key.unwrap());
                        found.push((opcode, payload));
                    }
                    Step::Part { total, start, length, key } => {
                        let mut octets = input[at + start..at + start + length].to_vec();
                        mask_in_place(&mut octets, key.unwrap());
                        parts.extend(octets);
                        if parts.len() == total {
                            found.push((2, std::mem::take(&mut parts)));
                        }
                    }
                    Step::Message(opcode) => {
                        found.push((opcode, reader.payload().to_vec()));
                        reader.clear();
                    }
                    Step::Control(opcode) => found.push((opcode, reader.control().to_vec())),
                }
                at += used;
            }
        }
        (found, None)
    }

    #[test]
    fn hello_of_section_5_7_however_it_is_cut() {
        let frame = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        for piece in 1..=frame.len() {
            assert_eq!(read(&frame, piece), (vec![(1, b"Hello".to_vec())], None));
        }
    }

    #[test]
    fn a_ping_between_two_fragments() {
        let stream = b"\x01\x81\0\0\0\0a\x89\x82\0\0\0\0hi\x80\x81\0\0\0\0b";
        for piece in 1..=stream.len() {
            assert_eq!(read(stream, piece), (vec![(9, b"hi".to_vec()), (1, b"ab".to_vec())], None));
        }
    }

    #[test]
    fn large_messages_in_pieces() {
        let payload: Vec<u8> = (0..100_000_u32).map(|i| (i % 127) as u8).collect();
        for opcode in [TEXT, OCTETS] {
            let mut stream = vec![FIN | opcode, 0xff, 0, 0, 0, 0, 0, 1, 0x86, 0xa0, 1, 2, 3, 4];
            stream.extend(&payload);
            mask_in_place(&mut stream[14..], [1, 2, 3, 4]);
            stream.extend(b"\x89\x80\0\0\0\0");
            for piece in [1, 1000, 20_001, 99_999, 1 << 20] {
                let found = vec![(opcode, payload.clone()), (9, vec![])];
                assert_eq!(read(&stream, piece), (found, None), "{piece}");
            }
        }
    }

    #[test]
    fn wrong_text_is_found_inside_an_unfinished_frame() {
        let stream = b"\x81\xfe\x10\x00\0\0\0\0ab\xe2\x28";
        for piece in 1..=stream.len() {
            let error = Error { kind: Kind::InvalidUtf8 { octet: Some(0x28) }, offset: 11 };
            assert_eq!(read(stream, piece), (vec![], Some(error)));
        }
    }
}
