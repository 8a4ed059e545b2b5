"""What came of one URL of `netkit http fetch`, whether its body was shown or saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.http.client.facts import Phase
    from netkit.http.client.response import FetchedResponse, ResponseStream


class Done(NamedTuple):
    """What came of one URL. `is_refused`: the answer is no (--fail, --checksum)."""

    url: str
    status: int
    redirects: int
    size: int
    elapsed: float
    phases: Sequence[tuple[Phase, float, float]]
    trailers: Sequence[tuple[str, str]]
    file: str | None = None
    offset: int | None = None
    checksum: str | None = None
    parts: int | None = None
    is_refused: bool = False
    #: The body is binary, and was not written to the terminal.
    is_withheld: bool = False


def reason_of(response: ResponseStream | FetchedResponse) -> str:
    """The reason that the server gave, else that of the status (HTTP/2 has none)."""
    return response.reason or response.status.reason_phrase
