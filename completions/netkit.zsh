#compdef netkit
# Made from the commands' own declarations by `make docs`: do not edit.

_netkit() {
    local state ret=1
    local -a commands
    _arguments -C \
        '(-V --version)'{-V,--version}'[Show the version]' \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '1: :->command' '*:: :->rest' && ret=0
    case $state in
        command)
            commands=(
                'dig:Ask name servers for records, and show the whole answer'
                'resolve:Show the addresses that this system would connect to for a name, in the order to try them'
                'tls:TLS\: probe servers, inspect certificates'
                'tcp:TCP\: connect, listen, measure'
                'udp:UDP\: send, listen, measure'
                'unix:Unix sockets'
                'range:Show which parts of a file a Range header asks for, and how a server answers'
                'link:Show the links of a Link header'
                'http:HTTP\: fetch, parse, negotiate'
                'serve:Servers for tests\: echo, DNS and more'
                'demo:Show the commands at work, against servers of its own on loopback'
                'version:Show the versions of netkit, of Python and of the libraries'
                'schema:Print the JSON Schema of a command'\''s output'
                'help:Show the help page of a command'
            )
            _describe -t commands command commands && ret=0
            ;;
        rest)
            case $words[1] in
                dig) _netkit_dig && ret=0 ;;
                resolve) _netkit_resolve && ret=0 ;;
                tls) _netkit_tls && ret=0 ;;
                tcp) _netkit_tcp && ret=0 ;;
                udp) _netkit_udp && ret=0 ;;
                unix) _netkit_unix && ret=0 ;;
                range) _netkit_range && ret=0 ;;
                link) _netkit_link && ret=0 ;;
                http) _netkit_http && ret=0 ;;
                serve) _netkit_serve && ret=0 ;;
                demo) _netkit_demo && ret=0 ;;
                version) _netkit_version && ret=0 ;;
                schema) _netkit_schema && ret=0 ;;
                help) _netkit && ret=0 ;;
            esac
            ;;
    esac
    return ret
}

_netkit_tls() {
    local state ret=1
    local -a commands
    _arguments -C \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '1: :->command' '*:: :->rest' && ret=0
    case $state in
        command)
            commands=(
                'probe:Show what a TLS server sends, and whether a client would accept it'
                'help:Show the help page of a command'
            )
            _describe -t commands command commands && ret=0
            ;;
        rest)
            case $words[1] in
                probe) _netkit_tls_probe && ret=0 ;;
                help) _netkit_tls && ret=0 ;;
            esac
            ;;
    esac
    return ret
}

_netkit_tcp() {
    local state ret=1
    local -a commands
    _arguments -C \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '1: :->command' '*:: :->rest' && ret=0
    case $state in
        command)
            commands=(
                'connect:Connect to a TCP port; send standard input, write the data that comes back'
                'listen:Wait for a TCP connection; send standard input, write what comes'
                'ping:Measure repeatedly how long connecting to a TCP port takes'
                'scan:Find the TCP ports that accept connections'
                'echo:Send back all data received over TCP (RFC 862)\: short for `netkit serve echo --tcp`'
                'help:Show the help page of a command'
            )
            _describe -t commands command commands && ret=0
            ;;
        rest)
            case $words[1] in
                connect) _netkit_tcp_connect && ret=0 ;;
                listen) _netkit_tcp_listen && ret=0 ;;
                ping) _netkit_tcp_ping && ret=0 ;;
                scan) _netkit_tcp_scan && ret=0 ;;
                echo) _netkit_tcp_echo && ret=0 ;;
                help) _netkit_tcp && ret=0 ;;
            esac
            ;;
    esac
    return ret
}

_netkit_udp() {
    local state ret=1
    local -a commands
    _arguments -C \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '1: :->command' '*:: :->rest' && ret=0
    case $state in
        command)
            commands=(
                'send:Send datagrams; write the replies'
                'listen:Receive datagrams, and write their contents'
                'ping:Measure repeatedly how long a datagram to an echo server and back takes'
                'echo:Send back every received datagram (RFC 862)\: short for `netkit serve echo --udp`'
                'help:Show the help page of a command'
            )
            _describe -t commands command commands && ret=0
            ;;
        rest)
            case $words[1] in
                send) _netkit_udp_send && ret=0 ;;
                listen) _netkit_udp_listen && ret=0 ;;
                ping) _netkit_udp_ping && ret=0 ;;
                echo) _netkit_udp_echo && ret=0 ;;
                help) _netkit_udp && ret=0 ;;
            esac
            ;;
    esac
    return ret
}

_netkit_unix() {
    local state ret=1
    local -a commands
    _arguments -C \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '1: :->command' '*:: :->rest' && ret=0
    case $state in
        command)
            commands=(
                'connect:Connect to a Unix-domain socket; send standard input, write the data that comes back'
                'listen:Wait for a connection to a Unix-domain socket; send standard input, write the data that comes'
                'help:Show the help page of a command'
            )
            _describe -t commands command commands && ret=0
            ;;
        rest)
            case $words[1] in
                connect) _netkit_unix_connect && ret=0 ;;
                listen) _netkit_unix_listen && ret=0 ;;
                help) _netkit_unix && ret=0 ;;
            esac
            ;;
    esac
    return ret
}

_netkit_http() {
    local state ret=1
    local -a commands
    _arguments -C \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '1: :->command' '*:: :->rest' && ret=0
    case $state in
        command)
            commands=(
                'parse:Show the parts of HTTP/1.1 messages, how each is framed and why, and what is wrong'
                'negotiate:Show which offer an Accept header asks for, and why'
                'help:Show the help page of a command'
            )
            _describe -t commands command commands && ret=0
            ;;
        rest)
            case $words[1] in
                parse) _netkit_http_parse && ret=0 ;;
                negotiate) _netkit_http_negotiate && ret=0 ;;
                help) _netkit_http && ret=0 ;;
            esac
            ;;
    esac
    return ret
}

_netkit_serve() {
    local state ret=1
    local -a commands
    _arguments -C \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '1: :->command' '*:: :->rest' && ret=0
    case $state in
        command)
            commands=(
                'echo:Send back everything that comes (RFC 862), over TCP, UDP, Unix-domain sockets and TLS'
                'dns:Answer for the zones of zone files, over UDP and TCP\: a small authoritative name server'
                'help:Show the help page of a command'
            )
            _describe -t commands command commands && ret=0
            ;;
        rest)
            case $words[1] in
                echo) _netkit_serve_echo && ret=0 ;;
                dns) _netkit_serve_dns && ret=0 ;;
                help) _netkit_serve && ret=0 ;;
            esac
            ;;
    esac
    return ret
}

_netkit_dig() {
    local state ret=1
    local -a flags
    _arguments -s -S \
        '*'--server='[Ask this server, an address or a name]:SERVER:_hosts' \
        '(-p --port)'{-p,--port=}'[The server'\''s port, if @SERVER has none]:PORT:(domain domain-s echo ftp http https imap imaps ldap ldaps mysql ntp pop3 pop3s postgresql smtp ssh submission submissions)' \
        '(-t --type)'{-t,--type=}'[The record type, as in MX or TYPE257]:TYPE:(A A6 AAAA AFSDB AMTRELAY ANY APL ATMA AVC BRID CAA CDNSKEY CDS CERT CLA CNAME CSYNC DHCID DLV DNAME DNSKEY DOA DS DSYNC EID EUI48 EUI64 GID GPOS HHIT HINFO HIP HTTPS IPN IPSECKEY ISDN KEY KX L32 L64 LOC LP MAILA MAILB MB MD MF MG MINFO MR MX NAPTR NID NIMLOC NINFO NS NSAP NSAP-PTR NSEC NSEC3 NSEC3PARAM NULL NXNAME NXT OPENPGPKEY PTR PX RESINFO RKEY RP RRSIG RT SIG SINK SMIMEA SOA SPF SRV SSHFP SVCB TA TALINK TKEY TLSA TXT UID UINFO UNSPEC URI WALLET WKS X25 ZONEMD)' \
        '(-c --class)'{-c,--class=}'[The class]:CLASS:(ANY CH CHAOS HESIOD HS IN)' \
        '(-q --name)'{-q,--name=}'[The name, even if it looks like a type or class]:NAME: ' \
        '(-x --reverse)'{-x,--reverse=}'[Find the names of this address]:ADDR: ' \
        '(-b --source)'{-b,--source=}'[Ask from this local address]:ADDR\[#PORT\]: ' \
        -4'[Use IPv4 only]' \
        -6'[Use IPv6 only]' \
        --timeout='[Give up after this time, for the whole operation]:SECONDS: ' \
        '(--all --no-all)'{--all,--no-all}'[Show or hide all parts that have no flag of their own on the command line]' \
        '(--question --no-question)'{--question,--no-question}'[Show the question]' \
        '(--answer --no-answer)'{--answer,--no-answer}'[Show the answer]' \
        '(--authority --no-authority)'{--authority,--no-authority}'[Show the authority section]' \
        '(--additional --no-additional)'{--additional,--no-additional}'[Show the additional section]' \
        '(--comments --no-comments)'{--comments,--no-comments}'[Show everything except records]' \
        '(--stats --no-stats)'{--stats,--no-stats}'[Show server, time and size]' \
        '(--show-ttl --no-show-ttl)'{--show-ttl,--no-show-ttl}'[Show the TTL of records]' \
        '(--show-class --no-show-class)'{--show-class,--no-show-class}'[Show the class of records]' \
        '(--tcp --no-tcp)'{--tcp,--no-tcp}'[Ask over TCP from the start, as is done for ANY]' \
        '(--ignore --no-ignore)'{--ignore,--no-ignore}'[Accept a truncated answer, instead of asking again over TCP]' \
        '(--recurse --no-recurse)'{--recurse,--no-recurse}'[Ask the server to ask other servers]' \
        '(--ad --no-ad)'{--ad,--no-ad}'[Ask whether the answer is authentic]' \
        '(--cd --no-cd)'{--cd,--no-cd}'[Ask the server not to check DNSSEC]' \
        '(--dnssec --no-dnssec)'{--dnssec,--no-dnssec}'[Ask for DNSSEC records]' \
        --edns'[The version of EDNS]' \
        --no-edns'[Ask without]' \
        --bufsize='[The largest answer over UDP, in octets]:N: ' \
        '(--nsid --no-nsid)'{--nsid,--no-nsid}'[Ask for the identifier of this server among its replicas]' \
        --subnet='[Ask on behalf of this client'\''s network]:ADDR/LEN: ' \
        --no-subnet'[Ask without]' \
        --cookie'[Send a DNS cookie, by default a random one]' \
        --no-cookie'[Ask without]' \
        --time='[How long to wait for one answer]:SECONDS: ' \
        --tries='[How often to ask each server]:N: ' \
        -v'[Show the version, as dig'\''s -v does]' \
        '(-f --file)'{-f,--file=}'[Read queries from FILE, NAME \[TYPE\] \[+flags\] a line]:FILE:_files' \
        --concurrency='[How many inputs to work on at the same time]:N: ' \
        --rate='[Begin inputs no faster than this]:N/s: ' \
        --ordered'[Write rows in the order of the inputs, not as inputs finish]' \
        --resume='[Keep a journal in FILE]:FILE:_files' \
        --json'[One JSON object a line]' \
        --plain'[Plain text without boxes, for awk]' \
        --short'[Only the bare values, one a line]' \
        --color='[Colour on a terminal, always or never]:auto|always|never:(auto always never)' \
        --output='[Write results to FILE]:FILE:_files' \
        '*'--verbose'[Show the dialogue, step by step with timings, on standard error]' \
        --quiet'[Write only results]' \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '*: :->argument' && ret=0
    if [[ $state == argument ]]; then
        flags=(
            '+tcp:Ask over TCP from the start, as is done for ANY'
            '+notcp:Ask over TCP from the start, as is done for ANY'
            '+ignore:Accept a truncated answer, instead of asking again over TCP'
            '+noignore:Accept a truncated answer, instead of asking again over TCP'
            '+recurse:Ask the server to ask other servers'
            '+norecurse:Ask the server to ask other servers'
            '+ad:Ask whether the answer is authentic'
            '+noad:Ask whether the answer is authentic'
            '+cd:Ask the server not to check DNSSEC'
            '+nocd:Ask the server not to check DNSSEC'
            '+dnssec:Ask for DNSSEC records'
            '+nodnssec:Ask for DNSSEC records'
            '+edns:The version of EDNS'
            '+edns=:The version of EDNS'
            '+noedns:The version of EDNS'
            '+bufsize=:The largest answer over UDP, in octets'
            '+nsid:Ask for the identifier of this server among its replicas'
            '+nonsid:Ask for the identifier of this server among its replicas'
            '+subnet=:Ask on behalf of this client'\''s network'
            '+nosubnet:Ask on behalf of this client'\''s network'
            '+cookie:Send a DNS cookie, by default a random one'
            '+cookie=:Send a DNS cookie, by default a random one'
            '+nocookie:Send a DNS cookie, by default a random one'
            '+time=:How long to wait for one answer'
            '+tries=:How often to ask each server'
            '+retry=:How often to ask each server again'
            '+short:Only the bare values, one a line'
            '+all:Show or hide all parts that have no flag of their own on the command line'
            '+noall:Show or hide all parts that have no flag of their own on the command line'
            '+question:Show the question'
            '+noquestion:Show the question'
            '+answer:Show the answer'
            '+noanswer:Show the answer'
            '+authority:Show the authority section'
            '+noauthority:Show the authority section'
            '+additional:Show the additional section'
            '+noadditional:Show the additional section'
            '+comments:Show everything except records'
            '+nocomments:Show everything except records'
            '+stats:Show server, time and size'
            '+nostats:Show server, time and size'
            '+ttlid:Show the TTL of records'
            '+nottlid:Show the TTL of records'
            '+class:Show the class of records'
            '+noclass:Show the class of records'
            'A'
            'A6'
            'AAAA'
            'AFSDB'
            'AMTRELAY'
            'ANY'
            'APL'
            'ATMA'
            'AVC'
            'BRID'
            'CAA'
            'CDNSKEY'
            'CDS'
            'CERT'
            'CLA'
            'CNAME'
            'CSYNC'
            'DHCID'
            'DLV'
            'DNAME'
            'DNSKEY'
            'DOA'
            'DS'
            'DSYNC'
            'EID'
            'EUI48'
            'EUI64'
            'GID'
            'GPOS'
            'HHIT'
            'HINFO'
            'HIP'
            'HTTPS'
            'IPN'
            'IPSECKEY'
            'ISDN'
            'KEY'
            'KX'
            'L32'
            'L64'
            'LOC'
            'LP'
            'MAILA'
            'MAILB'
            'MB'
            'MD'
            'MF'
            'MG'
            'MINFO'
            'MR'
            'MX'
            'NAPTR'
            'NID'
            'NIMLOC'
            'NINFO'
            'NS'
            'NSAP'
            'NSAP-PTR'
            'NSEC'
            'NSEC3'
            'NSEC3PARAM'
            'NULL'
            'NXNAME'
            'NXT'
            'OPENPGPKEY'
            'PTR'
            'PX'
            'RESINFO'
            'RKEY'
            'RP'
            'RRSIG'
            'RT'
            'SIG'
            'SINK'
            'SMIMEA'
            'SOA'
            'SPF'
            'SRV'
            'SSHFP'
            'SVCB'
            'TA'
            'TALINK'
            'TKEY'
            'TLSA'
            'TXT'
            'UID'
            'UINFO'
            'UNSPEC'
            'URI'
            'WALLET'
            'WKS'
            'X25'
            'ZONEMD'
        )
        _describe -t flags flag flags && ret=0
        _hosts && ret=0
    fi
    return ret
}

_netkit_resolve() {
    _arguments -s -S \
        '(-f --file)'{-f,--file=}'[Read inputs from FILE, a NAME\[\:PORT\] a line]:FILE:_files' \
        --concurrency='[How many inputs to work on at the same time]:N: ' \
        --rate='[Begin inputs no faster than this]:N/s: ' \
        --ordered'[Write rows in the order of the inputs, not as inputs finish]' \
        --resume='[Keep a journal in FILE]:FILE:_files' \
        -x'[Take the inputs as addresses, and find their names]' \
        -4'[Use IPv4 only]' \
        -6'[Use IPv6 only]' \
        '*'--server='[Ask this name server instead of resolv.conf'\''s]:ADDR: ' \
        --system'[Ask getaddrinfo instead, and keep its order]' \
        --hosts='[Read this hosts file instead of the system'\''s]:FILE:_files' \
        --resolv-conf='[Read this resolv.conf]:FILE:_files' \
        --nsswitch='[Read this nsswitch.conf]:FILE:_files' \
        --timeout='[Give up after this time, for the whole operation]:SECONDS: ' \
        --tries='[How often to ask each name server]:N: ' \
        --json'[One JSON object a line]' \
        --plain'[Plain text without boxes, for awk]' \
        --short'[Only the bare values, one a line]' \
        --color='[Colour on a terminal, always or never]:auto|always|never:(auto always never)' \
        '(-o --output)'{-o,--output=}'[Write results to FILE]:FILE:_files' \
        '*'-v'[Show the dialogue, step by step with timings, on standard error]' \
        '*'--verbose'[Show the dialogue, step by step with timings, on standard error]' \
        '(-q --quiet)'{-q,--quiet}'[Write only results]' \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '*: :_netkit_endpoint'
}

_netkit_tls_probe() {
    _arguments -s -S \
        '(-f --file)'{-f,--file=}'[Read inputs from FILE, a HOST\[\:PORT\] a line]:FILE:_files' \
        --concurrency='[How many inputs to work on at the same time]:N: ' \
        --rate='[Begin inputs no faster than this]:N/s: ' \
        --ordered'[Write rows in the order of the inputs, not as inputs finish]' \
        --resume='[Keep a journal in FILE]:FILE:_files' \
        --servername='[Request and check this name instead of the host'\''s]:NAME: ' \
        --alpn='[Offer these application protocols, separated by commas]:LIST: ' \
        --min-version='[Oldest TLS]:VERSION:(1.0 1.1 1.2 1.3)' \
        --max-version='[Newest TLS]:VERSION:(1.0 1.1 1.2 1.3)' \
        --ca='[Trust the certificates in FILE, not the system'\''s]:FILE:_files' \
        --insecure'[Continue even if the certificate does not verify]' \
        --warn-days='[End with 1 if a certificate expires in less than N days]:N: ' \
        --all-names'[Show all names of a certificate in the table, not the first 12 and how many more]' \
        --pem'[Print the certificates that the server sent, in PEM]' \
        -4'[Use IPv4 only]' \
        -6'[Use IPv6 only]' \
        --source='[Send from this local address]:ADDR: ' \
        --timeout='[Give up after this time, for the whole operation]:SECONDS: ' \
        --json'[One JSON object a line]' \
        --plain'[Plain text without boxes, for awk]' \
        --short'[Only the bare values, one a line]' \
        --color='[Colour on a terminal, always or never]:auto|always|never:(auto always never)' \
        '(-o --output)'{-o,--output=}'[Write results to FILE]:FILE:_files' \
        '*'-v'[Show the dialogue, step by step with timings, on standard error]' \
        '*'--verbose'[Show the dialogue, step by step with timings, on standard error]' \
        '(-q --quiet)'{-q,--quiet}'[Write only results]' \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '*: :_netkit_endpoint'
}

_netkit_tcp_connect() {
    _arguments -s -S \
        --timeout='[Give up after this time, for the whole operation]:SECONDS: ' \
        -4'[Use IPv4 only]' \
        -6'[Use IPv6 only]' \
        --source='[Send from this local address]:ADDR: ' \
        --proxy='[Connect through this proxy]:URL: ' \
        --proxy-protocol='[Begin with a PROXY protocol header that gives this connection'\''s addresses]:v1|v2:(v1 v2)' \
        --keepalive='[After each idle period of this length, probe the connection, to notice a dead peer]:SECONDS: ' \
        --tls'[Talk TLS, and verify the server]' \
        --servername='[Ask for, and verify, this name instead of the host'\''s]:NAME: ' \
        --alpn='[Offer these application protocols, separated by commas]:LIST: ' \
        --ca='[Trust the certificates in FILE, not the system'\''s]:FILE:_files' \
        --insecure'[Continue even if the certificate does not verify]' \
        --crlf'[Send each line end as CR LF]' \
        --hexdump'[Show the data of both directions on standard error, with offsets, in hexadecimal and ASCII]' \
        --transcript='[Write the data of both directions to FILE, with times, in hexadecimal and ASCII]:FILE:_files' \
        --send-only'[Discard received data, and end after standard input]' \
        --recv-only'[Do not read standard input]' \
        --on-eof='[After standard input]:half-close|keep|close:(half-close keep close)' \
        -N'[The same as --on-eof half-close, as in nc]' \
        --end-with-peer'[End when the peer has finished, even if standard input has not]' \
        --idle-timeout='[Give up if nothing is sent or received for this time]:SECONDS: ' \
        --json'[One JSON object a line]' \
        --color='[Colour on a terminal, always or never]:auto|always|never:(auto always never)' \
        '(-o --output)'{-o,--output=}'[Write results to FILE]:FILE:_files' \
        '*'-v'[Show the dialogue, step by step with timings, on standard error]' \
        '*'--verbose'[Show the dialogue, step by step with timings, on standard error]' \
        '(-q --quiet)'{-q,--quiet}'[Write only results]' \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '*: :_netkit_endpoint'
}

_netkit_tcp_listen() {
    _arguments -s -S \
        '(-k --keep)'{-k,--keep}'[Accept one connection after another, until stopped]' \
        --max-conns='[With -k]:N: ' \
        --exec='[Start COMMAND for each connection, which becomes its standard input and output]:COMMAND: ' \
        --timeout='[Give up if no connection comes in this time]:SECONDS: ' \
        '*'--allow='[Accept connections only from this network]:NETWORK: ' \
        '*'--deny='[Refuse connections from this network]:NETWORK: ' \
        --proxy-protocol'[Expect a PROXY protocol header first]' \
        --keepalive='[After each idle period of this length, probe the connection, to notice a dead peer]:SECONDS: ' \
        --tls'[Talk TLS, with a certificate made on the spot unless --cert gives one]' \
        --cert='[Send this certificate, and the chain that follows it]:FILE:_files' \
        --key='[Its private key]:FILE:_files' \
        --alpn='[Agree on one of these application protocols, separated by commas]:LIST: ' \
        --write-ca='[Write the root of the certificate made here]:FILE:_files' \
        --drain='[On SIGTERM, and for --upgrade, give connections this long to end]:SECONDS: ' \
        --crlf'[Send each line end as CR LF]' \
        --hexdump'[Show the data of both directions on standard error, with offsets, in hexadecimal and ASCII]' \
        --transcript='[Write the data of both directions to FILE, with times, in hexadecimal and ASCII]:FILE:_files' \
        --send-only'[Discard received data, and end after standard input]' \
        --recv-only'[Do not read standard input]' \
        --on-eof='[After standard input]:half-close|keep|close:(half-close keep close)' \
        -N'[The same as --on-eof half-close, as in nc]' \
        --end-with-peer'[End when the peer has finished, even if standard input has not]' \
        --idle-timeout='[Give up if nothing is sent or received for this time]:SECONDS: ' \
        --json'[One JSON object a line]' \
        --color='[Colour on a terminal, always or never]:auto|always|never:(auto always never)' \
        '(-o --output)'{-o,--output=}'[Write results to FILE]:FILE:_files' \
        '*'-v'[Show the dialogue, step by step with timings, on standard error]' \
        '*'--verbose'[Show the dialogue, step by step with timings, on standard error]' \
        '(-q --quiet)'{-q,--quiet}'[Write only results]' \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '*: : '
}

_netkit_tcp_ping() {
    _arguments -s -S \
        '(-f --file)'{-f,--file=}'[Read inputs from FILE, a HOST\:PORT a line]:FILE:_files' \
        --echo'[Send probes over one connection to an echo server, and compare the replies]' \
        --size='[Send this many bytes in each probe]:BYTES: ' \
        '(-c --count)'{-c,--count=}'[Stop after this many probes]:N: ' \
        '(-i --interval)'{-i,--interval=}'[Send a probe after each interval, even if earlier ones have no reply yet]:SECONDS: ' \
        --timeout='[How long to wait for each reply]:SECONDS: ' \
        -4'[Use IPv4 only]' \
        -6'[Use IPv6 only]' \
        --source='[Send from this local address]:ADDR: ' \
        --json'[One JSON object a line]' \
        --plain'[Plain text without boxes, for awk]' \
        --short'[Only the bare values, one a line]' \
        --color='[Colour on a terminal, always or never]:auto|always|never:(auto always never)' \
        '(-o --output)'{-o,--output=}'[Write results to FILE]:FILE:_files' \
        '*'-v'[Show the dialogue, step by step with timings, on standard error]' \
        '*'--verbose'[Show the dialogue, step by step with timings, on standard error]' \
        '(-q --quiet)'{-q,--quiet}'[Write only results]' \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '*: :_netkit_endpoint'
}

_netkit_tcp_scan() {
    local state ret=1
    local -a flags
    _arguments -s -S \
        '(-f --file)'{-f,--file=}'[Also scan the hosts in this file, one a line]:FILE:_files' \
        --all'[Also show the ports that are not open]' \
        --banners'[Read what servers at open ports send by themselves]' \
        --banner-timeout='[How long to wait for a banner]:SECONDS: ' \
        --timeout='[Call a port filtered if it does not answer in this time]:SECONDS: ' \
        --concurrency='[How many ports to try at the same time]:N: ' \
        --rate='[Begin attempts no faster than this]:N/s: ' \
        -4'[Use IPv4 only]' \
        -6'[Use IPv6 only]' \
        --source='[Send from this local address]:ADDR: ' \
        --json'[One JSON object a line]' \
        --plain'[Plain text without boxes, for awk]' \
        --short'[Only the bare values, one a line]' \
        --color='[Colour on a terminal, always or never]:auto|always|never:(auto always never)' \
        '(-o --output)'{-o,--output=}'[Write results to FILE]:FILE:_files' \
        '*'-v'[Show the dialogue, step by step with timings, on standard error]' \
        '*'--verbose'[Show the dialogue, step by step with timings, on standard error]' \
        '(-q --quiet)'{-q,--quiet}'[Write only results]' \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '*: :->argument' && ret=0
    if [[ $state == argument ]]; then
        flags=(
            'domain'
            'domain-s'
            'echo'
            'ftp'
            'http'
            'https'
            'imap'
            'imaps'
            'ldap'
            'ldaps'
            'mysql'
            'ntp'
            'pop3'
            'pop3s'
            'postgresql'
            'smtp'
            'ssh'
            'submission'
            'submissions'
        )
        _describe -t flags flag flags && ret=0
        _hosts && ret=0
    fi
    return ret
}

_netkit_udp_send() {
    _arguments -s -S \
        --data='[Send this]:TEXT: ' \
        --hex='[Send these bytes]:HEX: ' \
        '(-f --file)'{-f,--file=}'[Send the contents of this file]:FILE:_files' \
        --lines'[Send each line of the input as one datagram, without its line end]' \
        --count='[Send it this many times]:N: ' \
        --interval='[Wait this long between two datagrams]:SECONDS: ' \
        --wait='[Write replies, until this long after the last datagram was sent]:SECONDS: ' \
        --replies='[Stop after this many replies]:N: ' \
        --timeout='[Give up after this time, for the whole operation]:SECONDS: ' \
        --broadcast'[Allow a broadcast address]' \
        --ttl='[Let it pass at most this many routers]:N: ' \
        --interface='[The interface for multicast]:NAME|ADDR: ' \
        --hexdump'[Show every datagram in hexadecimal, instead of its plain contents]' \
        -4'[Use IPv4 only]' \
        -6'[Use IPv6 only]' \
        --source='[Send from this local address]:ADDR: ' \
        --json'[One JSON object a line]' \
        --color='[Colour on a terminal, always or never]:auto|always|never:(auto always never)' \
        '(-o --output)'{-o,--output=}'[Write results to FILE]:FILE:_files' \
        '*'-v'[Show the dialogue, step by step with timings, on standard error]' \
        '*'--verbose'[Show the dialogue, step by step with timings, on standard error]' \
        '(-q --quiet)'{-q,--quiet}'[Write only results]' \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '*: :_netkit_endpoint'
}

_netkit_udp_listen() {
    _arguments -s -S \
        --count='[End after this many datagrams]:N: ' \
        --idle-timeout='[End if no datagram comes for this long]:SECONDS: ' \
        '*'--join='[Join this multicast group]:GROUP: ' \
        --interface='[The interface for multicast]:NAME|ADDR: ' \
        --reply='[Send this text back for every datagram]:TEXT: ' \
        --reuse'[Let other programs receive at the same address]' \
        --hexdump'[Show every datagram in hexadecimal, instead of its plain contents]' \
        --json'[One JSON object a line]' \
        --color='[Colour on a terminal, always or never]:auto|always|never:(auto always never)' \
        '(-o --output)'{-o,--output=}'[Write results to FILE]:FILE:_files' \
        '*'-v'[Show the dialogue, step by step with timings, on standard error]' \
        '*'--verbose'[Show the dialogue, step by step with timings, on standard error]' \
        '(-q --quiet)'{-q,--quiet}'[Write only results]' \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '*: : '
}

_netkit_udp_ping() {
    _arguments -s -S \
        '(-f --file)'{-f,--file=}'[Read inputs from FILE, a HOST\:PORT a line]:FILE:_files' \
        --size='[Send this many bytes in each probe]:BYTES: ' \
        '(-c --count)'{-c,--count=}'[Stop after this many probes]:N: ' \
        '(-i --interval)'{-i,--interval=}'[Send a probe after each interval, even if earlier ones have no reply yet]:SECONDS: ' \
        --timeout='[How long to wait for each reply]:SECONDS: ' \
        -4'[Use IPv4 only]' \
        -6'[Use IPv6 only]' \
        --source='[Send from this local address]:ADDR: ' \
        --json'[One JSON object a line]' \
        --plain'[Plain text without boxes, for awk]' \
        --short'[Only the bare values, one a line]' \
        --color='[Colour on a terminal, always or never]:auto|always|never:(auto always never)' \
        '(-o --output)'{-o,--output=}'[Write results to FILE]:FILE:_files' \
        '*'-v'[Show the dialogue, step by step with timings, on standard error]' \
        '*'--verbose'[Show the dialogue, step by step with timings, on standard error]' \
        '(-q --quiet)'{-q,--quiet}'[Write only results]' \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '*: :_netkit_endpoint'
}

_netkit_unix_connect() {
    _arguments -s -S \
        --timeout='[Give up after this time, for the whole operation]:SECONDS: ' \
        --tls'[Talk TLS, and verify the server]' \
        --servername='[Ask for, and verify, this name instead of the host'\''s]:NAME: ' \
        --alpn='[Offer these application protocols, separated by commas]:LIST: ' \
        --ca='[Trust the certificates in FILE, not the system'\''s]:FILE:_files' \
        --insecure'[Continue even if the certificate does not verify]' \
        --crlf'[Send each line end as CR LF]' \
        --hexdump'[Show the data of both directions on standard error, with offsets, in hexadecimal and ASCII]' \
        --transcript='[Write the data of both directions to FILE, with times, in hexadecimal and ASCII]:FILE:_files' \
        --send-only'[Discard received data, and end after standard input]' \
        --recv-only'[Do not read standard input]' \
        --on-eof='[After standard input]:half-close|keep|close:(half-close keep close)' \
        -N'[The same as --on-eof half-close, as in nc]' \
        --end-with-peer'[End when the peer has finished, even if standard input has not]' \
        --idle-timeout='[Give up if nothing is sent or received for this time]:SECONDS: ' \
        --json'[One JSON object a line]' \
        --color='[Colour on a terminal, always or never]:auto|always|never:(auto always never)' \
        '(-o --output)'{-o,--output=}'[Write results to FILE]:FILE:_files' \
        '*'-v'[Show the dialogue, step by step with timings, on standard error]' \
        '*'--verbose'[Show the dialogue, step by step with timings, on standard error]' \
        '(-q --quiet)'{-q,--quiet}'[Write only results]' \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '*: :_files'
}

_netkit_unix_listen() {
    _arguments -s -S \
        '(-k --keep)'{-k,--keep}'[Accept one connection after another, until stopped]' \
        --max-conns='[With -k]:N: ' \
        --exec='[Start COMMAND for each connection, which becomes its standard input and output]:COMMAND: ' \
        --timeout='[Give up if no connection comes in this time]:SECONDS: ' \
        --mode='[The file'\''s permissions]:MODE: ' \
        --tls'[Talk TLS, with a certificate made on the spot unless --cert gives one]' \
        --cert='[Send this certificate, and the chain that follows it]:FILE:_files' \
        --key='[Its private key]:FILE:_files' \
        --alpn='[Agree on one of these application protocols, separated by commas]:LIST: ' \
        --write-ca='[Write the root of the certificate made here]:FILE:_files' \
        --drain='[On SIGTERM, and for --upgrade, give connections this long to end]:SECONDS: ' \
        --crlf'[Send each line end as CR LF]' \
        --hexdump'[Show the data of both directions on standard error, with offsets, in hexadecimal and ASCII]' \
        --transcript='[Write the data of both directions to FILE, with times, in hexadecimal and ASCII]:FILE:_files' \
        --send-only'[Discard received data, and end after standard input]' \
        --recv-only'[Do not read standard input]' \
        --on-eof='[After standard input]:half-close|keep|close:(half-close keep close)' \
        -N'[The same as --on-eof half-close, as in nc]' \
        --end-with-peer'[End when the peer has finished, even if standard input has not]' \
        --idle-timeout='[Give up if nothing is sent or received for this time]:SECONDS: ' \
        --json'[One JSON object a line]' \
        --color='[Colour on a terminal, always or never]:auto|always|never:(auto always never)' \
        '(-o --output)'{-o,--output=}'[Write results to FILE]:FILE:_files' \
        '*'-v'[Show the dialogue, step by step with timings, on standard error]' \
        '*'--verbose'[Show the dialogue, step by step with timings, on standard error]' \
        '(-q --quiet)'{-q,--quiet}'[Write only results]' \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '*: :_files'
}

_netkit_range() {
    _arguments -s -S \
        '(-f --file)'{-f,--file=}'[Read inputs from FILE, a HEADER a line]:FILE:_files' \
        --concurrency='[How many inputs to work on at the same time]:N: ' \
        --rate='[Begin inputs no faster than this]:N/s: ' \
        --ordered'[Write rows in the order of the inputs, not as inputs finish]' \
        --resume='[Keep a journal in FILE]:FILE:_files' \
        --length='[The length of the whole representation, in bytes]:N: ' \
        --gap='[Also join parts that are no more than this many bytes apart]:N: ' \
        --content-type='[The media type of the representation]:TYPE: ' \
        --boundary='[The string that separates several parts]:WORD: ' \
        --json'[One JSON object a line]' \
        --plain'[Plain text without boxes, for awk]' \
        --short'[Only the bare values, one a line]' \
        --color='[Colour on a terminal, always or never]:auto|always|never:(auto always never)' \
        '(-o --output)'{-o,--output=}'[Write results to FILE]:FILE:_files' \
        '*'-v'[Show the dialogue, step by step with timings, on standard error]' \
        '*'--verbose'[Show the dialogue, step by step with timings, on standard error]' \
        '(-q --quiet)'{-q,--quiet}'[Write only results]' \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '*: : '
}

_netkit_link() {
    _arguments -s -S \
        '(-f --file)'{-f,--file=}'[Read inputs from FILE, a HEADER a line]:FILE:_files' \
        --concurrency='[How many inputs to work on at the same time]:N: ' \
        --rate='[Begin inputs no faster than this]:N/s: ' \
        --ordered'[Write rows in the order of the inputs, not as inputs finish]' \
        --resume='[Keep a journal in FILE]:FILE:_files' \
        --rel='[Print only the URI of the first link with this relation]:RELATION: ' \
        --base='[Resolve targets and anchors against this URL]:URL: ' \
        --anchored'[With --rel]' \
        --json'[One JSON object a line]' \
        --plain'[Plain text without boxes, for awk]' \
        --short'[Only the bare values, one a line]' \
        --color='[Colour on a terminal, always or never]:auto|always|never:(auto always never)' \
        '(-o --output)'{-o,--output=}'[Write results to FILE]:FILE:_files' \
        '*'-v'[Show the dialogue, step by step with timings, on standard error]' \
        '*'--verbose'[Show the dialogue, step by step with timings, on standard error]' \
        '(-q --quiet)'{-q,--quiet}'[Write only results]' \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '*: : '
}

_netkit_http_parse() {
    _arguments -s -S \
        --request'[Read the messages as requests, whatever they begin with]' \
        --response'[Read the messages as responses, whatever they begin with]' \
        '*'--request-method='[The method that a response answers]:METHOD: ' \
        '*'--lenient='[Allow one of the deviations above, with a warning]:FLAG:(bare-lf obs-fold space-before-colon content-length transfer-encoding version unknown-method non-ascii-target missing-reason chunk-space cl-te until-close)' \
        '*'--limit='[Read with this limit]:NAME=N: ' \
        --strict'[Allow no deviation, not even a status line without a reason]' \
        --hexdump'[Show the octets of each message too]' \
        --json'[One JSON object a line]' \
        --plain'[Plain text without boxes, for awk]' \
        --short'[Only the bare values, one a line]' \
        --color='[Colour on a terminal, always or never]:auto|always|never:(auto always never)' \
        '(-o --output)'{-o,--output=}'[Write results to FILE]:FILE:_files' \
        '*'-v'[Show the dialogue, step by step with timings, on standard error]' \
        '*'--verbose'[Show the dialogue, step by step with timings, on standard error]' \
        '(-q --quiet)'{-q,--quiet}'[Write only results]' \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '*: :_files'
}

_netkit_http_negotiate() {
    _arguments -s -S \
        '(-f --file)'{-f,--file=}'[Read inputs from FILE, a HEADER a line]:FILE:_files' \
        --concurrency='[How many inputs to work on at the same time]:N: ' \
        --rate='[Begin inputs no faster than this]:N/s: ' \
        --ordered'[Write rows in the order of the inputs, not as inputs finish]' \
        --resume='[Keep a journal in FILE]:FILE:_files' \
        '*'--offer='[What the server can send]:OFFER: ' \
        --field='[The field of a header that does not begin with its name]:media|encoding|language|charset:(media encoding language charset)' \
        --json'[One JSON object a line]' \
        --plain'[Plain text without boxes, for awk]' \
        --short'[Only the bare values, one a line]' \
        --color='[Colour on a terminal, always or never]:auto|always|never:(auto always never)' \
        '(-o --output)'{-o,--output=}'[Write results to FILE]:FILE:_files' \
        '*'-v'[Show the dialogue, step by step with timings, on standard error]' \
        '*'--verbose'[Show the dialogue, step by step with timings, on standard error]' \
        '(-q --quiet)'{-q,--quiet}'[Write only results]' \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '*: : '
}

_netkit_serve_echo() {
    _arguments -s -S \
        --tcp'[TCP only]' \
        --udp'[UDP only]' \
        --tls'[Talk TLS, with a certificate made on the spot unless --cert gives one]' \
        --cert='[Send this certificate, and the chain that follows it]:FILE:_files' \
        --key='[Its private key]:FILE:_files' \
        --alpn='[Agree on one of these application protocols, separated by commas]:LIST: ' \
        --write-ca='[Write the root of the certificate made here]:FILE:_files' \
        --workers='[Serve with this many processes, which share the sockets]:N: ' \
        --max-conns='[Serve this many connections at the same time, over all workers]:N: ' \
        --idle-timeout='[End a connection if no data comes for this long]:SECONDS: ' \
        --stall-timeout='[End a connection if the peer does not receive its echo for this long]:SECONDS: ' \
        --control='[Listen at this Unix-domain socket for a successor]:PATH:_files' \
        --upgrade'[Take over the sockets of the server at --control, which drains and ends]' \
        --drain='[On SIGTERM, and for --upgrade, give connections this long to end]:SECONDS: ' \
        --events'[With --json]' \
        --delay='[Delay each piece of data, or datagram]:TIME\[..TIME\]: ' \
        --drop='[Reset this share of connections before any answer]:SHARE: ' \
        --reset-after='[Reset a connection after this many bytes were sent on it]:SIZE: ' \
        --throttle='[Send no faster than this on each connection, or UDP socket]:SIZE/s: ' \
        --corrupt='[Flip a bit in this share of pieces of data or datagrams]:SHARE: ' \
        --seed='[Repeat the random choices of the run that printed this seed]:N: ' \
        --json'[One JSON object a line]' \
        --plain'[Plain text without boxes, for awk]' \
        --short'[Only the bare values, one a line]' \
        --color='[Colour on a terminal, always or never]:auto|always|never:(auto always never)' \
        '(-o --output)'{-o,--output=}'[Write results to FILE]:FILE:_files' \
        '*'-v'[Show the dialogue, step by step with timings, on standard error]' \
        '*'--verbose'[Show the dialogue, step by step with timings, on standard error]' \
        '(-q --quiet)'{-q,--quiet}'[Write only results]' \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '*: : '
}

_netkit_tcp_echo() {
    _arguments -s -S \
        --tls'[Talk TLS, with a certificate made on the spot unless --cert gives one]' \
        --cert='[Send this certificate, and the chain that follows it]:FILE:_files' \
        --key='[Its private key]:FILE:_files' \
        --alpn='[Agree on one of these application protocols, separated by commas]:LIST: ' \
        --write-ca='[Write the root of the certificate made here]:FILE:_files' \
        --workers='[Serve with this many processes, which share the sockets]:N: ' \
        --max-conns='[Serve this many connections at the same time, over all workers]:N: ' \
        --idle-timeout='[End a connection if no data comes for this long]:SECONDS: ' \
        --stall-timeout='[End a connection if the peer does not receive its echo for this long]:SECONDS: ' \
        --control='[Listen at this Unix-domain socket for a successor]:PATH:_files' \
        --upgrade'[Take over the sockets of the server at --control, which drains and ends]' \
        --drain='[On SIGTERM, and for --upgrade, give connections this long to end]:SECONDS: ' \
        --events'[With --json]' \
        --delay='[Delay each piece of data, or datagram]:TIME\[..TIME\]: ' \
        --drop='[Reset this share of connections before any answer]:SHARE: ' \
        --reset-after='[Reset a connection after this many bytes were sent on it]:SIZE: ' \
        --throttle='[Send no faster than this on each connection, or UDP socket]:SIZE/s: ' \
        --corrupt='[Flip a bit in this share of pieces of data or datagrams]:SHARE: ' \
        --seed='[Repeat the random choices of the run that printed this seed]:N: ' \
        --json'[One JSON object a line]' \
        --plain'[Plain text without boxes, for awk]' \
        --short'[Only the bare values, one a line]' \
        --color='[Colour on a terminal, always or never]:auto|always|never:(auto always never)' \
        '(-o --output)'{-o,--output=}'[Write results to FILE]:FILE:_files' \
        '*'-v'[Show the dialogue, step by step with timings, on standard error]' \
        '*'--verbose'[Show the dialogue, step by step with timings, on standard error]' \
        '(-q --quiet)'{-q,--quiet}'[Write only results]' \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '*: : '
}

_netkit_udp_echo() {
    _arguments -s -S \
        --workers='[Serve with this many processes, which share the sockets]:N: ' \
        --max-conns='[Serve this many connections at the same time, over all workers]:N: ' \
        --idle-timeout='[End a connection if no data comes for this long]:SECONDS: ' \
        --stall-timeout='[End a connection if the peer does not receive its echo for this long]:SECONDS: ' \
        --control='[Listen at this Unix-domain socket for a successor]:PATH:_files' \
        --upgrade'[Take over the sockets of the server at --control, which drains and ends]' \
        --drain='[On SIGTERM, and for --upgrade, give connections this long to end]:SECONDS: ' \
        --events'[With --json]' \
        --delay='[Delay each piece of data, or datagram]:TIME\[..TIME\]: ' \
        --drop='[Reset this share of connections before any answer]:SHARE: ' \
        --reset-after='[Reset a connection after this many bytes were sent on it]:SIZE: ' \
        --throttle='[Send no faster than this on each connection, or UDP socket]:SIZE/s: ' \
        --corrupt='[Flip a bit in this share of pieces of data or datagrams]:SHARE: ' \
        --seed='[Repeat the random choices of the run that printed this seed]:N: ' \
        --json'[One JSON object a line]' \
        --plain'[Plain text without boxes, for awk]' \
        --short'[Only the bare values, one a line]' \
        --color='[Colour on a terminal, always or never]:auto|always|never:(auto always never)' \
        '(-o --output)'{-o,--output=}'[Write results to FILE]:FILE:_files' \
        '*'-v'[Show the dialogue, step by step with timings, on standard error]' \
        '*'--verbose'[Show the dialogue, step by step with timings, on standard error]' \
        '(-q --quiet)'{-q,--quiet}'[Write only results]' \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '*: : '
}

_netkit_serve_dns() {
    _arguments -s -S \
        '*'--zone='[A zone file]:FILE:_files' \
        --drain='[On SIGTERM, and for --upgrade, give connections this long to end]:SECONDS: ' \
        --events'[With --json]' \
        --delay='[Delay each piece of data, or datagram]:TIME\[..TIME\]: ' \
        --drop='[Reset this share of connections before any answer]:SHARE: ' \
        --reset-after='[Reset a connection after this many bytes were sent on it]:SIZE: ' \
        --throttle='[Send no faster than this on each connection, or UDP socket]:SIZE/s: ' \
        --corrupt='[Flip a bit in this share of pieces of data or datagrams]:SHARE: ' \
        --seed='[Repeat the random choices of the run that printed this seed]:N: ' \
        --json'[One JSON object a line]' \
        --plain'[Plain text without boxes, for awk]' \
        --short'[Only the bare values, one a line]' \
        --color='[Colour on a terminal, always or never]:auto|always|never:(auto always never)' \
        '(-o --output)'{-o,--output=}'[Write results to FILE]:FILE:_files' \
        '*'-v'[Show the dialogue, step by step with timings, on standard error]' \
        '*'--verbose'[Show the dialogue, step by step with timings, on standard error]' \
        '(-q --quiet)'{-q,--quiet}'[Write only results]' \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '*: : '
}

_netkit_demo() {
    _arguments -s -S \
        --keep'[Keep the servers, on fixed ports, until Ctrl-C or SIGTERM]' \
        --json'[One JSON object a line]' \
        --plain'[Plain text without boxes, for awk]' \
        --color='[Colour on a terminal, always or never]:auto|always|never:(auto always never)' \
        '(-o --output)'{-o,--output=}'[Write results to FILE]:FILE:_files' \
        '*'-v'[Show the dialogue, step by step with timings, on standard error]' \
        '*'--verbose'[Show the dialogue, step by step with timings, on standard error]' \
        '(-q --quiet)'{-q,--quiet}'[Write only results]' \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '*: : '
}

_netkit_version() {
    _arguments -s -S \
        --json'[One JSON object a line]' \
        --plain'[Plain text without boxes, for awk]' \
        --short'[Only the bare values, one a line]' \
        --color='[Colour on a terminal, always or never]:auto|always|never:(auto always never)' \
        '(-o --output)'{-o,--output=}'[Write results to FILE]:FILE:_files' \
        '*'-v'[Show the dialogue, step by step with timings, on standard error]' \
        '*'--verbose'[Show the dialogue, step by step with timings, on standard error]' \
        '(-q --quiet)'{-q,--quiet}'[Write only results]' \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '*: : '
}

_netkit_schema() {
    local state ret=1
    local -a flags
    _arguments -s -S \
        --json'[One JSON object a line]' \
        --plain'[Plain text without boxes, for awk]' \
        --short'[Only the bare values, one a line]' \
        --color='[Colour on a terminal, always or never]:auto|always|never:(auto always never)' \
        '(-o --output)'{-o,--output=}'[Write results to FILE]:FILE:_files' \
        '*'-v'[Show the dialogue, step by step with timings, on standard error]' \
        '*'--verbose'[Show the dialogue, step by step with timings, on standard error]' \
        '(-q --quiet)'{-q,--quiet}'[Write only results]' \
        '(-h --help)'{-h,--help}'[Show this page]' \
        '*: :->argument' && ret=0
    if [[ $state == argument ]]; then
        flags=(
            'dig'
            'resolve'
            'tls.probe'
            'tcp.connect'
            'tcp.listen'
            'tcp.ping'
            'tcp.scan'
            'udp.send'
            'udp.listen'
            'udp.ping'
            'unix.connect'
            'unix.listen'
            'range'
            'link'
            'http.parse'
            'http.negotiate'
            'serve.echo'
            'tcp.echo'
            'udp.echo'
            'serve.dns'
            'demo'
            'version'
            'schema'
        )
        _describe -t flags flag flags && ret=0
    fi
    return ret
}

_netkit_endpoint() {
    if compset -P '*:'; then
        compadd -- domain domain-s echo ftp http https imap imaps ldap ldaps mysql ntp pop3 pop3s postgresql smtp ssh submission submissions
    else
        _hosts
    fi
}

if [[ ${funcstack[1]} == _netkit ]]; then
    _netkit "$@"
else
    compdef _netkit netkit
fi
