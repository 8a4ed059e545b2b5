"""TSIG: signing and verifying messages (RFC 8945), keys as text and in files.

RFC 8945 has no examples with octets. Those in `dns_tsig_queries.txt` were made by BIND's dig and Knot's kdig.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from netkit.dns.constants import DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import Message, make_query, make_response
from netkit.dns.name import Name
from netkit.dns.records import DnsRecord
from netkit.dns.tsig import TsigError, TsigKey, TsigSigner, TsigVerifier, sign, verify
from netkit.dns.tsig.errors import error_name
from netkit.dns.tsig.keys import ALGORITHMS, MAX_KEY_FILE
from netkit.dns.tsig.transfer import MAX_UNSIGNED

from .strategies import messages, names

NOW = 1_700_000_000
SECRET = b"a secret of both sides"
KEY = TsigKey("Key.Example", SECRET)
OTHER = TsigKey("other.example", SECRET)
QUERY = make_query("www.example.com", DnsRecordType.A, id=0x1234)
SIGNED = sign(QUERY.to_wire(), KEY, NOW)

VECTORS = Path(__file__).parent.parent / "vectors" / "dns_tsig_queries.txt"
LINES = [line.split() for line in VECTORS.read_text().splitlines() if line[0] != "#"]
RECORDED = LINES[1:]


# -- one message


@pytest.mark.parametrize(
    ("tool", "algorithm", "octets"), RECORDED, ids=[" ".join(row[:2]) for row in RECORDED]
)
def test_what_other_tools_sign(tool: str, algorithm: str, octets: str) -> None:
    key = TsigKey.parse(f"{algorithm}:KEY.example:{LINES[0][1]}", allow_md5=True)
    wire = bytes.fromhex(octets)
    record = Message.from_wire(wire).additional[-1]
    assert isinstance(record, DnsRecord.TSIG)
    verified = verify(wire, key, record.time_signed)
    assert (verified.key, verified.mac, verified.time_signed) == (key, record.mac, record.time_signed)
    assert Message.from_wire(verified.message) == Message.from_wire(wire).replace(additional=[])
    # kdig writes the key's name in lower case; a signature made here has the same octets then.
    key = key.replace(name=record.name)
    assert sign(verified.message, key, record.time_signed) == (wire, record.mac)
    with pytest.raises(TsigError.BadSignature):
        verify(wire, key.replace(secret=SECRET), record.time_signed)
    assert tool in ("dig", "kdig")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm(algorithm: str) -> None:
    key = TsigKey("k", SECRET, algorithm, allow_md5=True)
    signed = sign(QUERY.to_wire(), key, NOW)
    assert len(signed.mac) == ALGORITHMS[algorithm].size
    assert len(signed.wire) == len(QUERY.to_wire()) + key.record_size
    assert verify(signed.wire, [OTHER, key], NOW).mac == signed.mac


def test_the_cut_algorithms_are_cut_ones() -> None:
    whole, cut = (TsigKey("k", SECRET, f"hmac-sha256{bits}") for bits in ("", "-128"))
    parts = (b"a", b"b")
    assert whole.digest(parts)[:16] == cut.digest(parts)


def test_the_record_is_the_last_and_a_message_knows_it() -> None:
    message = Message.from_wire(SIGNED.wire)
    (record,) = message.additional
    assert isinstance(record, DnsRecord.TSIG)
    assert (record.name, record.algorithm, record.rdclass) == (KEY.name, Name.parse("hmac-sha256."), 255)
    assert (record.time_signed, record.fudge, record.mac) == (NOW, 300, SIGNED.mac)
    assert (record.original_id, record.error, record.other) == (0x1234, 0, b"")
    assert message.edns is not None
    assert message.to_wire() == SIGNED.wire  # behind OPT, though it is among the additional records
    assert message.header.arcount == 2
    assert Message.from_wire(SIGNED.wire, lenient=True) == message


def test_a_signature_stays_when_records_are_left_out() -> None:
    answer = [DnsRecord.TXT(f"{n}.example", 1, "x" * 200) for n in range(9)]
    record = Message.from_wire(SIGNED.wire).additional[0]
    cut = Message.from_wire(QUERY.replace(answer=answer, additional=[record]).to_wire(512))
    assert cut.truncated
    assert cut.additional == (record,)
    assert len(cut.answer) == 1


def test_another_id_on_the_way() -> None:
    sent = b"\xff\xff" + SIGNED.wire[2:]
    assert verify(sent, KEY, NOW).message == QUERY.to_wire()


def test_names_are_signed_in_lower_case() -> None:
    upper = SIGNED.wire.replace(b"\3Key\7Example", b"\3kEY\7eXAMPLE").replace(b"hmac", b"HMAC")
    assert upper != SIGNED.wire
    assert verify(upper, KEY, NOW).mac == SIGNED.mac


@pytest.mark.parametrize("ahead", [300, -300])
def test_within_the_fudge(ahead: int) -> None:
    assert verify(SIGNED.wire, KEY, NOW + ahead).time_signed == NOW


@pytest.mark.parametrize("ahead", [301, -301])
def test_another_time(ahead: int) -> None:
    with pytest.raises(TsigError.BadTime) as caught:
        verify(SIGNED.wire, KEY, NOW + ahead)
    error = caught.value
    assert (error.signed_at, error.now, error.fudge, error.skew) == (NOW, NOW + ahead, 300, -ahead)
    assert "2023-11-14T22:13:20Z" in str(error)
    assert ("301 s behind" if ahead > 0 else "301 s ahead") in str(error)


def test_an_unknown_key() -> None:
    for key in (OTHER, KEY.replace(algorithm="hmac-sha512", mac_size=None)):
        with pytest.raises(TsigError.UnknownKey) as caught:
            verify(SIGNED.wire, key, NOW)
        assert (caught.value.key, caught.value.algorithm) == ("Key.Example.", "hmac-sha256.")


def test_another_secret() -> None:
    with pytest.raises(TsigError.BadSignature) as caught:
        verify(SIGNED.wire, KEY.replace(secret=b"another"), NOW)
    assert caught.value.key == "Key.Example."
    assert caught.value.hint


def test_no_signature() -> None:
    with pytest.raises(TsigError.Unsigned, match=r"not signed with Key\.Example\."):
        verify(QUERY.to_wire(), KEY, NOW)


def test_the_answer_to_another_query() -> None:
    response = sign(make_response(QUERY).to_wire(), KEY, NOW, SIGNED.mac)
    assert verify(response.wire, KEY, NOW, SIGNED.mac).mac == response.mac
    for mac in (b"", response.mac):
        with pytest.raises(TsigError.BadSignature):
            verify(response.wire, KEY, NOW, mac)


@pytest.mark.parametrize("size", [16, 20, 31])
def test_a_cut_mac(size: int) -> None:
    cut = KEY.replace(mac_size=size)
    signed = sign(QUERY.to_wire(), cut, NOW)
    assert len(signed.mac) == size
    assert verify(signed.wire, cut, NOW).mac == signed.mac
    assert verify(SIGNED.wire, cut, NOW).mac == SIGNED.mac  # more than is wanted
    with pytest.raises(TsigError.ShortMac) as caught:
        verify(signed.wire, KEY, NOW)
    assert (caught.value.size, caught.value.limit) == (size, 32)


def with_mac(mac: bytes) -> bytes:
    message = Message.from_wire(SIGNED.wire)
    return message.replace(additional=[message.additional[0].replace(mac=mac)]).to_wire()


@pytest.mark.parametrize("size", [1, 9, 15, 33, 64])
def test_a_mac_of_a_size_that_there_is_not(size: int) -> None:
    with pytest.raises(DnsError.InvalidResponse, match=f"{size} octets"):
        verify(with_mac((SIGNED.mac * 2)[:size]), KEY, NOW)


def test_no_mac_in_a_query_is_a_wrong_one() -> None:
    with pytest.raises(TsigError.BadSignature):
        verify(with_mac(b""), KEY, NOW)


def test_what_is_no_signed_message() -> None:
    tail = SIGNED.wire[len(QUERY.to_wire()) :]
    two = SIGNED.wire[:11] + b"\3" + SIGNED.wire[12:] + tail
    classed = SIGNED.wire.replace(b"\0\xfa\0\xff", b"\0\xfa\0\1")
    timed = SIGNED.wire.replace(b"\0\xfa\0\xff\0\0\0\0", b"\0\xfa\0\xff\0\0\0\1")
    # In the answer section, and with nothing in the additional one.
    moved = SIGNED.wire[:6] + b"\0\2\0\0\0\0" + SIGNED.wire[12:]
    for wire, reason in [
        (two, "not the last"),
        (classed, "class ANY"),
        (timed, "no TTL"),
        (moved, "not the last"),
        (SIGNED.wire + b"\0", "1 octets after"),
        (SIGNED.wire[:-1], "needs"),
        (b"", "needs"),
    ]:
        with pytest.raises(DnsError.InvalidResponse, match=reason):
            verify(wire, KEY, NOW)


def test_no_room_for_a_signature() -> None:
    records = [DnsRecord.Unknown("a", 1, 65280, bytes(65450))]
    with pytest.raises(DnsError.InvalidValue, match="more than 65535"):
        sign(make_query("a", 1, id=1).replace(answer=records).to_wire(), KEY, NOW)
    full = QUERY.to_wire()[:10] + b"\xff\xff" + QUERY.to_wire()[12:]
    with pytest.raises(DnsError.InvalidValue, match="additional"):
        sign(full, KEY, NOW)
    with pytest.raises(DnsError.InvalidValue, match="time"):
        sign(QUERY.to_wire(), KEY, 1 << 48)


keys = st.builds(
    lambda name, secret, algorithm: TsigKey(name, secret, algorithm, allow_md5=True),
    names(),
    st.binary(min_size=1, max_size=80),
    st.sampled_from(list(ALGORITHMS)),
)


def is_unsigned(message: Message) -> bool:
    """Whether a made message has no TSIG record by chance: RFC 8945 section 5.2 allows one alone."""
    sections = (message.answer, message.authority, message.additional)
    return all(record.rdtype != DnsRecordType.TSIG for section in sections for record in section)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(messages().filter(is_unsigned), keys, st.integers(0, (1 << 48) - 1), st.binary(max_size=64), st.data())
def test_any_message(message: Message, key: TsigKey, time: int, mac: bytes, data: st.DataObject) -> None:
    wire = message.to_wire()
    signed = sign(wire, key, time, mac)
    assert verify(signed.wire, key, time, mac).message == wire
    # Two octets are not covered: the ID, for which there is another place.
    at = data.draw(st.integers(2, len(signed.wire) - 1), "octet")
    changed = bytearray(signed.wire)
    changed[at] ^= data.draw(st.integers(1, 255), "bits")
    try:
        verified = verify(changed, key, time, mac)
    except DnsError:
        return
    # Only the letter case of the names of key and algorithm makes no difference.
    assert changed.lower() == signed.wire.lower()
    assert at >= len(wire)
    assert verified.message == wire


@given(st.binary(max_size=200))
def test_octets_that_are_no_message(octets: bytes) -> None:
    with pytest.raises(DnsError):
        verify(octets, KEY, NOW)


# -- several messages


def transfer(count: int) -> list[bytes]:
    base = make_response(QUERY)
    return [
        base.replace(answer=[DnsRecord.A(f"{n}.example", 1, "192.0.2.1")]).to_wire() for n in range(count)
    ]


@pytest.mark.parametrize("every", [1, 2, 100])
def test_a_transfer(every: int) -> None:
    plain = transfer(230)
    signer, verifier = TsigSigner(KEY, SIGNED.mac), TsigVerifier([OTHER, KEY], SIGNED.mac)
    for number, wire in enumerate(plain):
        is_signed = number % every == 0 or number == len(plain) - 1
        sent = signer.sign(wire, NOW + number).wire if is_signed else signer.leave(wire)
        assert verifier.hear(sent, NOW) == wire
        assert verifier.is_certain == is_signed
    verifier.finish()


def sent_transfer(count: int = 6) -> list[bytes]:
    """Every second message is signed, and the last."""
    signer = TsigSigner(KEY, SIGNED.mac)
    plain = transfer(count)
    return [
        signer.sign(wire, NOW).wire if not number % 2 or number == count - 1 else signer.leave(wire)
        for number, wire in enumerate(plain)
    ]


def heard(sent: list[bytes]) -> None:
    verifier = TsigVerifier(KEY, SIGNED.mac)
    for wire in sent:
        verifier.hear(wire, NOW)
    verifier.finish()


def test_a_transfer_with_a_message_that_is_left_out_added_moved_or_changed() -> None:
    sent = sent_transfer()
    heard(sent)
    for number in range(1, 5):
        with pytest.raises(TsigError):
            heard(sent[:number] + sent[number + 1 :])
        with pytest.raises(TsigError):
            heard([*sent[:number], sent[number], *sent[number:]])
    with pytest.raises(TsigError.BadSignature):
        heard([sent[0], sent[3], sent[2], sent[1], *sent[4:]])
    with pytest.raises(TsigError.BadSignature):
        heard([sent[0], sent[1].replace(b"\xc0\0\2\1", b"\xc0\0\2\2"), *sent[2:]])
    with pytest.raises(TsigError.UnknownKey):
        heard([sent[0], sent[1], sign(transfer(3)[2], OTHER, NOW).wire])
    with pytest.raises(TsigError.BadSignature):
        TsigVerifier(KEY, b"another query").hear(sent[0], NOW)


def test_the_ends_of_a_transfer_are_signed() -> None:
    sent = sent_transfer()
    with pytest.raises(TsigError.Unsigned):
        heard(sent[1:])
    with pytest.raises(TsigError.Unsigned):
        heard(sent[:2])
    with pytest.raises(TsigError.Unsigned):
        heard([])
    signer = TsigSigner(KEY, b"")
    with pytest.raises(DnsError.InvalidValue, match="first message"):
        signer.leave(sent[1])


def test_how_many_may_be_unsigned() -> None:
    plain = transfer(1)[0]
    signer = TsigSigner(KEY, SIGNED.mac)
    verifier = TsigVerifier(KEY, SIGNED.mac)
    verifier.hear(signer.sign(plain, NOW).wire, NOW)
    for _ in range(MAX_UNSIGNED):
        verifier.hear(signer.leave(plain), NOW)
    with pytest.raises(DnsError.InvalidValue, match="99"):
        signer.leave(plain)
    with pytest.raises(TsigError.Unsigned):
        verifier.hear(plain, NOW)
    verifier.hear(signer.sign(plain, NOW).wire, NOW)
    assert verifier.is_certain


def test_a_later_message_of_another_time() -> None:
    signer = TsigSigner(KEY, SIGNED.mac)
    verifier = TsigVerifier(KEY, SIGNED.mac)
    plain = transfer(2)
    verifier.hear(signer.sign(plain[0], NOW).wire, NOW)
    with pytest.raises(TsigError.BadTime):
        verifier.hear(signer.sign(plain[1], NOW + 999).wire, NOW)


# -- keys


def test_keys_as_text() -> None:
    assert TsigKey.parse("hmac-sha512:Key.Example:c2VjcmV0") == TsigKey(
        "key.example.", b"secret", "HMAC-SHA512."
    )
    assert TsigKey.parse("key.example.:c2VjcmV0") == TsigKey("key.example", b"secret")
    assert TsigKey.parse("hmac-sha256-160:k:c2VjcmV0") == TsigKey("k", b"secret", mac_size=20)
    registered = TsigKey.parse("hmac-sha256-128:k:c2VjcmV0")
    assert (registered.algorithm, registered.mac_size) == ("hmac-sha256-128", 16)
    old = TsigKey.parse("hmac-md5:k:c2VjcmV0", allow_md5=True)
    assert old == TsigKey("k", b"secret", "hmac-md5.sig-alg.reg.int.", allow_md5=True)
    assert KEY.name.is_absolute


@pytest.mark.parametrize(
    ("text", "field", "reason"),
    [
        ("", "key", "must be"),
        ("a", "key", "must be"),
        ("a:b:c:d", "key", "must be"),
        ("k:topsecret!", "secret", "not base64"),
        ("k:", "secret", "empty"),
        ("hmac-md5:k:c2VjcmV0", "algorithm", "forbids"),
        ("hmac-sha3:k:c2VjcmV0", "algorithm", "must be one of"),
        ("hmac-sha256-7:k:c2VjcmV0", "algorithm", "multiple of 8"),
        ("hmac-sha256-99999:k:c2VjcmV0", "algorithm", "multiple of 8"),
        ("hmac-sha256-120:k:c2VjcmV0", "mac_size", "between 16 and 32"),
        ("hmac-sha1-72:k:c2VjcmV0", "mac_size", "between 10 and 20"),
        ("hmac-sha512-264:k:c2Vj cmV0", "secret", "not base64"),
    ],
)
def test_what_is_no_key(text: str, field: str, reason: str) -> None:
    with pytest.raises(DnsError.InvalidValue, match=reason) as caught:
        TsigKey.parse(text)
    assert caught.value.field == field
    assert "secret!" not in str(caught.value)
    assert "c2Vj" not in str(caught.value)


def test_a_name_that_is_none() -> None:
    with pytest.raises(DnsError.InvalidName):
        TsigKey.parse("a..b:c2VjcmV0")


def test_a_secret_too_long() -> None:
    with pytest.raises(DnsError.InvalidValue, match="65535"):
        TsigKey("k", bytes(65536))


def test_a_secret_is_not_shown() -> None:
    for shown in (repr(KEY), str(KEY), f"{KEY}", repr([KEY])):
        assert "secret" not in shown
    assert str(KEY) == "Key.Example. (hmac-sha256)"
    KEY.digest([b""])
    assert pickle.loads(pickle.dumps(KEY)) == KEY


FILE = """\
# made by tsig-keygen
key "key.example" {
\talgorithm hmac-sha256;  // RFC 8945
\tsecret "c2VjcmV0";
};
/* another,
   in one line */ key other { secret c2VjcmV0; algorithm "hmac-sha512"; };
"""


def test_a_file_of_keys() -> None:
    assert TsigKey.parse_file(FILE) == (
        TsigKey("key.example", b"secret"),
        TsigKey("other", b"secret", "hmac-sha512"),
    )


@pytest.mark.parametrize(
    ("text", "line", "column", "reason"),
    [
        ("", 1, 1, "no key"),
        ("# nothing\n", 1, 1, "no key"),
        ("options { };", 1, 1, "begins with the word key"),
        ('\nkey "a', 2, 5, "has no end"),
        ("key a /* b", 1, 7, "has no end"),
        ("key", 1, 4, "ends before the name"),
        ("key a {", 1, 8, "ends before algorithm, secret or }"),
        ("key a secret", 1, 7, "a { must be here"),
        ("key a { secret c2VjcmV0 }", 1, 25, "a ; must be here"),
        ("key a { secret c2VjcmV0; secret", 1, 26, "a second secret"),
        ("key a { other c2VjcmV0;", 1, 9, "must be algorithm, secret or }"),
        ("key a { secret c2VjcmV0; };", 1, 1, "has no algorithm"),
        ("key a { algorithm hmac-sha1; };", 1, 1, "has no secret"),
        ("key a { algorithm hmac-sha1; secret c2VjcmV0; }", 1, 48, "ends before ;"),
        ("key a { algorithm hmac-md5; secret c2VjcmV0; };", 1, 19, "forbids"),
        ("key a {\n algorithm hmac-sha1;\n secret c2VjcmV; };", 3, 9, "not base64"),
        ("key a..b { algorithm hmac-sha1; secret c2VjcmV0; };", 1, 5, "empty label"),
    ],
)
def test_a_mistake_in_a_file_of_keys(text: str, line: int, column: int, reason: str) -> None:
    with pytest.raises(TsigError.KeyFile, match=reason) as caught:
        TsigKey.parse_file(text, "dir/keys")
    error = caught.value
    assert (error.file, error.line, error.column) == ("dir/keys", line, column)
    assert str(error).startswith(f"dir/keys:{line}:{column}: ")
    assert "c2VjcmV" not in str(error)


def test_a_file_that_is_too_long() -> None:
    with pytest.raises(TsigError.KeyFile, match=str(MAX_KEY_FILE)):
        TsigKey.parse_file(" " * (MAX_KEY_FILE + 1))


@given(st.text('key{};"a/*#\n \\', max_size=60))
def test_any_file_is_keys_or_an_error_with_a_place(text: str) -> None:
    with pytest.raises(TsigError.KeyFile):
        TsigKey.parse_file(text)


def test_the_names_of_errors() -> None:
    assert [error_name(code) for code in (16, 17, 18, 22, 5000)] == [
        "BADSIG", "BADKEY", "BADTIME", "BADTRUNC", "RCODE5000",
    ]  # fmt: skip
