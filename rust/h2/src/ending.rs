//! The ends of streams, and of the connection.

use h2::Error;

use crate::connection::{Connection, Side};
use crate::event::{Cause, Event};
use crate::frame::{self, code, kind};
use crate::limits::Excess;
use crate::message::Fault;
use crate::stream::Stream;

impl Connection {
    /// The crate says that a stream was reset, and not by whom: the frame that came last does.
    pub(crate) fn was_reset(&mut self, id: u32, code: u32, events: &mut Vec<Event>) {
        let cause = match self.current.kind {
            kind::RST_STREAM if self.current.stream == id => Cause::ByPeer,
            kind::GOAWAY => Cause::GoneAway,
            _ => Cause::Broken(""),
        };
        self.fail(id, cause, code, events);
    }

    /// The crate gives an error for a stream.
    pub(crate) fn failed(&mut self, id: u32, error: &Error, events: &mut Vec<Event>) {
        if self.is_broken {
            return;
        }
        let code = error.reason().map_or(code::INTERNAL_ERROR, u32::from);
        let cause = match (error.is_go_away(), error.is_remote()) {
            (true, true) => Cause::GoneAway,
            // The connection is broken, which is an event of its own.
            (true, false) => return,
            (false, true) => Cause::ByPeer,
            (false, false) => match self.streams.get(&id) {
                Some(stream) if stream.expected.is_some_and(|length| length != stream.received) => {
                    Cause::Broken("the body is not as long as Content-Length says")
                }
                _ => Cause::Broken(""),
            },
        };
        self.fail(id, cause, code, events);
    }

    /// This side gives up a stream, or all, because of what the peer sent on it.
    pub(crate) fn refuse(&mut self, id: u32, fault: Fault, events: &mut Vec<Event>) {
        match fault {
            Fault::Connection(excess) => self.stop(excess, events),
            Fault::Stream(cause, code) => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.reset(code);
                }
                self.fail(id, cause, code, events);
            }
        }
    }

    pub(crate) fn fail(&mut self, id: u32, cause: Cause, code: u32, events: &mut Vec<Event>) {
        // RFC 9113 section 8.7
        let is_safe = !self.is_server
            && (cause == Cause::GoneAway || cause == Cause::ByPeer && code == code::REFUSED_STREAM);
        self.remove(id);
        events.push(Event::Reset { stream: id, cause, code: Some(code), is_safe });
    }

    /// Forgets a stream that is over, when all of its octets are credited.
    pub(crate) fn settle(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if !stream.is_over() {
            return;
        }
        if stream.is_open {
            stream.is_open = false;
            self.open -= 1;
        }
        if stream.credit == 0 {
            // Its octets that the crate has not written yet stay in the sum until they are.
            self.streams.remove(&id);
        }
    }

    /// Takes a stream out whose octets, if there are any left, will not be sent.
    pub(crate) fn remove(&mut self, id: u32) -> Option<Stream> {
        let stream = self.streams.remove(&id)?;
        self.queued -= stream.queued;
        if stream.is_open {
            self.open -= 1;
        }
        Some(stream)
    }

    /// The peer went over a limit.
    pub(crate) fn stop(&mut self, excess: Excess, events: &mut Vec<Event>) {
        self.break_off(code::ENHANCE_YOUR_CALM, "", Some(excess), events);
    }

    /// The crate found that the peer broke a rule, and has mostly said so.
    pub(crate) fn broken(&mut self, error: &Error, events: &mut Vec<Event>) {
        let code = error.reason().map_or(code::PROTOCOL_ERROR, u32::from);
        self.break_off(code, "", None, events);
    }

    pub(crate) fn break_off(
        &mut self,
        code: u32,
        reason: &'static str,
        excess: Option<Excess>,
        events: &mut Vec<Event>,
    ) {
        if self.is_broken {
            return;
        }
        self.is_broken = true;
        if self.said != Some(code) {
            let debug = excess.map_or("", |excess| excess.name);
            self.write_goaway(code, debug.as_bytes());
        }
        self.open = 0;
        self.streams.clear();
        self.side = Side::Nobody;
        events.push(Event::Broken { code, reason, excess });
    }

    pub(crate) fn write_goaway(&mut self, code: u32, debug: &[u8]) {
        // A client takes no streams of the server's at all.
        let last = if self.is_server { self.last_stream } else { 0 };
        let mut pipe = self.io.lock();
        frame::write_goaway(&mut pipe.output, last, code, debug);
        self.scanned = pipe.output.len();
    }
}
