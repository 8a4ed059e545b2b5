"""Find the application that a text names, and say of which interface it is.

    module:app          the attribute `app` of the module
    module:make()       what the function `make` returns, called without arguments
    package.sub:a.b     an attribute of an attribute

Importing runs the code of the module: a name is for the one who starts a server, never from a request.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from netkit.http.gateway.errors import AppError

if TYPE_CHECKING:
    from netkit.http.gateway.asgi import AsgiHandler
    from netkit.http.gateway.lifespan import LifespanMode
    from netkit.http.gateway.wsgi import WsgiHandler

Interface: TypeAlias = Literal["asgi", "wsgi"]

#: What an application is called where nobody says.
USUAL_NAMES = ("app", "application")


def load_app(name: str, *, folder: str | None = None) -> Any:
    """The application that `name` says: `module:attribute`, or `module:function()`.

    `folder` is looked into before Python's own path, and stays in it. Without an attribute it is `app` or
    `application`. Raises AppError, with a hint, for what is not there, and what the module itself raises.
    """
    module_name, colon, path = name.partition(":")
    if not module_name or (colon and not path.strip()):
        raise AppError(name, "it names no application", hint="write module:attribute, such as main:app")
    if module_name.endswith(".py") or "/" in module_name:
        wanted = module_name.removesuffix(".py").strip("./").replace("/", ".")
        raise AppError(name, "a module has no path", hint=f"write {wanted}:{path or 'app'}")
    if folder is not None and folder not in sys.path:
        sys.path.insert(0, folder)
    module = _imported(name, module_name)
    if not colon:
        path = next((each for each in USUAL_NAMES if each in vars(module)), USUAL_NAMES[0])
    is_call = path.endswith("()")
    found: Any = module
    for part in path.removesuffix("()").split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise AppError(
                name, f"the module {module_name} has no {path.removesuffix('()')}", hint=_others(module)
            ) from None
    if not is_call:
        return found
    if not callable(found):
        raise AppError(name, f"{path.removesuffix('()')} cannot be called", hint="leave the () out")
    return found()


def _imported(name: str, module_name: str) -> Any:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # of a module that the application's own imports
        raise AppError(
            name,
            f"there is no module {error.name}",
            hint="is it in the folder that was given, or installed for this Python?",
        ) from None


def _others(module: Any) -> str | None:
    """A hint at what in a module could be an application."""
    found = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not inspect.isclass(value) and interface_of(value) is not None
    ][:5]
    return f"what could be one there: {', '.join(found)}" if found else None


def interface_of(app: Any) -> Interface | None:
    """The interface of an application: `"asgi"`, `"wsgi"`, or None for what is neither.

    A coroutine function of three arguments is of ASGI 3, another callable of two is of WSGI. ASGI 2, whose
    applications are called twice, is neither.
    """
    if not callable(app) or inspect.isclass(app):
        return None
    call = app if inspect.isroutine(app) else type(app).__call__
    if inspect.iscoroutinefunction(inspect.unwrap(app)) or inspect.iscoroutinefunction(inspect.unwrap(call)):
        return "asgi" if _takes(app, 3) else None
    if _takes(app, 2):
        return "wsgi"
    return "asgi" if _takes(app, 3) else None  # a function that returns an awaitable


def _takes(app: Any, count: int) -> bool:
    """Whether `app` may be called with so many arguments."""
    try:
        inspect.signature(app).bind(*range(count))
    except (TypeError, ValueError):
        return False
    return True


def app_handler(
    app: Any,
    *,
    interface: Interface | None = None,
    root_path: str = "",
    lifespan: LifespanMode = "auto",
    multiprocess: bool = False,
    name: str = "the application",
) -> AsgiHandler | WsgiHandler:
    """The handler for an application, of the given `interface` or of the one that it shows.

    `root_path`, `lifespan` and `multiprocess` are as for AsgiHandler and WsgiHandler; `name` is what errors
    call it. Raises AppError for what is no application.
    """
    kind = interface or interface_of(app)
    if kind == "asgi":
        from netkit.http.gateway.asgi import AsgiHandler

        return AsgiHandler(app, root_path=root_path, lifespan=lifespan)
    if kind == "wsgi":
        from netkit.http.gateway.wsgi import WsgiHandler

        return WsgiHandler(app, script_name=root_path, multiprocess=multiprocess)
    raise AppError(name, *_why_none(app))


def _why_none(app: Any) -> tuple[str]:
    what = type(app).__name__
    if inspect.isclass(app):
        return ("it is a class: an application is an instance of one, or a function",)
    if not callable(app):
        return (f"it is of the type {what}, which cannot be called",)
    if _takes(app, 1):
        return ("it takes one argument, as applications of ASGI 2 do, or makes an application itself",)
    if _takes(app, 0):
        return ("it takes no arguments: if it makes an application, write () behind its name",)
    return ("it is neither of ASGI 3 (three arguments, a coroutine) nor of WSGI (two arguments)",)
