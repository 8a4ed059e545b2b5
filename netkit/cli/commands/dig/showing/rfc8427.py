"""An answer in the JSON of RFC 8427 (`+json`, as in kdig): an object a line, with +qr a pair."""

from __future__ import annotations

from datetime import UTC, datetime
from json import dumps
from typing import TYPE_CHECKING

from netkit.dns.messages.as_json import message_to_json, pair_to_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.cli.commands.dig.answered import Answered
    from netkit.cli.frame.exits import Failure
    from netkit.dns.messages.as_json import Object
    from netkit.dns.messages.message import Message


def json_lines(result: Answered) -> Iterable[str]:
    """The object of an answer, or of its query and it."""
    reply = result.reply
    found = _object(reply.message, reply.wire, result.came_at)
    if result.query.flags.get("qr"):
        sent = _object(reply.query, reply.query.to_wire(), result.came_at - reply.elapsed_s)
        found = pair_to_json(sent, found)
    yield dumps(found)


def message_line(message: Message, wire: bytes, at: float) -> str:
    """The object of a message with these octets, which was sent or came `at`, in seconds since 1970."""
    return dumps(_object(message, wire, at))


def _object(message: Message, wire: bytes, at: float) -> Object:
    return message_to_json(message, wire=wire, at=datetime.fromtimestamp(at, UTC))


def json_error_lines(failure: Failure) -> Iterable[str]:
    """The object of a query without an answer, which has nothing but a comment (section 2.5)."""
    yield dumps({"comment": failure.message})
