"""What must not be reached: every spelling of a path that leads out, links that do, and races with both.

Each attempt is answered with 404, whether or not there is a file where it leads.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from netkit.http.files import FilesConfig
from netkit.http.files.handler import FileHandler
from netkit.http.files.target import MAX_NAMES, MAX_PATH, Target
from netkit.http.files.tree import Found, Nothing, Walk
from tests.http.files.tree import KEPT, SECRET, ask, make_root, serving, write
from tests.http.server.serving import Serving

pytestmark = pytest.mark.once

OUT = "../secret.txt"

SPELLINGS: list[str] = [
    # Dot segments, plain and encoded, in every mixture.
    f"/{OUT}",
    f"/./{OUT}",
    f"/sub/../{OUT}",
    f"/sub/../../{'root/'}{OUT}",
    f"//{OUT}",
    f"///..///{OUT}",
    "/..",
    "/../",
    "/../root/a.txt",
    "/sub/../../root/a.txt",
    "/sub/deep/../../../secret.txt",
    "/%2e%2e/secret.txt",
    "/%2E%2E/secret.txt",
    "/.%2e/secret.txt",
    "/%2e./secret.txt",
    "/sub/%2e%2e/%2e%2e/secret.txt",
    "/%2e/%2e%2e/secret.txt",
    "/sub/./../%2e/../secret.txt",
    # Encoded slashes: never a separator, never in a name.
    "/..%2fsecret.txt",
    "/..%2Fsecret.txt",
    "/%2e%2e%2fsecret.txt",
    "/%2e%2e%2f%2e%2e%2fsecret.txt",
    "/sub%2f..%2f..%2fsecret.txt",
    "/sub/..%2f..%2fsecret.txt",
    "/sub%2fb.txt",
    "/%2fa.txt",
    "/%2f%2e%2e%2fsecret.txt",
    "/%2fetc%2fpasswd",
    # Encoded twice, and overlong forms of UTF-8: undone once, they name nothing.
    "/%252e%252e/secret.txt",
    "/%252e%252e%252fsecret.txt",
    "/..%252fsecret.txt",
    "/%25252e%25252e/secret.txt",
    "/%c0%ae%c0%ae/secret.txt",
    "/%c0%ae%c0%ae%c0%afsecret.txt",
    "/..%c0%afsecret.txt",
    "/%e0%80%ae%e0%80%ae/secret.txt",
    "/%f0%80%80%ae%f0%80%80%ae/secret.txt",
    "/%uff0e%uff0e/secret.txt",
    "/%ef%bc%8e%ef%bc%8e/secret.txt",
    "/%u002e%u002e/secret.txt",
    # Backslashes, drives, streams, devices: of other systems.
    "/..\\secret.txt",
    "/..%5csecret.txt",
    "/..%5Csecret.txt",
    "/%2e%2e%5csecret.txt",
    "/sub\\..\\..\\secret.txt",
    "/..\\..\\..\\..\\etc\\passwd",
    "/\\secret.txt",
    "/c:/windows/win.ini",
    "/c:%5cwindows%5cwin.ini",
    "/a.txt::$DATA",
    "/a.txt%00",
    "/a.txt%20",
    "/a.txt.",
    "/~root/.bashrc",
    # NUL, and what is no percent-encoding.
    "/%00",
    "/secret.txt%00.html",
    "/../secret.txt%00a.txt",
    "/a.txt%00/../../secret.txt",
    "/sub%00/../../secret.txt",
    "/%",
    "/%2",
    "/%zz",
    "/a.txt%",
    "/a.txt%2",
    "/%2e%2e%2",
    # Semicolons, which some servers cut off.
    "/..;/secret.txt",
    "/sub/..;/..;/secret.txt",
    "/.;/../secret.txt",
    # Hidden names, in every place.
    "/.hidden",
    "/%2ehidden",
    "/%2Ehidden",
    "/sub/../.hidden",
    "/.git/config",
    "/.git/",
    "/.git",
    "/%2egit/config",
    "/.netkit-upload-0123456789abcdef",
    "/sub/.hidden",
    "/...",
    "/.../secret.txt",
    "/..../secret.txt",
    # Through a file, past its name, and too long.
    "/a.txt/",
    "/a.txt/.",
    "/a.txt/b.txt",
    "/a.txt/../../secret.txt",
    "/site/index.html/",
    f"/{'a' * 256}",
    f"/{'../' * 100}etc/passwd",
    f"/{'sub/../' * 100}{OUT}",
    f"/{'a/' * (MAX_NAMES + 1)}b",
    # Links, which `escapes` makes.
    "/link-out",
    "/link-out-absolute",
    "/link-to-directory/secret.txt",
    "/link-to-directory/",
    "/link-to-root-sibling/secret.txt",
    "/link-chain",
    "/link-loop",
    "/link-loop-a/x",
    "/sub/link-up-and-out",
    "/link-through-link/secret.txt",
    "/link-to-dots",
    "/link-to-etc",
    "/link-dangling",
    "/link-to-proc-self-root/etc/passwd",
    # Neither a file nor a directory.
    "/fifo",
    "/socket",
    "/link-to-null",
    "/link-to-fifo",
]


def escapes(root: Path) -> None:
    """Links that lead out, and things that are no files."""
    import socket

    outside = root.parent
    for name, to in [
        ("link-out", "../secret.txt"),
        ("link-out-absolute", str(outside / "secret.txt")),
        ("link-to-directory", ".."),
        ("link-to-root-sibling", str(outside / "rooted")),
        ("link-chain", "link-out"),
        ("link-loop", "link-loop"),
        ("link-loop-a", "link-loop-b"),
        ("link-loop-b", "link-loop-a"),
        ("sub/link-up-and-out", "../../secret.txt"),
        ("link-through-link", "link-to-directory"),
        ("link-to-dots", "sub/../../secret.txt"),
        ("link-to-etc", "/etc/passwd"),
        ("link-dangling", "nothing"),
        ("link-to-proc-self-root", "/proc/self/root"),
        ("link-to-null", "/dev/null"),
        ("link-to-fifo", "fifo"),
    ]:
        (root / name).symlink_to(to)
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.getcwd()
        os.chdir(root)  # the path of a socket is short
        try:
            listening.bind("socket")
        finally:
            os.chdir(here)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    root = make_root(tmp_path_factory.mktemp("escapes"))
    escapes(root)
    with serving(root, spa="site.html", archives=True) as served:
        write(root / "site.html", "the page of an application")
        yield served


def test_there_are_enough() -> None:
    assert len(set(SPELLINGS)) == len(SPELLINGS) >= 100


@pytest.mark.parametrize("path", SPELLINGS)
def test_every_spelling_is_not_found(served: Serving, path: str) -> None:
    """404 and nothing of what is kept: not even where an application has a page for every other path."""
    with served.client() as client:
        for method in ("GET", "HEAD"):
            reply = ask(client, path.encode(), (), method)
            assert reply.status == 404
            assert SECRET not in reply.body
            assert KEPT not in reply.body
            assert b"root:" not in reply.body


def test_a_long_path_is_not_found(served: Serving) -> None:
    assert Target.parse(b"/" + b"a" * MAX_PATH) is None
    with served.client() as client:
        # What the server lets through is for the handler to refuse.
        assert ask(client, "/" + "a/" * 3_000).status == 404


def test_links_that_stay_inside_are_followed(root: Path) -> None:
    (root / "in").symlink_to("sub/deep/../b.txt")
    (root / "sub" / "up").symlink_to("../a.txt")
    (root / "sub" / "absolute").symlink_to(root / "a.txt")
    (root / "directory").symlink_to("sub")
    (root / "sub" / "home").symlink_to("..")
    (root / "self").symlink_to(root)
    with serving(root) as served, served.client() as client:
        for path in ("/in", "/directory/b.txt", "/sub/home/sub/b.txt", "/self/sub/b.txt"):
            assert ask(client, path).body == b"in a directory\n"
        for path in ("/sub/up", "/sub/absolute", "/sub/home/sub/home/a.txt"):
            assert len(ask(client, path).body) == 100


def test_links_that_lead_out_are_followed_if_asked(root: Path) -> None:
    escapes(root)
    with serving(root, follow_symlinks=True) as served, served.client() as client:
        assert ask(client, "/link-out").body == SECRET
        assert ask(client, "/link-to-directory/secret.txt").body == SECRET
        assert ask(client, "/../secret.txt").status == 404  # a request is no link
        assert ask(client, "/link-to-null").status == 404
        assert ask(client, "/link-loop").status == 404
        assert ask(client, "/fifo").status == 404


def test_the_root_may_be_a_link_and_may_change(root: Path) -> None:
    """As a deployment does it that makes a link to its newest version."""
    current = root.parent / "current"
    current.symlink_to(root)
    with serving(current) as served, served.client() as client:
        assert ask(client, "/sub/b.txt").status == 200
        write(root.parent / "next" / "new.txt", "new")
        (root.parent / "swap").symlink_to(root.parent / "next")
        os.replace(root.parent / "swap", current)
        assert ask(client, "/new.txt").body == b"new"
        assert ask(client, "/sub/b.txt").status == 404


def test_no_race_leads_out(root: Path) -> None:
    """While a name changes between a directory and a link that leads out, and a file does, nothing of the
    outside is ever sent."""
    write(root / "real" / "secret.txt", "inside")
    write(root / "file", "inside")
    real, link = root / "real", root / "link"
    link.symlink_to("..")
    file_link, name = root / "file-link", root / "name"
    file_link.symlink_to("../secret.txt")
    over = threading.Event()

    def exchange() -> None:
        while not over.is_set():
            for one, other in ((real, link), (root / "file", file_link)):
                os.rename(one, name)
                os.rename(other, one)
                os.rename(name, other)

    thread = threading.Thread(target=exchange)
    thread.start()
    seen: set[bytes | Nothing] = set()
    try:
        for _ in range(3_000):
            for names in ((b"real", b"secret.txt"), (b"link", b"secret.txt"), (b"file",), (b"file-link",)):
                with Walk(str(root)) as walk:
                    found = walk.find(names)
                    seen.add(found if isinstance(found, Nothing) else os.pread(found.fd, 100, 0))
    finally:
        over.set()
        thread.join()
    assert SECRET not in seen
    assert b"inside" in seen
    assert Nothing.REFUSED in seen


def test_a_directory_that_moves_out_takes_nobody_with_it(root: Path) -> None:
    """`..` of a link leads back over the directories that were gone through, not to where one is now."""
    (root / "sub" / "deep" / "up").symlink_to("../../a.txt")
    with Walk(str(root)) as walk:
        found = walk.find((b"sub", b"deep"))
        assert isinstance(found, Found)
        (root / "sub" / "deep").rename(root.parent / "moved")
        write(root.parent.parent / "a.txt", SECRET)
        up = walk.find((b"up",), found.place)
        assert isinstance(up, Found)
        assert os.pread(up.fd, 10, 0) == b"0123456789"


def test_descriptors_are_closed(root: Path) -> None:
    escapes(root)

    with serving(root, archives=True, upload=None) as served, served.client() as client:

        def count() -> int:
            served.until_it_waits()  # a response is over a moment before its file is closed
            return len(os.listdir("/proc/self/fd"))

        ask(client, "/")
        before = count()
        for path in [*SPELLINGS, "/", "/sub/", "/a.txt", "/?archive=tar", "/?archive=zip"]:
            ask(client, path.encode())
        assert count() == before


def test_hidden_names_are_served_if_asked(root: Path) -> None:
    write(root / ".netkit-upload-1", KEPT)
    with serving(root, hidden=True) as served, served.client() as client:
        assert ask(client, "/.hidden").body == KEPT
        assert ask(client, "/.git/config").body == KEPT
        assert b".hidden" in ask(client, "/").body
        assert ask(client, "/.netkit-upload-1").status == 404
        assert b"netkit-upload" not in ask(client, "/").body


def test_what_the_system_forbids(root: Path) -> None:
    closed = root / "closed"
    write(closed / "x.txt", "x")
    (root / "a.txt").chmod(0)
    closed.chmod(0)
    try:
        with serving(root) as served, served.client() as client:
            wanted = 200 if os.geteuid() == 0 else 403
            assert ask(client, "/a.txt").status == wanted
            assert ask(client, "/closed/x.txt").status == wanted
    finally:
        closed.chmod(0o700)


def test_too_many_open_files(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with serving(root) as served, served.client() as client:
        monkeypatch.setattr(Walk, "find", fails)
        assert ask(client, "/a.txt").status == 503
        monkeypatch.undo()
        assert ask(client, "/a.txt").status == 200


def test_a_root_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FileHandler(FilesConfig(tmp_path / "nothing"))
    with pytest.raises(NotADirectoryError):
        FileHandler(FilesConfig(write(tmp_path / "file", "x")))


@pytest.mark.parametrize(
    ("path", "names", "is_directory"),
    [
        (b"/", (), True),
        (b"/a", (b"a",), False),
        (b"/a/", (b"a",), True),
        (b"/a//b", (b"a", b"b"), False),
        (b"//a", (b"a",), False),
        (b"/a/.", (b"a",), True),
        (b"/a/b/..", (b"a",), True),
        (b"/a/../b", (b"b",), False),
        (b"/./a", (b"a",), False),
        (b"/a%2Fb", None, False),
        (b"/a%5Cb", (b"a\\b",), False),
        (b"/a%0Ab", (b"a\nb",), False),
        (b"/%FF", (b"\xff",), False),
        (b"/a%2e", (b"a.",), False),
        (b"/a%253f", (b"a%3f",), False),
        (b"/a+b", (b"a+b",), False),
        (b"a", None, False),
        (b"", None, False),
        (b"*", None, False),
    ],
)
def test_targets(path: bytes, names: tuple[bytes, ...] | None, is_directory: bool) -> None:
    assert Target.parse(path) == (None if names is None else Target(names, is_directory))
    if (target := Target.parse(path)) is not None:
        assert Target.parse(target.path.encode()) == target
