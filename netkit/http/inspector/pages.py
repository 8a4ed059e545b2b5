"""The table of all endpoints, shown: a page of HTML at `/`, JSON at /endpoints.json, Markdown for the docs.

The page has no script. Its policy lets a browser load nothing (CSP3): were something not escaped, it would
still not run.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from netkit._version import __version__
from netkit.http.inspector.endpoint import Group

if TYPE_CHECKING:
    from netkit.http.inspector.call import Call
    from netkit.http.inspector.endpoint import Endpoint
    from netkit.io import Flow

PAGES = Group("This server")

_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
h1 { margin-bottom: 0 } h2 { margin-top: 2.5rem; border-bottom: 2px solid #2e7d32 }
table { border-collapse: collapse; width: 100%; table-layout: fixed }
th { text-align: left; font-weight: 600 }
td, th { padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #8884; vertical-align: top }
th:first-child { width: 27% } th:last-child { width: 33% } td { overflow-wrap: anywhere }
code, td:first-child a { font-family: ui-monospace, monospace; font-size: .9em }
.method { color: #2e7d32; font-size: .75em; font-weight: 600 } .only { opacity: .7; font-size: .8em }
nav a { margin-right: 1rem; white-space: nowrap } dl { margin: .3rem 0 0; font-size: .85em }
dt { float: left; clear: left; margin-right: .5rem } dd { margin: 0 }
tr:hover { background: #8881 }
@media (max-width: 40rem) {
  table, tbody, tr, td { display: block } th { display: none }
  tr { border-bottom: 1px solid #8884; padding: .5rem 0 } td { border: 0; padding: .1rem 0 }
  h1 { font-size: 1.5rem } h2 { font-size: 1.2rem }
}
"""


@PAGES.add("/", "this list")
def index(call: Call) -> Flow[None]:
    yield from call.html_flow(html_page())


@PAGES.add("/endpoints.json", "the list for programs")
def endpoints_json(call: Call) -> Flow[None]:
    yield from call.json_flow({"version": __version__, "endpoints": [described(each) for each in _all()]})


def _groups() -> tuple[Group, ...]:
    from netkit.http.inspector.table import GROUPS

    return (PAGES, *GROUPS)


def _all() -> list[Endpoint]:
    return [endpoint for group in _groups() for endpoint in group]


def described(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint as plain data."""
    return {
        "path": endpoint.path,
        "methods": list(endpoint.methods),
        "group": endpoint.group,
        "what": endpoint.what,
        "finds": endpoint.finds,
        "arguments": endpoint.arguments,
        "examples": list(endpoint.examples),
        "versions": _versions(endpoint),
    }


def _versions(endpoint: Endpoint) -> list[str]:
    if endpoint.is_raw:
        return ["1.1"]
    return ["2"] if endpoint.only_http2 else ["1.1", "2"]


def html_page() -> str:
    """The list of all endpoints as a page."""
    groups = [group for group in _groups() if group is not PAGES]
    links = "".join([f'<a href="#{_anchor(group)}">{escape(group.title)}</a> ' for group in groups])
    sections = "".join([_section(group) for group in groups])
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>netkit: inspecting endpoints</title>'
        f"<style>{_STYLE}</style></head><body><h1>Inspecting endpoints</h1>"
        f"<p>netkit {escape(__version__)}: endpoints to test HTTP clients with, those of httpbin and faults "
        'on purpose. For programs: <a href="/endpoints.json">/endpoints.json</a></p>'
        f"<nav>{links}</nav>{sections}</body></html>\n"
    )


def _anchor(group: Group) -> str:
    return escape(group.title.lower().replace(" ", "-"))


def _section(group: Group) -> str:
    about = f"<p>{_prose(group.about)}</p>" if group.about else ""
    rows = "".join([_row(each) for each in group])
    head = "<tr><th>Endpoint</th><th>What it does</th><th>What it finds</th></tr>"
    return f'<h2 id="{_anchor(group)}">{escape(group.title)}</h2>{about}<table>{head}{rows}</table>'


def _row(endpoint: Endpoint) -> str:
    shown = escape(_shown_path(endpoint))
    path = f"<code>{shown}</code>"
    if "GET" in endpoint.methods and endpoint.examples:
        path = f'<a href="{escape(endpoint.examples[0])}">{shown}</a>'
    methods = "" if endpoint.methods == ("GET",) else f' <span class="method">{_methods(endpoint)}</span>'
    versions = _versions(endpoint)
    only = "" if len(versions) > 1 else f' <span class="only">HTTP/{versions[0]} only</span>'
    arguments = "".join(
        [
            f"<dt><code>{escape(name)}</code></dt><dd>{_prose(text)}</dd>"
            for name, text in endpoint.arguments.items()
        ]
    )
    listed = f"<dl>{arguments}</dl>" if arguments else ""
    what, finds = _prose(endpoint.what), _prose(endpoint.finds)
    return f"<tr><td>{path}{methods}{only}</td><td>{what}{listed}</td><td>{finds}</td></tr>"


def _prose(text: str) -> str:
    """Words of the table as HTML: what stands between backticks is code."""
    parts = escape(text).split("`")
    return "".join([f"<code>{part}</code>" if at % 2 else part for at, part in enumerate(parts)])


def _shown_path(endpoint: Endpoint) -> str:
    """The path without the kinds of its variables."""
    return endpoint.path.replace(":int}", "}").replace(":path}", "}")


def _methods(endpoint: Endpoint) -> str:
    return "any method" if len(endpoint.methods) > 2 else escape(" ".join(endpoint.methods))


def markdown_table() -> str:
    """The list as tables of Markdown, for docs/http-inspect.md."""
    lines = []
    for group in _groups():
        if group is PAGES:
            continue
        lines += [f"## {group.title}", ""]
        if group.about:
            lines += [group.about, ""]
        lines += ["| endpoint | what it does | what it finds |", "| --- | --- | --- |"]
        lines += [_markdown_row(each) for each in group]
        lines.append("")
    return "\n".join(lines)


def _markdown_row(endpoint: Endpoint) -> str:
    path = f"`{_shown_path(endpoint)}`"
    if endpoint.methods != ("GET",):
        path += f" ({_methods(endpoint)})"
    versions = _versions(endpoint)
    what = endpoint.what if len(versions) > 1 else f"{endpoint.what} (HTTP/{versions[0]} only)"
    what += "".join([f"<br>`{name}`: {text}" for name, text in endpoint.arguments.items()])
    return " | ".join([f"| {path}", what.replace("|", "\\|"), f"{endpoint.finds} |"])
