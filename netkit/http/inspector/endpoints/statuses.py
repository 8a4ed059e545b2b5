"""Responses with the status that was asked for (RFC 9110 section 15)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.errors import HttpError
from netkit.http.inspector.call import json_octets
from netkit.http.inspector.endpoint import ANY_METHOD, Group
from netkit.http.types import StatusCode

if TYPE_CHECKING:
    from netkit.http.inspector.call import Call
    from netkit.http.inspector.secrets import Secrets
    from netkit.io import Flow

GROUP = Group("Statuses")

#: The most statuses of which one is chosen.
MAX_CHOICES = 100

_REDIRECT = (("Location", "/redirect/1"),)

#: The fields that a status needs to make sense.
_FIELDS = {
    **dict.fromkeys((301, 302, 303, 305, 307, 308), _REDIRECT),
    401: (("WWW-Authenticate", 'Basic realm="Fake Realm"'),),
    407: (("Proxy-Authenticate", 'Basic realm="Fake Realm"'),),
    426: (("Upgrade", "websocket"),),
}


@GROUP.add(
    "/status/{codes}",
    "the status of that code; of several (`200:0.9,500:0.1`), one by chance, by its weight",
    methods=ANY_METHOD,
    finds="statuses that a client does not know, or takes for others; retries",
    examples=("/status/204", "/status/418", "/status/500:3,503"),
)
def status(call: Call) -> Flow[None]:
    yield from status_flow(call, _chosen(call.variables["codes"], call.secrets))


def status_flow(call: Call, code: int) -> Flow[None]:
    """Flow: a response with that status, and what belongs to it."""
    fields = _FIELDS.get(code, ())
    if code == 406:
        accepted = ["image/webp", "image/svg+xml", "image/jpeg", "image/png", "image/*"]
        message = "Client did not request a supported media type."
        yield from call.reply_flow(
            406, json_octets({"message": message, "accept": accepted}), "application/json"
        )
    elif code == 418:
        fields = (("X-More-Info", "https://www.rfc-editor.org/rfc/rfc2324"),)
        yield from call.reply_flow(418, "I am a teapot, short and stout.\n", fields=fields)
    elif code in (204, 205, 304):
        yield from call.reply_flow(code, content_type=None)
    else:
        content_type = None if fields else "text/html; charset=utf-8"
        yield from call.reply_flow(code, content_type=content_type, fields=fields)


@GROUP.add(
    "/unstable",
    "500 as often as `failure_rate` says, else 200",
    methods=ANY_METHOD,
    finds="retries that are missing, too many, or of requests that must not be repeated",
    arguments={"failure_rate": "from 0 to 1; 0.5 without it"},
)
def unstable(call: Call) -> Flow[None]:
    text = call.argument("failure_rate", "0.5")
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= 1:
        raise HttpError.InvalidValue("failure_rate", "it is no number from 0 to 1")
    yield from status_flow(call, 500 if call.secrets.fraction() < rate else 200)


def _chosen(text: str, secrets: Secrets) -> int:
    """One of the codes, by their weights. Raises HttpError.InvalidValue."""
    choices = text.split(",")
    if len(choices) > MAX_CHOICES:
        raise HttpError.InvalidValue("codes", f"more than {MAX_CHOICES}", limit=MAX_CHOICES)
    weighed = [_weighed(each) for each in choices]
    at = secrets.fraction() * sum(weight for _, weight in weighed)
    for code, weight in weighed:
        at -= weight
        if at < 0:
            return code
    return weighed[-1][0]


def _weighed(text: str) -> tuple[int, float]:
    code, colon, weight = text.strip().partition(":")
    try:
        found = int(StatusCode.parse(code)), float(weight) if colon else 1.0
    except ValueError:
        raise HttpError.InvalidValue("codes", "a code has three digits, and a weight is a number") from None
    if found[0] < 200:
        raise HttpError.InvalidValue("codes", "1xx is no end of a response: /interim sends them")
    if not 0 <= found[1] < 1e9:
        raise HttpError.InvalidValue("codes", "a weight is not negative, and below 1e9")
    return found
