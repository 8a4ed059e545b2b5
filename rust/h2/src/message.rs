//! Heads of messages between octets and the crate's types (RFC 9113 section 8).

use h2::ext::Protocol;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{request, HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};

use crate::event::{Cause, Request};
use crate::frame::code;
use crate::limits::{Excess, Limits};

/// What each field of a header list counts besides its octets (RFC 9113 section 10.5.1).
const FIELD_OVERHEAD: usize = 32;

/// The head of a request that is to be sent.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)] // the fields are those of `RequestHead`
pub struct Target<'a> {
    pub method: &'a [u8],
    pub target: &'a [u8],
    pub authority: &'a [u8],
    pub scheme: &'a [u8],
    pub protocol: Option<&'a [u8]>,
}

impl Target<'_> {
    /// The request for the crate.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn request(&self, fields: HeaderMap) -> Result<request::Request<()>, String> {
        let method = Method::from_bytes(self.method).map_err(|_| "the method is no token".to_owned())?;
        let is_plain_connect = method == Method::CONNECT && self.protocol.is_none();
        let authority = Authority::try_from(self.authority)
            .map_err(|_| "HTTP/2 needs an authority: a host, and a port if any".to_owned())?;
        let mut parts = http::uri::Parts::default();
        parts.authority = Some(authority);
        if !is_plain_connect {
            let is_path = self.target.starts_with(b"/") || self.target == b"*";
            if !is_path || self.target.contains(&b'#') {
                return Err("the target is no path".to_owned());
            }
            let path = PathAndQuery::try_from(self.target)
                .map_err(|error| format!("the target is no path: {error}"))?;
            parts.path_and_query = Some(path);
            parts.scheme =
                Some(Scheme::try_from(self.scheme).map_err(|_| "the scheme is not one".to_owned())?);
        }
        let uri = Uri::from_parts(parts).map_err(|error| error.to_string())?;
        let mut request = request::Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = fields;
        if let Some(protocol) = self.protocol {
            let protocol =
                std::str::from_utf8(protocol).map_err(|_| "the protocol is no token".to_owned())?;
            request.extensions_mut().insert(Protocol::from(protocol));
        }
        Ok(request)
    }
}

/// The response for the crate.
#[must_use]
pub fn response(status: StatusCode, fields: HeaderMap) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.version_mut() = Version::HTTP_2;
    *response.headers_mut() = fields;
    response
}

/// Appends a field that is to be sent.
///
/// # Errors
/// The place that cannot hold its value: the name, or the value.
pub fn append(fields: &mut HeaderMap, name: &[u8], value: &[u8]) -> Result<(), &'static str> {
    let name = HeaderName::from_bytes(name).map_err(|_| "header name")?;
    let mut value = HeaderValue::from_bytes(value).map_err(|_| "header value")?;
    // A compressed secret can be guessed at by what it makes shorter (RFC 7541 section 7.1.3).
    if name == AUTHORIZATION || name == PROXY_AUTHORIZATION {
        value.set_sensitive(true);
    }
    fields.try_append(name, value).map(drop).map_err(|_| "header count")
}

/// Says how long the body is, where the fields do not.
pub fn announce(fields: &mut HeaderMap, length: Option<u64>) {
    if let Some(length) = length {
        fields.entry(CONTENT_LENGTH).or_insert_with(|| length.into());
    }
}

/// How many octets of body a head announces. The crate has refused those that contradict themselves.
#[must_use]
pub fn content_length(fields: &HeaderMap) -> Option<u64> {
    std::str::from_utf8(fields.get(CONTENT_LENGTH)?.as_bytes()).ok()?.parse().ok()
}

/// What is wrong with the fields of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// The stream cannot go on; the code for the peer.
    Stream(Cause, u32),
    /// The connection cannot go on.
    Connection(Excess),
}

/// What is wrong with the fields of a message, of what the crate does not look at. `pseudo` is what the
/// pseudo-header fields of the message count in its header list.
#[must_use]
pub fn fault(fields: &HeaderMap, pseudo: usize, limits: &Limits) -> Option<Fault> {
    let mut size = pseudo;
    let is_space = |octet: Option<&u8>| matches!(octet, Some(b' ' | b'\t'));
    let mut is_padded = false;
    for (name, value) in fields {
        size += name.as_str().len() + value.len() + FIELD_OVERHEAD;
        let octets = value.as_bytes();
        is_padded |= is_space(octets.first()) || is_space(octets.last());
    }
    if size > limits.max_header_list as usize {
        Some(Fault::Connection(Excess { name: "max_header_list", limit: limits.max_header_list }))
    } else if fields.len() > limits.max_header_count as usize {
        let excess = Excess { name: "max_header_count", limit: limits.max_header_count };
        Some(Fault::Stream(Cause::Excess(excess), code::ENHANCE_YOUR_CALM))
    } else if is_padded {
        // RFC 9113 section 8.2.1
        let words = "the value of a field begins or ends with a space";
        Some(Fault::Stream(Cause::Broken(words), code::PROTOCOL_ERROR))
    } else {
        None
    }
}

/// What `:status` counts in a header list.
pub const STATUS_SIZE: usize = 7 + 3 + FIELD_OVERHEAD;

/// A request as the crate received it, and what its pseudo-header fields count in its header list.
///
/// # Errors
/// The rule that it breaks, of those that the crate does not check.
pub fn received(parts: request::Parts) -> Result<(Request, usize), &'static str> {
    let mut request = Request {
        method: parts.method.as_str().into(),
        protocol: parts.extensions.get::<Protocol>().map(|protocol| protocol.as_str().into()),
        fields: parts.headers,
        ..Request::default()
    };
    let is_connect = parts.method == Method::CONNECT;
    let uri = parts.uri.into_parts();
    request.scheme = uri.scheme.map(|scheme| scheme.as_str().into());
    if let Some(path) = uri.path_and_query {
        request.target = path.as_str().into();
    }
    let is_path = request.target.starts_with(b"/")
        || request.target == b"*" && parts.method == Method::OPTIONS
        || request.target.is_empty() && is_connect && request.protocol.is_none();
    if !is_path {
        return Err("the path does not begin with a slash"); // RFC 9113 section 8.3.1
    }
    if let Some(authority) = uri.authority {
        request.authority = authority.as_str().into();
    }
    if is_connect && request.authority.is_empty() {
        return Err("CONNECT has no authority"); // RFC 9113 section 8.5
    }
    if request.authority.contains(&b'@') {
        return Err("the authority has user information"); // RFC 9113 section 8.3.1
    }
    take_host(&mut request)?;
    let mut pseudo = 7 + request.method.len() + FIELD_OVERHEAD;
    for part in [&request.target, &request.authority] {
        pseudo += if part.is_empty() { 0 } else { 10 + part.len() + FIELD_OVERHEAD };
    }
    Ok((request, pseudo))
}

/// Host says the same as `:authority`, or stands for it (RFC 9113 section 8.3.1).
fn take_host(request: &mut Request) -> Result<(), &'static str> {
    let mut hosts = request.fields.get_all(HOST).iter();
    let Some(host) = hosts.next() else { return Ok(()) };
    if hosts.next().is_some() {
        return Err("Host is there twice");
    }
    if request.authority.is_empty() {
        request.authority = host.as_bytes().into();
    } else if !host.as_bytes().eq_ignore_ascii_case(&request.authority) {
        return Err("Host and :authority differ");
    }
    request.fields.remove(HOST);
    Ok(())
}
