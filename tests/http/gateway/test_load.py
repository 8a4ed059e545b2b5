"""Applications found by name, and told apart."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netkit.http.gateway import AppError, AsgiHandler, WsgiHandler, app_handler, load_app
from netkit.http.gateway.load import interface_of

MODULE = """
async def app(scope, receive, send): ...

def application(environ, start_response): ...

def make(): return application

class Inner:
    app = app

inner = Inner()
number = 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[str]:
    """A folder with a module `shop_<...>` whose names are forgotten afterwards."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / "main.py").write_text(MODULE)
    (tmp_path / "shop" / "wrong.py").write_text("import no_such_module\n")
    (tmp_path / "shop" / "named.py").write_text("def application(environ, start_response): ...\n")
    path, modules = list(sys.path), set(sys.modules)
    yield str(tmp_path)
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.partition(".")[0] == "shop":
            del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "found", "interface"),
    [
        ("shop.main:app", "app", "asgi"),
        ("shop.main:application", "application", "wsgi"),
        ("shop.main:make()", "application", "wsgi"),
        ("shop.main:Inner.app", "app", "asgi"),
        ("shop.main", "app", "asgi"),
        ("shop.named", "application", "wsgi"),
    ],
)
def test_an_application_is_found(folder: str, name: str, found: str, interface: str) -> None:
    app = load_app(name, folder=folder)
    assert app.__name__ == found
    assert interface_of(app) == interface
    assert type(app_handler(app)) is (AsgiHandler if interface == "asgi" else WsgiHandler)


@pytest.mark.parametrize(
    ("name", "words", "hint"),
    [
        ("", "it names no application", "write module:attribute"),
        (":app", "it names no application", "write module:attribute"),
        ("shop.main:", "it names no application", "write module:attribute"),
        ("shop/main.py:app", "a module has no path", "write shop.main:app"),
        ("./shop/main.py", "a module has no path", "write shop.main:app"),
        ("nowhere:app", "there is no module nowhere", "is it in the folder"),
        ("shop.nowhere:app", "there is no module shop.nowhere", "is it in the folder"),
        ("shop.main:nothing", "the module shop.main has no nothing", "app, application"),
        ("shop.main:number()", "number cannot be called", "leave the () out"),
        ("shop.main:inner.nothing", "has no inner.nothing", "app, application"),
    ],
)
def test_what_is_not_there_is_said(folder: str, name: str, words: str, hint: str) -> None:
    with pytest.raises(AppError) as caught:
        load_app(name, folder=folder)
    assert words in str(caught.value)
    assert hint in (caught.value.hint or "")


def test_a_module_that_the_application_lacks_is_its_own_error(folder: str) -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        load_app("shop.wrong:app", folder=folder)


async def of_asgi(scope: Any, receive: Any, send: Any) -> None: ...


def returns_an_awaitable(scope: Any, receive: Any, send: Any) -> Any: ...


def of_wsgi(environ: Any, start_response: Any) -> Any: ...


class CalledAsgi:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    async def method(self, scope: Any, receive: Any, send: Any) -> None: ...


class CalledWsgi:
    def __call__(self, environ: Any, start_response: Any) -> Any: ...


def decorated(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*arguments: Any) -> Any:
        return function(*arguments)

    return wrapper


def of_asgi_2(scope: Any) -> Any: ...


def factory() -> Any: ...


@pytest.mark.parametrize(
    ("app", "interface"),
    [
        (of_asgi, "asgi"),
        (returns_an_awaitable, "asgi"),
        (CalledAsgi(), "asgi"),
        (CalledAsgi().method, "asgi"),
        (decorated(of_asgi), "asgi"),
        (functools.partial(of_asgi), "asgi"),
        (of_wsgi, "wsgi"),
        (CalledWsgi(), "wsgi"),
        (decorated(of_wsgi), "wsgi"),
        (functools.partial(lambda number, environ, start_response: None, 1), "wsgi"),
        (of_asgi_2, None),
        (factory, None),
        (CalledAsgi, None),
        (3, None),
    ],
)
def test_which_interface_an_application_has(app: Any, interface: str | None) -> None:
    assert interface_of(app) == interface


@pytest.mark.parametrize(
    ("app", "words"),
    [
        (CalledAsgi, "it is a class"),
        (3, "it is of the type int, which cannot be called"),
        (of_asgi_2, "as applications of ASGI 2 do"),
        (factory, r"write \(\) behind its name"),
        (lambda one, two, three, four: None, "neither of ASGI 3"),
    ],
)
def test_what_is_no_application_is_said(app: Any, words: str) -> None:
    with pytest.raises(AppError, match=f"shop:app: .*{words}"):
        app_handler(app, name="shop:app")


def test_whoever_knows_the_interface_says_it() -> None:
    assert type(app_handler(of_asgi_2, interface="wsgi")) is WsgiHandler


def test_frameworks_are_told_apart() -> None:
    flask = pytest.importorskip("flask")
    applications = pytest.importorskip("starlette.applications")
    assert interface_of(flask.Flask("x")) == "wsgi"
    assert interface_of(applications.Starlette()) == "asgi"
