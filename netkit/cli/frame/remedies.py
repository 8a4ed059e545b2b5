"""The options for the settings that the library's hints are about.

The library knows no options. Its hints say in words what to do, and `remedy` names the setting; the table
here gives the option to type. One table is enough, because an option has the same name in all commands; a
command without the option shows the words alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

    from netkit.errors import Remedy

REMEDIES: dict[Remedy, str] = {
    "alpn_protocols": "--alpn LIST says which are offered",
    "http1": "leave --http2-prior-knowledge out",
    "http2": "--http2-prior-knowledge speaks it at once",
    "identity_cert": "--cert FILE shows one",
    "max_redirects": "--max-redirs N allows more",
    "max_version": "--max-version says which is the newest",
    "name_servers": "`netkit dig` shows what the name servers say",
    "root_certs": "--ca FILE says what is trusted",
    "server_name": "--servername NAME says which is asked for",
    "versions": "--min-version and --max-version say which are offered",
}


def advice(hint: str | None, remedy: Remedy | None, options: Container[str] | None = None) -> str | None:
    """The hint as a command shows it: in the library's words, and with the option that does it.

    `options` are those of the command; None: it has all.
    """
    if hint is None or remedy is None:
        return hint
    named = re.findall(r"--[a-z0-9-]+", REMEDIES[remedy])
    if options is not None and not all(name in options for name in named):
        return hint
    return f"{hint}; {REMEDIES[remedy]}"
