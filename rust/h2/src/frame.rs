//! Frames as octets (RFC 9113 section 4.1 and 6): what is read beside the crate, and written for it.

/// The octets of a frame's header.
pub const HEADER: usize = 9;
/// What a client sends first (RFC 9113 section 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The largest payload that this side takes, which is the default (RFC 9113 section 6.5.2).
pub const MAX_PAYLOAD: usize = 16384;

/// The types of frames (RFC 9113 section 6).
pub mod kind {
    #![allow(missing_docs)]
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// The flags that are asked for here.
pub mod flag {
    #![allow(missing_docs)]
    pub const END_STREAM: u8 = 0x1;
    pub const ACK: u8 = 0x1;
    pub const END_HEADERS: u8 = 0x4;
    pub const PADDED: u8 = 0x8;
}

/// The error codes that are used here (RFC 9113 section 7).
pub mod code {
    #![allow(missing_docs)]
    pub const NO_ERROR: u32 = 0;
    pub const PROTOCOL_ERROR: u32 = 1;
    pub const INTERNAL_ERROR: u32 = 2;
    pub const FLOW_CONTROL_ERROR: u32 = 3;
    pub const STREAM_CLOSED: u32 = 5;
    pub const FRAME_SIZE_ERROR: u32 = 6;
    pub const REFUSED_STREAM: u32 = 7;
    pub const ENHANCE_YOUR_CALM: u32 = 11;
}

/// The parameters of SETTINGS that are read or written here.
pub mod setting {
    #![allow(missing_docs)]
    pub const INITIAL_WINDOW_SIZE: u16 = 4;
    pub const MAX_HEADER_LIST_SIZE: u16 = 6;
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Octets of payload.
    pub length: usize,
    /// The type, one of `kind` or another.
    pub kind: u8,
    /// The flags.
    pub flags: u8,
    /// The stream; 0 is the connection.
    pub stream: u32,
}

impl Head {
    /// Reads the nine octets; the reserved bit is ignored (RFC 9113 section 4.1).
    #[must_use]
    pub fn parse(octets: &[u8; HEADER]) -> Self {
        let [high, middle, low, kind, flags, stream @ ..] = *octets;
        Self {
            length: u32::from_be_bytes([0, high, middle, low]) as usize,
            kind,
            flags,
            stream: u32::from_be_bytes(stream) & 0x7fff_ffff,
        }
    }

    /// Whether it has that flag.
    #[must_use]
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

fn write(output: &mut Vec<u8>, kind: u8, flags: u8, parts: [&[u8]; 3]) {
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    // Lengths here are those of small frames, far from 2^24.
    #[allow(clippy::cast_possible_truncation)]
    output.extend_from_slice(&(length as u32).to_be_bytes()[1..]);
    output.extend_from_slice(&[kind, flags, 0, 0, 0, 0]);
    for part in parts {
        output.extend_from_slice(part);
    }
}

/// Appends GOAWAY (RFC 9113 section 6.8).
pub fn write_goaway(output: &mut Vec<u8>, last_stream: u32, code: u32, debug: &[u8]) {
    write(output, kind::GOAWAY, 0, [&last_stream.to_be_bytes(), &code.to_be_bytes(), debug]);
}

/// Appends PING (RFC 9113 section 6.7).
pub fn write_ping(output: &mut Vec<u8>, data: [u8; 8]) {
    write(output, kind::PING, 0, [&data, &[], &[]]);
}

/// Adds a parameter to the SETTINGS frame that begins at `at`.
pub fn add_setting(output: &mut Vec<u8>, at: usize, name: u16, value: u32) {
    let Some(Some(header)) = output.get(at..at + HEADER).map(|octets| octets.first_chunk::<HEADER>()) else {
        return;
    };
    let head = Head::parse(header);
    debug_assert_eq!(head.kind, kind::SETTINGS);
    let end = at + HEADER + head.length;
    let mut parameter = [0; 6];
    parameter[..2].copy_from_slice(&name.to_be_bytes());
    parameter[2..].copy_from_slice(&value.to_be_bytes());
    output.splice(end..end, parameter);
    #[allow(clippy::cast_possible_truncation)] // a SETTINGS frame of a few parameters
    let length = ((head.length + parameter.len()) as u32).to_be_bytes();
    output[at..at + 3].copy_from_slice(&length[1..]);
}

/// The parameters of a SETTINGS frame, in order.
pub fn settings(payload: &[u8]) -> impl Iterator<Item = (u16, u32)> + '_ {
    payload.chunks_exact(6).map(|six| {
        (u16::from_be_bytes([six[0], six[1]]), u32::from_be_bytes([six[2], six[3], six[4], six[5]]))
    })
}

/// The code for a frame that the connection cannot survive, where the crate has another than the RFC.
#[must_use]
pub fn fault(head: &Head, payload: &[u8]) -> Option<u32> {
    let is_sized = match head.kind {
        kind::SETTINGS if head.has(flag::ACK) => head.length == 0, // RFC 9113 section 6.5
        kind::SETTINGS => head.length % 6 == 0,
        kind::PING => head.length == 8, // section 6.7
        kind::RST_STREAM | kind::WINDOW_UPDATE => head.length == 4, // sections 6.4 and 6.9
        kind::GOAWAY => head.length >= 8, // section 6.8
        _ => true,
    };
    if !is_sized {
        return Some(code::FRAME_SIZE_ERROR);
    }
    let is_too_wide = |(name, value)| name == setting::INITIAL_WINDOW_SIZE && value > 0x7fff_ffff;
    if head.kind == kind::SETTINGS && settings(payload).any(is_too_wide) {
        return Some(code::FLOW_CONTROL_ERROR); // section 6.5.2
    }
    None
}

/// Four octets at a place, as a number; 0 where there are not as many.
#[must_use]
pub fn number(payload: &[u8], at: usize) -> u32 {
    payload.get(at..at + 4).map_or(0, |four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
}
