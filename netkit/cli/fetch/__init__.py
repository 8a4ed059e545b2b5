"""What `netkit http fetch` is made of, between its options and the library.

items, json_paths, values     the words of the command line: HTTPie's items, the values of curl's options
options                       the options, in groups
plan, request                 what is to be sent, as one immutable value
curl_line                     curl's command line, in both directions
describe                      --offline and --curl: a request that is not sent
settings, state               the library's settings; cookies, sessions, .netrc
exchange, sinks, saving       one URL from its plan to the end of its body, and where the body goes
dialogue, rows                what is said on the way: -v, --har, --json
"""
