#!/bin/sh
# Build h2spec, which tests servers of HTTP/2, and print where it is.
#
# It is written in Go, and installed by Go's own tools into build/h2spec of this tree, once. Without Go, the
# reason is said, and the exit code is 1; tests/interop/test_h2spec.py is then skipped.
set -eu
cd "$(dirname "$0")/.."

# The last release; the tests know how many cases it has.
version=v2.2.1+incompatible
home=$PWD/build/h2spec

say() { printf '%s\n' "netkit: $*" >&2; }

if [ ! -x "$home/h2spec" ]; then
    if ! command -v go >/dev/null 2>&1; then
        say "there is no Go to build h2spec with; on Debian: apt-get install golang-go"
        exit 1
    fi
    say "building h2spec $version"
    if ! GOBIN="$home" GOFLAGS=-mod=mod go install "github.com/summerwind/h2spec/cmd/h2spec@$version" >&2; then
        say "h2spec could not be built"
        exit 1
    fi
fi
printf '%s\n' "$home/h2spec"
