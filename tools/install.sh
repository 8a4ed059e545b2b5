#!/bin/sh
# Make what `make install` installed in PREFIX/lib/netkit reachable below PREFIX itself.
#
#   tools/install.sh PREFIX
set -eu

prefix=$1
home=$prefix/lib/netkit

mkdir -p "$prefix/bin"
ln -sf ../lib/netkit/bin/netkit "$prefix/bin/netkit"
for place in man/man1 bash-completion/completions zsh/site-functions fish/vendor_completions.d; do
    mkdir -p "$prefix/share/$place"
    cp "$home/share/$place/"*netkit* "$prefix/share/$place/"
done
printf '%s\n' "netkit: installed: $prefix/bin/netkit" >&2
