#!/bin/sh
# Coverage-guided fuzzing of the HTTP parsers and of reading DNS messages: the Rust kernels by cargo-fuzz, the
# Python twins, with the Rust ones beside them, by atheris; and by atheris reading TLS hellos, and the dialogues
# that ask for TLS. All at once.
#
#   tools/fuzz.sh PYTHON SECONDS
#
# A fuzzer whose tool is absent is named and left out; with NETKIT_REQUIRE_FUZZ=1 that is an error. What they
# learn is kept in fuzz/corpus, what they find in fuzz/artifacts.
set -eu
python=$1
seconds=$2
cd "$(dirname "$0")/.."
PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
export PYTHONPATH
status=0
started=

say() { printf '%s\n' "netkit: $*" >&2; }

absent() {
    say "$1, so that its fuzzers are left out"
    [ "${NETKIT_REQUIRE_FUZZ:-0}" != 1 ] || exit 1
}

# cargo-fuzz looks for the crate that it fuzzes, and only then for its own.
cargo_fuzz() { (cd rust && exec cargo +nightly fuzz "$@"); }

# begin NAME COMMAND...: a fuzzer in the background, its words in fuzz/artifacts/NAME.log.
begin() {
    name=$1
    shift
    "$@" >"fuzz/artifacts/$name.log" 2>&1 &
    started="$started $!:$name"
}

mkdir -p fuzz/artifacts/http_twins fuzz/artifacts/dns_twins fuzz/artifacts/tls_hello fuzz/artifacts/starttls
trap 'for one in $started; do kill "${one%%:*}" 2>/dev/null || true; done' INT TERM
"$python" fuzz/seeds.py fuzz/corpus
options="-max_total_time=$seconds -max_len=1500 -timeout=20 -print_final_stats=1"

if cargo_fuzz --version >/dev/null 2>&1; then
    cargo_fuzz build --fuzz-dir ../fuzz >&2
    for target in http_head http_chunked; do
        # shellcheck disable=SC2086 # a list of words
        begin "$target" cargo_fuzz run --fuzz-dir ../fuzz "$target" -- $options -dict=../fuzz/http.dict
    done
    # shellcheck disable=SC2086
    begin dns_message cargo_fuzz run --fuzz-dir ../fuzz dns_message -- $options
else
    absent "there is no cargo-fuzz with a nightly toolchain (cargo install cargo-fuzz)"
fi
if "$python" -c 'import atheris' 2>/dev/null; then
    # shellcheck disable=SC2086
    begin http_twins "$python" fuzz/http_twins.py $options -dict=fuzz/http.dict \
        -artifact_prefix=fuzz/artifacts/http_twins/ fuzz/corpus/http_twins
    # shellcheck disable=SC2086
    begin dns_twins "$python" fuzz/dns_twins.py $options \
        -artifact_prefix=fuzz/artifacts/dns_twins/ fuzz/corpus/dns_twins
    # shellcheck disable=SC2086
    begin tls_hello "$python" fuzz/tls_hello.py $options \
        -artifact_prefix=fuzz/artifacts/tls_hello/ fuzz/corpus/tls_hello
    # shellcheck disable=SC2086
    begin starttls "$python" fuzz/starttls.py $options \
        -artifact_prefix=fuzz/artifacts/starttls/ fuzz/corpus/starttls
else
    absent "atheris is not installed (pip install atheris)"
fi
for one in $started; do
    if wait "${one%%:*}"; then
        say "${one#*:}: nothing found in $seconds s"
    else
        say "${one#*:}: FOUND SOMETHING, or failed; the end of fuzz/artifacts/${one#*:}.log:"
        tail -n 25 "fuzz/artifacts/${one#*:}.log" >&2
        status=1
    fi
    grep -E 'number_of_executed_units|cov: ' "fuzz/artifacts/${one#*:}.log" | tail -n 2 >&2 || true
done
exit "$status"
