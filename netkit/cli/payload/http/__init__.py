"""HTTP on the command line: what `netkit serve http` is made of, and what the commands for headers share."""
