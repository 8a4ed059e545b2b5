"""DNS on the command line: whom a command asks and how it went, and what `netkit serve dns` is made of."""
