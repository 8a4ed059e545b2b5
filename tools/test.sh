#!/bin/sh
# The suite over both twins: once as netkit runs, and before that once with the Python one forced.
#
#   tools/test.sh PYTHON [PYTEST ARGUMENTS]
#
# Both runs are made, whatever comes of the first. What builds the distribution is the same for both, and
# is left to the second.
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

if "$python" -c 'import sys; from netkit import _twins; sys.exit(_twins.rust is None)'; then
    NETKIT_PURE=1 "$python" -m pytest -m 'not build and not once' "$@" || status=$?
fi
"$python" -m pytest "$@" || status=$?
if [ $# -eq 0 ] && [ "$status" -eq 0 ]; then
    echo $(($(date +%s) - begun)) >"$lasted"
fi
exit "$status"
