"""The variables of CGI (RFC 3875 section 4.1) of a request."""

from __future__ import annotations

import pytest

from netkit.addr import SocketAddr
from netkit.http.gateway.cgi import cgi_variables
from netkit.http.server.request import ConnectionFacts, ServerRequest

pytestmark = pytest.mark.once


def variables(head: str, fields: list[tuple[bytes, bytes]], user: str | None = None) -> dict[str, str]:
    from netkit.http.connection.events import RequestHead

    made = RequestHead(b"GET", head.encode(), b"example.test:8080", b"http", fields)
    facts = ConnectionFacts(1, SocketAddr.parse("192.0.2.1:5000"), SocketAddr.parse("127.0.0.1:9001"), None)
    return cgi_variables(ServerRequest.of(made, (1, 1), facts), user)


def test_of_the_request_and_the_connection() -> None:
    found = variables("/a%20b/%C3%A9?x=%31", [(b"X-Name", b"one"), (b"x-name", b"two")], "ann")
    assert found["PATH_INFO"] == "/a b/\u00e9"
    assert (found["QUERY_STRING"], found["SCRIPT_NAME"], found["REQUEST_METHOD"]) == ("x=%31", "", "GET")
    assert (found["REMOTE_ADDR"], found["REMOTE_PORT"], found["SERVER_PORT"]) == ("192.0.2.1", "5000", "9001")
    assert (found["SERVER_NAME"], found["SERVER_PROTOCOL"]) == ("example.test", "HTTP/1.1")
    assert (found["AUTH_TYPE"], found["REMOTE_USER"]) == ("Basic", "ann")
    assert found["HTTP_X_NAME"] == "one, two"
    assert "HTTPS" not in found


@pytest.mark.parametrize("name", [b"Proxy", b"PROXY", b"Authorization", b"Proxy-Authorization", b"X_Name"])
def test_fields_that_no_program_sees(name: bytes) -> None:
    assert not [
        key for key in variables("/", [(name, b"x")]) if key.startswith("HTTP_") and key != "HTTP_HOST"
    ]


def test_a_client_chooses_no_other_name() -> None:
    plain = variables("/", [])
    given = variables("/", [(b"Path", b"x"), (b"Ld-Preload", b"x"), (b"Gateway-Interface", b"x")])
    assert given.keys() - plain.keys() == {"HTTP_PATH", "HTTP_LD_PRELOAD", "HTTP_GATEWAY_INTERFACE"}


def test_what_cannot_be_a_variable_stays_encoded() -> None:
    assert variables("/a%00b", [])["PATH_INFO"] == "/a%00b"
    assert variables("/%ff", [(b"X", b"\xff")])["HTTP_X"].encode("utf-8", "surrogateescape") == b"\xff"
