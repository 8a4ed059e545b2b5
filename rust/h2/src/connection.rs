//! One connection, of a client or of a server: the surface `HttpConnection`, in Rust.

use std::collections::HashMap;
use std::future::Future;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::{client, server, Error, Reason};
use http::{HeaderMap, StatusCode};

use crate::event::{Cause, Event};
use crate::frame::{self, code, flag, kind, setting, Head, HEADER, PREFACE};
use crate::limits::{Excess, Limits};
use crate::message::{self, Fault, Target};
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
/// Of the buffer for output, what is kept when it was taken.
const KEPT_OUTPUT: usize = 1 << 18;
/// The last number that a stream of a client can have.
const LAST_STREAM: u32 = (1 << 31) - 1;

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

enum Side {
    Client(client::Connection<Io, Bytes>, client::SendRequest<Bytes>),
    Preface(server::Handshake<Io, Bytes>),
    Server(server::Connection<Io, Bytes>),
    Nobody,
}

/// One connection of HTTP/2.
pub struct Connection {
    side: Side,
    limits: Limits,
    is_server: bool,
    io: Io,
    stirred: Arc<Stirred>,
    waker: Waker,
    woken: Woken,
    /// The streams that woke: kept for its allocation.
    awake: Vec<u32>,
    streams: HashMap<u32, Stream>,
    /// How many of them are under way.
    open: usize,
    reader: Reader,
    meter: Meter,
    /// The frame that was fed last.
    current: Head,
    /// How much of the output was looked through.
    scanned: usize,
    /// Streams whose reset the application asked for.
    asked: Vec<u32>,
    window: i64,
    queued: i64,
    first_window: i64,
    /// The last stream of the peer's that was seen (of a server), or of ours (of a client).
    last_stream: u32,
    /// What was found while output was written, for the next `feed`.
    late: Vec<Event>,
    /// The peer has said GOAWAY, or nothing more will come from it.
    is_leaving: bool,
    /// This side has said GOAWAY.
    is_draining: bool,
    is_broken: bool,
    /// The peer has begun with SETTINGS.
    has_settings: bool,
    /// The code of the GOAWAY that the crate has written.
    said: Option<u32>,
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

    /// What the received octets mean.
    pub fn feed(&mut self, data: &Bytes) -> Vec<Event> {
        let mut events = std::mem::take(&mut self.late);
        let mut at = 0;
        while at < data.len() && !self.is_broken && !matches!(self.side, Side::Nobody) {
            let (count, ended) = self.reader.read(&data[at..]);
            if let Some(head) = ended {
                self.check(head, &mut events);
                if self.is_broken {
                    break;
                }
            }
            self.io.lock().input = data.slice(at..at + count);
            at += count;
            // Frame by frame, so that the events are in the order of the frames, however they were cut.
            let before = events.len();
            self.drive(&mut events);
            if let (Some(head), false) = (ended, self.is_broken) {
                self.note(head, before, &mut events);
            }
            self.advance_woken(&mut events);
        }
        events
    }

    /// Looks at a whole frame before the crate does.
    fn check(&mut self, head: Head, events: &mut Vec<Event>) {
        if !self.has_settings && (head.kind != kind::SETTINGS || head.has(flag::ACK)) {
            // RFC 9113 section 3.4
            return self.break_off(code::PROTOCOL_ERROR, "the first frame is not SETTINGS", None, events);
        }
        self.has_settings = true;
        if let Err(excess) = self.meter.received(&head, self.reader.payload()) {
            return self.stop(excess, events);
        }
        if let Some(code) = frame::fault(&head, self.reader.payload()) {
            return self.break_off(code, "", None, events);
        }
        self.current = head;
        if self.is_server && head.kind == kind::HEADERS && head.stream % 2 == 1 {
            self.last_stream = self.last_stream.max(head.stream);
        }
        if matches!(head.kind, kind::DATA | kind::HEADERS) {
            let stream = self.streams.get(&head.stream);
            if stream
                .is_some_and(|stream| stream.is_open && matches!(stream.receiving, Receiving::Nothing(_)))
            {
                // RFC 9113 section 5.1, half-closed (remote)
                let cause = Cause::Broken("a frame came after the end of the message");
                self.refuse(head.stream, Fault::Stream(cause, code::STREAM_CLOSED), events);
            }
        }
    }

    /// The peer will send no more: streams on which something was to come fail.
    pub fn feed_eof(&mut self) -> Vec<Event> {
        let mut events = std::mem::take(&mut self.late);
        self.is_leaving = true;
        let mut cut: Vec<u32> = self
            .streams
            .iter()
            .filter(|(_, stream)| !matches!(stream.receiving, Receiving::Nothing(_)))
            .map(|(&id, _)| id)
            .collect();
        cut.sort_unstable();
        for id in cut {
            let Some(stream) = self.remove(id) else { continue };
            let cause = match stream.receiving {
                Receiving::Response(_) => Cause::Unanswered,
                _ => Cause::Ended(stream.received, stream.expected),
            };
            events.push(Event::Reset { stream: id, cause, code: None, is_safe: false });
        }
        events
    }

    /// The octets to send, given to a function that copies them.
    pub fn take<R>(&mut self, copy: impl FnOnce(&[u8]) -> R) -> R {
        self.flush();
        let mut pipe = self.io.lock();
        let taken = copy(&pipe.output);
        if pipe.output.capacity() > KEPT_OUTPUT {
            pipe.output = Vec::new();
        } else {
            pipe.output.clear();
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

    fn write_goaway(&mut self, code: u32, debug: &[u8]) {
        // A client takes no streams of the server's at all.
        let last = if self.is_server { self.last_stream } else { 0 };
        let mut pipe = self.io.lock();
        frame::write_goaway(&mut pipe.output, last, code, debug);
        self.scanned = pipe.output.len();
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

    /// Lets the crate read what there is to read, and write what there is to write.
    ///
    /// A peer that finds an octet on which the crate panics ends its own connection, and nothing else.
    fn drive(&mut self, events: &mut Vec<Event>) {
        if catch_unwind(AssertUnwindSafe(|| self.drive_crate(events))).is_err() {
            // What the panic has left half done is not touched again, not even to free it.
            std::mem::forget(std::mem::take(&mut self.streams));
            std::mem::forget(std::mem::replace(&mut self.side, Side::Nobody));
            self.break_off(
                code::INTERNAL_ERROR,
                "the HTTP/2 library failed on what the peer sent",
                None,
                events,
            );
        }
    }

    fn drive_crate(&mut self, events: &mut Vec<Event>) {
        self.stirred.take();
        let waker = self.waker.clone();
        let mut context = Context::from_waker(&waker);
        if let Side::Preface(handshake) = &mut self.side {
            match Pin::new(handshake).poll(&mut context) {
                Poll::Ready(Ok(connection)) => self.side = Side::Server(connection),
                Poll::Ready(Err(error)) => return self.broken(&error, events),
                Poll::Pending => return,
            }
        }
        loop {
            let polled = match &mut self.side {
                Side::Client(connection, _) => Pin::new(connection).poll(&mut context),
                Side::Server(connection) => match connection.poll_accept(&mut context) {
                    Poll::Ready(Some(Ok((request, respond)))) => {
                        self.accept(request, respond, events);
                        continue;
                    }
                    Poll::Ready(Some(Err(error))) => Poll::Ready(Err(error)),
                    Poll::Ready(None) => Poll::Ready(Ok(())),
                    Poll::Pending => Poll::Pending,
                },
                Side::Preface(_) | Side::Nobody => return,
            };
            self.scan(events);
            match polled {
                Poll::Pending => {}
                // The peer's GOAWAY was an event already, with its code.
                Poll::Ready(Ok(())) => self.is_leaving = true,
                Poll::Ready(Err(error)) if error.is_remote() => self.is_leaving = true,
                Poll::Ready(Err(error)) => self.broken(&error, events),
            }
            return;
        }
    }

    /// Writes what the crate has to write.
    fn flush(&mut self) {
        let mut events = Vec::new();
        if self.stirred.is_set() {
            self.drive(&mut events);
            self.advance_woken(&mut events);
        }
        self.asked.clear();
        self.late.append(&mut events);
    }

    /// Looks through the frames that the crate has written since.
    fn scan(&mut self, events: &mut Vec<Event>) {
        let io = self.io.clone();
        let pipe = io.lock();
        let mut excess = None;
        while let Some(Some(header)) =
            pipe.output.get(self.scanned..).map(|octets| octets.first_chunk::<HEADER>())
        {
            let head = Head::parse(header);
            if head.kind == kind::GOAWAY {
                self.said = Some(frame::number(&pipe.output, self.scanned + HEADER + 4));
            }
            self.scanned += HEADER + head.length;
            let is_asked_for = self.asked.contains(&head.stream);
            excess = excess.or(self.meter.sent(&head, is_asked_for).err());
            if head.kind == kind::DATA {
                #[allow(clippy::cast_possible_wrap)] // a length of 24 bits
                let length = head.length as i64;
                self.window -= length;
                self.queued -= length;
                if let Some(stream) = self.streams.get_mut(&head.stream) {
                    stream.window -= length;
                    stream.queued -= length;
                }
            }
        }
        drop(pipe);
        if let Some(excess) = excess {
            self.stop(excess, events);
        }
    }

    /// What a frame says that the crate does not pass on. `before`: the events that it led to come after.
    fn note(&mut self, head: Head, before: usize, events: &mut Vec<Event>) {
        let payload = self.reader.payload();
        match head.kind {
            kind::GOAWAY => {
                self.is_leaving = true;
                let event = Event::GoAway {
                    last_stream: frame::number(payload, 0) & LAST_STREAM,
                    code: frame::number(payload, 4),
                    debug: Bytes::copy_from_slice(payload.get(8..).unwrap_or_default()),
                };
                events.insert(before, event);
            }
            kind::PING if head.has(flag::ACK) => {
                if let Ok(data) = payload.try_into() {
                    events.push(Event::PingAnswered { data });
                }
            }
            kind::SETTINGS if !head.has(flag::ACK) => {
                let first = self.first_window;
                for (name, value) in frame::settings(payload) {
                    if name == setting::INITIAL_WINDOW_SIZE {
                        self.first_window = i64::from(value);
                    }
                }
                let more = self.first_window - first;
                for stream in self.streams.values_mut() {
                    stream.window += more;
                }
                if more > 0 && self.is_sending() {
                    events.push(Event::Room { stream: 0 });
                }
            }
            kind::WINDOW_UPDATE => {
                let more = i64::from(frame::number(payload, 0) & LAST_STREAM);
                if head.stream == 0 {
                    self.window += more;
                    if self.is_sending() {
                        events.push(Event::Room { stream: 0 });
                    }
                } else if let Some(stream) = self.streams.get_mut(&head.stream) {
                    stream.window += more;
                    // One that is too large is a fault, which the crate finds (RFC 9113 section 6.9.1).
                    if !stream.has_ended && stream.window <= i64::from(LAST_STREAM) {
                        events.push(Event::Room { stream: head.stream });
                    }
                }
            }
            _ => {}
        }
    }

    fn is_sending(&self) -> bool {
        self.streams.values().any(|stream| !stream.has_ended)
    }

    /// A request has come.
    fn accept(
        &mut self,
        request: http::Request<h2::RecvStream>,
        mut respond: server::SendResponse<Bytes>,
        events: &mut Vec<Event>,
    ) {
        let id = respond.stream_id().as_u32();
        if self.is_draining {
            // It is above the last stream that GOAWAY named, so that it may be asked elsewhere.
            respond.send_reset(Reason::REFUSED_STREAM);
            return;
        }
        let (parts, body) = request.into_parts();
        let Ok((head, pseudo)) = message::received(parts) else {
            respond.send_reset(Reason::PROTOCOL_ERROR);
            return;
        };
        match message::fault(&head.fields, pseudo, &self.limits) {
            Some(Fault::Connection(excess)) => return self.stop(excess, events),
            Some(Fault::Stream(_, code)) => return respond.send_reset(code.into()),
            None => {}
        }
        let end = body.is_end_stream();
        let length = message::content_length(&head.fields);
        let receiving = if end { Receiving::Nothing(None) } else { Receiving::Body(body) };
        let mut stream =
            Stream::new(self.woken.waker(id), receiving, Sending::Head(respond), self.first_window);
        stream.expected = length;
        self.streams.insert(id, stream);
        self.open += 1;
        events.push(Event::RequestReceived { stream: id, head: Box::new(head), end, length });
        self.advance(id, events);
    }

    fn advance_woken(&mut self, events: &mut Vec<Event>) {
        loop {
            let mut awake = std::mem::take(&mut self.awake);
            awake.clear();
            self.woken.swap(&mut awake);
            for &id in &awake {
                if !self.is_broken {
                    self.advance(id, events);
                }
            }
            let nobody = awake.is_empty();
            self.awake = awake;
            if nobody {
                return;
            }
        }
    }

    /// Takes what the crate has for one stream.
    fn advance(&mut self, id: u32, events: &mut Vec<Event>) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let waker = stream.waker.clone();
        let mut context = Context::from_waker(&waker);
        loop {
            match &mut stream.receiving {
                Receiving::Response(response) => {
                    match response.poll_informational(&mut context) {
                        Poll::Ready(Some(Ok(interim))) => {
                            stream.interim += 1;
                            let (parts, ()) = interim.into_parts();
                            if let Some(fault) = interim_fault(stream.interim, &parts, &self.limits) {
                                return self.refuse(id, fault, events);
                            }
                            let status = parts.status.as_u16();
                            events.push(Event::Interim { stream: id, status, fields: parts.headers });
                            continue;
                        }
                        Poll::Ready(Some(Err(error))) => return self.failed(id, &error, events),
                        Poll::Ready(None) | Poll::Pending => {}
                    }
                    match Pin::new(response).poll(&mut context) {
                        Poll::Ready(Ok(response)) => {
                            let (parts, body) = response.into_parts();
                            let fault = message::fault(&parts.headers, message::STATUS_SIZE, &self.limits);
                            if let Some(fault) = fault {
                                return self.refuse(id, fault, events);
                            }
                            let length = message::content_length(&parts.headers);
                            let end = body.is_end_stream();
                            stream.expected = length;
                            stream.receiving =
                                if end { Receiving::Nothing(None) } else { Receiving::Body(body) };
                            events.push(Event::ResponseHead {
                                stream: id,
                                status: parts.status.as_u16(),
                                fields: parts.headers,
                                end,
                                length,
                            });
                        }
                        Poll::Ready(Err(error)) => return self.failed(id, &error, events),
                        Poll::Pending => return,
                    }
                }
                Receiving::Body(body) => match body.poll_data(&mut context) {
                    Poll::Ready(Some(Ok(data))) => {
                        if !data.is_empty() {
                            stream.credit += data.len();
                            stream.received += data.len() as u64;
                            events.push(Event::Data { stream: id, data });
                        }
                    }
                    Poll::Ready(Some(Err(error))) => return self.failed(id, &error, events),
                    Poll::Ready(None) => match body.poll_trailers(&mut context) {
                        Poll::Ready(Ok(trailers)) => {
                            let fault = trailers.as_ref().and_then(|t| message::fault(t, 0, &self.limits));
                            if let Some(fault) = fault {
                                return self.refuse(id, fault, events);
                            }
                            let nothing = Receiving::Nothing(None);
                            if let Receiving::Body(body) = std::mem::replace(&mut stream.receiving, nothing) {
                                stream.receiving = Receiving::Nothing(Some(body));
                            }
                            events.push(Event::End { stream: id, trailers });
                        }
                        Poll::Ready(Err(error)) => return self.failed(id, &error, events),
                        Poll::Pending => return,
                    },
                    Poll::Pending => return,
                },
                Receiving::Nothing(_) => break,
            }
        }
        if !stream.has_ended {
            let reset = match &mut stream.sending {
                Sending::Head(respond) => respond.poll_reset(&mut context),
                Sending::Body(body) => body.poll_reset(&mut context),
            };
            match reset {
                Poll::Ready(Ok(reason)) => return self.was_reset(id, reason.into(), events),
                Poll::Ready(Err(error)) => return self.failed(id, &error, events),
                Poll::Pending => {}
            }
        }
        self.settle(id);
    }

    /// The crate says that a stream was reset, and not by whom: the frame that came last does.
    fn was_reset(&mut self, id: u32, code: u32, events: &mut Vec<Event>) {
        let cause = match self.current.kind {
            kind::RST_STREAM if self.current.stream == id => Cause::ByPeer,
            kind::GOAWAY => Cause::GoneAway,
            _ => Cause::Broken(""),
        };
        self.fail(id, cause, code, events);
    }

    /// The crate gives an error for a stream.
    fn failed(&mut self, id: u32, error: &Error, events: &mut Vec<Event>) {
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
    fn refuse(&mut self, id: u32, fault: Fault, events: &mut Vec<Event>) {
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

    fn fail(&mut self, id: u32, cause: Cause, code: u32, events: &mut Vec<Event>) {
        // RFC 9113 section 8.7
        let is_safe = !self.is_server
            && (cause == Cause::GoneAway || cause == Cause::ByPeer && code == code::REFUSED_STREAM);
        self.remove(id);
        events.push(Event::Reset { stream: id, cause, code: Some(code), is_safe });
    }

    /// Forgets a stream that is over, when all of its octets are credited.
    fn settle(&mut self, id: u32) {
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
    fn remove(&mut self, id: u32) -> Option<Stream> {
        let stream = self.streams.remove(&id)?;
        self.queued -= stream.queued;
        if stream.is_open {
            self.open -= 1;
        }
        Some(stream)
    }

    /// The peer went over a limit.
    fn stop(&mut self, excess: Excess, events: &mut Vec<Event>) {
        self.break_off(code::ENHANCE_YOUR_CALM, "", Some(excess), events);
    }

    /// The crate found that the peer broke a rule, and has mostly said so.
    fn broken(&mut self, error: &Error, events: &mut Vec<Event>) {
        let code = error.reason().map_or(code::PROTOCOL_ERROR, u32::from);
        self.break_off(code, "", None, events);
    }

    fn break_off(
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
}

/// What is wrong with a 1xx response, the one of that number on its stream.
fn interim_fault(count: u32, parts: &http::response::Parts, limits: &Limits) -> Option<Fault> {
    if count > limits.max_interim {
        return Some(Fault::Connection(Excess { name: "max_interim", limit: limits.max_interim }));
    }
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        // RFC 9113 section 8.6
        let words = "HTTP/2 has no 101 (Switching Protocols)";
        return Some(Fault::Stream(Cause::Broken(words), code::PROTOCOL_ERROR));
    }
    message::fault(&parts.headers, message::STATUS_SIZE, limits)
}
