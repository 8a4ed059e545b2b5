"""What the authoritative server answers: `respond` by itself."""

from __future__ import annotations

import struct
from time import process_time

import pytest
from hypothesis import example, given, settings, strategies as st

from netkit.dns.authority.answering import MAX_UDP_PAYLOAD, Came, respond
from netkit.dns.authority.zone_set import Zones
from netkit.dns.constants import DnsClass, DnsRecordType, Opcode, Rcode
from netkit.dns.edns import Edns, EdnsOption
from netkit.dns.messages.message import QR, RD, Message, Question, make_query
from netkit.dns.name import Name
from netkit.dns.records import DnsRecord
from netkit.dns.rrset import RRset
from netkit.dns.zones.zone import Zone
from netkit.dns.zones.zonefile import parse_zone
from tests.dns.strategies import messages

pytestmark = pytest.mark.once

ZONE = (
    """
$ORIGIN example.
$TTL 300
@    SOA ns hostmaster 1 2 3 4 60
@    NS ns
ns   A 192.0.2.53
www  A 192.0.2.1
sub  NS ns.sub
ns.sub A 192.0.2.54
big  TXT """
    + " ".join(f'"{chr(97 + number) * 200}"' for number in range(10))
    + "\n"
    + "".join(f"many A 192.0.2.{number}\n" for number in range(100))
)
CHILD = """
$ORIGIN child.example.
$TTL 60
@ SOA ns.example. h.example. 1 2 3 4 5
@ NS ns.example.
www A 192.0.2.9
"""
ZONES = Zones([parse_zone(ZONE), parse_zone(CHILD)])


def asked(query: Message | bytes, *, over_tcp: bool = False) -> Message:
    """The response of `respond`."""
    wire = respond(
        ZONES, query if isinstance(query, bytes) else query.to_wire(), Came("tcp" if over_tcp else "udp")
    )
    assert wire is not None
    return Message.from_wire(wire)


def query(name: str = "www.example.", rdtype: int = DnsRecordType.A, **how: object) -> Message:
    return make_query(name, rdtype, id=77, **how)  # type: ignore[arg-type]


class TestRespond:
    def test_answers(self) -> None:
        response = asked(query())
        assert (response.id, response.rcode, len(response.answer)) == (77, Rcode.NOERROR, 1)
        assert response.authoritative and response.is_response
        assert response.recursion_desired and not response.recursion_available
        assert response.question == query().question

    def test_the_question_comes_back_in_its_letter_case(self) -> None:
        name = asked(query("wWw.ExAmPlE.")).question[0].name
        assert str(name) == "wWw.ExAmPlE."

    def test_the_closest_zone_answers(self) -> None:
        assert str(asked(query("www.child.example.")).answer[0]).endswith("192.0.2.9")
        assert asked(query("none.child.example.")).authority[0].name == parse_zone(CHILD).origin

    def test_denials_and_referrals(self) -> None:
        assert asked(query("none.example.")).rcode == Rcode.NXDOMAIN
        assert asked(query(rdtype=DnsRecordType.MX)).rcode == Rcode.NOERROR
        referral = asked(query("x.sub.example."))
        assert not referral.authoritative
        assert [record.rdtype for record in referral.authority] == [DnsRecordType.NS]
        assert len(referral.additional) == 1

    @pytest.mark.parametrize("name", ["example.net.", ".", "xexample."])
    def test_other_zones_are_refused(self, name: str) -> None:
        assert asked(query(name)).rcode == Rcode.REFUSED

    def test_other_classes_are_refused(self) -> None:
        assert asked(query(rdclass=3)).rcode == Rcode.REFUSED

    def test_class_any_is_answered_without_authority(self) -> None:
        """RFC 1035 section 6.2: nobody knows all classes."""
        response = asked(query(rdclass=DnsClass.ANY))
        assert (response.rcode, response.authoritative, len(response.answer)) == (Rcode.NOERROR, False, 1)
        assert asked(query("example.net.", rdclass=DnsClass.ANY)).rcode == Rcode.REFUSED

    @pytest.mark.parametrize("rdtype", [DnsRecordType.AXFR, DnsRecordType.IXFR])
    @pytest.mark.parametrize("over_tcp", [False, True])
    def test_transfers_are_not_implemented(self, rdtype: int, over_tcp: bool) -> None:
        response = asked(query("example.", rdtype), over_tcp=over_tcp)
        assert (response.rcode, response.authority) == (Rcode.NOTIMP, ())

    def test_a_ds_is_the_parents_word(self) -> None:
        """RFC 4035 section 3.1.4.1, where both zones are here and the parent delegates."""
        cut = f"{ZONE}child NS ns.child\nchild TYPE43 \\# 36 00010802{'ab' * 32}\n"
        zones = Zones([parse_zone(CHILD), parse_zone(cut)])
        wire = respond(zones, query("child.example.", DnsRecordType.DS).to_wire(), Came("udp"))
        assert wire is not None
        assert [record.rdtype for record in Message.from_wire(wire).answer] == [DnsRecordType.DS]
        # Also where it does not know of a cut; below the top, the child has its own word.
        response = asked(query("child.example.", DnsRecordType.DS))
        assert (response.rcode, str(response.authority[0].name)) == (Rcode.NXDOMAIN, "example.")
        response = asked(query("www.child.example.", DnsRecordType.DS))
        assert (response.rcode, str(response.authority[0].name)) == (Rcode.NOERROR, "child.example.")

    @pytest.mark.parametrize("opcode", [Opcode.STATUS, Opcode.NOTIFY, Opcode.UPDATE, 9])
    def test_other_operations_are_not_implemented(self, opcode: int) -> None:
        response = asked(query().replace(opcode=opcode))
        assert (response.rcode, response.opcode) == (Rcode.NOTIMP, opcode)

    def test_one_question_it_must_be(self) -> None:
        question = Question("www.example.", 1)
        assert asked(Message(1)).rcode == Rcode.FORMERR
        assert asked(Message(1, question=[question] * 2)).rcode == Rcode.FORMERR

    @pytest.mark.parametrize("wire", [b"", b"\x00" * 11, query().replace(flags=QR).to_wire(), b"\xff" * 40])
    def test_no_response_to_what_is_no_query(self, wire: bytes) -> None:
        assert respond(ZONES, wire, Came("udp")) is None

    @pytest.mark.parametrize(
        "rest",
        [
            struct.pack(">HHHH", 1, 0, 0, 0),
            struct.pack(">HHHH", 1, 0, 0, 0) + b"\xc0\x0c\x00\x01\x00\x01",
            struct.pack(">HHHH", 65535, 65535, 65535, 65535) + b"\x00\x00\x01\x00\x01",
            struct.pack(">HHHH", 1, 0, 0, 0) + b"\x03www",
            struct.pack(">HHHH", 0, 0, 0, 0) + b"left over",
        ],
    )
    def test_malformed(self, rest: bytes) -> None:
        wire = struct.pack(">HH", 77, RD) + rest
        response = asked(wire)
        assert (response.id, response.rcode, response.flags) == (77, Rcode.FORMERR, QR | RD)
        assert response.question == ()


def header(qdcount: int, *, opcode: int = 0, arcount: int = 0) -> bytes:
    return struct.pack(">HHHHHH", 77, RD | opcode << 11, qdcount, 0, 0, arcount)


ROOT_QUESTION = b"\x00\x00\x01\x00\x01"
QUESTION = b"\x03www\x07example\x00\x00\x01\x00\x01"


def opt(version: int = 0, options: bytes = b"", flags: int = 0) -> bytes:
    return b"\x00" + struct.pack(">HHBBHH", 41, 1232, 0, version, flags, len(options)) + options


class TestOneDatagramEndsNoServer:
    """What no response may repeat: it has to fit in what the client takes, and in one question (RFC 9619)."""

    @pytest.mark.parametrize("over_tcp", [False, True])
    @pytest.mark.parametrize(
        ("wire", "rcode"),
        [
            (header(110) + ROOT_QUESTION * 110, Rcode.FORMERR),
            (header(2) + QUESTION * 2, Rcode.FORMERR),
            (header(0), Rcode.FORMERR),
            (header(300, opcode=3) + ROOT_QUESTION * 300, Rcode.NOTIMP),
            (header(300, opcode=5, arcount=1) + ROOT_QUESTION * 300 + opt(), Rcode.NOTIMP),
            (header(300, arcount=1) + ROOT_QUESTION * 300 + opt(), Rcode.FORMERR),
            (header(300, arcount=1) + ROOT_QUESTION * 300 + opt(1), Rcode.FORMERR),
            (header(9000) + ROOT_QUESTION * 9000, Rcode.FORMERR),
            (header(65535) + ROOT_QUESTION * 13000, Rcode.FORMERR),
        ],
    )
    def test_questions_are_not_repeated(self, wire: bytes, rcode: Rcode, over_tcp: bool) -> None:
        response = asked(wire, over_tcp=over_tcp)
        assert (response.id, response.rcode, response.question) == (77, rcode, ())
        assert not response.truncated

    def test_another_operation_is_not_read(self) -> None:
        """Where opcode 6 (RFC 8490) has other things than records, and nobody here can say what is wrong."""
        response = asked(header(0, opcode=6) + b"\x00\x01\x00\x04\x00\x00\x3a\x98")
        assert (response.rcode, response.opcode) == (Rcode.NOTIMP, Opcode.DSO)


class TestFormerrKnowsEdns:
    """RFC 6891 sections 6.1.1 and 7: FORMERR without OPT says that the server does not know EDNS."""

    @pytest.mark.parametrize(
        "wire",
        [
            header(1, arcount=2) + QUESTION + opt() + opt(),
            header(1, arcount=1) + QUESTION + opt() + b"left over",
            header(1, arcount=1) + QUESTION + opt(options=b"\x00\x0a\x00\x03abc"),  # a cookie of three octets
            header(1, arcount=1) + QUESTION + opt(options=b"\x00\x0a\x00\xff"),
            header(1, arcount=1) + QUESTION + opt()[:-2] + b"\x00\x63",
            header(1, arcount=2) + QUESTION + b"\x00\x00\x01\x00\x01" + bytes(4) + b"\x00\x05short" + opt(),
        ],
    )
    def test_the_question_and_opt_come_back(self, wire: bytes) -> None:
        response = asked(wire)
        assert response.rcode == Rcode.FORMERR
        assert response.question == (Question("www.example.", 1),)
        assert response.edns == Edns(MAX_UDP_PAYLOAD)

    def test_do_comes_back(self) -> None:
        wire = header(1, arcount=1) + QUESTION + opt(flags=0x8000) + b"left over"
        assert asked(wire).edns == Edns(MAX_UDP_PAYLOAD, dnssec_ok=True)

    def test_opt_without_a_question_that_can_be_read(self) -> None:
        response = asked(header(2, arcount=1) + QUESTION * 2 + opt() + b"left over")
        assert (response.rcode, response.question, response.edns) == (
            Rcode.FORMERR, (), Edns(MAX_UDP_PAYLOAD)
        )  # fmt: skip

    def test_no_opt_where_there_was_none(self) -> None:
        response = asked(header(1) + QUESTION + b"left over")
        assert (response.question, response.edns) == ((Question("www.example.", 1),), None)

    def test_another_version_is_what_is_wrong_first(self) -> None:
        """RFC 6891 section 6.1.3: what another version's options look like is not known here."""
        response = asked(header(1, arcount=1) + QUESTION + opt(1, b"\x00\x0a\x00\x03abc"))
        assert (response.rcode, response.question) == (Rcode.BADVERS, (Question("www.example.", 1),))
        assert response.edns == Edns(MAX_UDP_PAYLOAD)


class TestWhatCannotBeSent:
    LARGE = Zones(
        [
            parse_zone(
                ZONE
                + "".join(f'huge TXT "{number}" "{"x" * 250}"\n' for number in range(300))
                + f"most TYPE999 \\# {0xFFFF - 12 - 18 - 12} {'ab' * (0xFFFF - 12 - 18 - 12)}\n"
            )
        ]
    )

    def asked(self, name: str, rdtype: int, *, over_tcp: bool, edns: Edns | None = None) -> Message:
        wire = respond(
            self.LARGE, query(name, rdtype, edns=edns).to_wire(), Came("tcp" if over_tcp else "udp")
        )
        assert wire is not None
        return Message.from_wire(wire)

    @pytest.mark.parametrize("edns", [None, Edns()])
    @pytest.mark.parametrize("rdtype", [DnsRecordType.TXT, DnsRecordType.ANY])
    def test_a_set_over_64_kib(self, rdtype: int, edns: Edns | None) -> None:
        """TC sends the client to TCP; there TC again would send it nowhere."""
        over_udp = self.asked("huge.example.", rdtype, over_tcp=False, edns=edns)
        assert (over_udp.rcode, over_udp.truncated, over_udp.answer) == (Rcode.NOERROR, True, ())
        over_tcp = self.asked("huge.example.", rdtype, over_tcp=True, edns=edns)
        assert (over_tcp.rcode, over_tcp.truncated, over_tcp.answer) == (Rcode.SERVFAIL, False, ())
        assert over_tcp.question == (Question("huge.example.", rdtype),)
        assert (over_tcp.edns is None) == (edns is None)

    def test_the_largest_record_that_a_message_can_carry(self) -> None:
        whole = self.asked("most.example.", 999, over_tcp=True)
        assert (whole.rcode, len(whole.answer), len(whole.to_wire())) == (Rcode.NOERROR, 1, 0xFFFF)
        # With EDNS there are eleven octets too many.
        assert self.asked("most.example.", 999, over_tcp=True, edns=Edns()).rcode == Rcode.SERVFAIL

    @pytest.mark.parametrize("over_tcp", [False, True])
    def test_a_record_that_cannot_be_encoded(self, over_tcp: bool) -> None:
        """No zone file brings one in; a zone made of records by a program may."""
        made = parse_zone(ZONE)
        name = Name.parse("long.example.")
        record = DnsRecord.TXT(name, 60, [b"x" * 255] * 300)
        zone = Zone(made.origin, made.soa, {**made.rrsets, (name, DnsRecordType.TXT): RRset([record])})
        wire = respond(
            Zones([zone]),
            query("long.example.", DnsRecordType.TXT).to_wire(),
            Came("tcp" if over_tcp else "udp"),
        )
        assert wire is not None
        response = Message.from_wire(wire)
        assert (response.rcode, response.answer) == (Rcode.SERVFAIL, ())
        assert response.question == (Question("long.example.", DnsRecordType.TXT),)


class TestEdns:
    def test_not_unless_asked_with(self) -> None:
        assert asked(query(edns=None)).edns is None

    def test_says_its_own_size(self) -> None:
        edns = asked(query(edns=Edns(4096))).edns
        assert edns is not None
        assert (edns.payload_size, edns.version, edns.options) == (MAX_UDP_PAYLOAD, 0, ())

    @pytest.mark.parametrize("dnssec_ok", [False, True])
    def test_do_comes_back(self, dnssec_ok: bool) -> None:
        """RFC 3225 section 3."""
        edns = asked(query(edns=Edns(dnssec_ok=dnssec_ok))).edns
        assert edns is not None
        assert edns.dnssec_ok is dnssec_ok

    def test_options_do_not(self) -> None:
        edns = asked(query(edns=Edns(options=[EdnsOption.Nsid(b""), EdnsOption.Padding(8)]))).edns
        assert edns is not None
        assert edns.options == ()

    def test_unknown_version(self) -> None:
        response = asked(query(edns=Edns(version=1)))
        assert response.rcode == Rcode.BADVERS
        assert response.edns is not None
        assert response.edns.version == 0
        assert response.answer == ()


class TestSize:
    @pytest.mark.parametrize(
        ("edns", "limit"),
        [
            (None, 512),
            (Edns(0), 512),
            (Edns(512), 512),
            (Edns(1000), 1000),
            (Edns(1232), 1232),
            (Edns(65535), MAX_UDP_PAYLOAD),
        ],
    )
    @pytest.mark.parametrize("name", ["many.example.", "big.example."])
    def test_udp_is_cut_at_what_the_client_takes(self, edns: Edns | None, limit: int, name: str) -> None:
        rdtype = DnsRecordType.A if name.startswith("many") else DnsRecordType.TXT
        wire = respond(ZONES, query(name, rdtype, edns=edns).to_wire(), Came("udp"))
        assert wire is not None
        assert len(wire) <= limit
        response = Message.from_wire(wire)
        assert response.truncated
        assert (response.edns is None) == (edns is None)

    def test_glue_within_the_zone_comes_before_glue_of_its_siblings(self) -> None:
        """RFC 9471 section 3: the one must be there, or TC; the other may be left out without it."""
        siblings = "".join([f"sub NS n{at}.other\nn{at}.other AAAA ::{at}\n" for at in range(14)])
        zones = Zones(
            [parse_zone(f"$ORIGIN e.\n@ 1 SOA a b 1 2 3 4 5\n{siblings}sub NS ns.sub\nns.sub A 192.0.2.99")]
        )
        wire = respond(zones, query("x.sub.e.", edns=None).to_wire(), Came("udp"))
        assert wire is not None
        referral = Message.from_wire(wire)
        assert (str(referral.additional[0].name), referral.truncated) == ("ns.sub.e.", False)
        assert 1 < len(referral.additional) < len(referral.authority)

    def test_tcp_is_whole(self) -> None:
        response = asked(query("many.example.", edns=None), over_tcp=True)
        assert not response.truncated
        assert len(response.answer) == 100


@given(st.binary(max_size=600))
@example(b"")
@example(b"\x00" * 12)
@example(struct.pack(">HHHHHH", 1, 0, 1, 0, 0, 0) + b"\xc0\x0c" * 200)
def test_any_bytes(wire: bytes) -> None:
    begun = process_time()
    response = respond(ZONES, wire, Came("udp"))
    assert process_time() - begun < 2
    if response is not None:
        message = Message.from_wire(response)
        assert message.is_response
        assert message.id == int.from_bytes(wire[:2], "big")
        assert len(response) <= MAX_UDP_PAYLOAD


@given(messages(), st.booleans())
@settings(max_examples=30)
def test_any_message(message: Message, over_tcp: bool) -> None:
    response = respond(ZONES, message.to_wire(), Came("tcp" if over_tcp else "udp"))
    assert (response is None) == message.is_response
    if response is not None:
        assert Message.from_wire(response).id == message.id


@given(st.data())
def test_any_mutation_of_a_query(data: st.DataObject) -> None:
    wire = bytearray(query("www.example.", edns=Edns(options=[EdnsOption.Nsid(b"x")])).to_wire())
    for _ in range(data.draw(st.integers(1, 4))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    response = respond(ZONES, bytes(wire), Came("udp"))
    if response is not None:
        Message.from_wire(response)
