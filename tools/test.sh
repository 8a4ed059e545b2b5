#!/bin/sh
# The suite over both twins: once as netkit runs, and before that once with the Python one forced.
#
#   tools/test.sh PYTHON [PYTEST ARGUMENTS]
#
# Every run is made, whatever comes of another. What builds the distribution, and what does not depend on the
# twins, is run once, with Rust. Where there are two processors and the whole suite is asked for, seven runs are
# made side by side, because much of each is waiting: each twin, and five of what is run once, those of the
# commands (in two halves), of the peers, of HTTP, and of the rest. What the others say is shown at the end.
set -eu
python=$1
shift
status=0

say() { printf '%s\n' "netkit: $*" >&2; }

# Where the time of the last whole run is kept: no estimate is right for every machine.
lasted=$(dirname "$python")/../.test-seconds
if [ $# -gt 0 ]; then
    say "running the tests that were asked for"
elif [ -s "$lasted" ]; then
    say "running all tests: the last time that took $((($(cat "$lasted") + 59) / 60)) minutes"
else
    say "running all tests: that takes about 15 minutes on two processors"
fi
begun=$(date +%s)

# None of what was asked for may depend on the twins: pytest then ends with 5.
pure() { NETKIT_PURE=1 "$python" -m pytest -m 'not build and not once' "$@" || [ $? = 5 ]; }

# Run pytest with these arguments, and let no Ctrl-C pass it by: the shell has what it starts in the background
# ignore it, and some tests send it to themselves.
behind() {
    exec "$python" -c '
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, "-m", "pytest", *sys.argv[1:]])
' "$@"
}

if ! "$python" -c 'import sys; from netkit import _twins; sys.exit(_twins.rust is None)'; then
    "$python" -m pytest "$@" || status=$?
elif [ $# -gt 0 ] || [ "$(nproc 2>/dev/null || echo 1)" -lt 2 ]; then
    pure "$@" || status=$?
    "$python" -m pytest "$@" || status=$?
else
    said=$(mktemp -d)
    trap 'rm -rf "$said"' EXIT
    (NETKIT_PURE=1 behind -m 'not build and not once') >"$said/pure" 2>&1 &
    pure=$!
    # The commands take longest: the other half are those that serve, and those of TLS and WebSockets.
    (behind -m 'build or once' tests/cli --ignore-glob='tests/cli/test_[s-z]*') >"$said/commands" 2>&1 &
    commands=$!
    (behind -m 'build or once' tests/cli --ignore-glob='tests/cli/test_[a-r]*') >"$said/servers" 2>&1 &
    servers=$!
    (behind -m 'build or once' tests/interop) >"$said/peers" 2>&1 &
    peers=$!
    # HTTP waits least, so that it has time for what builds the distribution.
    (behind -m 'build or once' tests/http tests/test_packaging.py) >"$said/http" 2>&1 &
    http=$!
    (behind -m 'build or once' --ignore=tests/cli --ignore=tests/interop --ignore=tests/test_packaging.py \
        --ignore=tests/http) >"$said/once" 2>&1 &
    once=$!
    trap 'kill "$pure" "$commands" "$servers" "$peers" "$http" "$once" 2>/dev/null; rm -rf "$said"; exit 130' \
        INT TERM
    "$python" -m pytest -m 'not build and not once' || status=$?
    ended() {
        wait "$1" || status=$?
        say "and $3:"
        cat "$said/$2"
    }
    ended "$once" once "what does not depend on the twins"
    ended "$http" http "HTTP, and what builds the distribution"
    ended "$peers" peers "the peers"
    ended "$servers" servers "the commands that serve, and those of TLS and WebSockets"
    ended "$commands" commands "the commands"
    ended "$pure" pure "with the Python twins"
fi
if [ $# -eq 0 ] && [ "$status" -eq 0 ]; then
    echo $(($(date +%s) - begun)) >"$lasted"
fi
exit "$status"
