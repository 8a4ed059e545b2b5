"""Every endpoint, asked by netkit's client and by curl: what is right is taken, and faults are reported."""

from __future__ import annotations

import pytest

from netkit.errors import NetkitError
from netkit.http import Client, Request
from netkit.http.inspector.endpoint import Endpoint
from netkit.http.inspector.table import ENDPOINTS
from tests.http.inspector.conftest import Served
from tests.http.inspector.expected import EXPECTED, NOT_ASKED, Exit

EXAMPLES = [(endpoint, path) for endpoint in ENDPOINTS for path in endpoint.examples if path not in NOT_ASKED]


def test_every_endpoint_has_an_example_and_words() -> None:
    for each in ENDPOINTS:
        assert each.examples, each.path
        assert each.what, each.path
        assert each.finds or each.group not in ("Wrong heads", "Wrong framing", "Floods", "Endings"), (
            each.path
        )
        for path in each.examples:
            assert each.match(path.partition("?")[0]) is not None, path


def test_the_table_names_examples_only() -> None:
    assert set(EXPECTED) <= {path for _, path in EXAMPLES}


@pytest.mark.parametrize(("endpoint", "path"), EXAMPLES, ids=[path for _, path in EXAMPLES])
def test_netkit(endpoint: Endpoint, path: str, served: Served, client: Client) -> None:
    expected, _ = EXPECTED.get(path, (200, 200))
    request = Request(endpoint.methods[0], served.url(path))
    if isinstance(expected, int):
        assert int(client.request(request).status) == expected
        return
    with pytest.raises(NetkitError) as caught:
        client.request(request)
    assert type(caught.value).__name__ == expected


@pytest.mark.once
@pytest.mark.parametrize(("endpoint", "path"), EXAMPLES, ids=[path for _, path in EXAMPLES])
def test_curl(endpoint: Endpoint, path: str, served: Served) -> None:
    _, expected = EXPECTED.get(path, (200, 200))
    made = served.curl(path, "-L", "--compressed", "-X", endpoint.methods[0], "-o", "/dev/null")
    if isinstance(expected, Exit):
        assert made.code in expected, made.error
        assert made.error
    else:
        assert (made.code, made.status) == (0, expected), made.error


#: Octets follow their responses that a client might take for the answer to its next request.
POISONED = ("/wrong/two-responses", "/wrong/length-too-short", "/wrong/body-of-204", "/wrong/after-chunked")


@pytest.mark.parametrize("path", POISONED)
def test_netkit_is_not_poisoned(path: str, served: Served, client: Client) -> None:
    client.get(served.url(path))
    assert client.get(served.url("/base64/cmlnaHQ=")).body == b"right"


@pytest.mark.once
@pytest.mark.parametrize("path", POISONED)
def test_curl_is_not_poisoned(path: str, served: Served) -> None:
    made = served.curl(path, then="/base64/cmlnaHQ=")
    assert made.code == 0, made.error
    assert made.body.endswith(b"right")
