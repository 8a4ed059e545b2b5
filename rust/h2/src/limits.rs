//! The limits of `netkit.http.connection.limits.ConnectionLimits` that concern HTTP/2, and their names.

/// How much of everything the peer may send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Octets of a header list, as RFC 9113 section 10.5.1 counts them.
    pub max_header_list: u32,
    /// Fields of a header list.
    pub max_header_count: u32,
    /// Streams that the peer may have open at once.
    pub max_concurrent_streams: u32,
    /// Octets of body that may come on one stream before the application takes any.
    pub stream_window: u32,
    /// The same for all streams together.
    pub connection_window: u32,
    /// 1xx responses to one request.
    pub max_interim: u32,
    /// Streams that end by a reset, in a burst.
    pub max_resets: u32,
    /// SETTINGS frames, in a burst.
    pub max_settings: u32,
    /// PING frames, in a burst.
    pub max_pings: u32,
    /// Frames that carry nothing, in a burst.
    pub max_empty_frames: u32,
    /// CONTINUATION frames of one header block.
    pub max_continuations: u32,
}

impl Default for Limits {
    /// The defaults of the Python class.
    fn default() -> Self {
        Self {
            max_header_list: 65536,
            max_header_count: 128,
            max_concurrent_streams: 100,
            stream_window: 1 << 20,
            connection_window: 1 << 22,
            max_interim: 16,
            max_resets: 200,
            max_settings: 100,
            max_pings: 100,
            max_empty_frames: 100,
            max_continuations: 8,
        }
    }
}

/// The limit that was exceeded, and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excess {
    /// The name of the limit.
    pub name: &'static str,
    /// Its value.
    pub limit: u32,
}
