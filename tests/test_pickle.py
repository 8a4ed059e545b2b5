"""Every error and every value pickles and copies: they travel to and from worker processes.

An error that does not come back from a worker leaves its pool hanging. Errors are made here by what their
constructors take, values by the table below; a class that nobody has an example for fails.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import pkgutil
import subprocess
import sys
import typing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

import netkit
from netkit._value import Value
from netkit.addr import HostPort, IpAddr, SocketAddr
from netkit.dns import DnsError, DnsRecord, DnsRecordType
from netkit.dns.constants import Rcode
from netkit.dns.edns import Edns, EdnsOption
from netkit.dns.messages.message import Complaint, Header, Message, Question
from netkit.dns.name import Name
from netkit.dns.policy.form import QueryForm
from netkit.dns.policy.options import QueryOptions
from netkit.dns.policy.upstream import Upstream
from netkit.dns.records.svcparams import SvcParams
from netkit.dns.rrset import RRset
from netkit.dns.tsig import TsigKey
from netkit.dns.watching import parse_condition
from netkit.errors import NetkitError
from netkit.http import Cookie, Headers, Method, Request, Response, StatusCode, Url, Version
from netkit.http.client.channel import Exchange, Reply
from netkit.http.client.core import Answer, Call
from netkit.http.client.dial import DialConfig, HttpVersions
from netkit.http.client.download_config import DownloadConfig, Downloaded, DownloadOutcome
from netkit.http.client.download_plan import Entity
from netkit.http.client.facts import ConnectionInfo
from netkit.http.client.response import FetchedResponse
from netkit.http.config import ClientConfig, PoolConfig
from netkit.http.connection.events import RequestHead
from netkit.http.connection.limits import ConnectionLimits
from netkit.http.cookies.stored import StoredCookie
from netkit.http.files import BasicCredentials, FilesConfig, UploadConfig
from netkit.http.har.exchanges import HarExchange
from netkit.http.inspector.config import InspectorConfig
from netkit.http.link_header import parse as parse_link
from netkit.http.negotiation import parse_media_type
from netkit.http.policy.proxies import ProxyChoice, ProxySetting
from netkit.http.policy.retry import RetryPolicy, TryOutcome
from netkit.http.ranges import parse_range_header
from netkit.http.server.config import ServerConfig
from netkit.http.server.request import ServerRequest
from netkit.http.server.response import StreamedResponse
from netkit.http.state.hsts import HstsHost, HstsPolicy
from netkit.http.state.session_file import OriginState, Session, SessionAuth
from netkit.io import DeadlineExceeded
from netkit.net import UnixAddr
from netkit.net.errors import Attempt, connect_error
from netkit.proxy.header import ProxyHeader
from netkit.proxy.url import Proxy
from netkit.tls import Certificate, TlsVersion
from netkit.tls.throwaway import ThrowawayAuthority
from netkit.websocket import (
    Agreement,
    CloseReason,
    DeflateConfig,
    DeflateParameters,
    Frame,
    WebSocketConfig,
    WebSocketLimits,
)
from netkit.websocket.extensions import Extension
from netkit.websocket.frame import Decoded, NeedMore
from tests.dns.test_record_types import EXAMPLES
from tests.test_errors import CLASSES
from tests.tls.hellos import VALUES as HELLO_VALUES

ROOT = Path(netkit.__file__).parents[1]


def attempt() -> Attempt:
    made = Attempt(SocketAddr.parse("192.0.2.1:443"), 0.25)
    made.error, made.ended_s = OSError(111, "Connection refused"), 0.5
    return made


#: What to hand a constructor, by what its parameter is declared to be.
SAMPLES: dict[str, object] = {
    "str": "a text",
    "str | None": "a text",
    "int": 7,
    "int | None": 7,
    "float": 2.5,
    "float | None": 2.5,
    "bool": True,
    "bytes": b"\x00\xff",
    "bytes | None": b"\x00\xff",
    "object": "anything",
    "Response | None": Response(404, body=b"x"),
    "tuple[str, ...]": ("one", "two"),
    "datetime | None": datetime(2026, 1, 2, tzinfo=UTC),
    "Fault": "local",
    "Fault | None": "local",
    "Remedy | None": "versions",
    "Rcode": Rcode.SERVFAIL,
    "Rcode | None": Rcode.SERVFAIL,
    "TlsVersion | None": TlsVersion.Tls12,
    "Exception": ValueError("words"),
    "OSError": OSError(98, "Address already in use"),
    "SocketAddr": SocketAddr.parse("[2001:db8::1%1]:53"),
    "HostPort | SocketAddr | str": HostPort.parse("example.com:443"),
    "list[Attempt]": [attempt()],
    "list[Exception]": [DeadlineExceeded("waiting"), OSError(2, "No such file")],
    "Name | str | None": Name.of("www.example.com"),
    "DnsRecordType | None": DnsRecordType.MX,
    "SocketAddr | str | None": SocketAddr.parse("192.0.2.53:53"),
}


def example(cls: type[NetkitError]) -> NetkitError:
    """An instance with every field given."""
    given: dict[str, object] = {}
    for name, parameter in inspect.signature(cls.__init__).parameters.items():
        if name == "self" or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        assert parameter.annotation in SAMPLES, f"{cls}: no sample of {name}: {parameter.annotation}"
        given[name] = SAMPLES[parameter.annotation]
    return cls(**given)


def state(value: object) -> object:
    """All that there is of an object, to be compared."""
    if isinstance(value, BaseException):
        system = (value.errno, value.strerror) if isinstance(value, OSError) else None
        fields = {name: state(field) for name, field in vars(value).items()}
        return type(value), str(value), [state(each) for each in value.args], system, fields
    if isinstance(value, (list, tuple)):
        return [state(each) for each in value]
    if isinstance(value, Attempt):
        return [state(getattr(value, name)) for name in Attempt.__slots__]
    return value


COPIES: list[Callable[[Any], Any]] = [
    *(
        lambda value, protocol=protocol: pickle.loads(pickle.dumps(value, protocol))
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    ),
    copy.copy,
    copy.deepcopy,
]


#: Bases that nothing is an instance of, and errors of the library's own tables that nobody is handed.
ABSTRACT = {
    cls
    for cls in CLASSES
    if cls.__subclasses__() and (cls.__qualname__.startswith("_") or cls.__qualname__ == "InterfaceError")
}


@pytest.mark.parametrize(
    "cls",
    [cls for cls in CLASSES if cls not in ABSTRACT],
    ids=lambda cls: f"{cls.__module__}.{cls.__qualname__}",
)
def test_errors(cls: type[NetkitError]) -> None:
    error = example(cls)
    error.add_note("with a note")
    for copied in (each(error) for each in COPIES):
        assert copied is not error
        assert state(copied) == state(error)
        assert copied.__notes__ == ["with a note"]


def fetched_response() -> FetchedResponse:
    """A response as a client makes it, after one redirect."""
    answers: list[Answer] = []
    for url in ("https://a.example/", "https://a.example/next"):
        call = Call(b"GET", Url.parse(url), (), None)
        reply = Reply(Exchange(RequestHead(b"GET", b"/", b"a.example", b"https", ()), None, call.timing))
        reply.status, reply.reason, reply.trailers = 200, b"Fine", [(b"B", b"2")]
        call.timing.answered = call.timing.started + 1
        call.interim = [(103, [(b"Link", b"</a>")])]
        call.history = tuple(answers)
        answers.append(Answer(call, Url.parse(url), reply, ConnectionInfo()))
    headers = Headers.from_received([(b"A", b"1")])
    return FetchedResponse.received(200, Version.Http11, headers, b"x", is_decoded=True, _answer=answers[-1])


def values() -> Iterator[object]:
    yield from (IpAddr.parse("192.0.2.1"), IpAddr.parse("fe80::1%1"), SocketAddr.parse("[::1]:80"))
    yield from (HostPort.parse("example.com:80"), Name.of("a\\.b.example"), UnixAddr.parse("@name"))
    yield from (Question("a.example", DnsRecordType.A), Header(1), QueryOptions())
    yield TsigKey("a.example", b"secret", mac_size=16)
    yield QueryForm(id=1)
    terms = "changed|exists|agree|answer=192.0.2.1|rcode=NXDOMAIN|serial>1|ttl<9"
    for text in (*terms.split("|"), "not exists", "exists and agree", "exists or agree"):
        asked = Question("a.example", DnsRecordType.A)
        yield parse_condition(text, asked, several=True, has_serials=True)
    yield Upstream.parse("https://192.0.2.1/dns-query{?dns}#dns.example")
    records: list[DnsRecord] = [
        DnsRecord.A("a.example", 60, "192.0.2.1"),
        DnsRecord.AAAA("a.example", 60, "2001:db8::1"),
        DnsRecord.CNAME("a.example", 60, "b.example"),
        DnsRecord.MX("a.example", 60, 10, "b.example"),
        DnsRecord.NS("a.example", 60, "b.example"),
        DnsRecord.PTR("a.example", 60, "b.example"),
        DnsRecord.SOA("a.example", 60, "b.example", "c.example", 1, 2, 3, 4, 5),
        DnsRecord.SRV("a.example", 60, 1, 2, 3, "b.example"),
        DnsRecord.TXT("a.example", 60, "text"),
        DnsRecord.Unknown("a.example", 60, 65280, b"\x00"),
    ]
    yield from records
    yield from [DnsRecord.parse(f"a.example. 60 IN {rdtype} {text}") for rdtype, text, _ in EXAMPLES]
    yield from HELLO_VALUES
    yield SvcParams.of({"alpn": ["h2"], "port": 8443})
    yield RRset(records[:1])
    options = [
        EdnsOption.ClientSubnet("192.0.2.0", 24),
        EdnsOption.Cookie(bytes(8)),
        EdnsOption.ExtendedError(22, "no reachable authority"),
        EdnsOption.Keepalive(1.5),
        EdnsOption.Nsid(b"ns1"),
        EdnsOption.Padding(3),
        EdnsOption.LongLivedQuery(1, 2, 3, 4, 5),
        EdnsOption.UpdateLease(7200),
        EdnsOption.DnssecAlgorithms([8, 13]),
        EdnsOption.DsHashes([2]),
        EdnsOption.Nsec3Hashes([1]),
        EdnsOption.Expire(60),
        EdnsOption.Chain("example."),
        EdnsOption.KeyTag([20326]),
        EdnsOption.ReportChannel("agent.example."),
        EdnsOption.ZoneVersion(2, 0, b"\x00\x00\x00\x01"),
        EdnsOption.Unknown(65001, b"x"),
    ]
    yield from options
    yield Edns(options=options)
    complaint = Complaint(12, "answer[0].rdata", "1 octet left over")
    yield complaint
    question = Question("a.example", DnsRecordType.A)
    yield Message(7, question=[question], answer=records, complaints=[complaint])
    yield from (Method("GET"), StatusCode(404), Url.parse("https://user@a.example:8443/p?q#f"))
    yield from (Headers([("A", "1"), ("a", "2")]), Cookie("a", "b", path="/"), ClientConfig(), PoolConfig())
    credentials = BasicCredentials({"ann": "secret"})
    upload = UploadConfig(auth=credentials)
    yield from (credentials, upload, FilesConfig("/srv", cors="*", upload=upload))
    yield InspectorConfig(["lab.example"], max_delay=1, other_host="127.0.0.2")
    yield from (ServerConfig(), ServerRequest("GET", "/", authority="a.example", trailers=[(b"a", b"b")]))
    yield StreamedResponse(200, "source", [("A", "1")])  # any object: it is read only when it is sent
    yield Request("POST", "https://a.example/", headers={"A": "1"}, body=b"x")
    yield Response(200, headers={"A": "1"}, body=b"x")
    yield from (parse_link("</2>; rel=next; title*=UTF-8'en'x")[0], parse_media_type("text/html;q=0.5"))
    yield from (parse_range_header("bytes=0-4, -2"), Proxy.parse("socks5://user:secret@a.example:1080"))
    yield ProxyHeader(SocketAddr.parse("192.0.2.1:1"), SocketAddr.parse("192.0.2.2:2"))
    yield from (HstsPolicy(60, True), HstsHost("a.example", 7.5))
    setting = ProxySetting("all_proxy", "a.example:3128")
    yield from (setting, ProxyChoice(setting, http="socks5://b.example", no_proxy="c.example, d.example"))
    done = Downloaded("/tmp/file", 7, Url.parse("https://a.example/file"), 3, etag='"a"')
    yield from (done, DownloadOutcome(1, "https://a.example/file", done, None))
    yield from (DownloadConfig(resume=True, parallel=4), Entity('"a"', None, 7))
    yield from (RetryPolicy(tries=5, methods=None), TryOutcome("GET", 503, "5"))
    addr = SocketAddr.parse("192.0.2.1:80")
    yield from (ConnectionLimits(max_interim=3), DialConfig(HttpVersions.HTTP11, resolve_to={"a:80": [addr]}))
    yield fetched_response()
    yield HarExchange(datetime(2026, 1, 2, tzinfo=UTC), "GET", "https://a.example/", phases={"wait": 0.5})
    cookie = StoredCookie("a", "b", "a.example", "/p", expires=7.5)
    state = OriginState([("A", "1")], SessionAuth("basic", "user", "secret"))
    yield from (cookie, state, state.auth, Session([cookie], [("https://a.example", state)]))
    yield from (Frame.text("hello"), Decoded(Frame(rsv1=True, opcode=3), 7), NeedMore())
    yield WebSocketConfig(ping_interval=1, subprotocols=["chat"])
    yield from (CloseReason(1000, "done"), WebSocketLimits(max_ratio=100), DeflateConfig(peer_window_bits=9))
    agreed = DeflateParameters(True, server_max_window_bits=9)
    yield from (
        agreed,
        Extension("a", [("b", None)]),
        Agreement(101, [(b"Upgrade", b"websocket")], "chat", agreed),
    )
    certificate = ThrowawayAuthority().issue(["localhost"])[0]
    assert isinstance(certificate, Certificate)
    yield from (certificate, TlsVersion.Tls13)


VALUES = list(values())


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__qualname__)
def test_values(value: object) -> None:
    for copied in (each(value) for each in COPIES):
        assert type(copied) is type(value)
        assert copied == value
        assert repr(copied) == repr(value)


@pytest.mark.parametrize("copied", [*COPIES, lambda value: value.replace(status=201)])
def test_a_fetched_response_keeps_what_it_is_not_compared_by(copied: Callable[[Any], Any]) -> None:
    response = fetched_response()
    made = copied(copied(response.replace(body=b"y")))
    assert made.url == response.url
    assert list(made.trailers.fields) == [("B", "2")]
    ((status, fields),) = made.interim
    assert (status, list(fields.fields)) == (103, [("Link", "</a>")])
    assert made.timing.first_byte == pytest.approx(1.0)
    assert made.connection.version == "1.1"
    assert (made.body, made.reason, made.is_decoded) == (b"y", "Fine", True)
    assert [str(each.url) for each in made.history] == ["https://a.example/"]


def test_there_is_an_example_of_every_value() -> None:
    for module in pkgutil.walk_packages(netkit.__path__, "netkit."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)

    def below(cls: type[Value]) -> Iterator[type[Value]]:
        for each in cls.__subclasses__():
            yield each
            yield from below(each)

    bases = {"DecodeResult", "DnsRecord", "EdnsOption", "_Message", "_Unfinished"}
    bases |= {"AssociationData", "Digest", "PublicKey", "ServiceBinding", "TextStrings", "ZoneKey"}
    bases |= {"Extension", "Fields", "Condition", "Measure", "Several"}
    missing = {
        cls.__qualname__
        for cls in below(Value)
        if cls.__module__.startswith("netkit.")
        and not cls.__module__.startswith("netkit.cli.")
        and cls not in {type(value) for value in VALUES}
    }
    assert missing == bases


def fails(kind: str) -> typing.NoReturn:
    if kind == "connect":
        raise connect_error("example.com:443", [attempt()])
    raise DnsError.NotFound(name="a.example", rdtype=DnsRecordType.A)


def from_a_worker() -> None:
    """Ask a pool of processes for errors. The pool's helpers live as long as the process that asks."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        with pytest.raises(ConnectionRefusedError, match=r"example\.com"):
            pool.submit(fails, "connect").result(30)
        with pytest.raises(DnsError.NotFound) as caught:
            pool.submit(fails, "dns").result(30)
    assert caught.value.rdtype is DnsRecordType.A
    print("they came back")


@pytest.mark.once
def test_an_error_comes_back_from_a_worker() -> None:
    program = "from tests.test_pickle import from_a_worker; from_a_worker()"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.stdout == "they came back\n", done.stderr
