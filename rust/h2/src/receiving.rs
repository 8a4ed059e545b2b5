//! What is received: frames to the crate, and events from it and from beside it.

use std::future::Future;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::{server, Reason};
use http::StatusCode;

use crate::connection::{Connection, Side, LAST_STREAM};
use crate::event::{Cause, Event};
use crate::frame::{self, code, flag, kind, setting, Head, HEADER};
use crate::limits::{Excess, Limits};
use crate::message::{self, Fault};
use crate::stream::{Receiving, Sending, Stream};

impl Connection {
    /// What the received octets mean.
    pub fn feed(&mut self, data: &Bytes) -> Vec<Event> {
        // What was sent before goes out before, so that a reset that comes now takes none of it back.
        self.flush();
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
    pub(crate) fn check(&mut self, head: Head, events: &mut Vec<Event>) {
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

    /// Lets the crate read what there is to read, and write what there is to write.
    ///
    /// A peer that finds an octet on which the crate panics ends its own connection, and nothing else.
    pub(crate) fn drive(&mut self, events: &mut Vec<Event>) {
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

    pub(crate) fn drive_crate(&mut self, events: &mut Vec<Event>) {
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
    pub(crate) fn flush(&mut self) {
        let mut events = Vec::new();
        if self.stirred.is_set() {
            self.drive(&mut events);
            self.advance_woken(&mut events);
        }
        self.asked.clear();
        self.late.append(&mut events);
    }

    /// Looks through the frames that the crate has written since.
    pub(crate) fn scan(&mut self, events: &mut Vec<Event>) {
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
    pub(crate) fn note(&mut self, head: Head, before: usize, events: &mut Vec<Event>) {
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

    pub(crate) fn is_sending(&self) -> bool {
        self.streams.values().any(|stream| !stream.has_ended)
    }

    /// A request has come.
    pub(crate) fn accept(
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

    pub(crate) fn advance_woken(&mut self, events: &mut Vec<Event>) {
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
    pub(crate) fn advance(&mut self, id: u32, events: &mut Vec<Event>) {
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
