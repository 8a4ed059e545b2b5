"""The numbers of OpenSSL's results, against the OpenSSL that is here."""

from __future__ import annotations

import pytest

from netkit.tls import verify_codes
from netkit.tls.backends.pyopenssl.bindings import lib

pytestmark = pytest.mark.once

NUMBERS = {name: number for name, number in vars(verify_codes).items() if isinstance(number, int)}


def test_they_are_openssl_s() -> None:
    bound = {name: getattr(lib, f"X509_V_ERR_{name}", None) for name in NUMBERS}
    told = {name: number for name, number in bound.items() if number is not None}
    assert len(told) > 20
    assert told == {name: NUMBERS[name] for name in told}


def test_an_application_s_refusal_is_no_violation_of_a_constraint() -> None:
    application = 50  # X509_V_ERR_APPLICATION_VERIFICATION stands among them
    assert application not in verify_codes.VIOLATIONS
    assert {application} == set(range(47, 54)) - verify_codes.VIOLATIONS
