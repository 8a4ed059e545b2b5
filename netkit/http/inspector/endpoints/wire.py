"""The request as it was on the wire: the octets of its head, and what a strict parser says of them.

`netkit.http.diagnose` judges the head. One that breaks the rules is refused before it comes here; then the
answer is 400 with the fault, where it is, and the rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.http.diagnose.diagnosis import diagnose
from netkit.http.inspector.endpoint import ANY_METHOD, Group
from netkit.http.inspector.facts import shown_octets

if TYPE_CHECKING:
    from netkit.http.inspector.call import Call
    from netkit.io import Flow

GROUP = Group("The wire", "The request as it was sent, without what libraries make of it.")

#: Octets of a body that are shown.
MAX_SHOWN = 65_536


@GROUP.add(
    "/wire",
    "the octets of the head, how the body is framed, and what is odd or risky about them",
    methods=ANY_METHOD,
    finds="requests that are right only to some: names, spaces, doubled fields, framing",
    examples=("/wire?a=1",),
)
def wire(call: Call) -> Flow[None]:
    body = yield from call.body_flow()
    exchange = call.exchange
    facts = exchange.connection
    shown: dict[str, Any] = {
        "version": "HTTP/{}.{}".format(*exchange.version) if exchange.version < (2, 0) else "HTTP/2",
        "method": exchange.head.method.decode("latin-1"),
        "target": exchange.head.target.decode("latin-1"),
        "authority": exchange.head.authority.decode("latin-1"),
        "fields": [
            [name.decode("latin-1"), value.decode("latin-1")] for name, value in exchange.head.all_fields()
        ],
        "body": {
            "size": len(body),
            "announced": exchange.length,
            "start": shown_octets(body[:MAX_SHOWN]),
        },
        "trailers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in exchange.trailers],
        "connection": {
            "number": facts.number,
            "requests": facts.requests,
            "peer": str(facts.peer),
            "tls": facts.tls is not None,
        },
    }
    octets = exchange.head_octets
    if octets is not None:
        shown["head"] = octets.decode("latin-1")
        shown["head_size"] = len(octets)
        report = diagnose(octets, response=False)
        shown["findings"] = [each.to_dict() for each in report.findings if each.code != "incomplete"]
        if report.messages:
            message = report.messages[0]
            shown["framing"] = {
                "kind": None if message.framing is None else message.framing.name.lower(),
                "reason": message.framing_reason,
                "section": message.framing_section,
            }
    yield from call.json_flow(shown)
