"""The variants of `DnsRecord`: which types have a class, in which file, in which class of the DNS.

A type's file is imported when the type is first met: a lookup of an address loads one of eighty. RFC 3597
section 4: a type that was defined for class IN only may be another one in another class.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias, cast

from netkit.dns.constants import DnsClass, DnsRecordType

if TYPE_CHECKING:
    from netkit.dns.records import (
        a,
        a6,
        aaaa,
        afsdb,
        amtrelay,
        apl,
        atma,
        avc,
        caa,
        cdnskey,
        cds,
        cert,
        cla,
        cname,
        csync,
        det,
        dhcid,
        dlv,
        dname,
        dnskey,
        doa,
        ds,
        dsync,
        eid,
        eui,
        gpos,
        hinfo,
        hip,
        https,
        ipn,
        ipseckey,
        isdn,
        key,
        kx,
        l32,
        l64,
        loc,
        lp,
        mail_names,
        minfo,
        mx,
        naptr,
        nid,
        ninfo,
        ns,
        nsap,
        nsap_ptr,
        nsec,
        nsec3,
        nsec3param,
        null,
        nxt,
        openpgpkey,
        ptr,
        px,
        resinfo,
        rkey,
        rp,
        rrsig,
        rt,
        sig,
        sink,
        smimea,
        soa,
        spf,
        srv,
        sshfp,
        svcb,
        ta,
        talink,
        tkey,
        tlsa,
        tsig,
        txt,
        unknown,
        uri,
        wallet,
        wks,
        x25,
        zonemd,
    )
    from netkit.dns.records.base import DnsRecord


class Variants:
    """The variants as attributes, for `DnsRecord`."""

    __slots__ = ()

    if TYPE_CHECKING:
        A: TypeAlias = a.A
        A6: TypeAlias = a6.A6
        AAAA: TypeAlias = aaaa.AAAA
        AFSDB: TypeAlias = afsdb.AFSDB
        AMTRELAY: TypeAlias = amtrelay.AMTRELAY
        APL: TypeAlias = apl.APL
        ATMA: TypeAlias = atma.ATMA
        AVC: TypeAlias = avc.AVC
        BRID: TypeAlias = det.BRID
        CAA: TypeAlias = caa.CAA
        CDNSKEY: TypeAlias = cdnskey.CDNSKEY
        CDS: TypeAlias = cds.CDS
        CERT: TypeAlias = cert.CERT
        CLA: TypeAlias = cla.CLA
        CNAME: TypeAlias = cname.CNAME
        CSYNC: TypeAlias = csync.CSYNC
        DHCID: TypeAlias = dhcid.DHCID
        DLV: TypeAlias = dlv.DLV
        DNAME: TypeAlias = dname.DNAME
        DNSKEY: TypeAlias = dnskey.DNSKEY
        DOA: TypeAlias = doa.DOA
        DS: TypeAlias = ds.DS
        DSYNC: TypeAlias = dsync.DSYNC
        EID: TypeAlias = eid.EID
        EUI48: TypeAlias = eui.EUI48
        EUI64: TypeAlias = eui.EUI64
        GPOS: TypeAlias = gpos.GPOS
        HHIT: TypeAlias = det.HHIT
        HINFO: TypeAlias = hinfo.HINFO
        HIP: TypeAlias = hip.HIP
        HTTPS: TypeAlias = https.HTTPS
        IPN: TypeAlias = ipn.IPN
        IPSECKEY: TypeAlias = ipseckey.IPSECKEY
        ISDN: TypeAlias = isdn.ISDN
        KEY: TypeAlias = key.KEY
        KX: TypeAlias = kx.KX
        L32: TypeAlias = l32.L32
        L64: TypeAlias = l64.L64
        LOC: TypeAlias = loc.LOC
        LP: TypeAlias = lp.LP
        MB: TypeAlias = mail_names.MB
        MD: TypeAlias = mail_names.MD
        MF: TypeAlias = mail_names.MF
        MG: TypeAlias = mail_names.MG
        MINFO: TypeAlias = minfo.MINFO
        MR: TypeAlias = mail_names.MR
        MX: TypeAlias = mx.MX
        NAPTR: TypeAlias = naptr.NAPTR
        NID: TypeAlias = nid.NID
        NIMLOC: TypeAlias = eid.NIMLOC
        NINFO: TypeAlias = ninfo.NINFO
        NS: TypeAlias = ns.NS
        NSAP: TypeAlias = nsap.NSAP
        NSAP_PTR: TypeAlias = nsap_ptr.NSAP_PTR
        NSEC: TypeAlias = nsec.NSEC
        NSEC3: TypeAlias = nsec3.NSEC3
        NSEC3PARAM: TypeAlias = nsec3param.NSEC3PARAM
        NULL: TypeAlias = null.NULL
        NXT: TypeAlias = nxt.NXT
        OPENPGPKEY: TypeAlias = openpgpkey.OPENPGPKEY
        PTR: TypeAlias = ptr.PTR
        PX: TypeAlias = px.PX
        RESINFO: TypeAlias = resinfo.RESINFO
        RKEY: TypeAlias = rkey.RKEY
        RP: TypeAlias = rp.RP
        RRSIG: TypeAlias = rrsig.RRSIG
        RT: TypeAlias = rt.RT
        SIG: TypeAlias = sig.SIG
        SINK: TypeAlias = sink.SINK
        SMIMEA: TypeAlias = smimea.SMIMEA
        SOA: TypeAlias = soa.SOA
        SPF: TypeAlias = spf.SPF
        SRV: TypeAlias = srv.SRV
        SSHFP: TypeAlias = sshfp.SSHFP
        SVCB: TypeAlias = svcb.SVCB
        TA: TypeAlias = ta.TA
        TALINK: TypeAlias = talink.TALINK
        TKEY: TypeAlias = tkey.TKEY
        TLSA: TypeAlias = tlsa.TLSA
        TSIG: TypeAlias = tsig.TSIG
        TXT: TypeAlias = txt.TXT
        URI: TypeAlias = uri.URI
        WALLET: TypeAlias = wallet.WALLET
        WKS: TypeAlias = wks.WKS
        X25: TypeAlias = x25.X25
        ZONEMD: TypeAlias = zonemd.ZONEMD
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


# The files that hold more than one type, or are called other than their type.
_FILES = {
    "HHIT": "det",
    "BRID": "det",
    "NIMLOC": "eid",
    "EUI48": "eui",
    "EUI64": "eui",
    "MB": "mail_names",
    "MD": "mail_names",
    "MF": "mail_names",
    "MG": "mail_names",
    "MR": "mail_names",
}
# Types that RFC 1035 or a later RFC defined for class IN only.
_IN_ONLY = "A A6 AAAA APL ATMA DHCID EID HTTPS KX NIMLOC NSAP NSAP_PTR PX SRV SVCB WKS"
_ANY_CLASS = (
    "AFSDB AMTRELAY AVC BRID CAA CDNSKEY CDS CERT CLA CNAME CSYNC DLV DNAME DNSKEY DOA DS DSYNC EUI48 "
    "EUI64 GPOS HHIT HINFO HIP IPN IPSECKEY ISDN KEY L32 L64 LOC LP MB MD MF MG MINFO MR MX NAPTR NID "
    "NINFO NS NSEC NSEC3 NSEC3PARAM NULL NXT OPENPGPKEY PTR RESINFO RKEY RP RRSIG RT SIG SINK SMIMEA SOA "
    "SPF SSHFP TA TALINK TKEY TLSA TSIG TXT URI WALLET X25 ZONEMD"
)

_VARIANTS: dict[int, Variant] = {}


def variant_of(rdtype: int) -> Variant | None:
    """The variant for a type, if it has one."""
    return _VARIANTS.get(rdtype)


def _install() -> None:
    for attributes, only_in in ((_IN_ONLY, DnsClass.IN), (_ANY_CLASS, None)):
        for attribute in attributes.split():
            variant = Variant(attribute, _FILES.get(attribute, attribute.lower()), only_in)
            _VARIANTS[vars(DnsRecordType)[attribute]] = variant
            setattr(Variants, attribute, variant)
    Variants.Unknown = Variant("Unknown", "unknown", None)  # type: ignore[assignment]


_install()

#: The types that have a variant.
TYPES: tuple[DnsRecordType, ...] = tuple(map(DnsRecordType, sorted(_VARIANTS)))
