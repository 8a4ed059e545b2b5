"""What is wrong with octets as HTTP/1.1 messages, and which parsers read them differently: `diagnose`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._lazy import lazy

if TYPE_CHECKING:
    from netkit.http.diagnose.diagnosis import (
        BODY_LIMITS as BODY_LIMITS,
        HEAD_LIMITS as HEAD_LIMITS,
        MAX_ALIKE as MAX_ALIKE,
        MAX_CHUNKS as MAX_CHUNKS,
        MAX_FINDINGS as MAX_FINDINGS,
        MAX_MESSAGES as MAX_MESSAGES,
        diagnose as diagnose,
    )
    from netkit.http.diagnose.findings import Finding as Finding
    from netkit.http.diagnose.report import Diagnosis as Diagnosis, MessageReport as MessageReport

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "diagnosis": "BODY_LIMITS HEAD_LIMITS MAX_ALIKE MAX_CHUNKS MAX_FINDINGS MAX_MESSAGES diagnose",
        "findings": "Finding",
        "report": "Diagnosis MessageReport",
    },
)
