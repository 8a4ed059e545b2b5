"""`netkit dig --watch`: the same question again and again, and what has changed."""
