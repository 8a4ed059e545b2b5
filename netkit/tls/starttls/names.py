"""The protocols in which TLS can be asked for: their names, their ports, what else they are called.

The names are those of `openssl s_client -starttls`; some have other names too. The dialogues themselves are
in `dialogues`, which loads only what is used.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from netkit.tls.starttls.errors import StartTlsError


class StartTlsProtocol(NamedTuple):
    """One protocol: its `name` for programs and its `title` for people, its ports, its other names.

    `port` is where TLS is asked for. `tls_port` is where the same protocol is spoken over TLS from the first
    byte; None if there is no such port.
    """

    name: str
    title: str
    source: str
    """The RFC, or the document, that says how."""
    port: int
    tls_port: int | None
    aliases: tuple[str, ...] = ()


#: Every protocol, by its name.
PROTOCOLS: Final[dict[str, StartTlsProtocol]] = {
    each.name: each
    for each in (
        StartTlsProtocol("smtp", "SMTP", "RFC 3207", 25, 465, ("submission", "esmtp")),
        StartTlsProtocol("lmtp", "LMTP", "RFC 2033", 24, None),
        StartTlsProtocol("imap", "IMAP", "RFC 9051 section 6.2.1", 143, 993, ("imap4",)),
        StartTlsProtocol("pop3", "POP3", "RFC 2595 section 4", 110, 995, ("pop",)),
        StartTlsProtocol("ftp", "FTP", "RFC 4217", 21, 990),
        StartTlsProtocol("ldap", "LDAP", "RFC 4511 section 4.14", 389, 636),
        StartTlsProtocol("xmpp", "XMPP", "RFC 6120 section 5", 5222, 5223, ("xmpp-client", "jabber")),
        StartTlsProtocol("xmpp-server", "XMPP (server to server)", "RFC 6120 section 5", 5269, 5270),
        StartTlsProtocol(
            "postgres", "PostgreSQL", "PostgreSQL section 55.2.11", 5432, None, ("postgresql", "pgsql")
        ),
        StartTlsProtocol("mysql", "MySQL", "MySQL Protocol::SSLRequest", 3306, None, ("mariadb",)),
        StartTlsProtocol("nntp", "NNTP", "RFC 4642", 119, 563, ("news",)),
        StartTlsProtocol("sieve", "ManageSieve", "RFC 5804 section 2.2", 4190, None, ("managesieve",)),
        StartTlsProtocol("irc", "IRC", "IRCv3 tls", 6667, 6697),
    )
}

_BY_NAME: Final = PROTOCOLS | {alias: each for each in PROTOCOLS.values() for alias in each.aliases}

#: Every name that `starttls_protocol` takes, the other names included.
NAMES: Final = tuple(_BY_NAME)


def starttls_protocol(name: str) -> StartTlsProtocol:
    """The protocol called `name`, in upper or lower case. Raises `StartTlsError.UnknownProtocol`."""
    found = _BY_NAME.get(name.lower())
    if found is None:
        raise StartTlsError.UnknownProtocol(name, tuple(PROTOCOLS))
    return found
