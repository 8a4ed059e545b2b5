"""What `netkit http fetch` keeps between requests and between runs: cookies, a session, `.netrc`.

    with open_state(...) as state:
        client = Client(..., cookies=state.jar, netrc=state.netrc)
        plan = state.applied(plan)        # the session's headers and credentials for this origin

At the end, the file of -c and the session are written, also after a failure: cookies that came are kept.
"""

from __future__ import annotations

from contextlib import ExitStack
from time import time
from typing import TYPE_CHECKING, Self, cast

from netkit.cli.fetch.plan import Credentials, HeaderLine
from netkit.cli.frame.options import WrongValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.cli.fetch.options import AuthOptions, FollowOptions, ShowOptions
    from netkit.cli.fetch.plan import RequestPlan
    from netkit.cli.frame.context import Environment
    from netkit.http.cookies.jar import CookieJar
    from netkit.http.cookies.stored import StoredCookie
    from netkit.http.policy.netrc import Netrc
    from netkit.http.state.session_file import Session, SessionFile


class State:
    """The jar, the session and the `.netrc` of one command."""

    def __init__(
        self,
        env: Environment,
        *,
        cookie_files: Sequence[str],
        auth: AuthOptions,
        follow: FollowOptions,
        show: ShowOptions,
    ) -> None:
        self._env = env
        self._show = show
        self._cookie_files = cookie_files
        self._stack = ExitStack()
        self._file: SessionFile | None = None
        self.session: Session | None = None
        #: None where nothing keeps or needs cookies.
        self.jar: CookieJar | None = None
        self.netrc: Netrc | None = None
        self._auth = auth
        self._follow = follow

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            now = time()
            if self._show.session is not None:
                from netkit.http.state.session_file import SessionFile, session_directory

                directory = session_directory(self._env.environ)
                self._file = stack.enter_context(SessionFile(self._show.session, directory))
                self.session = self._file.load()
                self.jar = self.session.jar(now)
            elif self._cookie_files or self._show.cookie_jar is not None or self._follow.follows:
                from netkit.http.cookies.jar import CookieJar

                self.jar = CookieJar()
            for path in self._cookie_files:
                self._read_cookies(path, now)
            self.netrc = self._load_netrc()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with self._stack:
            now = time()
            if self._file is not None and self.session is not None and self.jar is not None:
                kept = [cookie for cookie in self.jar if not cookie.is_expired(now)]
                self._file.save(self.session.with_cookies(kept))
            if self._show.cookie_jar is not None and self.jar is not None:
                for cookie in self._write_cookies(self.jar, self._show.cookie_jar, now):
                    self._env.warn(None, f"{self._show.cookie_jar} cannot hold the cookie {cookie.name}")

    def _write_cookies(self, jar: CookieJar, path: str, now: float) -> Sequence[StoredCookie]:
        """Write the file of -c; the cookies that it cannot hold."""
        from netkit.http.cookies.file import format_cookie_file, save_cookies

        if path != "-":
            return save_cookies(jar, path, now)
        text, left_out = format_cookie_file([cookie for cookie in jar if not cookie.is_expired(now)])
        self._env.write_bytes(text.encode("latin-1"))
        return left_out

    def _read_cookies(self, path: str, now: float) -> None:
        """The cookies of -b FILE; as for curl, a file that is not there yet is none."""
        from netkit.http.cookies.file import load_cookies

        assert self.jar is not None  # there is a file
        try:
            found = load_cookies(path, now)
        except FileNotFoundError:
            self._env.warn(
                None, f"{path}: no such file, so there are no cookies", "cookies have a =: name=value"
            )
            return
        for cookie in found:
            self.jar.add(cookie)

    def _load_netrc(self) -> Netrc | None:
        auth = self._auth
        if self._follow.location_trusted and auth.user is not None:
            from netkit.http.policy.netrc import Netrc, NetrcEntry

            user, _, password = auth.user.partition(":")
            return Netrc({}, NetrcEntry(user, password))
        return netrc_of(auth, self._env)

    def applied(self, plan: RequestPlan) -> RequestPlan:
        """The plan with what the session has for its origin; the session learns what the plan has."""
        if self.session is None or self.jar is None:
            return plan
        from netkit.http.state.session_file import SessionAuth, cookies_of_header, is_kept
        from netkit.http.url import Url

        url = Url.parse(plan.url)
        given = plan.auth
        auth = None if given is None else SessionAuth(given.scheme or "basic", given.user, given.password)
        lines = [(line.name, line.value) for line in plan.headers if not line.is_file and is_kept(line.name)]
        self.session = self.session.with_request(url, lines, auth)
        for text in plan.cookies:
            for cookie in cookies_of_header(url, text, time()):
                self.jar.add(cookie)
        kept = [
            HeaderLine(name, value)
            for name, value in self.session.headers_for(url)
            if plan.header(name) is None
        ]
        if given is None and (known := self.session.auth_for(url)) is not None:
            given = Credentials(known.username, known.secret, cast("_Scheme", known.kind))
        return plan.replace(headers=(*kept, *plan.headers), auth=given, cookies=())


def netrc_of(auth: AuthOptions, env: Environment) -> Netrc | None:
    """The file of -n or --netrc-file; None without either. Raises WrongValue, OSError."""
    if not auth.netrc and auth.netrc_file is None:
        return None
    from netkit.http.policy.netrc import find_netrc, load_netrc

    path = auth.netrc_file or find_netrc(env.environ)
    if path is None:
        raise WrongValue("there is no ~/.netrc", "--netrc-file FILE names another one")
    found = load_netrc(path)
    if found.is_exposed:
        env.warn(None, f"{path}: others can read the passwords in it", f"chmod 600 {path}")
    return found


if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    _Scheme: TypeAlias = Literal["basic", "digest", "bearer"]
