"""`QueryOptions`: how questions are asked. Values only; `netkit.dns.policy.resolution` acts on them.

The defaults are those of a stub resolver that asks a recursive server: recursion is wanted, EDNS is offered
with 1232 octets (DNS Flag Day 2020), and the name is sent in random letter case over UDP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.errors import DnsError
from netkit.dns.messages.message import DEFAULT_EDNS
from netkit.dns.name import Name
from netkit.dns.policy.form import PLAIN_FORM
from netkit.dns.value import Value, assign, checked_int

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.addr import SocketAddr
    from netkit.dns.edns import Edns
    from netkit.dns.policy.form import QueryForm
    from netkit.dns.tsig.keys import TsigKey

#: Seconds to wait for one answer, and how often each server is asked (the defaults of resolv.conf(5)).
DEFAULT_TIMEOUT = 5.0
DEFAULT_TRIES = 2

#: The largest block that queries are padded to, in octets: more than a datagram is for.
MAX_PADDING_BLOCK = 512


class QueryOptions(Value):
    """How questions are asked.

    `timeout` is how many seconds to wait for one answer, `tries` is how often each server is asked, `within`
    is how many seconds everything together may take (None: no such limit). `tcp` asks over TCP in place of
    UDP. `ignore_truncation` accepts a truncated answer. `rd`, `ad` and `cd` are bits of the header. `edns` is
    None for queries without EDNS. `randomize_case` sends the name over UDP in random letter case, which an
    attacker must also guess to forge an answer. `source` is the local address of the queries (port 0: any
    port).

    `cookies` sends DNS cookies (RFC 7873) where EDNS is in use. `padding` pads queries over TLS and HTTPS
    (RFC 8467). `hedge` asks a second server while the first is slower than usual; the first answer counts.
    `trust_ad` sends AD and believes the AD flag of answers: for servers that validate, on a way that nobody
    can change. `lenient` takes a malformed answer as far as it can be read (`Message.complaints`), to look at
    it; else it is an error, and another server is asked. `refuse_private` refuses private addresses for
    public names (DNS rebinding); names under `private_names` may have them. With `tsig`, queries are signed
    with this key, and only answers that are signed with it count (RFC 8945).

    To look at servers rather than to resolve: `form` is what the header has beside the ordinary.
    `padding_block` pads queries over every transport to a multiple of so many octets, in place of what
    `padding` does; 0 pads none. `keepalive` asks over TCP and TLS how long an idle connection is kept (RFC
    7828). `negotiate_edns` asks again, in a lower version or without EDNS, a server that does not take the
    query's EDNS. `return_cookie` asks again with the server's own cookie after BADCOOKIE, where `edns` has a
    cookie of the caller's. `skip_servfail` asks the next server after SERVFAIL, also where any answer counts.
    """

    __slots__ = (
        "ad", "cd", "cookies", "edns", "form", "hedge", "ignore_truncation", "keepalive", "lenient",
        "negotiate_edns", "padding", "padding_block", "private_names", "randomize_case", "rd",
        "refuse_private", "return_cookie", "skip_servfail", "source", "tcp", "timeout", "tries", "trust_ad",
        "tsig", "within",
    )  # fmt: skip
    __match_args__ = (
        "timeout", "tries", "tcp", "ignore_truncation", "rd", "ad", "cd", "edns", "randomize_case", "source",
        "within", "cookies", "padding", "hedge", "trust_ad", "refuse_private", "private_names",
        "lenient", "tsig", "form", "padding_block", "keepalive", "negotiate_edns", "return_cookie",
        "skip_servfail",
    )  # fmt: skip

    timeout: float
    tries: int
    tcp: bool
    ignore_truncation: bool
    rd: bool
    ad: bool
    cd: bool
    edns: Edns | None
    randomize_case: bool
    source: SocketAddr | None
    within: float | None
    cookies: bool
    padding: bool
    hedge: bool
    trust_ad: bool
    refuse_private: bool
    private_names: tuple[Name, ...]
    lenient: bool
    tsig: TsigKey | None
    form: QueryForm
    padding_block: int | None
    keepalive: bool
    negotiate_edns: bool
    return_cookie: bool
    skip_servfail: bool

    def __init__(
        self,
        timeout: float = DEFAULT_TIMEOUT,
        tries: int = DEFAULT_TRIES,
        tcp: bool = False,
        ignore_truncation: bool = False,
        rd: bool = True,
        ad: bool = False,
        cd: bool = False,
        edns: Edns | None = DEFAULT_EDNS,
        randomize_case: bool = True,
        source: SocketAddr | None = None,
        within: float | None = None,
        cookies: bool = False,
        padding: bool = True,
        hedge: bool = False,
        trust_ad: bool = False,
        refuse_private: bool = False,
        private_names: Iterable[Name | str] = (),
        lenient: bool = False,
        tsig: TsigKey | None = None,
        form: QueryForm = PLAIN_FORM,
        padding_block: int | None = None,
        keepalive: bool = True,
        negotiate_edns: bool = True,
        return_cookie: bool = True,
        skip_servfail: bool = False,
    ) -> None:
        if not timeout > 0:
            raise DnsError.InvalidValue("timeout", timeout, "must be more than 0 seconds")
        if tries < 1:
            raise DnsError.InvalidValue("tries", tries, "must be at least 1")
        if within is not None and not within > 0:
            raise DnsError.InvalidValue("within", within, "must be more than 0 seconds")
        if padding_block is not None:
            checked_int("padding_block", padding_block, MAX_PADDING_BLOCK)
        assign(self, "timeout", timeout)
        assign(self, "tries", tries)
        assign(self, "tcp", tcp)
        assign(self, "ignore_truncation", ignore_truncation)
        assign(self, "rd", rd)
        assign(self, "ad", ad)
        assign(self, "cd", cd)
        assign(self, "edns", edns)
        assign(self, "randomize_case", randomize_case)
        assign(self, "source", source)
        assign(self, "within", within)
        assign(self, "cookies", cookies)
        assign(self, "padding", padding)
        assign(self, "hedge", hedge)
        assign(self, "trust_ad", trust_ad)
        assign(self, "refuse_private", refuse_private)
        assign(self, "private_names", tuple([Name.of(name) for name in private_names]))
        assign(self, "lenient", lenient)
        assign(self, "tsig", tsig)
        assign(self, "form", PLAIN_FORM if form == PLAIN_FORM else form)  # so that it is known by identity
        assign(self, "padding_block", padding_block)
        assign(self, "keepalive", keepalive)
        assign(self, "negotiate_edns", negotiate_edns)
        assign(self, "return_cookie", return_cookie)
        assign(self, "skip_servfail", skip_servfail)


DEFAULT_OPTIONS = QueryOptions()
