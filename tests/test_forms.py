"""The forms of a call: blocking, `_async` and `_flow` go by one name, and take the same arguments.

read(...)          blocks
read_async(...)    is awaited; the same signature
read_flow(...)     is for other flows to `yield from`; without `timeout` and `cancel`, which are the driver's
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import netkit
import netkit.io.blocking

pytestmark = pytest.mark.once

ROOT = Path(netkit.__file__).parent

#: Flows that have no blocking form of their own, though a blocking call of another class has their name.
NAMESAKES = {
    "netkit.io.flow.Event.wait",  # what flows wait with; ShutdownSignals.wait blocks
    "netkit.http.inspector.faults.endings.close",  # the endpoint /close
}

#: Forms whose arguments differ: a handler in a thread gets a connection that asks the server's flow.
OTHER_ARGUMENTS = {
    "netkit.websocket.server.AsyncSocketHandler.handle_socket_async",
    "netkit.websocket.place.Place.hear_async",  # a coroutine is interrupted, a thread has a deadline
}


class Form(NamedTuple):
    where: str
    """The module, and the class if there is one."""
    name: str
    function: Callable[..., Any]
    owner: Any
    """The module or the class itself."""

    @property
    def is_flow(self) -> bool:
        return str(inspect.signature(self.function).return_annotation).startswith("Flow[")


def forms() -> Iterator[Form]:
    """Every function of netkit, and every method of its classes, where it is written."""
    for file in sorted(ROOT.rglob("*.py")):
        module = ".".join(file.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
        if module.endswith(("__main__", "_build_note")):
            continue
        loaded = importlib.import_module(module)
        for name, value in vars(loaded).items():
            if inspect.isfunction(value) and value.__module__ == module:
                yield Form(module, name, value, loaded)
            elif inspect.isclass(value) and value.__module__ == module:
                for member, raw in vars(value).items():
                    function = raw.__func__ if isinstance(raw, (classmethod, staticmethod)) else raw
                    if inspect.isfunction(function):
                        yield Form(f"{module}.{value.__name__}", member, function, value)


FORMS = list(forms())
ASYNC = [form for form in FORMS if form.name.endswith("_async")]
BLOCKING = {form.name.removesuffix("_async") for form in ASYNC}


def test_there_are_as_many_as_ever() -> None:
    """That the rules below are about something."""
    assert len(ASYNC) >= 50
    assert sum(form.is_flow for form in FORMS) >= 150


@pytest.mark.parametrize("form", ASYNC, ids=lambda form: f"{form.where}.{form.name}")
def test_both_forms_have_one_signature(form: Form) -> None:
    owner, name = form.owner, form.name.removesuffix("_async")
    if form.where == "netkit.io.aio":
        owner = netkit.io.blocking  # the two drivers are two modules
    elif inspect.isclass(owner) and owner.__name__.startswith("Async"):
        owner = getattr(importlib.import_module(owner.__module__), owner.__name__.removeprefix("Async"))
    blocking = getattr(owner, name)
    ours, theirs = (
        inspect.signature(form.function),
        inspect.signature(getattr(blocking, "__func__", blocking)),
    )
    if f"{form.where}.{form.name}" not in OTHER_ARGUMENTS:
        assert list(ours.parameters.values()) == list(theirs.parameters.values())
    if inspect.iscoroutinefunction(form.function):  # an iterator's two forms differ in what comes out
        assert ours.return_annotation == theirs.return_annotation


@pytest.mark.parametrize(
    "form", [form for form in FORMS if form.is_flow], ids=lambda form: f"{form.where}.{form.name}"
)
def test_a_flow_with_a_blocking_namesake_ends_in_flow(form: Form) -> None:
    assert form.name not in BLOCKING or f"{form.where}.{form.name}" in NAMESAKES


@pytest.mark.parametrize(
    "form",
    [form for form in FORMS if form.name.endswith("_flow") and not form.name.startswith("_")],
    ids=lambda form: f"{form.where}.{form.name}",
)
def test_what_ends_in_flow_is_one(form: Form) -> None:
    assert form.is_flow
    assert not {"timeout", "cancel"} & set(inspect.signature(form.function).parameters)
