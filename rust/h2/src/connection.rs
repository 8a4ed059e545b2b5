//! One connection, of a client or of a server: the surface `HttpConnection`, in Rust.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::{client, server};
use http::{HeaderMap, StatusCode};

use crate::event::Event;
use crate::frame::{self, setting, Head, PREFACE};
use crate::limits::Limits;
use crate::message::{self, Target};
use crate::meter::{Meter, Reader};
use crate::pipe::Io;
use crate::stream::{Receiving, Sending, Stream};
use crate::waking::{Stirred, Woken};

/// The window of every stream, and of the connection, before anything was said (RFC 9113 section 6.9.2).
const FIRST_WINDOW: i64 = 65535;
/// How many streams a client opens before the server has said how many (RFC 9113 section 6.5.2).
const FIRST_STREAMS: usize = 100;
/// How many streams that were given up are remembered, so that what still comes on them is ignored.
const REMEMBERED: usize = 1000;
/// They are forgotten by number, not by the clock, so that nothing here depends on the time.
const FOREVER: Duration = Duration::from_secs(1 << 30);
/// Of the buffer for output, what a connection keeps that sends little.
const KEPT_OUTPUT: usize = 1 << 16;
/// The last number that a stream of a client can have.
pub(crate) const LAST_STREAM: u32 = (1 << 31) - 1;

/// Why a call was refused.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The head cannot be sent.
    Head(String),
    /// The stream is not open for this.
    Stream(String),
    /// The connection takes no more requests.
    Connection,
}

/// The crate's side of the connection.
pub(crate) enum Side {
    Client(client::Connection<Io, Bytes>, client::SendRequest<Bytes>),
    Preface(server::Handshake<Io, Bytes>),
    Server(server::Connection<Io, Bytes>),
    Nobody,
}

/// One connection of HTTP/2.
#[allow(clippy::struct_excessive_bools)] // each can be without the others
pub struct Connection {
    pub(crate) side: Side,
    pub(crate) limits: Limits,
    pub(crate) is_server: bool,
    pub(crate) io: Io,
    pub(crate) stirred: Arc<Stirred>,
    pub(crate) waker: Waker,
    pub(crate) woken: Woken,
    /// The streams that woke: kept for its allocation.
    pub(crate) awake: Vec<u32>,
    pub(crate) streams: HashMap<u32, Stream>,
    /// How many of them are under way.
    pub(crate) open: usize,
    pub(crate) reader: Reader,
    pub(crate) meter: Meter,
    /// The frame that was fed last.
    pub(crate) current: Head,
    /// How much of the output was looked through.
    pub(crate) scanned: usize,
    /// Streams whose reset the application asked for.
    pub(crate) asked: Vec<u32>,
    pub(crate) window: i64,
    pub(crate) queued: i64,
    pub(crate) first_window: i64,
    /// The last stream of the peer's that was seen (of a server), or of ours (of a client).
    pub(crate) last_stream: u32,
    /// What was found while output was written, for the next `feed`.
    pub(crate) late: Vec<Event>,
    /// The peer has said GOAWAY, or nothing more will come from it.
    pub(crate) is_leaving: bool,
    /// This side has said GOAWAY.
    pub(crate) is_draining: bool,
    pub(crate) is_broken: bool,
    /// The peer has begun with SETTINGS.
    pub(crate) has_settings: bool,
    /// The code of the GOAWAY that the crate has written.
    pub(crate) said: Option<u32>,
}

impl Connection {
    /// A client's connection; its first output is the preface and SETTINGS.
    #[must_use]
    pub fn client(limits: Limits) -> Self {
        let io = Io::default();
        let mut builder = client::Builder::new();
        builder
            .enable_push(false)
            .initial_max_send_streams(FIRST_STREAMS)
            .initial_window_size(limits.stream_window)
            .initial_connection_window_size(limits.connection_window)
            .max_concurrent_reset_streams(REMEMBERED)
            .reset_stream_duration(FOREVER)
            .max_local_error_reset_streams(None);
        let mut handshake = Box::pin(builder.handshake(io.clone()));
        let mut context = Context::from_waker(Waker::noop());
        // Nothing is awaited in it but the writing of the preface, which never waits here.
        let side = match handshake.as_mut().poll(&mut context) {
            Poll::Ready(Ok((requests, connection))) => Side::Client(connection, requests),
            Poll::Ready(Err(_)) | Poll::Pending => Side::Nobody,
        };
        drop(handshake);
        let mut connection = Self::new(side, limits, io, false);
        connection.drive(&mut Vec::new());
        connection.announce_header_list(PREFACE.len());
        connection
    }

    /// A server's connection; its first output is SETTINGS.
    #[must_use]
    pub fn server(limits: Limits, extended_connect: bool) -> Self {
        let io = Io::default();
        let mut builder = server::Builder::new();
        builder
            .max_concurrent_streams(limits.max_concurrent_streams)
            .initial_window_size(limits.stream_window)
            .initial_connection_window_size(limits.connection_window)
            .max_concurrent_reset_streams(REMEMBERED)
            .reset_stream_duration(FOREVER)
            .max_local_error_reset_streams(None)
            .max_pending_accept_reset_streams(usize::MAX);
        if extended_connect {
            builder.enable_connect_protocol();
        }
        let side = Side::Preface(builder.handshake(io.clone()));
        let mut connection = Self::new(side, limits, io, true);
        connection.drive(&mut Vec::new());
        connection.announce_header_list(0);
        connection
    }

    fn new(side: Side, limits: Limits, io: Io, is_server: bool) -> Self {
        let stirred = Arc::new(Stirred::default());
        Self {
            side,
            limits,
            is_server,
            io,
            waker: stirred.clone().into(),
            stirred,
            woken: Woken::default(),
            awake: Vec::new(),
            streams: HashMap::new(),
            open: 0,
            reader: Reader::new(is_server),
            meter: Meter::new(limits, is_server),
            current: Head::default(),
            scanned: 0,
            asked: Vec::new(),
            window: FIRST_WINDOW,
            queued: 0,
            first_window: FIRST_WINDOW,
            last_stream: 0,
            late: Vec::new(),
            is_leaving: false,
            is_draining: false,
            is_broken: false,
            has_settings: false,
            said: None,
        }
    }

    /// Tells the peer how large a header list may be.
    ///
    /// The crate is not told: it drops a list that is larger without a word of why, and a server's answers it
    /// unasked. What it lets through at most is bounded (16 MiB, of references), and is measured here.
    fn announce_header_list(&mut self, at: usize) {
        let mut pipe = self.io.lock();
        frame::add_setting(&mut pipe.output, at, setting::MAX_HEADER_LIST_SIZE, self.limits.max_header_list);
        self.scanned = pipe.output.len();
    }

    /// The octets to send, given to a function that copies them.
    pub fn take<R>(&mut self, copy: impl FnOnce(&[u8]) -> R) -> R {
        self.flush();
        let mut pipe = self.io.lock();
        let taken = copy(&pipe.output);
        // A buffer that was large once is kept while it is used, and not by a connection that is idle.
        let is_wasteful = pipe.output.capacity() > KEPT_OUTPUT.max(4 * pipe.output.len());
        pipe.output.clear();
        if is_wasteful {
            pipe.output.shrink_to(KEPT_OUTPUT);
        }
        self.scanned = 0;
        taken
    }

    /// Whether there is something to send.
    pub fn has_output(&mut self) -> bool {
        if self.stirred.is_set() {
            self.flush();
        }
        !self.io.lock().output.is_empty()
    }

    /// Begins a request; its stream.
    ///
    /// # Errors
    /// `Refusal::Head`, or `Refusal::Connection`.
    pub fn request(
        &mut self,
        target: &Target<'_>,
        mut fields: HeaderMap,
        end: bool,
        length: Option<u64>,
    ) -> Result<u32, Refusal> {
        if !self.can_request() {
            return Err(Refusal::Connection);
        }
        let Side::Client(_, requests) = &mut self.side else { return Err(Refusal::Connection) };
        if target.protocol.is_some() && !requests.is_extended_connect_protocol_enabled() {
            let reason = "the server has not said that it takes an extended CONNECT (RFC 8441)";
            return Err(Refusal::Head(reason.to_owned()));
        }
        message::announce(&mut fields, length);
        let request = target.request(fields).map_err(Refusal::Head)?;
        let (response, body) = match requests.send_request(request, end) {
            Ok(both) => both,
            Err(error) if error.is_go_away() || error.is_io() => return Err(Refusal::Connection),
            Err(error) => return Err(Refusal::Head(error.to_string())),
        };
        let id = response.stream_id().as_u32();
        let mut stream = Stream::new(
            self.woken.waker(id),
            Receiving::Response(response),
            Sending::Body(body),
            self.first_window,
        );
        stream.has_ended = end;
        self.streams.insert(id, stream);
        self.open += 1;
        self.last_stream = id;
        // Nothing can have come yet: this leaves the waker with the crate.
        let mut events = Vec::new();
        self.advance(id, &mut events);
        self.late.append(&mut events);
        Ok(id)
    }

    /// Whether a request may begin now.
    #[must_use]
    pub fn can_request(&self) -> bool {
        match &self.side {
            Side::Client(_, requests) => {
                !self.is_leaving
                    && !self.is_draining
                    && self.last_stream < LAST_STREAM
                    && self.open < requests.current_max_send_streams()
            }
            _ => false,
        }
    }

    /// Whether the server takes an extended CONNECT.
    #[must_use]
    pub fn takes_protocols(&self) -> bool {
        match &self.side {
            Side::Client(_, requests) => requests.is_extended_connect_protocol_enabled(),
            _ => false,
        }
    }

    /// Answers a request, or sends a 1xx response to it.
    ///
    /// # Errors
    /// `Refusal::Head`, or `Refusal::Stream`.
    pub fn respond(
        &mut self,
        id: u32,
        status: u16,
        mut fields: HeaderMap,
        end: bool,
        length: Option<u64>,
    ) -> Result<(), Refusal> {
        let status = StatusCode::from_u16(status)
            .ok()
            .filter(|status| status.as_u16() < 600 && *status != StatusCode::SWITCHING_PROTOCOLS)
            .ok_or_else(|| Refusal::Head(format!("HTTP/2 has no status {status}")))?;
        let Some(stream) = self.streams.get_mut(&id) else { return self.missed(id) };
        let Sending::Head(respond) = &mut stream.sending else {
            return Err(Refusal::Stream(format!("stream {id} is answered already")));
        };
        if status.is_informational() {
            if end {
                return Err(Refusal::Head("a 1xx response does not end the stream".to_owned()));
            }
            return respond
                .send_informational(message::response(status, fields))
                .map_err(|error| Refusal::Head(error.to_string()));
        }
        if status != StatusCode::NO_CONTENT {
            message::announce(&mut fields, length);
        }
        let body = respond
            .send_response(message::response(status, fields), end)
            .map_err(|error| Refusal::Head(error.to_string()))?;
        stream.sending = Sending::Body(body);
        if end {
            self.end_sending(id);
        }
        Ok(())
    }

    /// How many octets of body may be sent.
    #[must_use]
    pub fn room(&self, id: u32) -> usize {
        let Some(stream) = self.streams.get(&id).filter(|stream| !stream.has_ended) else { return 0 };
        let room = (stream.window - stream.queued).min(self.window - self.queued);
        usize::try_from(room).unwrap_or(0)
    }

    /// Sends octets of a body.
    ///
    /// # Errors
    /// `Refusal::Stream`.
    pub fn send(&mut self, id: u32, data: Bytes, end: bool) -> Result<(), Refusal> {
        let room = self.room(id);
        let size = data.len();
        let Some(stream) = self.sender(id)? else { return Ok(()) };
        if size > room {
            return Err(Refusal::Stream(format!("{size} octets are more than the room of {room} octets")));
        }
        if size == 0 && !end {
            return Ok(());
        }
        if let Sending::Body(body) = &mut stream.sending {
            body.send_data(data, end).map_err(|error| Refusal::Stream(error.to_string()))?;
        }
        // A room is a number of 31 bits.
        #[allow(clippy::cast_possible_wrap)]
        let size = size as i64;
        stream.queued += size;
        self.queued += size;
        if end {
            self.end_sending(id);
        }
        Ok(())
    }

    /// Ends a message with trailers.
    ///
    /// # Errors
    /// `Refusal::Head`, or `Refusal::Stream`.
    pub fn trailers(&mut self, id: u32, fields: HeaderMap) -> Result<(), Refusal> {
        let Some(stream) = self.sender(id)? else { return Ok(()) };
        if let Sending::Body(body) = &mut stream.sending {
            body.send_trailers(fields).map_err(|error| Refusal::Head(error.to_string()))?;
        }
        self.end_sending(id);
        Ok(())
    }

    /// A stream that is gone is no fault of the caller's, whose events may say so only later: nothing is
    /// sent. One that never was is.
    fn missed(&self, id: u32) -> Result<(), Refusal> {
        if (1..=self.last_stream).contains(&id) {
            Ok(())
        } else {
            Err(Refusal::Stream(format!("there is no stream {id}")))
        }
    }

    /// The stream, if a body may be sent on it; nothing if it is gone.
    fn sender(&mut self, id: u32) -> Result<Option<&mut Stream>, Refusal> {
        if !self.streams.contains_key(&id) {
            return self.missed(id).map(|()| None);
        }
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(None) };
        if stream.has_ended {
            return Err(Refusal::Stream(format!("the message on stream {id} has ended")));
        }
        if matches!(stream.sending, Sending::Head(_)) {
            return Err(Refusal::Stream(format!("stream {id} has no head yet")));
        }
        Ok(Some(stream))
    }

    fn end_sending(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.has_ended = true;
        }
        self.settle(id);
    }

    /// The application has taken octets.
    pub fn consumed(&mut self, id: u32, credit: usize) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let credit = credit.min(stream.credit);
        if let Some(body) = stream.body() {
            // It cannot fail: no more is given back than came.
            let _ = body.flow_control().release_capacity(credit);
        }
        stream.credit -= credit;
        self.settle(id);
    }

    /// Gives up a stream.
    pub fn reset(&mut self, id: u32, code: u32) {
        if !self.streams.contains_key(&id) {
            return;
        }
        // What was sent before goes out before.
        self.flush();
        if let Some(mut stream) = self.remove(id) {
            if !stream.is_over() {
                self.asked.push(id);
                stream.reset(code);
            }
            drop(stream);
            self.flush();
        }
    }

    /// Tells the peer that no new stream is taken.
    pub fn goaway(&mut self, code: u32) {
        if matches!(self.side, Side::Nobody) || self.is_draining {
            return;
        }
        self.flush();
        self.is_draining = true;
        self.write_goaway(code, &[]);
    }

    /// Sends a ping.
    pub fn ping(&mut self, data: [u8; 8]) {
        if matches!(self.side, Side::Nobody) {
            return;
        }
        self.flush();
        self.meter.awaited_pings += 1;
        let mut pipe = self.io.lock();
        frame::write_ping(&mut pipe.output, data);
        self.scanned = pipe.output.len();
    }

    /// Whether the peer has begun a head, or the preface, and not ended it.
    #[must_use]
    pub fn is_in_head(&self) -> bool {
        self.reader.is_in_head()
    }

    /// How many streams are under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.open
    }

    /// Whether the connection is of no further use.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.is_broken || self.open == 0 && (self.is_leaving || self.is_draining)
    }
}
