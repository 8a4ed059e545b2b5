"""`TransferReader`: whole transfers in every cut, and each way in which one can be wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from netkit.dns import DnsError, DnsRecord, Name, Question, TsigError, TsigKey
from netkit.dns.constants import Opcode, Rcode
from netkit.dns.edns import Edns, EdnsOption
from netkit.dns.messages.message import AA, QR, TC, Message
from netkit.dns.transfers import Part, Sent, TransferError, TransferKind, TransferLimits, TransferReader
from netkit.dns.transfers.query import make_transfer_query, transfer_question
from netkit.dns.tsig import TsigSigner, TsigVerifier, sign
from netkit.dns.tsig.transfer import MAX_UNSIGNED

from .messages import ID, NOW, ORIGIN, STEPS, WHOLE, a, message, messages, ns, signed, soa

KEY = TsigKey("key.test", b"a secret of both sides")
REQUEST_MAC = b"\x17" * 32


def reader(
    serial: int | None = None, *, is_signed: bool = False, limits: TransferLimits | None = None
) -> TransferReader:
    return TransferReader(
        transfer_question(ORIGIN, serial),
        ID,
        serial=serial,
        verifier=TsigVerifier(KEY, REQUEST_MAC) if is_signed else None,
        limits=limits or TransferLimits(),
    )


def hear_all(one: TransferReader, wires: Sequence[bytes]) -> list[Sent]:
    found: list[Sent] = []
    for wire in wires:
        found += one.hear(wire, NOW)
    return found


def failure(
    wires: Sequence[bytes], serial: int | None = None, *, is_signed: bool = False
) -> tuple[TransferError, list[Sent]]:
    """The error of a transfer, and what was given out before it."""
    one = reader(serial, is_signed=is_signed)
    found: list[Sent] = []
    with pytest.raises(TransferError) as caught:
        hear_to_the_end(one, wires, found)
    assert not one.is_done or caught.value.message == one.messages
    return caught.value, found


def hear_to_the_end(one: TransferReader, wires: Iterable[bytes], found: list[Sent]) -> None:
    for wire in wires:
        found += one.hear(wire, NOW)
    raise one.ended()


def parts(found: Sequence[Sent]) -> str:
    letters = {Part.FIRST: "<", Part.LAST: ">", Part.RECORD: "r", Part.OLD_SOA: "[", Part.DELETED: "-",
               Part.NEW_SOA: "|", Part.ADDED: "+"}  # fmt: skip
    return "".join([letters[sent.part] for sent in found])


# -- transfers that are right


@given(st.lists(st.integers(1, 4), max_size=7), st.booleans())
def test_a_whole_zone_in_every_cut(sizes: list[int], is_ixfr: bool) -> None:
    one = reader(4 if is_ixfr else None)
    wires = messages(WHOLE, sizes, 4 if is_ixfr else None)
    found = hear_all(one, wires)
    assert [sent.record for sent in found] == WHOLE
    assert parts(found) == "<rrrrr>"
    assert (one.is_done, one.kind, one.messages) == (True, TransferKind.AXFR, len(wires))
    assert (one.records, one.octets) == (len(WHOLE), sum(map(len, wires)))
    assert one.soa == soa(5)


@given(st.lists(st.integers(1, 4), max_size=11), st.integers(1, 4))
def test_differences_in_every_cut(sizes: list[int], every: int) -> None:
    one = reader(3, is_signed=True)
    wires = signed(messages(STEPS, sizes, 3), TsigSigner(KEY, REQUEST_MAC), every)
    found = hear_all(one, wires)
    assert [sent.record for sent in found] == STEPS
    assert parts(found) == "<[-|++[-|+>"
    assert (one.is_done, one.kind) == (True, TransferKind.IXFR)


def test_a_zone_of_an_soa_alone() -> None:
    for serial in (None, 4):
        one = reader(serial)
        assert parts(hear_all(one, messages([soa(5), soa(5)], [], serial))) == "<>"
        assert (one.is_done, one.kind) == (True, TransferKind.AXFR)


@pytest.mark.parametrize("newest", [4, 5], ids=["an older one", "the same one"])
def test_nothing_newer(newest: int) -> None:
    one = reader(5)
    assert parts(hear_all(one, messages([soa(newest)], [], 5))) == "<"
    assert (one.is_done, one.kind) == (True, TransferKind.CURRENT)


def test_a_newer_soa_alone_is_not_all() -> None:
    one = reader(4)
    hear_all(one, messages([soa(5)], [], 4))
    assert (one.is_done, one.is_lone_soa, one.kind) == (False, True, None)


def test_a_difference_that_only_deletes_and_serials_that_wrap_around() -> None:
    newest, oldest = soa(2), soa(0xFFFFFFFE)
    one = reader(0xFFFFFFFE)
    wires = messages([newest, oldest, a("old"), newest, newest], [], 0xFFFFFFFE)
    assert parts(hear_all(one, wires)) == "<[-|>"


def test_a_second_question_may_be_there_and_letter_case_does_not_matter() -> None:
    asked = transfer_question(ORIGIN.upper(), None)
    one = reader()
    found = hear_all(one, [message(WHOLE[:3], asked), message(WHOLE[3:], asked)])
    assert parts(found) == "<rrrrr>"


def test_the_query() -> None:
    question = transfer_question(ORIGIN, 7)
    query = make_transfer_query(question, ID, 7)
    assert (query.question, query.answer) == ((question,), ())
    assert query.authority == (DnsRecord.SOA(ORIGIN, 0, ".", ".", 7, 0, 0, 0, 0),)
    assert make_transfer_query(transfer_question(ORIGIN, None), ID).authority == ()


# -- those that break


@pytest.mark.parametrize("serial", [None, 3], ids=["AXFR", "IXFR"])
def test_a_transfer_that_ends_after_each_of_its_messages(serial: int | None) -> None:
    records = WHOLE if serial is None else STEPS
    wires = messages(records, [1] * len(records), serial)
    assert len(wires) == len(records)
    for count in range(len(wires)):
        error, found = failure(wires[:count], serial)
        assert isinstance(error, TransferError.Incomplete)
        assert (error.message, error.record, len(found)) == (count + 1, None, count)


FOREIGN = DnsRecord.A("www.elsewhere.test", 300, "192.0.2.9")
OTHER_CLASS = a("www").replace(rdclass=3)
#: Records, the message and the record that are wrong (messages have two records each), and words about it.
WRONG: dict[str, tuple[Sequence[DnsRecord], int, int | None, str]] = {
    "no SOA first": ([ns(), soa(5)], 1, 1, "the first record is"),
    "a foreign record": ([soa(5), ns(), a("a"), FOREIGN, soa(5)], 2, 2, "not in the zone"),
    "a foreign record first": ([FOREIGN, soa(5)], 1, 1, "not in the zone"),
    "a parent's SOA": ([soa(5, name="test."), soa(5)], 1, 1, "not in the zone"),
    "an SOA below": ([soa(5), ns(), soa(5, name=f"sub.{ORIGIN}"), soa(5)], 2, 1, "an SOA of sub."),
    "another class": ([soa(5), OTHER_CLASS, soa(5)], 1, 2, "of class CH"),
    "another serial last": (
        [soa(5), ns(), a("a"), soa(6)],
        2,
        2,
        "the last SOA has serial 6, the first had 5",
    ),
    "another SOA last": ([soa(5), ns(), soa(5, refresh=1)], 2, 1, "not the first one"),
    "more behind the end": ([soa(5), ns(), soa(5), a("late")], 2, 2, "stands behind the last SOA"),
    "three SOAs": ([soa(5), soa(5), soa(5)], 1, None, ""),
    "a type for questions": ([soa(5), DnsRecord.Unknown(ORIGIN, 0, 255, b"")], 1, 2, "are in no zone"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_records(what: str) -> None:
    records, number, record, words = WRONG[what]
    if what == "three SOAs":  # the third is in a message of its own, which nobody reads
        records, number, record, words = [soa(5), ns(), soa(5), soa(5)], 2, 2, "stands behind the last SOA"
    error, found = failure(messages(records, [2] * 10))
    assert isinstance(error, TransferError.Broken)
    assert (error.message, error.record) == (number, record)
    assert words in str(error)
    assert len(found) == 2 * (number - 1)  # nothing of the message that is wrong


WRONG_STEPS: dict[str, tuple[Sequence[DnsRecord], int, int, str]] = {
    "from another serial": ([soa(5), soa(2), a("a"), soa(5), soa(5)], 1, 2, "begin at serial 2, not at 3"),
    "back": (
        [soa(5), soa(3), a("a"), soa(3), a("b"), soa(5)],
        2,
        2,
        "from serial 3 to 3, which is not newer",
    ),
    "a gap": (
        [soa(6), soa(3), soa(4), soa(5), soa(6), soa(6)],
        2,
        2,
        "from serial 5, where the one before led to 4",
    ),
    "another end": ([soa(6), soa(3), soa(6), a("a"), soa(7)], 3, 1, "last SOA has serial 7, the first had 6"),
    "more": ([soa(6), soa(3), soa(6), soa(6), a("a")], 3, 1, "stands behind the last SOA"),
    "not newer at all": ([soa(2), soa(3), soa(2), soa(2)], 1, 2, "begin at serial 3"),
}


@pytest.mark.parametrize("what", WRONG_STEPS)
def test_wrong_differences(what: str) -> None:
    records, number, record, words = WRONG_STEPS[what]
    wires = messages(records, [2] * 10, 3)
    if what == "more":
        wires = messages(records, [2, 3], 3)
        number, record = 2, 3
    error, found = failure(wires, 3)
    assert isinstance(error, TransferError.Broken)
    assert words in str(error)
    assert (error.message, error.record) == (number, record)
    assert len(found) == 2 * (number - 1)


ASKED = transfer_question(ORIGIN, None)
HEADERS: dict[str, tuple[bytes, str]] = {
    "ID": (message(WHOLE[3:], None, number=ID + 1), "another ID"),
    "a query": (message(WHOLE[3:], None, flags=0), "a query"),
    "opcode": (message(WHOLE[3:], None, opcode=Opcode.NOTIFY), "opcode is NOTIFY"),
    "question": (message(WHOLE[3:], Question("www.example.test", 1)), "its question is www.example.test. A"),
    "truncated": (message(WHOLE[3:], None, flags=QR | AA | TC), "truncated"),
    "empty": (message([], None), "no records"),
    "short": (b"\x43", "another ID"),
    "cut": (message(WHOLE[3:], None)[:-1], "malformed: answer[3].rdata"),
    "trailing": (message(WHOLE[3:], None) + b"\0", "malformed: message"),
}


@pytest.mark.parametrize("what", HEADERS)
def test_a_wrong_second_message(what: str) -> None:
    wire, words = HEADERS[what]
    error, found = failure([message(WHOLE[:3], ASKED), wire])
    assert isinstance(error, TransferError.Broken)
    assert (error.message, error.record) == (2, 4 if what == "cut" else None)
    assert words in str(error)
    assert str(error).startswith("example.test. AXFR: message 2")
    assert len(found) == 3


def test_a_first_message_without_a_question() -> None:
    error, found = failure([message(WHOLE, None)])
    assert "its question is nothing" in str(error)
    assert not found


def test_an_error_code_at_once_and_in_the_midst() -> None:
    for asked in (None, ASKED):
        error, _ = failure([message([], asked, rcode=Rcode.REFUSED)])
        assert isinstance(error, TransferError.Refused)
        assert (error.rcode_name, error.message) == ("REFUSED", 1)
        assert str(error) == "example.test. AXFR: the server refuses the transfer: REFUSED"
        assert "TSIG" in (error.hint or "")
    error, found = failure([message(WHOLE[:3], ASKED), message([], ASKED, rcode=Rcode.SERVFAIL)])
    assert isinstance(error, TransferError.Refused)
    assert str(error) == "example.test. AXFR: message 2: the server gave up the transfer: SERVFAIL"
    assert len(found) == 3


def test_why_it_is_refused() -> None:
    edns = Edns(options=[EdnsOption.ExtendedError(18, "not for you")])
    error, _ = failure([Message(ID, QR, 0, Rcode.REFUSED, [ASKED], edns=edns).to_wire()])
    assert "not for you" in str(error)


def test_endless_transfers() -> None:
    def without_end() -> Iterator[bytes]:
        yield message([soa(5), ns()], ASKED)
        while True:
            yield message([a("again")] * 3, None)

    with pytest.raises(TransferError.TooLarge, match="more than 50 records came") as caught:
        hear_to_the_end(reader(limits=TransferLimits(records=50)), without_end(), [])
    assert (caught.value.message, caught.value.record) == (18, 1)
    with pytest.raises(TransferError.TooLarge, match="more than 1,000 octets came"):
        hear_to_the_end(reader(limits=TransferLimits(octets=1000)), without_end(), [])


@given(st.data())
def test_octets_that_were_changed_are_refused_or_read(data: st.DataObject) -> None:
    wires = messages(STEPS, [3, 3], 3)
    index = data.draw(st.integers(0, len(wires) - 1))
    octets = bytearray(wires[index])
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
    wires[index] = bytes(octets)
    one = reader(3)
    try:
        hear_all(one, wires[:1])
        for wire in wires[1:]:
            if one.is_done:
                return
            one.hear(wire, NOW)
    except TransferError as error:
        assert error.message in range(1, 4)


# -- TSIG over many messages


def test_records_are_held_back_until_they_are_certain() -> None:
    wires = signed(messages(WHOLE, [2, 1, 1, 1], None), TsigSigner(KEY, REQUEST_MAC), 3)
    one = reader(is_signed=True)
    heard = []
    for number, (wire, shown) in enumerate(zip(wires, ["<r", "", "", "rrr", "r>"], strict=True)):
        found = one.hear(wire, NOW + number)
        assert parts(found) == shown
        heard += one.heard if found else []
    assert heard == [(wire, NOW + number) for number, wire in enumerate(wires)]


def test_the_message_that_refuses_is_the_one_that_was_heard() -> None:
    one = reader()
    one.hear(message(WHOLE[:2], one.question), NOW)
    refusal = message([], None, rcode=5)
    with pytest.raises(TransferError.Refused):
        one.hear(refusal, NOW + 1)
    assert one.heard == [(refusal, NOW + 1)]


@pytest.mark.parametrize("every", [1, 3])
def test_a_signed_transfer_that_was_changed_in_each_message(every: int) -> None:
    records = [soa(5), *[a(f"n{number}") for number in range(8)], soa(5)]
    sent = signed(messages(records, [1] * 9), TsigSigner(KEY, REQUEST_MAC), every)
    assert parts(hear_all(reader(is_signed=True), sent)) == "<rrrrrrrr>"
    certain = [index for index in range(len(sent)) if index % every == 0 or index == len(sent) - 1]
    for index in range(len(sent)):
        changed = list(sent)
        octets = bytearray(changed[index])
        octets[22] ^= 0x20 if index else 1  # a letter of the first name, or of the question
        changed[index] = bytes(octets)
        error, found = failure(changed, is_signed=True)
        assert len(found) <= max([0, *[each + 1 for each in certain if each < index]])
        if index:
            assert isinstance(error, TransferError.Untrusted)
            assert isinstance(error.__cause__, TsigError.BadSignature)
            assert error.message == min([each for each in certain if each >= index]) + 1


@pytest.mark.parametrize(
    "change",
    [
        lambda wires: [*wires[:2], *wires[3:]],
        lambda wires: [wires[0], wires[2], wires[1], *wires[3:]],
        lambda wires: [*wires[:2], wires[1], *wires[2:]],
    ],
    ids=["left out", "out of order", "twice"],
)
def test_signed_messages_that_were_moved(change: Callable[[list[bytes]], list[bytes]]) -> None:
    wires = signed(messages(WHOLE, [1] * 7), TsigSigner(KEY, REQUEST_MAC))
    error, found = failure(change(wires), is_signed=True)
    assert isinstance(error, TransferError.Untrusted)
    assert error.message in (2, 3)
    assert len(found) == error.message - 1


def test_unsigned_for_too_long_and_at_the_end() -> None:
    records = [soa(5), *[a(f"n{number}") for number in range(MAX_UNSIGNED + 1)], soa(5)]
    wires = messages(records, [1] * len(records))
    first = TsigSigner(KEY, REQUEST_MAC).sign(wires[0], NOW).wire
    error, found = failure([first, *wires[1:]], is_signed=True)
    assert isinstance(error, TransferError.Untrusted)
    assert (error.message, parts(found)) == (MAX_UNSIGNED + 2, "<")
    error, found = failure([first, wires[1], wires[-1]], is_signed=True)
    assert isinstance(error, TransferError.Untrusted)
    assert (error.message, parts(found)) == (3, "<")
    error, found = failure(wires, is_signed=True)  # not signed at all
    assert isinstance(error, TransferError.Untrusted)
    assert (error.message, found) == (1, [])


def test_what_is_said_of_an_unsigned_refusal() -> None:
    error, _ = failure([message([], ASKED, rcode=Rcode.REFUSED)], is_signed=True)
    assert isinstance(error, TransferError.Refused)


def test_a_server_that_refuses_the_signature() -> None:
    query = sign(make_transfer_query(ASKED, ID).to_wire(), KEY, NOW)
    from netkit.dns.tsig.answering import query_signature

    signature = query_signature(query.wire, [], NOW)
    assert signature is not None
    answer = signature.sign(message([], ASKED, rcode=Rcode.NOTAUTH))
    one = TransferReader(ASKED, ID, verifier=TsigVerifier(KEY, query.mac))
    with pytest.raises(TsigError.Rejected, match="BADKEY"):
        one.hear(answer, NOW)


def test_errors_of_all_kinds_say_where() -> None:
    assert {cls.__name__ for cls in TransferError.__subclasses__()} == {
        "Refused", "Broken", "Incomplete", "Untrusted", "TooLarge", "Unfit",
    }  # fmt: skip
    assert issubclass(TransferError, DnsError)
    for before, after in pairwise([TransferError("x", 1), TransferError("x", 1, 2), TransferError("x")]):
        assert before.place != after.place
    assert str(TransferError("it broke", 3, 12, name=Name.parse(ORIGIN))) == (
        "example.test.: message 3, record 12: it broke"
    )
