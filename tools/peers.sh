#!/bin/sh
# Install the programs that the interoperability tests talk to, where that is allowed; name those absent.
#
# Installing takes root and apt-get. Anywhere else this only says what is missing, and how to get it; the
# tests that need it are then skipped. With NETKIT_REQUIRE_PEERS=1 something missing is an error.
set -eu

# program:package. A package's services are not started: the tests run the programs themselves.
peers='
nsd:nsd knotd:knot kdig:knot-dnsutils kzonecheck:knot-dnssecutils dig:bind9-dnsutils drill:ldnsutils named:bind9 named-checkzone:bind9-utils unbound:unbound dnsdist:dnsdist
brotli:brotli nginx:nginx-light gnutls-serv:gnutls-bin openssl:openssl curl:curl
socat:socat h2load:nghttp2-client ncat:ncat iperf3:iperf3 microsocks:microsocks tinyproxy:tinyproxy-bin haproxy:haproxy h2o:h2o node:nodejs npm:npm go:golang-go ip:iproute2 systemd-socket-activate:systemd systemd-notify:systemd tmux:tmux
wrk:wrk ab:apache2-utils
mandoc:mandoc zsh:zsh fish:fish jq:jq
postconf:postfix dovecot:dovecot-core imap:dovecot-imapd pop3:dovecot-pop3d lmtp:dovecot-lmtpd managesieve:dovecot-managesieved slapd:slapd initdb:postgresql mariadbd:mariadb-server-core vsftpd:vsftpd nnrpd:inn2 prosody:prosody inspircd:inspircd
'
# Others can be named, in the same form.
[ $# = 0 ] || peers=$*
PATH=$PATH:/usr/sbin:/sbin:/usr/lib/dovecot:/usr/lib/news/bin
policy=/usr/sbin/policy-rc.d

say() { printf '%s\n' "netkit: $*" >&2; }

# The packages of the programs that are not there.
absent() {
    for folder in /usr/lib/postgresql/*/bin; do PATH=$PATH:$folder; done
    for peer in $peers; do
        command -v "${peer%%:*}" >/dev/null 2>&1 || printf '%s ' "${peer#*:}"
    done
}

# Another apt-get, such as unattended-upgrades, holds its locks for minutes: wait for it.
apt_get() { apt-get --quiet=2 -o DPkg::Lock::Timeout=600 "$@"; }

# That option is for dpkg's lock; the one of the package lists fails at once. Old lists may do.
update() {
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        said=$(LC_ALL=C apt_get update 2>&1) && return
        case $said in
        *"get lock"* | *"lock directory"*) say "waiting for another apt-get" && sleep 15 ;;
        *) break ;;
        esac
    done
    printf '%s\n' "$said"
}

install() {
    # Packages ask this file before they start a service (invoke-rc.d(8)); 101 is "not allowed".
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        trap 'exit 1' INT TERM
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    update >&2
    # shellcheck disable=SC2086 # a list of words
    apt_get install --yes --no-install-recommends $1 >&2 && return
    # One package that this release does not have must not keep the others out.
    for package in $1; do
        apt_get install --yes --no-install-recommends "$package" >&2 || true
    done
}

missing=$(absent)
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    say "installing the peers of the interoperability tests: $missing"
    install "$missing"
    missing=$(absent)
fi
if [ -z "$missing" ]; then
    say "every peer of the interoperability tests is here"
    exit 0
fi
say "absent, so that their tests are skipped: $missing"
say "to install them: sudo apt-get install --no-install-recommends $missing"
[ "${NETKIT_REQUIRE_PEERS:-0}" != 1 ]
