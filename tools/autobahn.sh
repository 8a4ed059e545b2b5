#!/bin/sh
# Build the Autobahn test suite, which tests WebSockets, and print where its program is.
#
# It is for Python 2.7 alone, and some of what it needs is compiled. It goes into build/autobahn of this tree,
# once, in about half a minute; `make autobahn` and .ci/run build it, no test does. With --look it is only
# looked for. Without Python 2.7 the reason is said, and the exit code is 1.
set -eu
cd "$(dirname "$0")/.."

suite=autobahntestsuite==25.10.1
# The last that makes environments for Python 2.7.
virtualenv=virtualenv==20.21.1
home=$PWD/build/autobahn

say() { printf '%s\n' "netkit: $*" >&2; }

python2() {
    for each in python2.7 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7*/bin/python2.7; do
        if found=$(command -v "$each" 2>/dev/null) && "$found" -c 'import ssl, zlib' 2>/dev/null; then
            printf '%s\n' "$found"
            return
        fi
    done
    return 1
}

if [ ! -e "$home/complete" ]; then
    if [ "${1:-}" = --look ]; then
        say "the Autobahn test suite is not built (make autobahn)"
        exit 1
    fi
    if ! old=$(python2); then
        say "there is no Python 2.7 for the Autobahn test suite; pyenv installs one: pyenv install 2.7.18"
        exit 1
    fi
    say "building $suite"
    rm -rf "$home"
    "${PYTHON:-python3}" -m venv "$home/maker" >&2
    "$home/maker/bin/pip" install --quiet "$virtualenv" >&2
    "$home/maker/bin/virtualenv" --quiet --python "$old" "$home/suite" >&2
    if ! "$home/suite/bin/pip" install --quiet "$suite" >&2; then
        say "the Autobahn test suite could not be built; it needs a C compiler, and libffi-dev"
        exit 1
    fi
    : >"$home/complete"
fi
printf '%s\n' "$home/suite/bin/wstest"
