#!/bin/sh
# Make the virtual environment, and install netkit into it.
#
#   tools/environment.sh DIRECTORY          netkit itself, editable
#   tools/environment.sh DIRECTORY dev      what its tests and checks need, besides
#   tools/environment.sh DIRECTORY install  netkit itself, for good: without this tree
#
# PYTHON names the interpreter to use; otherwise the first Python 3.11 or later that is found. The
# environment is made by the interpreter's own venv module, else by uv, so that it works on a system that
# ships Python without venv, or marks it as externally managed. pip is never run outside of it.
set -eu

directory=$1
what=${2:-netkit}
python=$directory/bin/python

say() { printf '%s\n' "netkit: $*" >&2; }

recent_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        recent_enough "$PYTHON" && echo "$PYTHON" && return
        say "PYTHON=$PYTHON is not a Python 3.11 or later"
        exit 1
    fi
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
        recent_enough "$candidate" && echo "$candidate" && return
    done
    say "no Python 3.11 or later was found; on Debian: apt-get install python3 python3-venv"
    exit 1
}

make_environment() {
    base=$(find_python)
    "$base" -m venv "$directory" >/dev/null 2>&1 && return
    # A venv module without ensurepip, as in Debian's bare python3, leaves half an environment behind.
    rm -rf "$directory"
    if command -v uv >/dev/null 2>&1; then
        uv venv --quiet --seed --python "$(command -v "$base")" "$directory" && return
    fi
    say "$base cannot make a virtual environment, and there is no uv; on Debian: apt-get install python3-venv"
    exit 1
}

[ -x "$python" ] || make_environment
pip() { "$python" -m pip --disable-pip-version-check --quiet "$@"; }

case $what in
netkit)
    say "installing into $directory"
    pip install --editable .
    ;;
install)
    say "installing into $directory"
    # shellcheck disable=SC2086 # PIP is a list of options
    pip install ${PIP:-} .
    ;;
dev)
    say "installing the tools for tests and checks into $directory"
    # The first pip that reads dependency groups.
    pip install 'pip>=25.1'
    pip install --group dev
    ;;
*)
    say "usage: tools/environment.sh DIRECTORY [dev|install]"
    exit 2
    ;;
esac
