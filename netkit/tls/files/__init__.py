"""Files of certificates and keys: one reader for every form, and every broken block with its line.

    opening       paths: read_certificates, read_identity, read_private_key, ...
    reading       bytes: what form it is, and the things in it, the broken ones too
    shape         what a DER element is, by its first elements
    containers    PKCS #7 and PKCS #12
    request revocation stored_keys    what is in them beside certificates
    order         a chain's order, mended
    ber           indefinite lengths made definite

Only `opening` opens files.
"""

from __future__ import annotations

from netkit.tls.files.items import Content as Content, Item as Item, Kind as Kind
from netkit.tls.files.opening import (
    read_certificates as read_certificates,
    read_file as read_file,
    read_identity as read_identity,
    read_private_key as read_private_key,
    read_revocation_lists as read_revocation_lists,
)
from netkit.tls.files.order import in_order as in_order
