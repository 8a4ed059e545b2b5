"""`netkit dig ZONE AXFR` and `ZONE IXFR=SERIAL`: zone transfers."""
