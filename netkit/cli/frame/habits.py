"""What hands type that know nc, ncat, curl, openssl, ping or nmap, and how netkit spells it.

`SPELLINGS` is the one table of it: for each command, the flags of other tools that it does not have. A flag
whose meaning differs from tool to tool gets a line for each meaning, never a guess. `{NAME}` in a line is the
value that was typed after the flag, or the word itself where there was none.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NEVER_LOOKED_UP = "leave it out: an address is never looked up"
_BY_ITSELF = "leave it out: that is what is done"
_NO_SCAN = (
    "there is no list of what a server would speak yet: --tls1.2, --cipher and --group ask for one thing"
)
_STARTTLS_IS_PROBED = (
    "`netkit tls probe --starttls {PROTO} HOST` asks for TLS; no command talks on after it yet"
)

#: How openssl s_client and s_server say how to talk TLS.
_OPENSSL = {
    "-tls1": "write --tls1.0",
    "-tls1_1": "write --tls1.1",
    "-tls1_2": "write --tls1.2",
    "-tls1_3": "write --tls1.3",
    "-no_tls1_2": "write --min-version 1.3",
    "-no_tls1_3": "write --max-version 1.2",
    "-cipher": "write --cipher {LIST}",
    "-ciphersuites": "write --cipher {LIST}",
    "-groups": "write --group {LIST}",
    "-curves": "write --group {LIST}",
    "-sigalgs": "write --sigalgs {LIST}",
    "-keylogfile": "write --key-log {FILE}",
    "-pass": "write --password-file FILE: the command line can be read by others",
}

#: What goes with --tls on the side that connects, as ncat, curl and openssl s_client call it.
_CLIENT_TLS = {
    "--ssl": "write --tls",
    "--ssl-verify": "write --tls: the server is verified unless --insecure says otherwise",
    "--ssl-trustfile": "write --ca {FILE}",
    "--ssl-servername": "write --servername {NAME}",
    "--ssl-alpn": "write --alpn {LIST}",
    "--ssl-cert": "write --cert {FILE}",
    "--ssl-key": "write --key {FILE}",
    "--ssl-ciphers": "write --cipher {LIST}",
    "--cacert": "write --ca {FILE}",
    "--pass": "write --password-file FILE: the command line can be read by others",
    "-servername": "write --servername {NAME}",
    "-alpn": "write --alpn {LIST}",
    "-CAfile": "write --ca {FILE}",
    "-cert": "write --cert {FILE}",
    "-key": "write --key {FILE}",
    "-starttls": _STARTTLS_IS_PROBED,
    **_OPENSSL,
    "-crlf": "write --crlf",
    "-quiet": "write -q",
    "-verify_return_error": "leave it out: a certificate that does not verify is an error",
    "-showcerts": "`netkit tls probe --pem HOST:PORT` prints the certificates",
}

#: What goes with --tls on the side that listens, as ncat and openssl s_server call it.
_SERVER_TLS = {
    "--ssl": "write --tls",
    "--ssl-cert": "write --cert {FILE}",
    "--ssl-key": "write --key {FILE}",
    "--ssl-alpn": "write --alpn {LIST}",
    "-cert": "write --cert {FILE}",
    "-key": "write --key {FILE}",
    "-alpn": "write --alpn {LIST}",
    **_OPENSSL,
    "-CAfile": "write --client-ca {FILE}",
    "-Verify": "write --client-ca FILE",
    "-verify": "write --client-ca FILE --client-cert optional",
    "-num_tickets": "write --tickets {N}",
    "-quiet": "write -q",
}

#: How to talk, on either side.
_TALK = {
    "-C": "write --crlf",
    "-crlf": "write --crlf",
    "-d": "write --recv-only",
    "-i": "as ncat's, write --idle-timeout {SECONDS}; nc's pause between lines is not there",
    "--hex-dump": "write --transcript {FILE}",
    "--no-shutdown": "write --on-eof keep",
}

_CONNECT = {
    **_TALK,
    **_CLIENT_TLS,
    "-w": "write --timeout {SECONDS} for connecting, --idle-timeout {SECONDS} for silence after that",
    "--wait": "write --timeout {SECONDS}",
    "--connect-timeout": "write --timeout {SECONDS}",
    "-k": "as curl's, write --insecure with --tls; `netkit tcp listen -k` takes one after another",
    "-e": "a command is started by the side that listens: netkit tcp listen --exec COMMAND",
    "--exec": "a command is started by the side that listens: netkit tcp listen --exec COMMAND",
    "--sh-exec": "a command is started by the side that listens: netkit tcp listen --exec \"sh -c '...'\"",
}

_LISTEN = {
    **_TALK,
    **_SERVER_TLS,
    "-l": _BY_ITSELF,
    "--listen": _BY_ITSELF,
    "-e": "write --exec {COMMAND}",
    "--sh-exec": "write --exec \"sh -c '...'\"",
    "-m": "write --max-conns {N}",
    "--keep-open": "write --keep",
    "-w": "write --timeout {SECONDS} for the wait, --idle-timeout {SECONDS} for silence after that",
}

_PING = {
    "-p": "the port follows the host: HOST:{PORT}",
    "-W": "write --timeout {SECONDS}",
    "-s": "write --size {BYTES}",
    "-I": "write --source {ADDR}",
    "-S": "write --source {ADDR}",
    "-n": _NEVER_LOOKED_UP,
}

_SERVE = {
    "-l": _BY_ITSELF,
    "--listen": _BY_ITSELF,
    "-k": "leave it out: it goes on until it is told to stop",
}


def _port_of(path: str, *flags: str) -> dict[str, str]:
    """A server's port, which is part of BIND here."""
    return dict.fromkeys(flags, f"write netkit {path} :{{PORT}}")


#: wscat's, websocat's and websocketd's, beside the server's own.
_WS_SERVER = {
    **{flag: text for flag, text in _SERVER_TLS.items() if "--alpn" not in text},
    "-k": "leave it out: it goes on until it is told to stop",
    **_port_of("ws server", "-p", "--port", "-l", "--listen", "-s"),
    "--address": "write netkit ws server {ADDR}:PORT",
    "--devconsole": "write --page",
    "--sameorigin": "leave it out: --exec takes pages of its own origin only, unless --origin is there",
    "--ssl": "write --tls",
    "--sslcert": "write --tls --cert {FILE}, and its --key",
    "--sslkey": "write --key {FILE}, with --tls and --cert",
    "--passenv": "leave it out: programs get all variables",
    "--protocol": "write --subprotocol {NAME}",
    "-b": "write --binary, with --exec",
}

_AS_IT_IS = "leave it out: it stays until the server closes, unless --wait or --count is there"

#: wscat's and websocat's, beside the client's own.
_WS_CLIENT = {
    "-c": "leave it out: write netkit ws client {URL}",
    "--connect": "leave it out: write netkit ws client {URL}",
    "-l": "`netkit ws server 127.0.0.1:{PORT}` listens",
    "--listen": "`netkit ws server 127.0.0.1:{PORT}` listens",
    "-s": "write --subprotocol {NAME}; `netkit ws server` listens",
    "--protocol": "write --subprotocol {NAME}",
    "-b": "write --binary --split pieces, which sends octets as they come",
    "-t": "leave it out: messages are texts unless --binary is there",
    "--text": "leave it out: messages are texts unless --binary is there",
    "-1": "write --count 1",
    "--one-message": "write --count 1",
    "-w": "write --wait {SECONDS}",
    "--no-close": _AS_IT_IS,
    "--exit-on-eof": "write --wait 0",
    "--execute": "write the message behind the URL",
    "--preamble": "write --input, and the message behind the URL",
    "--auth": "write -u {USER:PASSWORD}",
    "--basic-auth": "write -u {USER:PASSWORD}",
    "--no-check": "write -k",
    "--host": "write -H 'Host: {NAME}'",
    "--slash": "leave it out: a line that begins with / is a command",
    "-P": "write -v, or --frames",
    "--show-ping-pong": "write -v, or --frames",
    "--print-ping-rtts": "write -v",
    "--ping-timeout": "leave it out: an answer has the time of --ping-interval",
    "--socks5": "write -x socks5://{ADDR:PORT}",
    "--base64": "write --binary-as base64",
    "-0": "write --split nul --framing nul",
    "--null-terminated": "write --split nul --framing nul",
    "--close-status-code": "write --close-code {CODE}",
    "-S": _BY_ITSELF,
    "--strict": _BY_ITSELF,
}

#: Flags of other tools, for each command ("" is `netkit` itself), and what to do instead.
SPELLINGS: Mapping[str, Mapping[str, str]] = {
    "": {
        "-v": "did you mean netkit -V? What is done is shown by -v after a command",
        "-version": "did you mean netkit --version?",
        "-help": "did you mean netkit --help?",
        "-?": "did you mean netkit --help?",
    },
    "resolve": {
        "-t": "`netkit dig NAME {TYPE}` asks for records",
        "--type": "`netkit dig NAME {TYPE}` asks for records",
    },
    "tls probe": {
        # openssl s_client
        **_OPENSSL,
        "-connect": "write netkit tls probe {HOST:PORT}",
        "-servername": "write --servername {NAME}",
        "-noservername": "there is no counterpart: a name is always asked for, but not an address",
        "-alpn": "write --alpn {LIST}",
        "-CAfile": "write --ca {FILE}",
        "-cert": "write --cert {FILE}",
        "-key": "write --key {FILE}",
        "-cert_chain": "put the chain behind the certificate in the file of --cert",
        "-CRL": "write --crl {FILE}",
        "-starttls": "write --starttls {PROTO}",
        "-xmpphost": "write --servername {NAME}",
        "-proxy": "write --proxy http://{HOST:PORT}",
        "-bind": "write --source {ADDR}",
        "-status": "write --ocsp",
        "-reconnect": "write --resumption",
        "-sess_out": "write --resumption, which resumes at once",
        "-sess_in": "write --resumption, which resumes at once",
        "-early_data": "write --resumption --early-data {FILE}",
        "-ech_config_list": "write --ech {BASE64}",
        "-ech_grease": "write --ech grease",
        "-attime": "write --at with a date, as in 2027-01-31",
        "-verify_hostname": "write --servername {NAME}",
        "-verify_ip": "write --servername {ADDR}",
        "-showcerts": "write --pem",
        "-brief": _BY_ITSELF,
        "-msg": "write -v",
        "-quiet": "write -q",
        "-verify_return_error": "leave it out: a certificate that does not verify ends with exit code 5",
        # curl
        "-k": "write --insecure",
        "--cacert": "write --ca {FILE}",
        "--pass": "write --password-file FILE: the command line can be read by others",
        "--ciphers": "write --cipher {LIST}",
        "--tls13-ciphers": "write --cipher {LIST}",
        "--curves": "write --group {LIST}",
        "--crlfile": "write --crl {FILE}",
        "--cert-status": "write --ocsp",
        "--tlsv1.0": "write --min-version 1.0",
        "--tlsv1.1": "write --min-version 1.1",
        "--tlsv1.2": "write --min-version 1.2",
        "--tlsv1.3": "write --min-version 1.3",
        "--tls-max": "write --max-version {VERSION}",
        "-m": "write --timeout {SECONDS}",
        "--max-time": "write --timeout {SECONDS}",
        "--connect-timeout": "write --timeout {SECONDS}",
        "--connect-to": "write netkit tls probe ADDR:PORT --servername NAME",
        "--interface": "write --source ADDR",
        "-x": "write --proxy {URL}",
        "--silent": "write --quiet",
        "-s": "as curl's, write -q; as nc's, --source {ADDR}",
        # sslscan and testssl.sh
        "--sni-name": "write --servername {NAME}",
        "--targets": "write -f {FILE}",
        "--show-certificate": _BY_ITSELF,
        "--show-certificates": "write --pem",
        "--show-client-cas": _BY_ITSELF,
        "--show-times": _BY_ITSELF,
        "--no-check-certificate": "write --insecure",
        "--starttls-smtp": "write --starttls smtp",
        "--starttls-imap": "write --starttls imap",
        "--starttls-pop3": "write --starttls pop3",
        "--starttls-ftp": "write --starttls ftp",
        "--starttls-ldap": "write --starttls ldap",
        "--starttls-xmpp": "write --starttls xmpp",
        "--starttls-psql": "write --starttls postgres",
        "--starttls-mysql": "write --starttls mysql",
        "--starttls-irc": "write --starttls irc",
        "--ip": "write netkit tls probe ADDR:PORT --servername NAME",
        "--show-ciphers": _NO_SCAN,
        "--protocols": _NO_SCAN,
        "--each-cipher": _NO_SCAN,
        "-p": "as testssl.sh's, " + _NO_SCAN + "; else the port follows the host: HOST:PORT",
        "-w": "write --timeout {SECONDS}",
    },
    "http fetch": {
        # curl
        "-g": "leave it out: brackets in a URL are never expanded",
        "-K": "there are no files of options: write them on the command line",
        "-D": "write -i for the headers on standard output, --json or --har FILE for all of it",
        "-R": "leave it out: --download and -C keep the time of the content",
        "-U": "user and password are part of the proxy's URL: --proxy http://USER:PASSWORD@HOST:PORT",
        "-w": "write --timing for times, --json for everything",
        "-Z": "leave it out: files are fetched side by side (--concurrency N); --parallel N is for parts",
        "-z": "write a header: 'If-Modified-Since: DATE'",
        "--anyauth": "leave it out: -u answers what the server asks for",
        "--dump-header": "write -i for the headers on standard output, --json or --har FILE for all of it",
        "--fail-early": "leave it out: each URL is asked for; exit code 9 says that some failed",
        "--globoff": "leave it out: brackets in a URL are never expanded",
        "--ipv4": "write -4",
        "--ipv6": "write -6",
        "--negotiate": "there is no counterpart: user and password, bearer tokens and digests are known",
        "--next": "give one request at a time",
        "--no-keepalive": "leave it out",
        "--no-progress-meter": "leave it out: progress is shown on a terminal only",
        "--ntlm": "there is no counterpart: user and password, bearer tokens and digests are known",
        "--path-as-is": "there is no counterpart: a URL is sent as browsers read it",
        "--parallel-immediate": "leave it out: connections are made as they are needed",
        "--parallel-max": "write --concurrency {N} for many URLs; --parallel N is one file in N parts",
        "--post301": "there is no counterpart: a POST becomes a GET after 301, as in browsers",
        "--post302": "there is no counterpart: a POST becomes a GET after 302, as in browsers",
        "--proxy-user": "user and password are part of the proxy's URL: --proxy http://USER:PASSWORD@HOST:PORT",
        "--remote-time": "leave it out: --download and -C keep the time of the content",
        "--retry-all-errors": "leave it out: --retry is for all after which a request may be sent again",
        "--retry-connrefused": "leave it out: --retry tries after a refused connection too",
        "--retry-max-time": "write --max-time {SECONDS}, for all tries together",
        "--socks5": "write --proxy socks5://{HOST:PORT}",
        "--socks5-hostname": "write --proxy socks5h://{HOST:PORT}",
        "--time-cond": "write a header: 'If-Modified-Since: DATE'",
        "--pass": "write --password-file FILE: the command line can be read by others",
        "--tls13-ciphers": "write --cipher {LIST}",
        "--tlsv1.0": "write --min-version 1.0",
        "--tlsv1.1": "write --min-version 1.1",
        "--tlsv1.2": "leave it out: nothing older is spoken",
        "--tlsv1.3": "write --min-version 1.3",
        "--trace-ascii": "write --trace",
        "--url": "write {URL} without an option before it",
        "--url-query": "write name==value",
        "--write-out": "write --timing for times, --json for everything",
        # HTTPie and xh
        "-a": "write -u {USER:PASSWORD}",
        "-j": _BY_ITSELF,
        "-p": "write -i for the headers too, -v for the request as well",
        "--auth": "write -u {USER:PASSWORD}",
        "--cert-key": "write --key {FILE}",
        "--check-status": "write --fail",
        "--multipart": "write --as multipart",
        "--print": "write -i for the headers too, -v for the request as well",
        "--verify": "write --insecure to verify nothing, --ca {FILE} to trust other certificates",
        # wget
        "-P": "write --output-dir {DIR}",
        "--no-check-certificate": "write --insecure",
        "--continue": "write -C - with -o or -O; --download goes on by itself",
    },
    "tcp connect": {
        **_CONNECT,
        "-z": "`netkit tcp scan HOST PORTS` says which ports are open",
        "-u": "write netkit udp send HOST:PORT",
        "--udp": "write netkit udp send HOST:PORT",
        "-l": "write netkit tcp listen :PORT",
        "--listen": "write netkit tcp listen :PORT",
        "-U": "write netkit unix connect PATH",
        "--unixsock": "write netkit unix connect PATH",
        "-s": "write --source {ADDR}",
        "--interface": "write --source ADDR",
        "-p": "the port to connect to follows the host, HOST:{PORT}; the local port is the system's choice",
        "-n": _NEVER_LOOKED_UP,
        "--nodns": _NEVER_LOOKED_UP,
        "-x": "as nc's, write --proxy socks5://HOST:PORT or http://HOST:PORT; as ncat's, --transcript FILE",
        "-X": "the kind of proxy is part of its URL: --proxy socks5://HOST:PORT or http://HOST:PORT",
        "--proxy-type": "the kind is part of the URL: --proxy socks5://HOST:PORT or http://HOST:PORT",
        "--proxy-auth": "user and password are part of the URL: --proxy http://USER:PASSWORD@HOST:PORT",
        "--socks5": "write --proxy socks5://{HOST:PORT}",
        "-connect": "write netkit tcp connect --tls {HOST:PORT}",
    },
    "tcp listen": {
        **_LISTEN,
        **_port_of("tcp listen", "-p", "--port", "-port", "-accept"),
        "-u": "write netkit udp listen :PORT",
        "--udp": "write netkit udp listen :PORT",
        "-U": "write netkit unix listen PATH",
        "--unixsock": "write netkit unix listen PATH",
        "-s": "the address is part of BIND: netkit tcp listen {ADDR}:PORT",
        "-n": _NEVER_LOOKED_UP,
        "--nodns": _NEVER_LOOKED_UP,
        "-4": "write netkit tcp listen 0.0.0.0:PORT",
        "-6": "write netkit tcp listen [::]:PORT",
    },
    "tcp ping": {**_PING, "-z": _BY_ITSELF, "-w": "write --timeout {SECONDS} for each probe"},
    "udp ping": {**_PING, "-u": _BY_ITSELF},
    "tcp scan": {
        "-p": "the ports follow the hosts: netkit tcp scan HOST {PORTS}",
        "-z": _BY_ITSELF,
        "-w": "write --timeout {SECONDS}",
        "-iL": "write -f {FILE}",
        "-n": "leave it out: nothing is looked up but the names that are given",
        "-Pn": "leave it out: nothing is asked but the ports",
        "-sT": _BY_ITSELF,
        "-sS": "leave it out: ports are connected to, as with nmap's -sT",
        "-sV": "`--banners` shows what open ports say by themselves",
        "--open": "leave it out: only open ports are shown, unless --all asks for the others",
        "--max-rate": "write --rate {N}/s",
        "-S": "write --source {ADDR}",
        "-s": "write --source {ADDR}",
        "-u": "only TCP is scanned; `netkit udp ping HOST:PORT` asks an echo server",
        "-sU": "only TCP is scanned; `netkit udp ping HOST:PORT` asks an echo server",
    },
    "udp send": {
        "-u": _BY_ITSELF,
        "-w": "write --wait {SECONDS}, for what comes back",
        "-l": "write netkit udp listen :PORT",
        "-b": "write --broadcast",
        "-s": "write --source {ADDR}",
        "-M": "write --ttl {N}",
        "-n": _NEVER_LOOKED_UP,
        "-z": "UDP does not say which ports are open; `netkit udp ping HOST:PORT` asks an echo server",
        "-p": "the port to send to follows the host: HOST:{PORT}",
    },
    "udp listen": {
        **_port_of("udp listen", "-p", "--port"),
        "-l": _BY_ITSELF,
        "-u": _BY_ITSELF,
        "-k": "leave it out: it goes on by itself; --count N ends it",
        "-w": "write --idle-timeout {SECONDS}",
        "-n": _NEVER_LOOKED_UP,
        "-s": "the address is part of BIND: netkit udp listen {ADDR}:PORT",
    },
    "unix connect": {
        **_CONNECT,
        "-k": "as curl's, write --insecure with --tls; `netkit unix listen -k` takes one after another",
        "-U": _BY_ITSELF,
        "-l": "write netkit unix listen PATH",
        "-z": "leave it out: `netkit unix connect --send-only PATH < /dev/null` ends at once",
    },
    "unix listen": {**_LISTEN, "-U": _BY_ITSELF},
    "serve echo": {
        **_SERVE,
        **_SERVER_TLS,
        **_port_of("serve echo", "-p", "--port"),
        "-u": "write --udp",
        "-t": "write --tcp",
    },
    "tcp echo": {**_SERVE, **_SERVER_TLS, **_port_of("tcp echo", "-p", "--port")},
    "udp echo": {**_SERVE, "-u": _BY_ITSELF, **_port_of("udp echo", "-p", "--port")},
    "serve dns": {**_SERVE, **_port_of("serve dns", "-p", "--port")},
    "serve tls": {
        **_SERVE,
        **{flag: text for flag, text in _SERVER_TLS.items() if text != "write --tls"},
        **_port_of("serve tls", "-p", "--port", "-port", "-accept"),
        **dict.fromkeys(("--tls", "--ssl"), _BY_ITSELF),
        # openssl s_server and gnutls-serv
        **dict.fromkeys(("-www", "--http"), "leave it out: a page is what is served, without --echo"),
        **dict.fromkeys(("-WWW", "-HTTP"), "netkit serve http --tls serves files"),
        "-cert2": "write --cert {FILE} once more: the name that the client asks for chooses",
        "-key2": "write --key {FILE} once more, in the order of --cert",
        "-servername": "leave it out: certificates say for which names they are",
        "-no_ticket": "write --tickets 0",
        "-nocert": "there is no counterpart: a server without a certificate is --alert handshake_failure",
        "--x509certfile": "write --cert {FILE}",
        "--x509keyfile": "write --key {FILE}",
        "--x509cafile": "write --client-ca {FILE}",
        "--require-client-cert": "write --client-cert required",
    },
    "serve http": {
        **_SERVE,
        **{flag: text for flag, text in _SERVER_TLS.items() if "--alpn" not in text},
        **_port_of("serve http", "-p", "--port"),
        # python -m http.server
        **dict.fromkeys(("-b", "--bind", "-i"), "write netkit serve http {ADDR}:PORT"),
        **dict.fromkeys(("-d", "--directory", "--root"), "write netkit serve http {DIRECTORY}"),
        # miniserve and caddy
        "-a": "write --auth {USER:PASSWORD}",
        **dict.fromkeys(("-u", "--upload-files"), "write --upload"),
        "-H": "write --hidden",
        "--disable-indexing": "write --no-listing",
        "--browse": "leave it out: directories are listed unless --no-listing is there",
        "--tls-cert": "write --tls --cert {FILE}, and its --key",
        "--tls-key": "write --key {FILE}, with --tls and --cert",
    },
    "ws client": _WS_CLIENT,
    "ws server": _WS_SERVER,
    "serve ws": _WS_SERVER,
}


def spellings(path: str, takes_value: Mapping[str, bool], words: Sequence[str]) -> dict[str, str]:
    """The flags of other tools among the words that netkit's `path` was given, and what to do instead.

    `takes_value` are the options that the command has, and whether a value follows each.
    """
    known = SPELLINGS.get(path, {})
    found: dict[str, str] = {}
    rest = list(reversed(words))
    while rest:
        word = rest.pop()
        following = rest[-1] if rest else ""
        flag, equals, value = word.partition("=")
        if word == "--":
            break
        if flag in known and len(flag) > 2:
            found[flag] = _filled(known[flag], value if equals else following)
        elif word.startswith("--"):
            if takes_value.get(flag) and not equals and rest:
                rest.pop()
        elif word.startswith("-"):
            for index, letter in enumerate(word[1:], 2):
                flag, value = f"-{letter}", word[index:]
                if takes_value.get(flag):
                    if not value and rest:
                        rest.pop()
                    break
                if flag in known:
                    found[flag] = _filled(known[flag], value or following)
                    if "{" in known[flag]:
                        break
    return found


def _filled(text: str, value: str) -> str:
    """The line with the value that was typed, where it is one that needs no quotes."""
    if not value or value.startswith("-") or shlex.quote(value) != value:
        return re.sub(r"\{([^}]*)\}", r"\1", text)
    return re.sub(r"\{[^}]*\}", lambda _: value, text)


def joined(words: Sequence[str]) -> list[str] | None:
    """The endpoints meant by words among which a port stands alone after its host; None where none does.

    >>> joined(["localhost", "80", "443"])
    ['localhost:80', 'localhost:443']
    >>> joined(["::1", "53", "example.com"])
    ['[::1]:53', 'example.com']
    """
    made: list[str] = []
    host: str | None = None
    ports = 0
    for word in words:
        if host is not None and _is_port(word):
            if ports:
                made.append("")
            made[-1] = f"{host}:{word}"
            ports += 1
        else:
            host, ports = _bare_host(word), 0
            made.append(word)
    return None if made == list(words) else made


def _is_port(text: str) -> bool:
    from netkit.addr import AddrParseError, parse_port

    try:
        parse_port(text)
    except AddrParseError:
        return False
    return True


def _bare_host(text: str) -> str | None:
    """The host that `text` is, in brackets where a port after it asks for them; None if it has a port."""
    from netkit.addr import AddrParseError, HostPort

    try:
        found = HostPort.parse(text, 0)
    except AddrParseError:
        return None
    return str(found).removesuffix(":0") if text.strip("[]") == str(found.host) else None
