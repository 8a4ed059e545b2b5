"""`netkit ws client`: what stands between its options and the WebSocket of the library.

options     what can be asked for            opening    from the options to an open connection
rows        the events of --json             display    how messages are written
exits       from how it ended to exit codes  frames     --frames: what is on the wire
recording   the files of --record, --replay  sending    what is sent: arguments, input, a recording
session     a connection in a script         console    a connection at a terminal
"""
