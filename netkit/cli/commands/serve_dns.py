"""`netkit serve dns`: an authoritative name server to test against."""

from __future__ import annotations

from typing import Any

from netkit.cli.frame.command import Run, command
from netkit.cli.frame.groups import option_group
from netkit.cli.frame.options import argument
from netkit.cli.payload.bind import Bind
from netkit.cli.payload.dns.identity import ServerIdentity
from netkit.cli.payload.dns.options import DnsFaultOptions, DnsTlsOptions, ZoneOptions
from netkit.cli.payload.dns.transfers import SecondaryOptions
from netkit.cli.payload.events import DnsView, Events, events as events_option
from netkit.cli.payload.serving import StreamProcessOptions, drain as drain_option


@command(
    "serve dns",
    view=DnsView(),
    usage="[OPTIONS] --zone PATH [BIND]...",
    see_also=("netkit-dig(1)", "netkit-serve-echo(1)"),
)
@argument("binds", nargs=-1, metavar="[BIND]...", type=Bind(53))
@option_group(
    what=ZoneOptions, who=ServerIdentity, out=SecondaryOptions, tls=DnsTlsOptions, how=StreamProcessOptions
)
@drain_option
@events_option
@option_group(faults=DnsFaultOptions)
def dns(
    run: Run[Any],
    binds: tuple[str, ...],
    what: ZoneOptions,
    who: ServerIdentity,
    out: SecondaryOptions,
    tls: DnsTlsOptions,
    how: StreamProcessOptions,
    drain: float,
    events: bool,
    faults: DnsFaultOptions,
) -> None:
    """Serve the zones of zone files, over UDP, TCP, TLS and HTTPS: a small authoritative name server.

    A zone file needs an SOA record; $ORIGIN, the SOA's own name, or ORIGIN= is the name of the zone. $INCLUDE
    and $GENERATE are followed; a name of a file is relative to the file that includes it, and may be that of
    any regular file. The server does no recursion, updates or signing; a zone that is signed is answered with
    its signatures and proofs (NSEC, NSEC3) to who asks for them.

    Zones are transferred to programs of this machine, or to those of --allow-transfer: AXFR over TCP and TLS,
    and IXFR, from the versions that were there since the start. Behind a proxy on this machine, everybody
    comes from this machine: say --allow-transfer then. --notify tells secondaries of a serial that has risen.

    BIND is ADDR:PORT or :PORT; the default is a free port of 127.0.0.1. It is for UDP and TCP; --tls-port and
    --https-port add TLS and HTTPS (GET and POST, HTTP/1.1 and HTTP/2) at the same address. Without --cert,
    the certificate is made on the spot. -v shows every query: the client, the question, and the response
    code; --json with --events has an event for each.

    A signed query (TSIG) gets a signed answer; one with an unknown key, a wrong signature or of another time
    gets NOTAUTH. Queries without a signature are answered too, but for --signed-only.

    On SIGHUP, the files of zones, keys and certificates are read again, and folders are looked through. The
    new zones take effect at once and together. A zone file that cannot be used leaves the zone as it was, and
    the message says file, line and reason.

    On SIGTERM, a query over TCP of which a part has arrived is answered; other connections are closed at
    once. SIGUSR1 prints the counters. --control and --upgrade replace a running server, and a service manager
    may pass the sockets, as for `netkit serve echo`.

    --fault makes answers wrong as messages, to test resolvers. The kinds: wrong-id, wrong-question,
    wrong-port, wrong-address=ADDR (the response comes from there), wrong-case, lower-case (of the question),
    garbage-first, broken-first (before the right response), truncated (TC), cut=OCTETS, no-edns (FORMERR
    without OPT), badvers, pointer-loop, drop, delay=TIME, servfail, refused, lame, duplicate and
    endless-cname.

    Examples:

        $ netkit serve dns --zone netkit-demo/demo.zone 127.0.0.1:5353
        $ netkit serve dns --zone example.org=zone.txt --zone zones/ --json
        $ netkit serve dns --zone netkit-demo/demo.zone --identity one.of.two :5353
        $ netkit serve dns --zone netkit-demo/demo.zone --tls-port 8853 :5353
        $ netkit serve dns --zone netkit-demo/demo.zone --https-port 8453 :5353
        $ netkit serve dns --zone netkit-demo/demo.zone --notify 192.0.2.53 :5353
        $ netkit serve dns --zone netkit-demo/demo.zone --drop 20% --delay 100ms
        $ netkit serve dns --zone netkit-demo/demo.zone --fault wrong-id:share=20%
        $ netkit serve dns --zone netkit-demo/demo.zone --fault truncated:type=TXT
    """
    from contextlib import ExitStack
    from functools import partial
    from time import time

    from netkit.cli.payload.dns.server import Place, Serving, check, check_sources, reloading, tell_findings
    from netkit.dns.authority.responder import Responder
    from netkit.dns.zones.zone_files import ZoneFiles
    from netkit.serve.lasting import lasting

    injected, script = faults.injected(run.env), faults.script(run.env)
    check(binds, how, script)
    who.check_keys(has_keys=bool(what.keys()))
    files = ZoneFiles(what.zone)
    with ExitStack() as stack:
        wanted = Events.wanted(run, events)
        keys = what.keys()
        with lasting():
            reading = files.read()
            responder = Responder(reading.zones, keys, time)
        responder.options = who.server_options()
        responder.on_query = None if wanted is None else wanted.query
        responder.transfers = out.policy(keys)
        responder.max_transfers = out.max_transfers
        place = Place(run, binds, tls, how, stack)
        check_sources(script, [sock.local_addr for sock in place.of("udp")])
        server = Serving(place, responder, how, injected, script, tls.https_path, drain)
        server.dns.notifier = out.notifier(run, keys, wanted, how.workers)
        reload = reloading(run, responder, files, what, tls, place)
        server.serve(run, binds, reload, partial(tell_findings, run, reading.findings))
