# bash completion for netkit
# Made from the commands' own declarations by `make docs`: do not edit.

_netkit() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local place= options= words= positional= takes=none colon= i IFS=$' \t\n'
    local services='domain domain-s echo ftp http https imap imaps ldap ldaps mysql ntp pop3 pop3s postgresql smtp ssh submission submissions'
    # `--color=al` arrives as three words, and so does `localhost:ht`.
    if [[ $cur == = ]]; then
        cur=
    elif [[ $prev == = && COMP_CWORD -gt 1 ]]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    elif [[ $cur == : ]]; then
        cur= colon=1
    elif [[ $prev == : ]]; then
        colon=1
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "$place/${COMP_WORDS[i]}" in
            '/dig' | '/resolve' | '/tls' | '/tcp' | '/udp' | '/unix' | '/range' | '/link' | '/http' | '/serve' | '/demo' | '/version' | '/schema' | 'tls/probe' | 'tcp/connect' | 'tcp/listen' | 'tcp/ping' | 'tcp/scan' | 'tcp/echo' | 'udp/send' | 'udp/listen' | 'udp/ping' | 'udp/echo' | 'unix/connect' | 'unix/listen' | 'http/parse' | 'http/negotiate' | 'serve/echo' | 'serve/dns') place="${place:+$place }${COMP_WORDS[i]}" ;;
        esac
    done
    case $place in
        '')
            options='-V --version -h --help'
            words='dig resolve tls tcp udp unix range link http serve demo version schema help'
            ;;
        'tls')
            options='-h --help'
            words='probe help'
            ;;
        'tcp')
            options='-h --help'
            words='connect listen ping scan echo help'
            ;;
        'udp')
            options='-h --help'
            words='send listen ping echo help'
            ;;
        'unix')
            options='-h --help'
            words='connect listen help'
            ;;
        'http')
            options='-h --help'
            words='parse negotiate help'
            ;;
        'serve')
            options='-h --help'
            words='echo dns help'
            ;;
        'dig')
            options='--server -p --port -t --type -c --class -q --name -x --reverse -b --source -4 -6 --timeout --all --no-all --question --no-question --answer --no-answer --authority --no-authority --additional --no-additional --comments --no-comments --stats --no-stats --show-ttl --no-show-ttl --show-class --no-show-class --tcp --no-tcp --ignore --no-ignore --recurse --no-recurse --ad --no-ad --cd --no-cd --dnssec --no-dnssec --edns --no-edns --bufsize --nsid --no-nsid --subnet --no-subnet --cookie --no-cookie --time --tries -v -f --file --concurrency --rate --ordered --resume --json --plain --short --color --output --verbose --quiet -h --help'
            words='+tcp +notcp +ignore +noignore +recurse +norecurse +ad +noad +cd +nocd +dnssec +nodnssec +edns +edns= +noedns +bufsize= +nsid +nonsid +subnet= +nosubnet +cookie +cookie= +nocookie +time= +tries= +retry= +short +all +noall +question +noquestion +answer +noanswer +authority +noauthority +additional +noadditional +comments +nocomments +stats +nostats +ttlid +nottlid +class +noclass A A6 AAAA AFSDB AMTRELAY ANY APL ATMA AVC BRID CAA CDNSKEY CDS CERT CLA CNAME CSYNC DHCID DLV DNAME DNSKEY DOA DS DSYNC EID EUI48 EUI64 GID GPOS HHIT HINFO HIP HTTPS IPN IPSECKEY ISDN KEY KX L32 L64 LOC LP MAILA MAILB MB MD MF MG MINFO MR MX NAPTR NID NIMLOC NINFO NS NSAP NSAP-PTR NSEC NSEC3 NSEC3PARAM NULL NXNAME NXT OPENPGPKEY PTR PX RESINFO RKEY RP RRSIG RT SIG SINK SMIMEA SOA SPF SRV SSHFP SVCB TA TALINK TKEY TLSA TXT UID UINFO UNSPEC URI WALLET WKS X25 ZONEMD'
            positional=host
            case $prev in
                --server) takes='host' ;;
                -p | --port) takes='words domain domain-s echo ftp http https imap imaps ldap ldaps mysql ntp pop3 pop3s postgresql smtp ssh submission submissions' ;;
                -t | --type) takes='words A A6 AAAA AFSDB AMTRELAY ANY APL ATMA AVC BRID CAA CDNSKEY CDS CERT CLA CNAME CSYNC DHCID DLV DNAME DNSKEY DOA DS DSYNC EID EUI48 EUI64 GID GPOS HHIT HINFO HIP HTTPS IPN IPSECKEY ISDN KEY KX L32 L64 LOC LP MAILA MAILB MB MD MF MG MINFO MR MX NAPTR NID NIMLOC NINFO NS NSAP NSAP-PTR NSEC NSEC3 NSEC3PARAM NULL NXNAME NXT OPENPGPKEY PTR PX RESINFO RKEY RP RRSIG RT SIG SINK SMIMEA SOA SPF SRV SSHFP SVCB TA TALINK TKEY TLSA TXT UID UINFO UNSPEC URI WALLET WKS X25 ZONEMD' ;;
                -c | --class) takes='words ANY CH CHAOS HESIOD HS IN' ;;
                -q | --name | -x | --reverse | -b | --source | --timeout | --bufsize | --subnet | --time | --tries | --concurrency | --rate) takes='value' ;;
                -f | --file | --resume | --output) takes='file' ;;
                --color) takes='words auto always never' ;;
            esac
            ;;
        'resolve')
            options='-f --file --concurrency --rate --ordered --resume -x -4 -6 --server --system --hosts --resolv-conf --nsswitch --timeout --tries --json --plain --short --color -o --output -v --verbose -q --quiet -h --help'
            positional=endpoint
            case $prev in
                -f | --file | --resume | --hosts | --resolv-conf | --nsswitch | -o | --output) takes='file' ;;
                --concurrency | --rate | --server | --timeout | --tries) takes='value' ;;
                --color) takes='words auto always never' ;;
            esac
            ;;
        'tls probe')
            options='-f --file --concurrency --rate --ordered --resume --servername --alpn --min-version --max-version --ca --insecure --warn-days --all-names --pem -4 -6 --source --timeout --json --plain --short --color -o --output -v --verbose -q --quiet -h --help'
            positional=endpoint
            case $prev in
                -f | --file | --resume | --ca | -o | --output) takes='file' ;;
                --concurrency | --rate | --servername | --alpn | --warn-days | --source | --timeout) takes='value' ;;
                --min-version | --max-version) takes='words 1.0 1.1 1.2 1.3' ;;
                --color) takes='words auto always never' ;;
            esac
            ;;
        'tcp connect')
            options='--timeout -4 -6 --source --proxy --proxy-protocol --keepalive --tls --servername --alpn --ca --insecure --crlf --hexdump --transcript --send-only --recv-only --on-eof -N --idle-timeout --json --color -o --output -v --verbose -q --quiet -h --help'
            positional=endpoint
            case $prev in
                --timeout | --source | --proxy | --keepalive | --servername | --alpn | --idle-timeout) takes='value' ;;
                --proxy-protocol) takes='words v1 v2' ;;
                --ca | --transcript | -o | --output) takes='file' ;;
                --on-eof) takes='words half-close keep close' ;;
                --color) takes='words auto always never' ;;
            esac
            ;;
        'tcp listen')
            options='-k --keep --max-conns --exec --timeout --allow --deny --proxy-protocol --keepalive --tls --cert --key --alpn --write-ca --drain --crlf --hexdump --transcript --send-only --recv-only --on-eof -N --end-with-peer --idle-timeout --json --color -o --output -v --verbose -q --quiet -h --help'
            case $prev in
                --max-conns | --exec | --timeout | --allow | --deny | --keepalive | --alpn | --drain | --idle-timeout) takes='value' ;;
                --cert | --key | --write-ca | --transcript | -o | --output) takes='file' ;;
                --on-eof) takes='words half-close keep close' ;;
                --color) takes='words auto always never' ;;
            esac
            ;;
        'tcp ping')
            options='-f --file --echo --size -c --count -i --interval --timeout -4 -6 --source --json --plain --short --color -o --output -v --verbose -q --quiet -h --help'
            positional=endpoint
            case $prev in
                -f | --file | -o | --output) takes='file' ;;
                --size | -c | --count | -i | --interval | --timeout | --source) takes='value' ;;
                --color) takes='words auto always never' ;;
            esac
            ;;
        'tcp scan')
            options='-f --file --all --banners --banner-timeout --timeout --concurrency --rate -4 -6 --source --json --plain --short --color -o --output -v --verbose -q --quiet -h --help'
            words='domain domain-s echo ftp http https imap imaps ldap ldaps mysql ntp pop3 pop3s postgresql smtp ssh submission submissions'
            positional=host
            case $prev in
                -f | --file | -o | --output) takes='file' ;;
                --banner-timeout | --timeout | --concurrency | --rate | --source) takes='value' ;;
                --color) takes='words auto always never' ;;
            esac
            ;;
        'udp send')
            options='--data --hex -f --file --lines --count --interval --wait --replies --broadcast --ttl --interface --hexdump -4 -6 --source --json --color -o --output -v --verbose -q --quiet -h --help'
            positional=endpoint
            case $prev in
                --data | --hex | --count | --interval | --wait | --replies | --timeout | --ttl | --interface | --source) takes='value' ;;
                -f | --file | -o | --output) takes='file' ;;
                --color) takes='words auto always never' ;;
            esac
            ;;
        'udp listen')
            options='--count --idle-timeout --join --interface --reply --reuse --hexdump --json --color -o --output -v --verbose -q --quiet -h --help'
            case $prev in
                --count | --idle-timeout | --join | --interface | --reply) takes='value' ;;
                --color) takes='words auto always never' ;;
                -o | --output) takes='file' ;;
            esac
            ;;
        'udp ping')
            options='-f --file --size -c --count -i --interval --timeout -4 -6 --source --json --plain --short --color -o --output -v --verbose -q --quiet -h --help'
            positional=endpoint
            case $prev in
                -f | --file | -o | --output) takes='file' ;;
                --size | -c | --count | -i | --interval | --timeout | --source) takes='value' ;;
                --color) takes='words auto always never' ;;
            esac
            ;;
        'unix connect')
            options='--timeout --tls --servername --alpn --ca --insecure --crlf --hexdump --transcript --send-only --recv-only --on-eof -N --end-with-peer --idle-timeout --json --color -o --output -v --verbose -q --quiet -h --help'
            positional=file
            case $prev in
                --timeout | --servername | --alpn | --idle-timeout) takes='value' ;;
                --ca | --transcript | -o | --output) takes='file' ;;
                --on-eof) takes='words half-close keep close' ;;
                --color) takes='words auto always never' ;;
            esac
            ;;
        'unix listen')
            options='-k --keep --max-conns --exec --timeout --mode --tls --cert --key --alpn --write-ca --drain --crlf --hexdump --transcript --send-only --recv-only --on-eof -N --end-with-peer --idle-timeout --json --color -o --output -v --verbose -q --quiet -h --help'
            positional=file
            case $prev in
                --max-conns | --exec | --timeout | --mode | --alpn | --drain | --idle-timeout) takes='value' ;;
                --cert | --key | --write-ca | --transcript | -o | --output) takes='file' ;;
                --on-eof) takes='words half-close keep close' ;;
                --color) takes='words auto always never' ;;
            esac
            ;;
        'range')
            options='-f --file --concurrency --rate --ordered --resume --length --gap --content-type --boundary --json --plain --short --color -o --output -v --verbose -q --quiet -h --help'
            case $prev in
                -f | --file | --resume | -o | --output) takes='file' ;;
                --concurrency | --rate | --length | --gap | --content-type | --boundary) takes='value' ;;
                --color) takes='words auto always never' ;;
            esac
            ;;
        'link')
            options='-f --file --concurrency --rate --ordered --resume --rel --base --anchored --json --plain --short --color -o --output -v --verbose -q --quiet -h --help'
            case $prev in
                -f | --file | --resume | -o | --output) takes='file' ;;
                --concurrency | --rate | --rel | --base) takes='value' ;;
                --color) takes='words auto always never' ;;
            esac
            ;;
        'http parse')
            options='--request --response --request-method --lenient --limit --strict --hexdump --json --plain --short --color -o --output -v --verbose -q --quiet -h --help'
            positional=file
            case $prev in
                --request-method | --limit) takes='value' ;;
                --lenient) takes='words bare-lf obs-fold space-before-colon content-length transfer-encoding version unknown-method non-ascii-target missing-reason chunk-space cl-te until-close' ;;
                --color) takes='words auto always never' ;;
                -o | --output) takes='file' ;;
            esac
            ;;
        'http negotiate')
            options='-f --file --concurrency --rate --ordered --resume --offer --field --json --plain --short --color -o --output -v --verbose -q --quiet -h --help'
            case $prev in
                -f | --file | --resume | -o | --output) takes='file' ;;
                --concurrency | --rate | --offer) takes='value' ;;
                --field) takes='words media encoding language charset' ;;
                --color) takes='words auto always never' ;;
            esac
            ;;
        'serve echo')
            options='--tcp --udp --tls --cert --key --alpn --write-ca --workers --max-conns --idle-timeout --stall-timeout --control --upgrade --drain --events --delay --drop --reset-after --throttle --corrupt --seed --json --plain --short --color -o --output -v --verbose -q --quiet -h --help'
            case $prev in
                --cert | --key | --write-ca | --control | -o | --output) takes='file' ;;
                --alpn | --workers | --max-conns | --idle-timeout | --stall-timeout | --drain | --delay | --drop | --reset-after | --throttle | --corrupt | --seed) takes='value' ;;
                --color) takes='words auto always never' ;;
            esac
            ;;
        'tcp echo')
            options='--tls --cert --key --alpn --write-ca --workers --max-conns --idle-timeout --stall-timeout --control --upgrade --drain --events --delay --drop --reset-after --throttle --corrupt --seed --json --plain --short --color -o --output -v --verbose -q --quiet -h --help'
            case $prev in
                --cert | --key | --write-ca | --control | -o | --output) takes='file' ;;
                --alpn | --workers | --max-conns | --idle-timeout | --stall-timeout | --drain | --delay | --drop | --reset-after | --throttle | --corrupt | --seed) takes='value' ;;
                --color) takes='words auto always never' ;;
            esac
            ;;
        'udp echo')
            options='--workers --max-conns --idle-timeout --stall-timeout --control --upgrade --drain --events --delay --drop --reset-after --throttle --corrupt --seed --json --plain --short --color -o --output -v --verbose -q --quiet -h --help'
            case $prev in
                --workers | --max-conns | --idle-timeout | --stall-timeout | --drain | --delay | --drop | --reset-after | --throttle | --corrupt | --seed) takes='value' ;;
                --control | -o | --output) takes='file' ;;
                --color) takes='words auto always never' ;;
            esac
            ;;
        'serve dns')
            options='--zone --drain --events --delay --drop --reset-after --throttle --corrupt --seed --json --plain --short --color -o --output -v --verbose -q --quiet -h --help'
            case $prev in
                --zone | -o | --output) takes='file' ;;
                --drain | --delay | --drop | --reset-after | --throttle | --corrupt | --seed) takes='value' ;;
                --color) takes='words auto always never' ;;
            esac
            ;;
        'demo')
            options='--keep --json --plain --color -o --output -v --verbose -q --quiet -h --help'
            case $prev in
                --color) takes='words auto always never' ;;
                -o | --output) takes='file' ;;
            esac
            ;;
        'version')
            options='--json --plain --short --color -o --output -v --verbose -q --quiet -h --help'
            case $prev in
                --color) takes='words auto always never' ;;
                -o | --output) takes='file' ;;
            esac
            ;;
        'schema')
            options='--json --plain --short --color -o --output -v --verbose -q --quiet -h --help'
            words='dig resolve tls.probe tcp.connect tcp.listen tcp.ping tcp.scan udp.send udp.listen udp.ping unix.connect unix.listen range link http.parse http.negotiate serve.echo tcp.echo udp.echo serve.dns demo version schema'
            case $prev in
                --color) takes='words auto always never' ;;
                -o | --output) takes='file' ;;
            esac
            ;;
    esac
    COMPREPLY=()
    case $takes in
        value) return ;;
        file) _netkit_files "$cur" ;;
        host) COMPREPLY=($(compgen -A hostname -- "$cur")) ;;
        endpoint) _netkit_endpoint "$cur" "$colon" ;;
        words*) COMPREPLY=($(compgen -W "${takes#words }" -- "$cur")) ;;
        *)
            if [[ $cur == -* ]]; then
                COMPREPLY=($(compgen -W "$options" -- "$cur"))
                return
            fi
            COMPREPLY=($(compgen -W "$words" -- "$cur"))
            if [[ $positional == file && ${#COMPREPLY[@]} -eq 0 ]]; then
                _netkit_files "$cur"
            elif [[ $positional == endpoint ]]; then
                _netkit_endpoint "$cur" "$colon"
            elif [[ $positional == host && $cur != [+@]* ]]; then
                COMPREPLY+=($(compgen -A hostname -- "$cur"))
            fi
            [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
            ;;
    esac
    return 0
}

# A host, or after its colon a service; `services` is the caller's.
_netkit_endpoint() {
    if [[ -n $2 ]]; then
        COMPREPLY=($(compgen -W "$services" -- "$1"))
    elif [[ $1 == *:* ]]; then
        COMPREPLY=($(compgen -P "${1%:*}:" -W "$services" -- "${1##*:}"))
    else
        COMPREPLY=($(compgen -A hostname -- "$1"))
    fi
}

_netkit_files() {
    local IFS=$'\n'
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen -f -- "$1"))
}

complete -F _netkit netkit
