"""The numbers of the DNS and their mnemonics: record types, classes, opcodes, response codes.

From the IANA registry "Domain Name System (DNS) Parameters"; unassigned numbers are written as
RFC 3597 section 5 says (`TYPE65280`, `CLASS32`).

Each table is an `int` subclass and not an `enum`, for two reasons: a number without a mnemonic must be a
member too, and a table of a hundred names loads in 0.1 ms, while an IntEnum needs 2 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeAlias, TypeVar

from netkit.dns.errors import DnsError

if TYPE_CHECKING:
    from typing import Self

_C = TypeVar("_C")


class Assigned:
    """A number in the body of a code table: becomes the member of that number as the class is made."""

    def __init__(self, number: int, mnemonic: str | None = None) -> None:
        self.number = number
        self.mnemonic = mnemonic

    def __set_name__(self, owner: type[Code], attribute: str) -> None:
        member = int.__new__(owner, self.number)
        owner._members[self.number] = member
        owner._mnemonics[self.number] = self.mnemonic or attribute
        setattr(owner, attribute, member)

    def __get__(self, instance: object, owner: type[_C]) -> _C:
        # Read only by type checkers: at run time the member itself has taken this place.
        raise AttributeError


class Code(int):
    """A number with (perhaps) a mnemonic: compares, hashes and formats (`:d`) as the number it is."""

    __slots__ = ()

    _members: ClassVar[dict[int, Code]]
    _mnemonics: ClassVar[dict[int, str]]
    #: What precedes the number of a member without a mnemonic: `TYPE` in `TYPE65280`.
    _prefix: ClassVar[str]
    #: What the table numbers, for messages.
    _what: ClassVar[str]
    _limit: ClassVar[int] = 0xFFFF

    def __new__(cls, number: int) -> Self:
        member = cls._members.get(number)
        if member is not None:
            return member  # type: ignore[return-value]  # each table holds members of its own class
        if not 0 <= number <= cls._limit:
            raise DnsError.InvalidValue(
                cls._what, number, f"must be between 0 and {cls._limit}", limit=cls._limit
            )
        return int.__new__(cls, number)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The member that `text` names: a mnemonic in any case, or the generic form (`TYPE65280`).

        Raises DnsError.InvalidValue for anything else.
        """
        wanted = text.upper()
        number = _numbers(cls).get(wanted)
        if number is not None:
            return cls(number)
        digits = wanted.removeprefix(cls._prefix)
        if digits != wanted and digits.isascii() and digits.isdecimal() and len(digits) <= 5:
            return cls(int(digits))
        raise DnsError.InvalidValue(
            cls._what, text, "unknown", hint=f"write a mnemonic, or {cls._prefix} and the number"
        )

    @classmethod
    def mnemonics(cls) -> list[str]:
        """The names of all numbers that have one."""
        return list(cls._mnemonics.values())

    @property
    def mnemonic(self) -> str | None:
        """The name IANA gave the number, or None."""
        return self._mnemonics.get(self)

    def __str__(self) -> str:
        return self._mnemonics.get(self) or f"{self._prefix}{int(self)}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"

    def __format__(self, spec: str) -> str:
        return format(int(self), spec) if spec.endswith("d") else format(str(self), spec)


def _numbers(cls: type[Code]) -> dict[str, int]:
    """Mnemonic to number: made when first something is parsed."""
    if cls not in _NUMBERS:
        _NUMBERS[cls] = {mnemonic.upper(): number for number, mnemonic in cls._mnemonics.items()}
    return _NUMBERS[cls]


_NUMBERS: dict[type[Code], dict[str, int]] = {}


#: RFC 2181 section 8: a TTL is a number of 31 bits, in seconds.
MAX_TTL = 0x7FFFFFFF

#: Where a name server listens, over UDP and TCP.
DNS_PORT = 53


class DnsRecordType(Code):
    """A record type: `DnsRecordType.AAAA`, `DnsRecordType(28)`, `DnsRecordType.parse("aaaa")`.

    A number without a mnemonic is always a `DnsRecordType.Unknown`.
    """

    __slots__ = ()
    _members: ClassVar[dict[int, Code]] = {}
    _mnemonics: ClassVar[dict[int, str]] = {}
    _prefix = "TYPE"
    _what = "record type"

    if TYPE_CHECKING:
        Unknown: TypeAlias = "_UnknownType"

    A = Assigned(1)
    NS = Assigned(2)
    MD = Assigned(3)
    MF = Assigned(4)
    CNAME = Assigned(5)
    SOA = Assigned(6)
    MB = Assigned(7)
    MG = Assigned(8)
    MR = Assigned(9)
    NULL = Assigned(10)
    WKS = Assigned(11)
    PTR = Assigned(12)
    HINFO = Assigned(13)
    MINFO = Assigned(14)
    MX = Assigned(15)
    TXT = Assigned(16)
    RP = Assigned(17)
    AFSDB = Assigned(18)
    X25 = Assigned(19)
    ISDN = Assigned(20)
    RT = Assigned(21)
    NSAP = Assigned(22)
    NSAP_PTR = Assigned(23, "NSAP-PTR")
    SIG = Assigned(24)
    KEY = Assigned(25)
    PX = Assigned(26)
    GPOS = Assigned(27)
    AAAA = Assigned(28)
    LOC = Assigned(29)
    NXT = Assigned(30)
    EID = Assigned(31)
    NIMLOC = Assigned(32)
    SRV = Assigned(33)
    ATMA = Assigned(34)
    NAPTR = Assigned(35)
    KX = Assigned(36)
    CERT = Assigned(37)
    A6 = Assigned(38)
    DNAME = Assigned(39)
    SINK = Assigned(40)
    OPT = Assigned(41)
    APL = Assigned(42)
    DS = Assigned(43)
    SSHFP = Assigned(44)
    IPSECKEY = Assigned(45)
    RRSIG = Assigned(46)
    NSEC = Assigned(47)
    DNSKEY = Assigned(48)
    DHCID = Assigned(49)
    NSEC3 = Assigned(50)
    NSEC3PARAM = Assigned(51)
    TLSA = Assigned(52)
    SMIMEA = Assigned(53)
    HIP = Assigned(55)
    NINFO = Assigned(56)
    RKEY = Assigned(57)
    TALINK = Assigned(58)
    CDS = Assigned(59)
    CDNSKEY = Assigned(60)
    OPENPGPKEY = Assigned(61)
    CSYNC = Assigned(62)
    ZONEMD = Assigned(63)
    SVCB = Assigned(64)
    HTTPS = Assigned(65)
    DSYNC = Assigned(66)
    HHIT = Assigned(67)
    BRID = Assigned(68)
    SPF = Assigned(99)
    UINFO = Assigned(100)
    UID = Assigned(101)
    GID = Assigned(102)
    UNSPEC = Assigned(103)
    NID = Assigned(104)
    L32 = Assigned(105)
    L64 = Assigned(106)
    LP = Assigned(107)
    EUI48 = Assigned(108)
    EUI64 = Assigned(109)
    NXNAME = Assigned(128)
    TKEY = Assigned(249)
    TSIG = Assigned(250)
    IXFR = Assigned(251)
    AXFR = Assigned(252)
    MAILB = Assigned(253)
    MAILA = Assigned(254)
    ANY = Assigned(255)
    URI = Assigned(256)
    CAA = Assigned(257)
    AVC = Assigned(258)
    DOA = Assigned(259)
    AMTRELAY = Assigned(260)
    RESINFO = Assigned(261)
    WALLET = Assigned(262)
    CLA = Assigned(263)
    IPN = Assigned(264)
    TA = Assigned(32768)
    DLV = Assigned(32769)

    def __new__(cls, number: int) -> DnsRecordType:  # noqa: PYI034  # an Unknown is one, too
        member = cls._members.get(number)
        if member is not None:
            return member  # type: ignore[return-value]
        return super().__new__(_UnknownType, number)


class _UnknownType(DnsRecordType):
    """A record type without a mnemonic."""

    __slots__ = ()


_UnknownType.__name__ = "Unknown"
_UnknownType.__qualname__ = "DnsRecordType.Unknown"
DnsRecordType.Unknown = _UnknownType


class DnsClass(Code):
    """A record class; IN for everything but curiosities such as CHAOS `version.bind`."""

    __slots__ = ()
    _members: ClassVar[dict[int, Code]] = {}
    _mnemonics: ClassVar[dict[int, str]] = {}
    _prefix = "CLASS"
    _what = "class"

    IN = Assigned(1)
    CH = Assigned(3)
    HS = Assigned(4)
    NONE = Assigned(254)
    ANY = Assigned(255)


class Opcode(Code):
    """What a message asks for (RFC 1035 section 4.1.1): four bits."""

    __slots__ = ()
    _members: ClassVar[dict[int, Code]] = {}
    _mnemonics: ClassVar[dict[int, str]] = {}
    _prefix = "OPCODE"
    _what = "opcode"
    _limit = 15

    QUERY = Assigned(0)
    IQUERY = Assigned(1)
    STATUS = Assigned(2)
    NOTIFY = Assigned(4)
    UPDATE = Assigned(5)
    DSO = Assigned(6)


class Rcode(Code):
    """A response code: four bits in the header, eight more in EDNS (RFC 6891 section 6.1.3)."""

    __slots__ = ()
    _members: ClassVar[dict[int, Code]] = {}
    _mnemonics: ClassVar[dict[int, str]] = {}
    _prefix = "RCODE"
    _what = "response code"
    _limit = 0xFFF

    NOERROR = Assigned(0)
    FORMERR = Assigned(1)
    SERVFAIL = Assigned(2)
    NXDOMAIN = Assigned(3)
    NOTIMP = Assigned(4)
    REFUSED = Assigned(5)
    YXDOMAIN = Assigned(6)
    YXRRSET = Assigned(7)
    NXRRSET = Assigned(8)
    NOTAUTH = Assigned(9)
    NOTZONE = Assigned(10)
    DSOTYPENI = Assigned(11)
    BADVERS = Assigned(16)
    BADKEY = Assigned(17)
    BADTIME = Assigned(18)
    BADMODE = Assigned(19)
    BADNAME = Assigned(20)
    BADALG = Assigned(21)
    BADTRUNC = Assigned(22)
    BADCOOKIE = Assigned(23)


#: What the response codes say that are met in practice.
RCODE_MEANINGS: dict[Rcode, str] = {
    Rcode.FORMERR: "the server could not read the question",
    Rcode.SERVFAIL: "the server failed to find the answer",
    Rcode.NXDOMAIN: "there is no such name",
    Rcode.NOTIMP: "the server does not do this kind of query",
    Rcode.REFUSED: "the server refuses to answer",
    Rcode.NOTAUTH: "the server is no authority for the name",
    Rcode.BADVERS: "the server does not know this version of EDNS",
    Rcode.BADCOOKIE: "the server wants its own cookie back",
}

DNS_TYPE_A = DnsRecordType.A
DNS_TYPE_NS = DnsRecordType.NS
DNS_TYPE_CNAME = DnsRecordType.CNAME
DNS_TYPE_SOA = DnsRecordType.SOA
DNS_TYPE_PTR = DnsRecordType.PTR
DNS_TYPE_MX = DnsRecordType.MX
DNS_TYPE_TXT = DnsRecordType.TXT
DNS_TYPE_AAAA = DnsRecordType.AAAA
DNS_TYPE_SRV = DnsRecordType.SRV
DNS_TYPE_ANY = DnsRecordType.ANY
