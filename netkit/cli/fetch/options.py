"""The options of `netkit http fetch`: curl's names, each a field of a group.

    RequestOptions    what is sent          AuthOptions    who asks
    ConnectOptions    over what             FollowOptions  redirects, failures, retries
    FetchTlsOptions   TLS; RequestTlsOptions, with early data
    SaveOptions       where bodies go       ShowOptions    what is shown beside them

Short options are curl's. An option of netkit that means the same as one of curl's has both names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from netkit._value import assign
from netkit.cli.fetch.values import ByteRanges, Checksum, Data, HeaderText, MethodName, Offset, Part, Size
from netkit.cli.frame.groups import OptionGroup, OutputOptions, SourceOptions, field, flag
from netkit.cli.frame.options import Address, File, Number, Seconds, WrongValue, exclude
from netkit.cli.payload.tls.client import ClientTlsSettings, cert_field, check_servername, servername_field
from netkit.cli.payload.tls.ech import ech_field
from netkit.cli.payload.tls.files import ca_field, crl_field, insecure_field
from netkit.cli.payload.tls.options import cipher_field, group_field, max_version_field

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.addr import IpAddr
    from netkit.cli.fetch.plan import DataPiece, FormPart, HeaderLine
    from netkit.cli.frame.context import Environment
    from netkit.cli.payload.tls.ech import Ech
    from netkit.http.url import Url
    from netkit.tls.config import TlsConfig
    from netkit.tls.versions import TlsVersion

#: Options of curl that share one list, because their order counts; `tag_values` marks the values of each.
TAGS = {
    "--data-raw": "raw",
    "--data-binary": "binary",
    "--data-urlencode": "urlencode",
    "--form-string": "string",
}


def tag_values(words: Sequence[str], takes_value: set[str]) -> list[str]:
    """The words, with the values of the options in TAGS marked by what they are.

    click tells a command which values an option got, but not by which of its names. A NUL cannot be typed,
    so it separates the mark from the value.
    """
    found: list[str] = []
    rest = list(reversed(words))
    while rest:
        word = rest.pop()
        name, equals, value = word.partition("=")
        if word == "--":
            return [*found, word, *reversed(rest)]
        if word.startswith("--"):
            if not equals and name in takes_value and rest:
                value = rest.pop()
                found += [name, f"{TAGS[name]}\0{value}" if name in TAGS else value]
            else:
                found.append(f"{name}={TAGS[name]}\0{value}" if equals and name in TAGS else word)
            continue
        found.append(word)
        if word.startswith("-"):
            letters = (at for at in range(1, len(word)) if f"-{word[at]}" in takes_value)
            if next(letters, 0) == len(word) - 1 and rest:
                found.append(rest.pop())
    return found


class RequestOptions(OptionGroup):
    """What is sent."""

    section = "Request"

    method: str | None = field("-X", "--request", type=MethodName(), help="The method.")
    headers: tuple[HeaderLine, ...] = field(
        "-H",
        "--header",
        type=HeaderText(),
        multiple=True,
        help="A header, `Name: value`; `Name:` takes a default one out, `Name;` sends an empty one.",
    )
    data: tuple[DataPiece, ...] = field(
        "-d",
        "--data",
        "--data-ascii",
        "--data-raw",
        "--data-binary",
        "--data-urlencode",
        type=Data(),
        multiple=True,
        help="The body; several are joined with &. @FILE is a file's content (@-: standard input); "
        "--data-binary keeps its line ends, --data-raw knows no @, --data-urlencode encodes.",
    )
    parts: tuple[FormPart, ...] = field(
        "-F",
        "--form",
        "--form-string",
        type=Part(),
        multiple=True,
        help="A part of a multipart form: name=text, name=@FILE to upload it, name=<FILE for its content; "
        "--form-string takes text as it is.",
    )
    upload: str | None = field(
        "-T",
        "--upload-file",
        type=File(),
        help="Send FILE (-: standard input) as the body of a PUT; its name follows a URL that ends in /.",
    )
    items_as: str | None = field(
        "--as",
        type=click.Choice(["json", "form", "multipart"]),
        help="What the items name=value become. [default: json; multipart with name@FILE]",
    )
    query: bool = flag("-G", "--get", help="Put the data of -d into the URL's query, and send no body.")
    head: bool = flag("-I", "--head", help="Ask for the headers only (HEAD), and show them.")
    byte_range: str | None = field(
        "-r", "--range", type=ByteRanges(), help="Ask for a part of the content: 0-499, 500-, -500."
    )
    user_agent: str | None = field("-A", "--user-agent", metavar="NAME", help="The User-Agent header.")
    referer: str | None = field("-e", "--referer", metavar="URL", help="The Referer header.")
    cookies: tuple[str, ...] = field(
        "-b",
        "--cookie",
        type=click.STRING,
        multiple=True,
        metavar="TEXT|FILE",
        help="Cookies, `name=value; ...`; without = a file of them.",
    )
    compressed: bool = flag("--compressed", help="Ask for a compressed body where it is saved to a file too.")

    def check(self) -> None:
        exclude("-d", self.data, "-F", self.parts, "-d is one body, -F another")
        exclude("-d", self.data, "-T", self.upload, "-d is one body, -T another")
        exclude("-F", self.parts, "-T", self.upload, "-F is one body, -T another")
        exclude("-I", self.head, "-F", self.parts, "HEAD has no body")
        exclude("-G", self.query, "-F", self.parts, "a query has no parts; use -d")


class AuthOptions(OptionGroup):
    """Who asks."""

    section = "Authentication"

    user: str | None = field(
        "-u", "--user", metavar="USER[:PASSWORD]", help="User and password; without one it is asked for."
    )
    basic: bool = flag("--basic", help="Send user and password with the first request (the default).")
    digest: bool = flag("--digest", help="Prove the password with a digest, and never send it (RFC 7616).")
    bearer: str | None = field(
        "--oauth2-bearer", "--bearer", metavar="TOKEN", help="Send this bearer's token (RFC 6750)."
    )
    netrc: bool = flag("-n", "--netrc", help="Look up user and password in ~/.netrc.")
    netrc_file: str | None = field("--netrc-file", type=File(), help="Look them up in FILE.")

    def check(self) -> None:
        exclude("-u", self.user, "--oauth2-bearer", self.bearer)
        exclude("--basic", self.basic, "--digest", self.digest)


class ConnectOptions(SourceOptions):
    """Over what."""

    section = "Connection"

    source: IpAddr | None = field(
        "--source", "--interface", type=Address(), help="Send from this local address."
    )
    connect_timeout: float | None = field(
        "--connect-timeout",
        type=Seconds(),
        default=30.0,
        help="Give up connecting after this (with TLS).",
    )
    proxy: str | None = field(
        "-x",
        "--proxy",
        metavar="URL",
        help="Go through this proxy: http://[USER:PASSWORD@]HOST:PORT or socks5://...; `` goes through none.",
    )
    no_proxy: str | None = field(
        "--noproxy", metavar="LIST", help="Hosts that are reached without the proxy; * is all."
    )
    resolve_to: tuple[str, ...] = field(
        "--resolve",
        type=click.STRING,
        multiple=True,
        metavar="HOST:PORT:ADDR",
        help="Connect to ADDR (or ADDR,ADDR) for this host and port, instead of looking it up.",
    )
    connect_to: tuple[str, ...] = field(
        "--connect-to",
        type=click.STRING,
        multiple=True,
        metavar="H1:P1:H2:P2",
        help="Connect to host H2 and port P2 for H1 and P1; an empty part is any, or the same.",
    )
    https_records: bool = flag(
        "--https-records",
        help="Ask for HTTPS records (RFC 9460) first, and connect where they say, with what they say.",
    )
    unix_socket: str | None = field("--unix-socket", type=File(), help="Connect to this Unix-domain socket.")
    http11: bool = flag("--http1.1", help="Speak HTTP/1.1.")
    http2: bool = flag("--http2", help="Speak HTTP/2 where the server offers it (the default over TLS).")
    prior: bool = flag("--http2-prior-knowledge", help="Speak HTTP/2 at once, without asking.")
    deny_private: bool = flag(
        "--deny-private", help="Connect to no private, loopback or link-local address, also after redirects."
    )

    def check(self) -> None:
        super().check()
        exclude("--http1.1", self.http11, "--http2", self.http2 or self.prior)
        exclude("--unix-socket", self.unix_socket, "--proxy", self.proxy)


class FetchTlsOptions(ClientTlsSettings):
    """TLS, with curl's names beside netkit's."""

    servername: str | None = servername_field()
    ca: tuple[str, ...] = ca_field("--cacert")
    insecure: bool = insecure_field("-k")
    cert: str | None = cert_field("-E")
    crl: tuple[str, ...] = crl_field("server", "--crlfile")
    max_version: TlsVersion | None = max_version_field("--tls-max")
    cipher: tuple[str, ...] = cipher_field("--ciphers")
    group: str | None = group_field("--curves")
    ech: Ech | None = ech_field(auto=True)

    def check(self) -> None:
        super().check()
        check_servername(self.servername)

    def server_names(self, urls: Iterable[Url]) -> dict[str, str]:
        """The name that --servername says, for the hosts and ports of `urls`: another host that a redirect
        leads to has its own. Raises WrongValue where it is for none of them.
        """
        if self.servername is None:
            return {}
        from netkit.http.client.dial import endpoint_of

        secure = [(url.host, url.effective_port) for url in urls if url.is_secure]
        if not secure:
            raise WrongValue(
                "--servername is for a URL with https or wss on this line",
                "leave it out, or write such a URL",
            )
        return {endpoint_of(host, port): self.servername for host, port in secure if host and port}


class RequestTlsOptions(FetchTlsOptions, own_first=True):
    """TLS of whoever sends requests: early data."""

    early_data: bool = flag(
        "--early-data",
        "--tls-earlydata",
        help="Send GET, HEAD and OPTIONS in the first flight (0-RTT) where a session is resumed. Each URL "
        "then has a connection of its own, and the first one leaves the session.",
    )

    def config(self, env: Environment, **more: Any) -> TlsConfig:
        """As that of the others; with --early-data, a backend that can send it. Raises WrongValue."""
        config = super().config(env, **more)
        return self.sending_early(config) if self.early_data else config


class FollowOptions(OptionGroup):
    """Redirects, failures, retries."""

    section = "Redirects and failures"

    location: bool = flag("-L", "--location", "--follow", help="Follow redirects.")
    location_trusted: bool = flag(
        "--location-trusted", help="Follow redirects, and send user and password to every host."
    )
    max_redirs: int = field(
        "--max-redirs", type=Number(0, 1000), default=10, help="Follow no more redirects than this."
    )
    fail: bool = flag(
        "-f", "--fail", help="End with 1 for a status of 400 and over, and write no body of such."
    )
    fail_with_body: bool = flag("--fail-with-body", help="The same, but write the body.")
    retry: int = field(
        "--retry",
        type=Number(0, 1000),
        default=0,
        help="Try again this often: after a timeout, a lost connection, and the statuses 408, 429, 500, "
        "502, 503, 504 (what may be done twice only; Retry-After is respected).",
    )
    retry_delay: float | None = field(
        "--retry-delay", type=Seconds(), help="Wait this long before each; doubled from 1 second by default."
    )

    def check(self) -> None:
        exclude("--fail", self.fail, "--fail-with-body", self.fail_with_body)

    @property
    def follows(self) -> bool:
        """Whether redirects are followed."""
        return self.location or self.location_trusted

    @property
    def fails(self) -> bool:
        """Whether a status of 400 and over is an answer of no."""
        return self.fail or self.fail_with_body


class SaveOptions(OptionGroup):
    """Where bodies go."""

    section = "Files"

    outputs: tuple[str, ...] = field(
        "-o",
        "--output",
        type=File(),
        multiple=True,
        help="Write the body to FILE (-: standard output); one for each URL.",
    )
    remote_name: bool = flag(
        "-O", "--remote-name", help="Write the body to a file with the name that the URL ends in."
    )
    header_name: bool = flag(
        "-J", "--remote-header-name", help="With -O, take the name from the Content-Disposition header."
    )
    download: bool = flag(
        "--download",
        help="-O -J, never over another file, and going on with a part that an earlier run left.",
    )
    folder: str | None = field("--output-dir", type=File(), help="Write files into this directory.")
    create_dirs: bool = flag("--create-dirs", help="Make the directories that are not there.")
    resume: int | None = field(
        "-C",
        "--continue-at",
        type=Offset(),
        help="Go on with a file: at this offset, or (-) where it ends; only if it is still the same file.",
    )
    parallel: int = field(
        "--parallel",
        type=Number(1, 64),
        default=1,
        help="Fetch a file in N parts at once, where the server can; many URLs at once are --concurrency.",
    )
    checksum: tuple[str, str] | None = field(
        "--checksum", type=Checksum(), help="End with 1 if the body has another hash: sha256:9f86..."
    )
    raw: bool = flag("--raw", help="Undo no content coding: write the body as it was sent.")
    limit_rate: int | None = field(
        "--limit-rate", type=Size(), help="Take no more octets in a second than this (64k, 1M)."
    )

    def check(self) -> None:
        exclude("-o", self.outputs, "-O", self.remote_name or self.download)
        if self.header_name and not (self.remote_name or self.download):
            self.only_with("-O", "header_name")
        if not self.saves:
            for given, name in ((self.parallel > 1, "--parallel"), (self.resume is not None, "-C")):
                if given:
                    raise WrongValue(f"{name} is for files", "add -O, -o FILE or --download")

    @property
    def saves(self) -> bool:
        """Whether bodies go to files."""
        return self.remote_name or self.download or any(name != "-" for name in self.outputs)


class ShowOptions(OptionGroup):
    """What is shown, or kept, beside the body."""

    section = "Show and keep"

    include: bool = flag("-i", "--include", "--show-headers", help="Show the status and headers as well.")
    timing: bool = flag("--timing", help="Show how long each phase took.")
    trace: bool = flag("--trace", help="Show the dialogue on standard error, as -v does, with every header.")
    har: str | None = field("--har", type=File(), help="Write what was exchanged to FILE (HAR 1.2).")
    session: str | None = field(
        "--session", metavar="NAME", help="Keep cookies and headers in the session NAME, and use them again."
    )
    cookie_jar: str | None = field(
        "-c", "--cookie-jar", type=File(), help="Write the cookies to FILE (-: standard output) at the end."
    )
    no_buffer: bool = flag("-N", "--no-buffer", help="As always: write what comes when it comes.")
    offline: bool = flag("--offline", help="Send nothing: show the request as it would be sent.")
    curl: bool = flag("--curl", help="Send nothing: show the curl command that does the same, secrets too.")
    from_curl: str | None = field(
        "--from-curl",
        metavar="COMMAND",
        help="Do what this curl command does, as a browser copies it; other options add to it.",
    )

    def check(self) -> None:
        exclude("--offline", self.offline, "--curl", self.curl)


class FetchOutput(OutputOptions):
    """The output options of every command, with curl's letters; -o is where a body goes, not the rows."""

    quiet: bool = flag(
        "-s", "--silent", "-q", "--quiet", help="Write only results: no messages, no progress."
    )
    show_error: bool = flag("-S", "--show-error", help="With -s, write messages all the same.")
    letters = frozenset({"-s", "-v", "-q", "-S"})
    withheld = frozenset({"file"})

    def check(self) -> None:
        super().check()
        if self.show_error:
            assign(self, "quiet", False)
