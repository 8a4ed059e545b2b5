"""Words on dig's command line that are probably a mistake: a URL, an address or a port in a name."""

from __future__ import annotations

import re

from netkit.cli.frame.options import WrongValue


def check_url(word: str, form: str) -> None:
    """Refuse a URL: what was meant is the name in it, or else `form`.

    The URL is not repeated: there may be a password in it.
    """
    scheme, separator, rest = word.partition("://")
    if not (separator and scheme.isalpha()):
        return
    host = re.split(r"[/?#]", rest)[0].rpartition("@")[2]
    bracketed = host.startswith("[")
    host = f"-x {host[1:].partition(']')[0]}" if bracketed else host.partition(":")[0]
    raise WrongValue("a URL is not a name", f"did you mean netkit dig {host}?" if host else form)


def doubt(text: str) -> tuple[str, str] | None:
    """What is odd about a query (in its one form as text) that can be asked all the same, and what may
    have been meant."""
    word = text.partition(" ")[0]
    if word.startswith("-") or not (":" in word or word[-1:].isdigit()):
        return None
    from netkit.addr import AddrParseError, HostPort

    try:
        endpoint = HostPort.parse(word, 0)
    except AddrParseError:
        return None
    if not isinstance(endpoint.host, str):
        return f"{word} is asked for as a name, and is an address", f"netkit dig -x {endpoint.host}"
    if endpoint.port:
        return f"{word} is asked for with the port in the name", f"netkit dig {endpoint.host}"
    return None
