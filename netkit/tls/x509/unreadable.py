"""Why a structure cannot be read, in netkit's words: the cryptography package says it in those of its parser.

    error parsing asn1 value: ParseError { kind: ShortData { needed: 7 }, location: ["Validity::not_before"] }
    7 octets are missing, in not before

ITU-T X.690 is what DER may be. What is not of this form is passed on as it is.
"""

from __future__ import annotations

import re
from typing import Final

_FORM: Final = re.compile(
    r"ParseError \{ kind: (\w+)(?: \{ (.*?) \})?(?:, location: \[(.*)\])? \}\s*\Z", re.DOTALL
)
_TAG: Final = re.compile(r"value: (\d+), constructed: (\w+), class: (\w+)")
_NAME: Final = re.compile(r'"(?:\w+::)?(\w+)"')

#: What the parser has found, by its own names.
_KINDS: Final = {
    "InvalidValue": "it has a value that its type does not allow",
    "InvalidTag": "it has a tag that is malformed",
    "InvalidLength": "it has a length that is not DER",
    "IntegerOverflow": "it has a number that is too large",
    "ExtraData": "octets are left over at its end",
    "InvalidSetOrdering": "it has a set whose elements are not in order",
    "EncodedDefault": "it has a default value, which DER leaves out",
    "OidTooLong": "it has an object identifier that is too long",
    "UnknownDefinedBy": "it has an object identifier that is not known there",
}

#: Fields whose names say no more than what is being read, and those that have a better name.
_AROUND: Final = frozenset(("tbs_cert", "subject", "issuer", "validity", "spki", "raw_extensions"))
_FIELDS: Final = {
    "type_id": "attribute type",
    "oid": "object identifier",
    "params": "parameters",
    "signature_alg": "signature algorithm",
    "ca": "cA",
}

#: What it says beside that.
_SENTENCES: Final = (
    (re.compile(r"(\d+) is not a valid X509 version"), r"its version is \1, which no standard has"),
    (
        re.compile(r"\w+ ASN\.1 structure found but OID did not match"),
        "a policy qualifier is not of its type",
    ),
)
_CLASSES: Final = {"Universal": 0x00, "Application": 0x40, "ContextSpecific": 0x80, "Private": 0xC0}


def reason_of(error: Exception, offset: int | None = None) -> str:
    """Why something cannot be read. `offset` is where it begins in what the user has, in octets."""
    words = _words(error)
    return words if offset is None else f"{words} (it begins at octet {offset})"


def _words(error: Exception) -> str:
    text = str(error)
    if type(error).__module__ == "pyo3_runtime" or "unwrap()" in text:
        return "it is damaged"
    found = _FORM.search(text)
    if found is None:
        for pattern, sentence in _SENTENCES:
            if told := pattern.search(text):
                return told.expand(sentence)
        return text or type(error).__name__
    kind, details, location = found.groups()
    if kind == "ShortData":
        needed = re.search(r"\d+", details or "")
        missing = int(needed[0]) if needed else 0
        words = (
            f"{missing:,} octet{'s are' if missing != 1 else ' is'} missing" if missing else "it is cut off"
        )
    elif kind == "UnexpectedTag":
        words = f"it has {_tag(details or '')} where another type belongs"
    else:
        words = _KINDS.get(kind, "it is malformed")
    return words + _place(location or "")


def _tag(details: str) -> str:
    found = _TAG.search(details)
    if found is None:
        return "a tag"
    number = int(found[1])
    if number > 30 or found[3] not in _CLASSES:
        return f"tag number {number}"
    return f"tag {_CLASSES[found[3]] | (0x20 if found[2] == 'true' else 0) | number:#04x}"


def _place(location: str) -> str:
    """The innermost field, and its type where it is one of several: ", in not before (UtcTime)"."""
    names = _NAME.findall(location)
    fields = [name for name in names if name[0].islower() and name not in _AROUND]
    kind = names[-1] if names and names[-1][0].isupper() else None
    field = _FIELDS.get(fields[-1], fields[-1].replace("_", " ")) if fields else None
    if field is None:
        return "" if kind is None else f", in a {kind}"
    return f", in {field}" + ("" if kind is None else f" ({kind})")
