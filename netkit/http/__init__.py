"""HTTP: the values of a message, and how to read and write them.

    Method StatusCode Version      the words of a start line
    Headers                        the fields: case ignored, ordered, several values each, all checked
    Request Response               a start line, headers and a body
    Url                            a URL as browsers read it, with a reason for each invalid text
    Cookie SameSite                builds and reads Set-Cookie; parse_cookie_header reads Cookie
    Client AsyncClient             a client of HTTP/1.1 and HTTP/2, blocking and awaited
    ClientConfig PoolConfig        the settings of its requests, and of its connections that are kept
    DialConfig HttpVersions        how it makes connections, and which versions it speaks
    download download_many         files: resumed, in parts at once, many into a folder (and _async forms)
    FetchedResponse ResponseStream a response read whole, and one read piece by piece
    CookieJar StoredCookie         the cookies that a client keeps, and which of them go with a request
    HstsStore                      the hosts that are asked over TLS only
    RetryPolicy ProxyChoice        when a request is sent again, and through which proxy
    FileHandler FilesConfig        serves the files of a directory (UploadConfig, BasicCredentials)
    AccessLog LogFile Metrics MetricsHandler HttpsRedirect Watchers    what belongs to a server in use
    HttpClient HttpHandler         the interfaces of a client and of a server (and their Async versions)
    BasicAuth BearerAuth DigestAuth PasswordAuth    how a client proves who it is (Auth is their interface)
    BodyDecoder BodyEncoder        content codings undone and applied: gzip, deflate, br, zstd
    MultipartForm FormPart         the body of a form with files; encode_form makes the other kind
    EventStreamParser ServerEvent  server-sent events
    Netrc                          names and passwords by host; load_netrc reads the file
    SavedFile                      a file made by create_file, under a name made by safe_filename
    HttpParser ChunkedDecoder      the HTTP/1.1 parser: a message's head, and a chunked body (RFC 9112)
    ParseError Lenient             the errors of the parser, and the faults that it may tolerate
    HttpError                      all other errors, as variants: HttpError.InvalidUri

Modules for the contents of fields: `netkit.http.negotiation` (Accept and similar fields), `ranges`,
`link_header`, `content_disposition`, `challenges` (WWW-Authenticate) and `structured` (RFC 9651).
`netkit.http.har` writes exchanges as an HTTP Archive.
`netkit.http.inspector` has endpoints to test clients with: those of httpbin, and faults on purpose.
`netkit.http.range_answer` says what a server answers to a Range, `preconditions` whether it does what a
conditional request asks for, and `multipart` reads forms. `netkit.http.diagnose` says what is wrong
with a message, and which other parsers read it differently. `netkit.http.gateway` serves applications of ASGI
and WSGI.

Outside `netkit.http.client`, nothing opens a socket or reads the clock. A name is loaded, with its module,
when it is first used.

    >>> url = Url.parse("https://example.com/search").replace(query={"q": "a b"})
    >>> Request(Method.Get, url.request_target, headers={"Host": url.host_header})
    <Request GET /search?q=a+b HTTP/1.1, 1 header lines, no body>
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._lazy import lazy

if TYPE_CHECKING:
    from netkit.http.bodies.codings import (
        BodyDecoder as BodyDecoder,
        BodyEncoder as BodyEncoder,
        accept_encoding as accept_encoding,
    )
    from netkit.http.bodies.event_stream import (
        EventStreamParser as EventStreamParser,
        ServerEvent as ServerEvent,
    )
    from netkit.http.bodies.forms import (
        FormPart as FormPart,
        MultipartForm as MultipartForm,
        encode_form as encode_form,
    )
    from netkit.http.bodies.save import (
        SavedFile as SavedFile,
        create_file as create_file,
        resume_file as resume_file,
    )
    from netkit.http.challenges import Challenge as Challenge, parse_challenges as parse_challenges
    from netkit.http.client.client import AsyncClient as AsyncClient, Client as Client
    from netkit.http.client.dial import DialConfig as DialConfig, HttpVersions as HttpVersions
    from netkit.http.client.download import (
        DownloadConfig as DownloadConfig,
        Downloaded as Downloaded,
        DownloadOutcome as DownloadOutcome,
        download as download,
        download_async as download_async,
        download_many as download_many,
        download_many_async as download_many_async,
    )
    from netkit.http.client.download_errors import DownloadError as DownloadError
    from netkit.http.client.facts import (
        ConnectionInfo as ConnectionInfo,
        Timing as Timing,
        TraceEvent as TraceEvent,
    )
    from netkit.http.client.response import (
        FetchedResponse as FetchedResponse,
        ResponseStream as ResponseStream,
    )
    from netkit.http.config import ClientConfig as ClientConfig, PoolConfig as PoolConfig
    from netkit.http.content_disposition import (
        ContentDisposition as ContentDisposition,
        safe_filename as safe_filename,
    )
    from netkit.http.cookies.cookie import (
        Cookie as Cookie,
        SameSite as SameSite,
        default_path as default_path,
        domain_matches as domain_matches,
        format_cookie_header as format_cookie_header,
        parse_cookie_header as parse_cookie_header,
        path_matches as path_matches,
    )
    from netkit.http.cookies.file import load_cookies as load_cookies, save_cookies as save_cookies
    from netkit.http.cookies.jar import CookieJar as CookieJar
    from netkit.http.cookies.stored import StoredCookie as StoredCookie
    from netkit.http.errors import HttpError as HttpError
    from netkit.http.fields.dates import (
        format_http_date as format_http_date,
        parse_cookie_date as parse_cookie_date,
    )
    from netkit.http.files.config import (
        BasicCredentials as BasicCredentials,
        FilesConfig as FilesConfig,
        UploadConfig as UploadConfig,
    )
    from netkit.http.files.handler import FileHandler as FileHandler
    from netkit.http.headers import Headers as Headers, HeadersLike as HeadersLike
    from netkit.http.inspector.config import InspectorConfig as InspectorConfig
    from netkit.http.inspector.inspector import Inspector as Inspector
    from netkit.http.message import Request as Request, Response as Response
    from netkit.http.parser.chunked import ChunkedDecoder as ChunkedDecoder, ChunkProgress as ChunkProgress
    from netkit.http.parser.errors import ParseError as ParseError
    from netkit.http.parser.framing import Framing as Framing, Lenient as Lenient, TargetForm as TargetForm
    from netkit.http.parser.head import (
        HeaderView as HeaderView,
        HttpParser as HttpParser,
        ParseProgress as ParseProgress,
    )
    from netkit.http.policy.auth import (
        Auth as Auth,
        BasicAuth as BasicAuth,
        BearerAuth as BearerAuth,
        DigestAuth as DigestAuth,
        PasswordAuth as PasswordAuth,
        RequestFacts as RequestFacts,
    )
    from netkit.http.policy.netrc import (
        Netrc as Netrc,
        NetrcEntry as NetrcEntry,
        find_netrc as find_netrc,
        load_netrc as load_netrc,
        parse_netrc as parse_netrc,
    )
    from netkit.http.policy.proxies import ProxyChoice as ProxyChoice
    from netkit.http.policy.retry import RetryPolicy as RetryPolicy, TryOutcome as TryOutcome
    from netkit.http.protocols import (
        AsyncHttpClient as AsyncHttpClient,
        AsyncHttpHandler as AsyncHttpHandler,
        HttpClient as HttpClient,
        HttpHandler as HttpHandler,
    )
    from netkit.http.server.access_log import (
        AccessLog as AccessLog,
        AccessRecord as AccessRecord,
        LogFile as LogFile,
    )
    from netkit.http.server.config import ServerConfig as ServerConfig
    from netkit.http.server.exchange import Exchange as Exchange, FlowHandler as FlowHandler
    from netkit.http.server.metrics import Metrics as Metrics, MetricsHandler as MetricsHandler
    from netkit.http.server.redirect import HttpsRedirect as HttpsRedirect
    from netkit.http.server.request import (
        ConnectionFacts as ConnectionFacts,
        ServerRequest as ServerRequest,
    )
    from netkit.http.server.response import (
        StreamedResponse as StreamedResponse,
        text_response as text_response,
    )
    from netkit.http.server.server import HttpServer as HttpServer
    from netkit.http.server.stream import RequestStream as RequestStream
    from netkit.http.server.watchers import Watchers as Watchers
    from netkit.http.state.hsts import (
        HstsPolicy as HstsPolicy,
        HstsStore as HstsStore,
        load_hsts as load_hsts,
        save_hsts as save_hsts,
    )
    from netkit.http.state.session_file import Session as Session, SessionFile as SessionFile
    from netkit.http.types import (
        Method as Method,
        StatusCode as StatusCode,
        Version as Version,
    )
    from netkit.http.url import Url as Url

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "policy.auth": "Auth BasicAuth BearerAuth DigestAuth PasswordAuth RequestFacts",
        "challenges": "Challenge parse_challenges",
        "parser.chunked": "ChunkedDecoder ChunkProgress",
        "client.client": "AsyncClient Client",
        "client.dial": "DialConfig HttpVersions",
        "client.download": (
            "DownloadConfig Downloaded DownloadOutcome "
            "download download_async download_many download_many_async"
        ),
        "client.download_errors": "DownloadError",
        "client.facts": "ConnectionInfo Timing TraceEvent",
        "client.response": "FetchedResponse ResponseStream",
        "bodies.codings": "BodyDecoder BodyEncoder accept_encoding",
        "config": "ClientConfig PoolConfig",
        "cookies.file": "load_cookies save_cookies",
        "cookies.jar": "CookieJar",
        "content_disposition": "ContentDisposition safe_filename",
        "cookies.cookie": (
            "Cookie SameSite default_path domain_matches "
            "format_cookie_header parse_cookie_header path_matches"
        ),
        "fields.dates": "format_http_date parse_cookie_date",
        "errors": "HttpError",
        "bodies.event_stream": "EventStreamParser ServerEvent",
        "files.config": "BasicCredentials FilesConfig UploadConfig",
        "files.handler": "FileHandler",
        "bodies.forms": "FormPart MultipartForm encode_form",
        "parser.framing": "Framing Lenient TargetForm",
        "headers": "Headers HeadersLike",
        "state.hsts": "HstsPolicy HstsStore load_hsts save_hsts",
        "inspector.config": "InspectorConfig",
        "inspector.inspector": "Inspector",
        "message": "Request Response",
        "policy.netrc": "Netrc NetrcEntry find_netrc load_netrc parse_netrc",
        "parser.errors": "ParseError",
        "parser.head": "HeaderView HttpParser ParseProgress",
        "protocols": "AsyncHttpClient AsyncHttpHandler HttpClient HttpHandler",
        "policy.proxies": "ProxyChoice",
        "policy.retry": "RetryPolicy TryOutcome",
        "server.access_log": "AccessLog AccessRecord LogFile",
        "server.config": "ServerConfig",
        "server.exchange": "Exchange FlowHandler",
        "server.metrics": "Metrics MetricsHandler",
        "server.redirect": "HttpsRedirect",
        "server.request": "ConnectionFacts ServerRequest",
        "server.response": "StreamedResponse text_response",
        "server.server": "HttpServer",
        "server.stream": "RequestStream",
        "server.watchers": "Watchers",
        "state.session_file": "Session SessionFile",
        "cookies.stored": "StoredCookie",
        "bodies.save": "SavedFile create_file resume_file",
        "types": "Method StatusCode Version",
        "url": "Url",
    },
)
