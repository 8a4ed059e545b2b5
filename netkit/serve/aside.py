"""`aside_flow`: what takes long and waits for nobody, in a thread of its own, while a server goes on."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from netkit.io import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.io import Flow

T = TypeVar("T")


def aside_flow(call: Callable[[], T]) -> Flow[T]:
    """Flow: the result of `call`, which runs in a thread; raises the Exception that it raises.

    A flow that is ended meanwhile leaves the thread to itself: it does not keep the process alive.
    """
    done, results, errors = Event(), list[T](), list[Exception]()

    def running() -> None:
        try:
            results.append(call())
        except Exception as error:
            errors.append(error)
        finally:
            done.set()

    threading.Thread(target=running, name="aside", daemon=True).start()
    yield from done.wait()
    for error in errors:
        raise error
    return results[0]
