#!/bin/sh
# Format, lint and test the crates, as far as the toolchain here goes.
#
# What is absent is named and left out, because netkit is complete without Rust; with
# NETKIT_REQUIRE_RUST=1 it is an error.
set -eu
rust=$(cd "$(dirname "$0")/../rust" && pwd)

# has NAME COMMAND...: whether the command runs.
has() {
    name=$1
    shift
    "$@" >/dev/null 2>&1 && return
    printf '%s\n' "netkit: $name is not here, so that its check of the crates is left out" >&2
    [ "${NETKIT_REQUIRE_RUST:-0}" != 1 ] || exit 1
    return 1
}

has cargo cargo --version || exit 0
for crate in "$rust" "$rust/h2" "$rust/rustls"; do
    cd "$crate"
    # What a crate has without Python. Its tests need cryptography, and clippy compiles that library, which is
    # in C and takes a minute, in the profile that the wheel has compiled it in.
    kernel=--no-default-features
    profile=
    if [ "$crate" = "$rust/rustls" ]; then
        [ "${NETKIT_WITHOUT_RUSTLS:-0}" != 1 ] || continue
        kernel='--no-default-features --features aws-lc'
        profile="--profile ${SETUPTOOLS_RUST_CARGO_PROFILE:-release}"
    fi
    if has "cargo fmt" cargo fmt --version; then
        cargo fmt --check
    fi
    if has "cargo clippy" cargo clippy --version; then
        # The kernels alone as well: nothing in them may lean on the Python layer.
        # shellcheck disable=SC2086 # lists of words
        cargo clippy --quiet --locked $profile --all-targets -- --deny warnings
        # shellcheck disable=SC2086
        cargo clippy --quiet --locked $profile --all-targets $kernel -- --deny warnings
    fi
    # Without the Python layer there is no libpython to link against, which not every system has.
    # shellcheck disable=SC2086
    cargo test --quiet --locked $profile $kernel
done
