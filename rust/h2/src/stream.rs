//! One stream, and what the crate gives for it.

use std::task::Waker;

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};

/// What is still to be received on a stream.
pub(crate) enum Receiving {
    /// A client waits for the response.
    Response(ResponseFuture),
    /// The body, and trailers after it.
    Body(RecvStream),
    /// Nothing. The crate's half is kept while octets of the body are to be credited.
    Nothing(Option<RecvStream>),
}

/// How this side sends on a stream.
pub(crate) enum Sending {
    /// A server has not answered yet.
    Head(SendResponse<Bytes>),
    /// The body, and trailers after it.
    Body(SendStream<Bytes>),
}

/// A stream that is under way, or whose octets are still to be credited.
pub(crate) struct Stream {
    pub(crate) waker: Waker,
    pub(crate) receiving: Receiving,
    /// Kept after the end, because a reset goes through it.
    pub(crate) sending: Sending,
    pub(crate) has_ended: bool,
    /// Whether it counts as under way.
    pub(crate) is_open: bool,
    /// What the peer allows to be sent, and what of that the crate has and has not written yet.
    pub(crate) window: i64,
    pub(crate) queued: i64,
    /// Octets that the application has and has not taken yet.
    pub(crate) credit: usize,
    /// Octets of body that came, and how many were announced.
    pub(crate) received: u64,
    pub(crate) expected: Option<u64>,
    pub(crate) interim: u32,
}

impl Stream {
    pub(crate) fn new(waker: Waker, receiving: Receiving, sending: Sending, window: i64) -> Self {
        Self {
            waker,
            receiving,
            sending,
            has_ended: false,
            is_open: true,
            window,
            queued: 0,
            credit: 0,
            received: 0,
            expected: None,
            interim: 0,
        }
    }

    /// Whether everything was received and sent.
    pub(crate) fn is_over(&self) -> bool {
        self.has_ended && matches!(self.receiving, Receiving::Nothing(_))
    }

    pub(crate) fn reset(&mut self, code: u32) {
        let reason = Reason::from(code);
        match &mut self.sending {
            Sending::Head(respond) => respond.send_reset(reason),
            Sending::Body(body) => body.send_reset(reason),
        }
    }

    /// The crate's receiving half, once there is a body.
    pub(crate) fn body(&mut self) -> Option<&mut RecvStream> {
        match &mut self.receiving {
            Receiving::Body(body) => Some(body),
            Receiving::Nothing(body) => body.as_mut(),
            Receiving::Response(_) => None,
        }
    }
}
