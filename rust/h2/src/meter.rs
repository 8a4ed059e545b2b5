//! The meter of frames: netkit's own limits on what a peer may send, in front of the crate.
//!
//! `netkit.http.connection.meter` is the specification, in words and in Python; the two count alike, and a
//! test says so. Here the reader of frames gives away the small payloads besides, which the crate hides.

use crate::frame::{code, flag, kind, number, Head, HEADER, MAX_PAYLOAD, PREFACE};
use crate::limits::{Excess, Limits};

/// Finds the frames in octets that come in pieces.
#[derive(Debug, Default)]
pub struct Reader {
    /// Octets of the preface still to come.
    preface: usize,
    header: [u8; HEADER],
    have: usize,
    head: Head,
    /// Octets of the payload still to come, and how many of all are kept.
    left: usize,
    keep: usize,
    payload: Vec<u8>,
    /// A header block has begun and not ended.
    in_block: bool,
}

impl Reader {
    /// A reader of what a client sends, which begins with the preface, or of what a server sends.
    #[must_use]
    pub fn new(preface: bool) -> Self {
        Self { preface: if preface { PREFACE.len() } else { 0 }, ..Self::default() }
    }

    /// Reads at most one frame to its end: how many octets that is, and the frame if it has ended.
    pub fn read(&mut self, data: &[u8]) -> (usize, Option<Head>) {
        if self.preface > 0 {
            let count = self.preface.min(data.len());
            self.preface -= count;
            return (count, None);
        }
        let mut at = 0;
        if self.have < HEADER {
            at = (HEADER - self.have).min(data.len());
            self.header[self.have..self.have + at].copy_from_slice(&data[..at]);
            self.have += at;
            if self.have < HEADER {
                return (at, None);
            }
            self.head = Head::parse(&self.header);
            self.left = self.head.length;
            self.keep = kept(&self.head);
            self.payload.clear();
        }
        let count = self.left.min(data.len() - at);
        let wanted = (self.keep - self.payload.len()).min(count);
        self.payload.extend_from_slice(&data[at..at + wanted]);
        self.left -= count;
        if self.left > 0 {
            return (at + count, None);
        }
        self.have = 0;
        if matches!(self.head.kind, kind::HEADERS | kind::CONTINUATION) {
            self.in_block = !self.head.has(flag::END_HEADERS);
        }
        (at + count, Some(self.head))
    }

    /// Whether the preface, a frame's header or a header block has begun and not ended.
    #[must_use]
    pub fn is_in_head(&self) -> bool {
        let is_in_frame = self.have > 0
            && (self.have < HEADER || matches!(self.head.kind, kind::HEADERS | kind::CONTINUATION));
        self.preface > 0 || self.in_block || is_in_frame
    }

    /// The payload of the frame that ended last, where it is one that is kept.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }
}

/// How many octets of a payload are kept.
fn kept(head: &Head) -> usize {
    match head.kind {
        kind::DATA if head.has(flag::PADDED) => head.length.min(1),
        kind::SETTINGS | kind::GOAWAY if head.length <= MAX_PAYLOAD => head.length,
        kind::RST_STREAM | kind::PING | kind::WINDOW_UPDATE => head.length.min(8),
        _ => 0,
    }
}

/// Counts the frames of a connection.
#[derive(Debug)]
pub struct Meter {
    limits: Limits,
    is_server: bool,
    resets: u32,
    settings: u32,
    pings: u32,
    empty_frames: u32,
    /// Of the header block that is coming: its CONTINUATION frames, and its octets.
    continuations: u32,
    block: usize,
    /// Pings that were sent and not answered.
    pub awaited_pings: u32,
}

impl Meter {
    /// A meter of what this side receives, as a server or as a client.
    #[must_use]
    pub fn new(limits: Limits, is_server: bool) -> Self {
        Self {
            limits,
            is_server,
            resets: 0,
            settings: 0,
            pings: 0,
            empty_frames: 0,
            continuations: 0,
            block: 0,
            awaited_pings: 0,
        }
    }

    /// Counts a frame that was received.
    ///
    /// # Errors
    /// The limit that it exceeds.
    pub fn received(&mut self, head: &Head, payload: &[u8]) -> Result<(), Excess> {
        match head.kind {
            kind::DATA => {
                let padding = payload.first().map_or(0, |&length| 1 + usize::from(length));
                if head.length > padding {
                    self.work();
                } else if !head.has(flag::END_STREAM) {
                    return self.empty();
                }
                self.ended(head, false);
            }
            kind::HEADERS | kind::CONTINUATION => {
                if head.kind == kind::HEADERS {
                    (self.continuations, self.block) = (0, 0);
                    self.work();
                    self.ended(head, false);
                } else {
                    self.continuations += 1;
                    if self.continuations > self.limits.max_continuations {
                        return Err(Excess {
                            name: "max_continuations",
                            limit: self.limits.max_continuations,
                        });
                    }
                }
                self.block += head.length;
                if self.block > self.limits.max_header_list as usize {
                    return Err(Excess { name: "max_header_list", limit: self.limits.max_header_list });
                }
                if head.length == 0 {
                    return self.empty();
                }
            }
            kind::RST_STREAM => {
                let code = number(payload, 0);
                if self.is_server || (code != code::NO_ERROR && code != code::REFUSED_STREAM) {
                    return self.reset();
                }
            }
            kind::SETTINGS => {
                return over(&mut self.settings, "max_settings", self.limits.max_settings);
            }
            kind::PING => {
                if head.has(flag::ACK) && self.awaited_pings > 0 {
                    self.awaited_pings -= 1;
                } else {
                    return over(&mut self.pings, "max_pings", self.limits.max_pings);
                }
            }
            _ => return self.empty(),
        }
        Ok(())
    }

    /// Counts a frame that this side has sent.
    ///
    /// # Errors
    /// The limit that the peer exceeds: of resets that it makes this side send.
    pub fn sent(&mut self, head: &Head, is_asked_for: bool) -> Result<(), Excess> {
        match head.kind {
            kind::DATA if head.length > 0 => {
                // A peer that receives much may say often that it can take more.
                self.work();
                #[allow(clippy::cast_possible_truncation)] // a frame's length is of 24 bits
                let paid = 1 + (head.length >> 10) as u32;
                self.empty_frames = self.empty_frames.saturating_sub(paid);
            }
            kind::RST_STREAM if !is_asked_for => return self.reset(),
            _ => {}
        }
        self.ended(head, true);
        Ok(())
    }

    /// A stream that the answering side ended properly was no reset.
    fn ended(&mut self, head: &Head, is_sent: bool) {
        let carries_end = matches!(head.kind, kind::DATA | kind::HEADERS);
        if carries_end && is_sent == self.is_server && head.has(flag::END_STREAM) {
            self.resets = self.resets.saturating_sub(1);
        }
    }

    fn work(&mut self) {
        self.settings = self.settings.saturating_sub(1);
        self.pings = self.pings.saturating_sub(1);
        self.empty_frames = self.empty_frames.saturating_sub(1);
    }

    fn reset(&mut self) -> Result<(), Excess> {
        over(&mut self.resets, "max_resets", self.limits.max_resets)
    }

    fn empty(&mut self) -> Result<(), Excess> {
        over(&mut self.empty_frames, "max_empty_frames", self.limits.max_empty_frames)
    }
}

fn over(count: &mut u32, name: &'static str, limit: u32) -> Result<(), Excess> {
    *count += 1;
    if *count > limit {
        Err(Excess { name, limit })
    } else {
        Ok(())
    }
}
