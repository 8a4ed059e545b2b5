"""The common parts of the commands that carry a payload: talking over a connection, listening, serving.

dns/ http/ tls/ ws/    what belongs to one protocol: its options, its rows and words, its server
demo/                  the servers of `netkit demo`
"""
