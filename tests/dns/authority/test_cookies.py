"""Server cookies: RFC 7873 section 5.2, RFC 9018 section 4.

That they are those of other servers is shown in tests/interop/test_dns_authority.py.
"""

from __future__ import annotations

import pytest

from netkit.addr import IpAddr, SocketAddr
from netkit.dns.authority.answering import MAX_UDP_PAYLOAD, Came, respond
from netkit.dns.authority.cookies import MAX_AGE, MAX_AHEAD, RENEWED_AFTER, ServerCookies
from netkit.dns.authority.options import ServerOptions
from netkit.dns.authority.zone_set import Zones
from netkit.dns.constants import DnsRecordType as T, Opcode, Rcode
from netkit.dns.edns import Edns, EdnsOption
from netkit.dns.messages.message import Message, make_query
from netkit.dns.zones.zonefile import parse_zone

pytestmark = pytest.mark.once

COOKIES = ServerCookies(bytes(range(16)))
HERE = IpAddr.parse("192.0.2.1")
CLIENT = b"a client"
NOW = 1.8e9
ZONES = Zones([parse_zone("$ORIGIN e.\n@ 60 SOA a b 1 2 3 4 5\nwww A 192.0.2.1")])
Cookie = EdnsOption.Cookie


def made(at: float = NOW, client: bytes = CLIENT, address: IpAddr = HERE) -> EdnsOption.Cookie:
    return Cookie(client, COOKIES.make(client, address, at))


class TestCookies:
    @pytest.mark.parametrize("age", [0, 1, RENEWED_AFTER - 1, -1, -MAX_AHEAD])
    def test_a_young_one_is_good_and_stays(self, age: int) -> None:
        cookie = made(NOW - age)
        assert COOKIES.answer(cookie, HERE, NOW) == (cookie, True)

    @pytest.mark.parametrize("age", [RENEWED_AFTER, MAX_AGE])
    def test_an_old_one_is_good_and_is_replaced(self, age: int) -> None:
        assert COOKIES.answer(made(NOW - age), HERE, NOW) == (made(), True)

    @pytest.mark.parametrize(
        "cookie",
        [
            Cookie(CLIENT),
            made(NOW - MAX_AGE - 1),
            made(NOW + MAX_AHEAD + 1),
            Cookie(b"another!", made().server),
            Cookie(CLIENT, made(address=IpAddr.parse("192.0.2.2")).server),
            Cookie(CLIENT, made().server + b"x"),
            Cookie(CLIENT, made().server[:15]),
            Cookie(CLIENT, b"\2" + made().server[1:]),
            Cookie(CLIENT, made().server[:-1] + bytes([made().server[-1] ^ 1])),
            Cookie(CLIENT, ServerCookies(bytes(16)).make(CLIENT, HERE, NOW)),
        ],
    )
    def test_another_is_not(self, cookie: EdnsOption.Cookie) -> None:
        assert COOKIES.answer(cookie, HERE, NOW) == (made(client=cookie.client), False)

    def test_ipv6(self) -> None:
        address = IpAddr.parse("2001:db8::1")
        assert COOKIES.answer(made(address=address), address, NOW)[1]
        assert not COOKIES.answer(made(address=address), HERE, NOW)[1]

    def test_time_is_a_circle(self) -> None:
        """RFC 9018 section 4.3: 32 bits end in 2106."""
        wrap = 2.0**32
        assert COOKIES.answer(made(wrap - 5), HERE, wrap + 5)[1]

    def test_a_secret_has_a_size(self) -> None:
        with pytest.raises(ValueError, match="16 octets"):
            ServerCookies(b"short")


def asked(
    edns: Edns | None,
    options: ServerOptions,
    *,
    over_tcp: bool = False,
    opcode: Opcode = Opcode.QUERY,
    empty: bool = False,
) -> Message:
    query = make_query("www.e", T.A, id=7, edns=edns).replace(opcode=opcode)
    wire = respond(
        ZONES,
        (query.replace(question=()) if empty else query).to_wire(),
        Came("tcp" if over_tcp else "udp", NOW, lambda: SocketAddr.new(HERE, 4711)),
        options=options,
    )
    assert wire is not None
    return Message.from_wire(wire)


OFFERED = ServerOptions(cookies=COOKIES)
NEEDED = ServerOptions(cookies=COOKIES, cookie_needed=True)
WITHOUT = Edns(options=[Cookie(CLIENT)])
WITH = Edns(options=[made()])


@pytest.mark.parametrize("edns", [WITHOUT, WITH])
@pytest.mark.parametrize("over_tcp", [False, True])
def test_offered(edns: Edns, over_tcp: bool) -> None:
    response = asked(edns, OFFERED, over_tcp=over_tcp)
    assert (response.rcode, len(response.answer)) == (Rcode.NOERROR, 1)
    assert response.edns == Edns(MAX_UDP_PAYLOAD, options=[made()])


def test_needed() -> None:
    """RFC 7873 section 5.2.3: over UDP, of who knows cookies."""
    response = asked(WITHOUT, NEEDED)
    assert (response.rcode, response.answer) == (Rcode.BADCOOKIE, ())
    assert response.edns == Edns(MAX_UDP_PAYLOAD, options=[made()])
    assert asked(WITH, NEEDED).rcode == Rcode.NOERROR
    assert asked(WITHOUT, NEEDED, over_tcp=True).rcode == Rcode.NOERROR
    for edns in (None, Edns()):
        assert asked(edns, NEEDED).rcode == Rcode.NOERROR


def test_for_the_cookie_alone() -> None:
    """RFC 7873 section 5.4."""
    response = asked(WITHOUT, NEEDED, empty=True)
    assert (response.rcode, response.question) == (Rcode.NOERROR, ())
    assert response.edns == Edns(MAX_UDP_PAYLOAD, options=[made()])
    assert asked(WITHOUT, ServerOptions(), empty=True).rcode == Rcode.FORMERR


def test_not_to_who_has_none_and_not_from_who_has_none() -> None:
    assert asked(Edns(), OFFERED).edns == Edns(MAX_UDP_PAYLOAD)
    assert asked(WITH, ServerOptions()).edns == Edns(MAX_UDP_PAYLOAD)


def test_with_whatever_answer() -> None:
    response = asked(WITHOUT, NEEDED, opcode=Opcode.STATUS)
    assert response.rcode == Rcode.NOTIMP
    assert response.edns == Edns(MAX_UDP_PAYLOAD, options=[made()])
    assert asked(WITHOUT.replace(version=1), NEEDED).edns == Edns(MAX_UDP_PAYLOAD)
