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

if "$python" -c 'import sys; from netkit import _twins; sys.exit(_twins.rust is None)'; then
    NETKIT_PURE=1 "$python" -m pytest -m 'not build and not once' "$@" || status=$?
fi
"$python" -m pytest "$@" || status=$?
exit "$status"
