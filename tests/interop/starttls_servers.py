"""Servers that nobody here wrote, for STARTTLS: each in a folder of its own, with settings of the tests' own.

None is the system's service, and none has data: PostgreSQL gets an empty cluster, because it does not start
without one, and MariaDB starts without its tables. Each listens on loopback only.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from glob import glob
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import free_port, require_peer
from tests.waiting import until_connected

#: The name in the servers' certificate, and the domain of the XMPP server.
HOST = "mail.example.com"

DOVECOT = "/usr/lib/dovecot"
NEWS = "/usr/lib/news/bin"


class Launch(NamedTuple):
    """How a server is started."""

    argv: list[str]
    user: str | None = None
    environment: tuple[tuple[str, str], ...] = ()
    #: What ends the server and the processes that it has made.
    stop: signal.Signals = signal.SIGKILL


class Place:
    """A server's folder, its certificate and key, and its ports by protocol."""

    def __init__(self, folder: Path, identity: tuple[str, str], protocols: tuple[str, ...]) -> None:
        self.folder = folder
        self.certificate = folder / "certificate.pem"
        self.key = folder / "key.pem"
        self.certificate.write_text(identity[0])
        self.key.write_text(identity[1])
        self.key.chmod(0o600)
        self.ports = {protocol: free_port() for protocol in protocols}

    def write(self, name: str, text: str) -> Path:
        """A file of the server's settings."""
        path = self.folder / name
        path.write_text(text)
        return path

    def give_to(self, user: str) -> None:
        """Everything that is there belongs to `user`."""
        for path in (self.folder, *self.folder.rglob("*")):
            shutil.chown(path, user, pwd.getpwnam(user).pw_gid)


def postfix(place: Place) -> Launch:
    require_peer("postconf")
    programs = subprocess.run(
        ["postconf", "-hd", "daemon_directory"], check=True, capture_output=True, text=True
    ).stdout.strip()
    folder, port = place.folder, place.ports["smtp"]
    for name in ("queue/pid", "queue/private", "queue/public", "data"):
        (folder / name).mkdir(parents=True)
    for name in ("queue/private", "queue/public", "data"):
        shutil.chown(folder / name, "postfix")
    place.write(
        "main.cf",
        f"""compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
daemon_directory = {programs}
myhostname = {HOST}
mydestination =
local_recipient_maps =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
smtpd_tls_security_level = may
smtpd_tls_chain_files = {place.key}, {place.certificate}
""",
    )
    place.write(
        "master.cf",
        f"""127.0.0.1:{port} inet n - n - - smtpd
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
""",
    )
    return Launch([f"{programs}/master", "-c", str(folder), "-d"], stop=signal.SIGTERM)


def dovecot(place: Place) -> Launch:
    program = require_peer("dovecot")
    for part in ("imap", "pop3", "lmtp", "managesieve"):
        require_peer(part, DOVECOT)
    ports = place.ports
    listeners = "".join(
        f"service {service} {{ \n inet_listener {name} {{ \n port = {port} \n ssl = {ssl} \n }} \n }} \n"
        for service, name, port, ssl in (
            ("imap-login", "imap", ports["imap"], "no"),
            ("imap-login", "imaps", ports["imaps"], "yes"),
            ("pop3-login", "pop3", ports["pop3"], "no"),
            ("pop3-login", "pop3s", 0, "yes"),
            ("managesieve-login", "sieve", ports["sieve"], "no"),
            ("lmtp", "lmtp", ports["lmtp"], "no"),
        )
    )
    settings = place.write(
        "dovecot.conf",
        f"""base_dir = {place.folder}/run
state_dir = {place.folder}/state
log_path = {place.folder}/dovecot.log
protocols = imap pop3 lmtp sieve
listen = 127.0.0.1
ssl = yes
ssl_cert = <{place.certificate}
ssl_key = <{place.key}
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}}
{listeners}""",
    )
    return Launch([program, "-F", "-c", str(settings)], stop=signal.SIGTERM)


def slapd(place: Place) -> Launch:
    settings = place.write(
        "slapd.conf", f"TLSCertificateFile {place.certificate}\nTLSCertificateKeyFile {place.key}\n"
    )
    address = f"ldap://127.0.0.1:{place.ports['ldap']}"
    return Launch([require_peer("slapd"), "-h", address, "-f", str(settings), "-d", "0"])


def postgres(place: Place) -> Launch:
    folders = sorted(glob("/usr/lib/postgresql/*/bin"))[-1:]
    initdb, program = require_peer("initdb", *folders), require_peer("postgres", *folders)
    # It refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    if user is not None:
        place.give_to(user)
    data = place.folder / "data"
    subprocess.run(
        [initdb, "-D", data, "-A", "trust", "-U", "postgres", "--no-sync", "--no-locale", "-E", "UTF8"],
        check=True,
        capture_output=True,
        user=user,
    )
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(place.folder),
        "ssl": "on",
        "ssl_cert_file": str(place.certificate),
        "ssl_key_file": str(place.key),
        "fsync": "off",
        "shared_buffers": "1MB",
    }
    argv = [program, "-D", str(data), "-p", str(place.ports["postgres"])]
    argv += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return Launch(argv, user, stop=signal.SIGQUIT)  # which ends its processes at once


def mariadb(place: Place) -> Launch:
    data = place.folder / "data"
    data.mkdir()
    argv = [require_peer("mariadbd"), "--no-defaults", f"--datadir={data}", "--skip-grant-tables"]
    argv += ["--bind-address=127.0.0.1", f"--port={place.ports['mysql']}", f"--socket={place.folder}/socket"]
    argv += ["--skip-innodb", "--default-storage-engine=MyISAM", "--key-buffer-size=1M"]
    argv += [f"--ssl-cert={place.certificate}", f"--ssl-key={place.key}"]
    return Launch([*argv, "--user=root"] if os.geteuid() == 0 else argv)


def vsftpd(place: Place) -> Launch:
    settings = place.write(
        "vsftpd.conf",
        f"""listen=YES
listen_address=127.0.0.1
listen_port={place.ports["ftp"]}
background=NO
ssl_enable=YES
rsa_cert_file={place.certificate}
rsa_private_key_file={place.key}
secure_chroot_dir={place.folder}
seccomp_sandbox=NO
""",
    )
    return Launch([require_peer("vsftpd"), str(settings)])


def nnrpd(place: Place) -> Launch:
    program = require_peer("nnrpd", NEWS)
    folder = place.folder
    paths = "".join(
        f"path{name}: {folder}\n"
        for name in ("archive", "articles", "db", "etc", "log", "run", "spool", "tmp", "overview")
    )
    settings = place.write(
        "inn.conf",
        f"""{paths}pathnews: /usr/lib/news
pathbin: {NEWS}
pathhost: {HOST}
domain: example.com
mta: "/bin/true %s"
hismethod: hisv6
enableoverview: true
ovmethod: tradindexed
nnrpdloadlimit: 0
tlscertfile: {place.certificate}
tlskeyfile: {place.key}
""",
    )
    readers = place.write(
        "readers.conf",
        'auth all { hosts: "*" default: "all" }\naccess all { users: "*" newsgroups: "*" access: R }\n',
    )
    place.write("storage.conf", "method trash {\n newsgroups: *\n class: 0\n}\n")
    for name in ("active", "newsgroups", "history"):
        place.write(name, "")
    place.give_to("news")
    environment = (("INNCONF", str(settings)),)
    # Makes the empty index without which nnrpd serves nobody.
    subprocess.run(
        [require_peer("overchan", NEWS)],
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        user="news",
        env={**os.environ, **dict(environment)},
    )
    argv = [program, "-D", "-f", "-b", "127.0.0.1", "-p", str(place.ports["nntp"]), "-c", str(readers)]
    return Launch(argv, "news", environment)


def prosody(place: Place) -> Launch:
    settings = place.write(
        "prosody.cfg.lua",
        f"""run_as_root = true
daemonize = false
pidfile = "{place.folder}/pid"
data_path = "{place.folder}"
certificates = "{place.folder}"
modules_enabled = {{ "tls", "saslauth", "dialback" }}
modules_disabled = {{ "s2s_auth_certs" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {place.ports["xmpp"]} }}
s2s_ports = {{ {place.ports["xmpp-server"]} }}
c2s_direct_tls_ports = {{}}
s2s_direct_tls_ports = {{}}
log = {{ info = "*console" }}
VirtualHost "{HOST}"
  ssl = {{ key = "{place.key}", certificate = "{place.certificate}" }}
""",
    )
    return Launch([require_peer("prosody"), "--config", str(settings), "-F"])


def inspircd(place: Place) -> Launch:
    folder = place.folder
    settings = place.write(
        "inspircd.conf",
        f"""<server name="irc.example.com" description="x" network="x">
<admin name="x" nick="x" email="x@example.com">
<bind address="127.0.0.1" port="{place.ports["irc"]}" type="clients">
<connect allow="*" resolvehostnames="no">
<module name="ssl_gnutls"><module name="starttls"><module name="cap">
<sslprofile name="Clients" provider="gnutls" certfile="{place.certificate}" keyfile="{place.key}">
<path datadir="{folder}" logdir="{folder}" runtimedir="{folder}">
<pid file="{folder}/pid">
""",
    )
    return Launch([require_peer("inspircd"), "--config", str(settings), "--nofork", "--runasroot"])


def gnutls(place: Place) -> Launch:
    argv = [require_peer("gnutls-serv"), "--quiet", "--port", str(place.ports["tls"])]
    return Launch([*argv, "--x509certfile", str(place.certificate), "--x509keyfile", str(place.key)])


class Server(NamedTuple):
    launch: Callable[[Place], Launch]
    protocols: tuple[str, ...]
    #: Whether only root may start it: it changes to users of its own.
    needs_root: bool = False
    #: A protocol, and words of the line in its greeting that says that all of the server's parts are there.
    complete: tuple[str, bytes] | None = None


SERVERS = (
    Server(postfix, ("smtp",), needs_root=True),
    Server(dovecot, ("imap", "pop3", "lmtp", "sieve", "imaps"), True, ("imap", b"CAPABILITY")),
    Server(slapd, ("ldap",)),
    Server(postgres, ("postgres",)),
    Server(mariadb, ("mysql",)),
    Server(vsftpd, ("ftp",), needs_root=True),
    Server(nnrpd, ("nntp",), needs_root=True),
    Server(prosody, ("xmpp", "xmpp-server")),
    Server(inspircd, ("irc",)),
    Server(gnutls, ("tls",)),
)
SERVER_OF = {protocol: server for server in SERVERS for protocol in server.protocols}


@contextmanager
def serving(server: Server, folder: Path, identity: tuple[str, str]) -> Iterator[dict[str, int]]:
    """Run `server` in `folder`, with its certificate and key in PEM; its ports by protocol."""
    if server.needs_root and os.geteuid() != 0:
        pytest.skip("only root may start this server")
    folder.mkdir()
    place = Place(folder, identity, server.protocols)
    launch = server.launch(place)
    with (
        (folder / "output").open("wb") as output,
        subprocess.Popen(
            launch.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            user=launch.user,
            group=None if launch.user is None else pwd.getpwnam(launch.user).pw_gid,
            process_group=0,  # with what it starts, so that both end together
            env={**os.environ, **dict(launch.environment)},
        ) as process,
    ):
        try:
            for port in place.ports.values():
                until_connected(port, process).close()
            if server.complete is not None:
                protocol, words = server.complete
                with until_connected(place.ports[protocol], process) as first, first.makefile("rb") as lines:
                    assert any(words in line for line in lines)
            yield place.ports
        except AssertionError as error:
            error.add_note((folder / "output").read_text("utf-8", "replace"))
            raise
        finally:
            if process.poll() is None:
                os.killpg(process.pid, launch.stop)
            process.wait(20)
