"""What is said of a structure that cannot be read: in netkit's words, with the field and the place."""

from __future__ import annotations

from random import Random

import pytest
from cryptography import x509
from cryptography.x509 import ocsp

from netkit.tls import Certificate, TlsError
from netkit.tls.files.reading import NothingRead, read_content
from netkit.tls.x509.der import split_certificate
from netkit.tls.x509.keys import PanicError
from netkit.tls.x509.stapled import read_staple
from netkit.tls.x509.unreadable import reason_of
from tests.tls.conformance.ends import authority, identity

pytestmark = pytest.mark.once

#: What no user is to read.
RUST = ("ParseError", "{", "unwrap", "asn1", "::", "location")


def parse_error(inner: str) -> ValueError:
    return ValueError(f"error parsing asn1 value: ParseError {{ {inner} }}")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            parse_error('kind: ShortData { needed: 7 }, location: ["TbsCertificate::validity", '
            '"Validity::not_before"]'),
            "7 octets are missing, in not before",
        ),
        (parse_error("kind: ShortData { needed: 1 }"), "1 octet is missing"),
        (
            parse_error(
                "kind: UnexpectedTag { actual: Tag { value: 5, constructed: true, class: ContextSpecific } "
                '}, location: ["TbsCertificate::subject", 0, "AttributeTypeValue::type_id"]'
            ),
            "it has tag 0xa5 where another type belongs, in attribute type",
        ),
        (
            parse_error('kind: InvalidValue, location: [2, 0, "Validity::not_after", "Time::UtcTime"]'),
            "it has a value that its type does not allow, in not after (UtcTime)",
        ),
        (parse_error('kind: ExtraData, location: ["issuer"]'), "octets are left over at its end"),
        (parse_error("kind: OfTomorrow { inner: Thing { a: 1 } }"), "it is malformed"),
        (PanicError("called `Result::unwrap()` on an `Err` value: ParseError { kind: X }"), "it is damaged"),
        (x509.InvalidVersion("9 is not a valid X509 version", 9), "its version is 9, which no standard has"),
        (ValueError("Duplicate 2.5.29.15 extension found"), "Duplicate 2.5.29.15 extension found"),
        (KeyError(), "KeyError"),
    ],
)  # fmt: skip
def test_words(error: Exception, words: str) -> None:
    assert reason_of(error) == words
    assert reason_of(error, 612) == f"{words} (it begins at octet 612)"


def damaged(rng: Random, data: bytes) -> bytes:
    made = bytearray(data)
    for _ in range(rng.choice((1, 1, 2))):
        made[rng.randrange(len(made))] = rng.randrange(256)
    return bytes(made)


def test_no_words_of_another_parser_reach_the_user() -> None:
    rng = Random(7)
    good = [one.der_data for one in (*identity().chain, authority().certificate)]
    told = set()
    for _ in range(1500):
        try:
            certificate = Certificate.from_der(damaged(rng, rng.choice(good)))
        except TlsError as error:
            told.add(str(error))
        else:
            told |= set(map(str, certificate.problems))
    assert len(told) > 100
    assert not [each for each in told if any(word in each for word in RUST)]


def test_nor_of_what_a_file_has() -> None:
    rng = Random(8)
    key = identity().key.to_pem().encode()
    chain = "".join(one.to_pem() for one in identity().chain).encode()
    told = set()
    for _ in range(300):
        try:
            content = read_content(damaged(rng, rng.choice((key, chain))))
        except NothingRead as error:
            told.add(str(error))
            continue
        told |= {str(item.problem.reason) for item in content.items if item.problem is not None}
    assert told
    assert not [each for each in told if any(word in each for word in RUST)]


def test_the_offset_is_that_in_the_certificate() -> None:
    data = identity().certificate.der_data
    parts = split_certificate(data)
    extension = parts.extensions[0]
    assert data[extension.offset :].startswith(extension.raw)
    at = data.index(parts.validity, data.index(parts.issuer)) + 4
    broken = Certificate.from_der(data[:at] + b"\x00" + data[at + 1 :])
    (problem,) = broken.problems
    assert str(problem).endswith(f"(it begins at octet {at - 4})")
    for extension in parts.extensions:
        value = data.index(extension.value, extension.offset)
        (problem,) = Certificate.from_der(data[:value] + b"\x07" + data[value + 1 :]).problems
        place = value if "alternative name" in str(problem) else f"begins at octet {extension.offset}"
        assert str(place) in str(problem)


def test_a_stapled_response() -> None:
    staple = read_staple(b"\x30\x03\x0a\x01")
    assert staple.problem is not None
    assert staple.problem.startswith("it cannot be read: ")
    assert not any(word in staple.problem for word in RUST)
    with pytest.raises(ValueError, match="ParseError"):  # as cryptography says it
        ocsp.load_der_ocsp_response(b"\x30\x03\x0a\x01")
