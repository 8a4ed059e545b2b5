"""What a walk says of each hop, in words: what came, and what it does next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.constants import DnsRecordType, Rcode
from netkit.dns.errors import DnsError
from netkit.dns.tracing.outcome import Outcome
from netkit.dns.tracing.reading import Signing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.addr import IpAddr
    from netkit.dns.messages.message import Message
    from netkit.dns.name import Name
    from netkit.dns.tracing.reading import Delegation, Reading
    from netkit.dns.tracing.trace import Hop

NEXT_SERVER = "another server is asked"
NEXT_TURN = "all were asked: those that may answer yet are asked again"
NO_SERVER = "no other server is left"
END = "the walk ends"

NO_GLUE = "its name is in the zone itself, and the referral has no address of it"
IN_A_CIRCLE = "its address is being looked for already: these zones depend on each other"
TOO_DEEP = "the addresses of name servers depend on too many other zones"

_SIGNED = {
    Signing.SIGNED: "signed (DS)",
    Signing.UNSIGNED: "not signed (no DS, by NSEC)",
    Signing.NOT_SAID: "no DS",
}


def reason(hop: Hop, reading: Reading, message: Message) -> str:
    """What a reply means."""
    odd = "".join(f"; {each}" for each in reading.odd)
    match reading.outcome:
        case Outcome.REFERRAL:
            assert reading.delegation is not None
            return referral(reading.delegation) + odd
        case Outcome.ANSWER:
            of = "" if reading.name == hop.question.name else f" of {reading.name}"
            signatures = sum(each.rdtype == DnsRecordType.RRSIG for each in reading.records)
            asked = hop.question.rdtype in (DnsRecordType.RRSIG, DnsRecordType.ANY)
            return _count(len(reading.records) - (0 if asked else signatures), "record") + of
        case Outcome.ALIAS:
            dname = next((each for each in reading.aliases if str(each.rdtype) == "DNAME"), None)
            by = "" if dname is None else f", by the DNAME record of {dname.name}"
            return f"an alias of {reading.name}{by}"
        case Outcome.NO_DATA:
            what = (
                f"{reading.name} has only names below it"
                if reading.is_empty
                else f"{reading.name} exists, without {hop.question.rdtype} records"
            )
            return what + _by(reading) + odd
        case Outcome.NO_NAME:
            return f"{reading.name} does not exist{_by(reading)}{odd}"
        case Outcome.LOOP:
            return f"the alias of {reading.name} leads back to itself"
        case Outcome.NOT_AUTHORITATIVE:
            code = "nothing" if message.rcode == Rcode.NOERROR else str(message.rcode)
            cached = "an answer" if message.answer else code
            by = ": a resolver answers, at this address or on the way" if message.recursion_available else ""
            return f"{cached}, without authority (no AA){by}"
        case Outcome.UPWARD:
            what = "a referral" if not message.authoritative else "a denial"
            return f"{what} of {reading.zone}, above {hop.zone}: it does not have the zone"
        case Outcome.SELF:
            return f"a referral to {hop.zone} itself: it does not have the zone"
        case Outcome.SIDEWAYS:
            return f"a referral to {reading.zone}, which the name is not in"
    return str(message.rcode) + _explanations(message)


def referral(delegation: Delegation) -> str:
    """`example.com., 2 name servers, 1 without an address; signed (DS)`."""
    without = len(delegation.names) - len(delegation.glue)
    glue = f", {without} without an address" if without else ""
    servers = _count(len(delegation.names), "name server")
    return f"{delegation.zone}, {servers}{glue}; {_SIGNED[delegation.signing]}"


def _by(reading: Reading) -> str:
    by = "" if reading.zone is None else f", says {reading.zone}"
    return by + ("" if reading.proof is None else f" ({reading.proof})")


def _explanations(message: Message) -> str:
    if message.edns is None:
        return ""
    return "".join(f"; {each}" for each in message.edns.extended_errors)


def failure(error: DnsError) -> str:
    """Why there is no reply."""
    if isinstance(error, DnsError.Timeout):
        return "no answer" if error.timeout is None else f"no answer within {error.timeout:g} s"
    if isinstance(error, DnsError.Truncated):
        cause = error.__cause__
        over_tcp = f": {failure(cause)}" if isinstance(cause, DnsError) else ""
        return f"truncated over UDP, and over TCP nothing came{over_tcp}"
    if isinstance(error, DnsError.NetworkError):
        return error.reason
    if isinstance(error, DnsError.InvalidResponse):
        return f"malformed: {error.field} at octet {error.offset}: {error.reason}"
    return str(error)


def then(reading: Reading) -> str:
    """What the walk does after an answer of use."""
    if reading.delegation is not None:
        return goes_on(reading.delegation.zone)
    if reading.outcome is Outcome.ALIAS:
        return f"{reading.name} is asked for"
    return END


def goes_on(zone: Name) -> str:
    """The walk goes on at the servers of a zone."""
    return f"the servers of {zone} are asked"


def no_family(family: int) -> str:
    """No address of a family is asked any more."""
    return f"there is no way to IPv{family} from here: its addresses are left out"


def left_out(family: int | None) -> str:
    """There is an address, of the other family."""
    return f"it has no IPv{family} address in the referral"


def all_silent(zone: Name) -> str:
    """A hint where no server of a zone answers."""
    return f"all servers of {zone} are silent, or something on the way drops what they say"


def no_root(message: Message) -> tuple[Outcome, str]:
    """What it means that a server does not name the servers of the root."""
    if message.rcode == Rcode.REFUSED:
        return Outcome.REFUSED, "REFUSED" + _explanations(message)
    if message.rcode != Rcode.NOERROR:
        return Outcome.FAILED, str(message.rcode) + _explanations(message)
    return Outcome.NO_DATA, "it does not name the servers of the root"


def root_servers(count: int) -> str:
    """The server to begin with names those of the root."""
    return f"names {_count(count, 'server')} of the root"


def addresses(found: Sequence[IpAddr]) -> str:
    """The addresses of a name server."""
    return ", ".join(map(str, found)) or "no address"


def no_address(error: DnsError | None) -> str:
    """Why a name server has no address."""
    return "no address was found" if error is None else f"no address was found: {error}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
