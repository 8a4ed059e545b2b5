"""How much a finding weighs, whatever it was found in: a certificate chain, an HTTP message."""

from __future__ import annotations

from enum import Enum


class Severity(Enum):
    """The three weights of a finding."""

    #: Reason enough to refuse.
    ERROR = "error"
    #: Accepted here, and wrong all the same: somebody else may refuse it, or take it for something else.
    WARNING = "warning"
    #: Worth knowing.
    NOTE = "note"
