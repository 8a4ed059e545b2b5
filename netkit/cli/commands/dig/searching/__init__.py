"""`netkit dig +nssearch`: the SOA record of a zone, as each of its servers has it."""
