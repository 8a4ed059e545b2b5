#!/bin/sh
# The suite, over both twins, on every supported Python that is here: on PATH, or installed by pyenv.
#
#   tools/test-all.sh [PYTEST ARGUMENTS]
#
# Each Python gets an environment of its own, .venvs/VERSION, which stays for the next time. All are run,
# whatever comes of the first; the last lines say how each ended. A Python that is absent is named and left
# out; with NETKIT_REQUIRE_PYTHONS=1 it is an error.
set -eu
cd "$(dirname "$0")/.."
versions='3.11 3.12 3.13'

say() { printf '%s\n' "netkit: $*" >&2; }

# is VERSION COMMAND: whether the command runs, and is that Python. pyenv's shims may do neither.
is() { "$2" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" >/dev/null 2>&1; }

# The interpreter of a version; nothing where there is none.
find_python() {
    if is "$1" "python$1"; then
        command -v "python$1"
        return
    fi
    for found in "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/"python$1"; do
        if is "$1" "$found"; then
            echo "$found"
            return
        fi
    done
}

ended=
absent=
status=0
for version in $versions; do
    python=$(find_python "$version")
    if [ -z "$python" ]; then
        absent="$absent $version"
        continue
    fi
    say "the suite on Python $version ($python)"
    environment=.venvs/$version
    if make --no-print-directory PYTHON="$python" VENV="$environment" "$environment/.dev" &&
        tools/test.sh "$environment/bin/python" "$@"; then
        ended="$ended $version passed,"
    else
        ended="$ended $version FAILED,"
        status=1
    fi
done

if [ -z "$ended" ]; then
    say "none of these Pythons is here:$absent"
    exit 1
fi
say "the suite on each Python:${ended%,}${absent:+; absent:$absent}"
if [ -n "$absent" ] && [ "${NETKIT_REQUIRE_PYTHONS:-0}" = 1 ]; then
    status=1
fi
exit "$status"
