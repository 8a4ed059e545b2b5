"""The variants of `DnsRecord`: which types have a class, in which file, in which class of the DNS.

A type's file is imported when the type is first met: a lookup of an address loads one of eighty. RFC 3597
section 4: a type that was defined for class IN only may be another one in another class.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias, cast

from netkit.dns.constants import DnsClass, DnsRecordType

if TYPE_CHECKING:
    from netkit.dns.records import a, aaaa, cname, mx, ns, ptr, soa, srv, txt, unknown
    from netkit.dns.records.base import DnsRecord


class Variants:
    """The variants as attributes, for `DnsRecord`."""

    __slots__ = ()

    if TYPE_CHECKING:
        A: TypeAlias = a.A
        AAAA: TypeAlias = aaaa.AAAA
        CNAME: TypeAlias = cname.CNAME
        MX: TypeAlias = mx.MX
        NS: TypeAlias = ns.NS
        PTR: TypeAlias = ptr.PTR
        SOA: TypeAlias = soa.SOA
        SRV: TypeAlias = srv.SRV
        TXT: TypeAlias = txt.TXT
        Unknown: TypeAlias = unknown.Unknown


class Variant:
    """A type's place in `DnsRecord`: imports the type's file when it is first asked for."""

    def __init__(self, attribute: str, module: str, only_in: DnsClass | None) -> None:
        self._attribute = attribute
        self._module = module
        #: The only class in which the number is this type; None for any class.
        self.only_in = only_in
        self._loaded: type[DnsRecord] | None = None

    def __get__(self, instance: DnsRecord | None, owner: type[DnsRecord]) -> type[DnsRecord]:
        return self._loaded or self.load()

    def load(self) -> type[DnsRecord]:
        """The class itself."""
        if self._loaded is None:
            module = import_module(f"netkit.dns.records.{self._module}")
            loaded = cast("type[DnsRecord]", vars(module)[self._attribute])
            # Where `pickle` and a reader of `repr` find it.
            loaded.__module__, loaded.__qualname__ = "netkit.dns.records.base", f"DnsRecord.{self._attribute}"
            self._loaded = loaded
        return self._loaded


# The file of each type, where it is not called as the type.
_FILES: dict[str, str] = {}
_IN_ONLY = "A AAAA SRV"
_ANY_CLASS = "CNAME MX NS PTR SOA TXT"

_VARIANTS: dict[int, Variant] = {}


def variant_of(rdtype: int) -> Variant | None:
    """The variant for a type, if it has one."""
    return _VARIANTS.get(rdtype)


def _install() -> None:
    for attributes, only_in in ((_IN_ONLY, DnsClass.IN), (_ANY_CLASS, None)):
        for attribute in attributes.split():
            variant = Variant(attribute, _FILES.get(attribute, attribute.lower()), only_in)
            _VARIANTS[DnsRecordType.parse(attribute.replace("_", "-"))] = variant
            setattr(Variants, attribute, variant)
    Variants.Unknown = Variant("Unknown", "unknown", None)  # type: ignore[assignment]


_install()
