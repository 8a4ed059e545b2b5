"""Scanners for the text of addresses and ports, which report the offset of the first mistake.

RFC 4291 section 2.2 (IPv6 text), RFC 4007 section 11.2 (zones), RFC 3986 section 3.2 (host and port),
RFC 6335 section 5.1 (service names).

Each scanner takes `text`, the part to read; `whole`, the text that an error shows; and the offset of `text`
in `whole`. A scanner reports the first mistake from the left. `ipaddress` accepts the same addresses (a
property test checks that), but its errors have no offset, and their wording is not an API.
"""

from __future__ import annotations

from netkit.addr.errors import AddrInvalidFormat, AddrInvalidOctet, AddrInvalidPort, AddrParseError, quoted

MAX_PORT = 65535

V4_FORM = "write four decimal numbers from 0 to 255, such as 192.0.2.1"
V6_FORM = "write groups of hexadecimal digits, such as 2001:db8::1, or with a zone fe80::1%eth0"
PORT_FORM = "write a port from 0 to 65535, such as 443, or a service name, such as https"
SOCKET_FORM = "write ADDRESS:PORT, such as 192.0.2.1:443 or [2001:db8::1]:443"
ENDPOINT_FORM = "write HOST:PORT, such as example.com:443, 192.0.2.1:https, [2001:db8::1]:443 or :443"
BRACKETS = "write an IPv6 address before a port in brackets, such as [2001:db8::1]:443"

_DIGITS = frozenset("0123456789")
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
# The WHATWG URL Standard's forbidden domain code points, and characters that a shell or a message quotes.
_NOT_IN_A_NAME = frozenset(" #/:<>?@[\\]^|%\"'`{}")
_SERVICE_PUNCTUATION = frozenset("-_.+")

# IANA's port numbers of common services, for systems without a services file (such as a slim container).
_SERVICES = {
    "domain": 53,
    "domain-s": 853,
    "echo": 7,
    "ftp": 21,
    "http": 80,
    "https": 443,
    "imap": 143,
    "imaps": 993,
    "ldap": 389,
    "ldaps": 636,
    "mysql": 3306,
    "ntp": 123,
    "pop3": 110,
    "pop3s": 995,
    "postgresql": 5432,
    "smtp": 25,
    "ssh": 22,
    "submission": 587,
    "submissions": 465,
}


def known_services() -> list[str]:
    """Return the names of the services that are known on every machine, in alphabetical order."""
    return sorted(_SERVICES)


def scan_v4(text: str, whole: str | None = None, base: int = 0) -> int:
    """Read four decimal octets as a number of 32 bits. Raises InvalidFormat or InvalidOctet."""
    whole = text if whole is None else whole
    value = 0
    at = base
    octets = text.split(".", 4)
    for octet in octets[:4]:
        if not (octet.isascii() and octet.isdigit()):
            for index, character in enumerate(octet):
                if character not in _DIGITS:
                    raise AddrInvalidFormat(
                        whole, at + index, f"{quoted(character)} is not a decimal digit", V4_FORM
                    )
            if not text:
                raise AddrInvalidFormat(whole, at, "nothing is there", V4_FORM)
            raise AddrInvalidOctet(whole, at, "a number is missing", V4_FORM)
        if octet[0] == "0" and octet != "0":
            # RFC 6943 section 3.1.1: some systems read it as octal, so the text could mean two addresses.
            raise AddrInvalidOctet(whole, at, f"{quoted(octet)} has a leading zero", V4_FORM)
        if len(octet) > 3 or int(octet) > 255:
            raise AddrInvalidOctet(whole, at, f"{quoted(octet)} is more than 255", V4_FORM)
        value = value << 8 | int(octet)
        at += len(octet) + 1
    if len(octets) > 4:
        raise AddrInvalidFormat(whole, at - 1, "more than four numbers", V4_FORM)
    if len(octets) < 4:
        raise AddrInvalidFormat(whole, at - 1, f"{len(octets)} of four numbers", V4_FORM)
    return value


def scan_v6(text: str, whole: str | None = None, base: int = 0) -> int | str:
    """Read an IPv6 address and return a number of 128 bits; if it has a zone, return the checked text.

    Raises InvalidFormat, and InvalidOctet for a dotted IPv4 part at the end.
    """
    whole = text if whole is None else whole
    address, percent, zone = text.partition("%")
    groups: list[int] = []
    gap: int | None = None  # how many groups stand before the "::"
    at, end = 0, len(address)

    def wrong(offset: int, reason: str) -> AddrInvalidFormat:
        return AddrInvalidFormat(whole, base + offset, reason, V6_FORM)

    if not text:
        raise wrong(0, "nothing is there")
    if address.startswith("::"):
        gap, at = 0, 2
    elif address.startswith(":"):
        raise wrong(0, "a single colon at the beginning")
    while at < end:
        stop = address.find(":", at)
        piece = address[at:] if stop < 0 else address[at:stop]
        # RFC 4291 section 2.2: "::" stands for at least one group of zeros.
        room = (8 if gap is None else 7) - len(groups)
        if not room:
            raise wrong(at, "more than eight groups")
        if "." in piece:
            if room < 2 or (gap is None and room > 2):
                raise wrong(at, "a dotted address is not in the place of the last two groups")
            low = scan_v4(piece, whole, base + at)
            if stop >= 0:
                raise wrong(stop, "a dotted address is not at the end")
            groups += (low >> 16, low & 0xFFFF)
            break
        if not piece:
            raise wrong(at, "a third colon")
        for index, character in enumerate(piece[:5]):
            if character not in _HEX_DIGITS:
                raise wrong(at + index, f"{quoted(character)} is not a hexadecimal digit")
        if len(piece) > 4:
            raise wrong(at, "more than four digits in a group")
        groups.append(int(piece, 16))
        if stop < 0:
            break
        if address.startswith("::", stop):
            if gap is not None:
                raise wrong(stop, "a second ::")
            if len(groups) == 8:
                raise wrong(stop, "more than eight groups")
            gap, at = len(groups), stop + 2
        elif stop + 1 == end:
            raise wrong(stop, "a single colon at the end")
        elif room == 1:
            raise wrong(stop, "more than eight groups")
        else:
            at = stop + 1
    if gap is None and len(groups) < 8:
        raise wrong(end, f"{len(groups)} of eight groups")
    if percent:
        _check_zone(zone, whole, base + end + 1)
        return text
    head = len(groups) if gap is None else gap
    groups[head:head] = [0] * (8 - len(groups))
    value = 0
    for group in groups:
        value = value << 16 | group
    return value


def _check_zone(zone: str, whole: str, base: int) -> None:
    """Check a zone: an interface's number or name (RFC 4007 section 11.2) without delimiters."""
    if not zone:
        raise AddrInvalidFormat(whole, base, "a zone is missing", V6_FORM)
    for index, character in enumerate(zone, base):
        if character in _NOT_IN_A_NAME or not "!" <= character <= "~":
            raise AddrInvalidFormat(whole, index, f"{quoted(character)} cannot stand in a zone", V6_FORM)
    if zone.isdigit() and (len(zone) > 10 or int(zone) > 0xFFFFFFFF):
        raise AddrInvalidFormat(whole, base, "the zone is not a number of 32 bits", V6_FORM)


def scan_bare_v6(text: str, whole: str) -> int | str:
    """Read text with several colons and no brackets: it must be an IPv6 address."""
    try:
        return scan_v6(text, whole)
    except AddrParseError as error:
        first, _, rest = text.partition(":")
        if _HEX_DIGITS.issuperset(first):
            error.hint = BRACKETS
            raise
    # The text does not begin like an IPv6 address, so the error is about HOST:PORT.
    second = rest.find(":")
    offset = len(first) if second < 0 else len(first) + 1 + second
    raise AddrInvalidFormat(whole, offset, "one colon too many", ENDPOINT_FORM)


def scan_bracketed(text: str, whole: str, form: str) -> int | str:
    """Read the address between the brackets at the beginning of `whole`. RFC 3986 section 3.2.2."""
    if text and ":" not in text:
        raise AddrInvalidFormat(whole, 1, "only an IPv6 address stands in brackets", form)
    return scan_v6(text, whole, 1)


def split_port(text: str, form: str) -> tuple[str, int | None]:
    """Return the text before the port (without brackets), and the offset of the port or None."""
    if text.startswith("["):
        close = text.find("]")
        if close < 0:
            raise AddrInvalidFormat(text, len(text), "the closing bracket is missing", form)
        if close + 1 == len(text):
            return text[1:close], None
        if text[close + 1] != ":":
            raise AddrInvalidFormat(text, close + 1, "only :PORT can follow the bracket", form)
        return text[1:close], close + 2
    host, colon, rest = text.partition(":")
    if ":" in rest:
        return text, None
    return host, len(host) + 1 if colon else None


def check_name(text: str, whole: str) -> None:
    """Refuse characters that are not allowed in a host name. The DNS codec checks the limits of DNS."""
    for index, character in enumerate(text):
        if character in _NOT_IN_A_NAME or not character.isprintable():
            raise AddrInvalidFormat(
                whole, index, f"{quoted(character)} cannot stand in a host name", ENDPOINT_FORM
            )


def ends_in_a_number(name: str) -> bool:
    """Whether the last label is a number, so that some systems read the name as IPv4 (WHATWG URL 3.5)."""
    last = name.removesuffix(".").rpartition(".")[2]
    return last.isdigit() or (last[:2] in ("0x", "0X") and _HEX_DIGITS.issuperset(last[2:]))


def scan_port(text: str, start: int, proto: str | None) -> int:
    """Read the port from `start` to the end of the text. A service name needs `proto`. Raises InvalidPort."""
    port = text[start:]
    form = PORT_FORM if proto is not None else SOCKET_FORM
    if not port:
        raise AddrInvalidPort(text, start, "the port is missing", form)
    if port.isascii() and port.isdigit():
        if port[0] == "0" and port != "0":
            raise AddrInvalidPort(text, start, f"{quoted(port)} has a leading zero", form)
        if len(port) > 5 or int(port) > MAX_PORT:
            raise AddrInvalidPort(text, start, f"{quoted(port)} is more than {MAX_PORT}", form)
        return int(port)
    for index, character in enumerate(port, start):
        if proto is None:
            allowed = character in _DIGITS
        else:
            allowed = character.isascii() and (character.isalnum() or character in _SERVICE_PUNCTUATION)
        if not allowed:
            raise AddrInvalidPort(text, index, f"{quoted(character)} cannot stand in a port", form)
    found = _service_port(port, proto) if proto is not None else None
    if found is None:
        raise AddrInvalidPort(text, start, f"no service is named {quoted(port)} over {proto}", form)
    return found


def _service_port(name: str, proto: str) -> int | None:
    import socket

    for spelling in (name, name.lower()):  # RFC 6335 section 5.1: case does not matter
        try:
            return socket.getservbyname(spelling, proto)
        except OSError:
            continue
    return _SERVICES.get(name.lower())


def checked_port(port: int) -> int:
    """Check a port that is an int, and return it. Raises InvalidPort, or TypeError for another type."""
    if not isinstance(port, int):
        raise TypeError(f"a port is an int, not {type(port).__name__}")
    if not 0 <= port <= MAX_PORT:
        raise AddrInvalidPort(str(port), 0, f"not a number from 0 to {MAX_PORT}", PORT_FORM)
    return port


def port_is_missing(text: str, form: str) -> AddrInvalidPort:
    """Return the error for a host without a port; its hint shows the same host with a port.

    `::1:53` is an address, but the user probably meant the port 53. In this case the hint shows both forms.
    """
    bare_v6 = ":" in text and not text.startswith("[")
    hint = f"write {f'[{text}]' if bare_v6 else text}:PORT" if len(text) <= 80 else form
    host, _, port = text.rpartition(":")
    if bare_v6 and len(text) <= 80 and port.isdigit() and _is_v6(host):
        hint = f"write [{host}]:{port}, or [{text}]:PORT if all of it is the address"
    return AddrInvalidPort(text, len(text), "the port is missing", hint)


def _is_v6(text: str) -> bool:
    try:
        scan_v6(text)
    except AddrParseError:
        return False
    return True


def parse_port(text: str, proto: str = "tcp") -> int:
    """Read a port: a decimal number of 0 to 65535, or a service name such as `https`.

    `proto` ("tcp" or "udp") selects the port of a service that has different ports for TCP and UDP.
    Raises AddrParseError.InvalidPort. RFC 6335 section 5.1.
    """
    return scan_port(text, 0, proto)
