"""Write the tables of docs/tls-backends.md from a run: `python -m tests.tls.conformance.table`.

Each cell comes from the case of the suite that shows the capability, run here and now. What another machine's
libraries can do is another table: the versions stand above it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from netkit.tls.backend import Capability
from netkit.tls.backends import find_backend
from netkit.tls.throwaway import FAULTS
from tests.tls.conformance.cases import CASES, ELSEWHERE
from tests.tls.conformance.test_capabilities import BACKENDS, ROLES, WISHES, other_end
from tests.tls.conformance.test_verdicts import DIFFERENT

if TYPE_CHECKING:
    from netkit.tls.backend import Role

PAGE: Final = Path(__file__).parents[3] / "docs" / "tls-backends.md"
BEGIN: Final = "<!-- capabilities -->"
END: Final = "<!-- end of capabilities -->"
BEGIN_VERDICTS: Final = "<!-- verdicts -->"
END_VERDICTS: Final = "<!-- end of verdicts -->"


def versions() -> str:
    """The line above the table: each backend with its library."""
    return "; ".join(f"`{name}`: {find_backend(name).version}" for name in BACKENDS)


def cell(backend: str, role: Role, capability: Capability, *, run: bool) -> str:
    """What one backend does on one side."""
    if capability not in find_backend(backend).capabilities(role):
        return "refused" if capability in WISHES[role] else "-"
    if capability in ELSEWHERE:
        return "yes (1)"
    if run:
        other = other_end(backend, capability, role)
        CASES[capability](*((backend, other) if role == "client" else (other, backend)))
    return "yes"


def table(*, run: bool) -> str:
    """The table in Markdown. With `run`, every "yes" is shown first: a case that fails raises."""
    head = ["capability", *(f"{name}, {role}" for name in BACKENDS for role in ROLES)]
    rows = [
        [capability.value, *(cell(name, role, capability, run=run) for name in BACKENDS for role in ROLES)]
        for capability in Capability
    ]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def section(*, run: bool) -> str:
    """What stands between the marks of the page."""
    return f"{BEGIN}\n\n{versions()}\n\n{table(run=run)}\n\n{END}"


def verdicts() -> str:
    """The table of the verdicts that differ, which test_verdicts.py holds every backend to."""
    head = ["fault", "backend", "its verdict", "the usual one", "why"]
    said = {True: "accepted", False: "refused"}
    ordered = sorted(DIFFERENT.items(), key=lambda item: (item[0][0], item[0][1].value))
    rows = [
        [fault.value, f"`{backend}`", said[own.accepted], said[FAULTS[fault].accepted], own.reason]
        for (backend, fault), own in ordered
    ]
    lines = "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *rows])
    return f"{BEGIN_VERDICTS}\n\n{lines}\n\n{END_VERDICTS}"


def replaced(text: str, begin: str, end: str, made: str) -> str:
    """The page with what stands between two marks made again."""
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return before + made + after


def main() -> None:
    """Write the tables into the page."""
    text = PAGE.read_text(encoding="utf-8")
    text = replaced(text, BEGIN, END, section(run=True))
    PAGE.write_text(replaced(text, BEGIN_VERDICTS, END_VERDICTS, verdicts()), encoding="utf-8")
    print(f"{PAGE.name}: {versions()}", file=sys.stderr)


if __name__ == "__main__":
    main()
