# Everything a working copy needs is made here: `make demo` and `make test` work in a fresh clone.
#
#   make demo     netkit demo, after setting up what it needs
#   make test     the suite over both twins, with real peers where they may be installed
#   make test-all     the same on each supported Python that is here (3.11, 3.12, 3.13)
#   make check    format, lint, types, the crate, generated pages, and make test
#   make h2spec   both forms of HTTP/2 against h2spec, which Go builds
#   make autobahn the 517 cases of the Autobahn test suite against both sides of a WebSocket; builds it, for Python 2.7
#   make inspect-suites  tests of requests, HTTPie and vcrpy (httpx) with netkit's endpoints in httpbin's place
#   make browser  netkit serve http as Chromium sees it, with pictures in PICTURES (a temporary directory)
#   make peers    the programs that the interoperability tests talk to
#   make bench    the benchmarks, each beside the peer it is measured against
#   make load     what the suite does for two seconds, for ten minutes: connections idle and busy, compared byte by byte
#   make rustls-libcrux  TLS on rustls with the provider libcrux, into this working copy: experimental
#   make rustls-fips     the same with AWS-LC's FIPS module in place of AWS-LC; needs cmake, Go and a C++ compiler
#   make fuzz     coverage-guided fuzzing of both twins, for DURATION seconds (an hour)
#   make fuzz-twins    both twins fed EXAMPLES (1,000,000) mutated messages, with no difference between them
#   make fuzz-parsers  the HTTP parser beside llhttp and h11, over EXAMPLES mutated messages
#   make fuzz-servers  every server fed mutated datagrams and streams for DURATION seconds in all, and still there
#   make fuzz-tls      TLS connections whose records are damaged, over every backend: ROUNDS (1,000,000), or DURATION seconds
#   make docs     man pages, completions, schemas and the map of modules, from what the code says of itself
#   make install  netkit with its manual pages and completions, below PREFIX (/usr/local)
#   make clean    remove what was built
#
# PYTHON=python3.13 chooses the interpreter, VENV=DIRECTORY the environment, ARGS="-k dns" goes to pytest.

PYTHON ?=
VENV   ?= .venv
ARGS   ?=
DURATION ?= 3600
EXAMPLES ?= 1000000
ROUNDS ?= 1000000
PREFIX ?= /usr/local
PICTURES ?= $(or $(TMPDIR),/tmp)/netkit-pictures
export PYTHON

python := $(VENV)/bin/python
# What is compiled or installed; every other file is read where it lies.
installed_from := pyproject.toml setup.py $(wildcard $(foreach crate,rust rust/h2 rust/rustls,$(crate)/Cargo.* $(crate)/src/*.rs $(crate)/src/*/*.rs))

# One line: whether the hot functions are in Rust or in Python, and why.
twins := $(VENV)/bin/netkit version --plain | awk -F '\t' '$$1 == "twins" { print "netkit: twins: " $$2 }' >&2

.PHONY: demo test test-all check lint types rust generated peers h2spec autobahn tls-table rustls-libcrux rustls-fips inspect-suites browser bench load fuzz fuzz-twins fuzz-parsers fuzz-servers fuzz-tls docs install clean
.NOTPARALLEL:

demo: $(VENV)/.netkit
	@$(VENV)/bin/netkit demo
	@$(twins)

test: $(VENV)/.dev
	@tools/peers.sh
	@tools/test.sh $(python) $(ARGS)

test-all:
	@tools/peers.sh
	@tools/test-all.sh $(ARGS)

check: lint types rust generated test

lint: $(VENV)/.dev
	$(python) -m ruff format --check .
	$(python) -m ruff check .

types: $(VENV)/.dev
	$(python) -m mypy

rust:
	tools/rust.sh

generated: $(VENV)/.netkit
	$(python) -m netkit.cli.pages.generate --check
	$(python) tools/architecture.py --check
	$(python) tools/inspect_page.py --check

peers:
	@tools/peers.sh

h2spec: $(VENV)/.dev
	NETKIT_REQUIRE_PEERS=1 $(python) -m pytest tests/interop/test_h2spec.py $(ARGS)

autobahn: $(VENV)/.dev
	@PYTHON=$(abspath $(python)) tools/autobahn.sh >/dev/null
	NETKIT_AUTOBAHN=all NETKIT_REQUIRE_AUTOBAHN=1 $(python) -m pytest tests/interop/test_autobahn.py $(ARGS)

inspect-suites: $(VENV)/.dev
	$(python) tools/inspect_suites.py $(ARGS)

browser: $(VENV)/.dev
	@tools/peers.sh chromium:chromium chromedriver:chromium-driver
	NETKIT_BROWSER=$(abspath $(PICTURES)) $(python) -m pytest tests/interop/test_browser.py tests/cli/test_ws_server.py::TestOtherRequests::test_a_browser_connects_back $(ARGS)
	@echo "netkit: the pictures are in $(abspath $(PICTURES))"

bench: $(VENV)/.dev
	@for benchmark in benchmarks/*.py; do echo "== $$benchmark"; $(python) $$benchmark || exit 1; done

load: $(VENV)/.dev
	NETKIT_LOAD_SECONDS=600 $(python) -m pytest tests/load

tls-table: $(VENV)/.dev
	$(python) -m tests.tls.conformance.table

# Over what an earlier build left; `make clean` and the next build are the usual extension again.
rustls-libcrux rustls-fips: rustls-%: $(VENV)/.netkit
	NETKIT_RUSTLS_FEATURES=$* NETKIT_REQUIRE_RUSTLS=1 NETKIT_WITHOUT_RUSTLS=0 tools/environment.sh $(VENV)
	@$(VENV)/bin/netkit version --plain | grep '^TLS rustls'

fuzz: $(VENV)/.dev
	@tools/fuzz.sh $(abspath $(python)) $(DURATION)

fuzz-twins: $(VENV)/.dev
	NETKIT_REQUIRE_RUST=1 NETKIT_EXAMPLES=$(EXAMPLES) $(python) -m pytest --timeout=0 tests/http/test_agreement.py $(ARGS)

fuzz-parsers: $(VENV)/.dev
	NETKIT_EXAMPLES=$(EXAMPLES) $(python) -m pytest tests/interop/test_http_parsers.py $(ARGS)

fuzz-servers: $(VENV)/.dev
	NETKIT_FUZZ_SECONDS=$$(( $(DURATION) / 7 )) $(python) -m pytest tests/fuzz $(ARGS)

fuzz-tls: $(VENV)/.dev
	$(python) -m tests.tls.damage --rounds $(ROUNDS) --seconds $(DURATION) $(ARGS)

docs: $(VENV)/.netkit
	$(python) -m netkit.cli.pages.generate
	$(python) tools/architecture.py
	$(python) tools/inspect_page.py

# An environment of its own; what a system looks for elsewhere is linked, or copied, to where it looks.
install:
	@tools/environment.sh $(abspath $(PREFIX))/lib/netkit install
	@tools/install.sh $(abspath $(PREFIX))

clean:
	rm -rf build dist ./*.egg-info rust/target rust/h2/target rust/rustls/target fuzz/target fuzz/artifacts netkit/_rust*.so netkit/_h2*.so netkit/_rustls*.so netkit/_build_note.py
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -f $(VENV)/.netkit $(VENV)/.dev

# The stamps: made anew when what they were made from changes.
$(VENV)/.netkit: $(installed_from) tools/environment.sh
	@tools/environment.sh $(VENV)
	@$(twins)
	@touch $@

$(VENV)/.dev: $(VENV)/.netkit pyproject.toml
	@tools/environment.sh $(VENV) dev
	@touch $@
