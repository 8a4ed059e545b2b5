"""Which dialogue belongs to which protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netkit.tls.starttls import irc, ldap, mailboxes, mysql, postgres, replies, xmpp

if TYPE_CHECKING:
    from netkit.tls.starttls.wire import Dialogue

#: The dialogue of each protocol, by its name in `names.PROTOCOLS`.
DIALOGUES: Final[dict[str, Dialogue]] = {
    "smtp": replies.smtp,
    "lmtp": replies.lmtp,
    "imap": mailboxes.imap,
    "pop3": mailboxes.pop3,
    "ftp": replies.ftp,
    "ldap": ldap.ldap,
    "xmpp": xmpp.client,
    "xmpp-server": xmpp.server,
    "postgres": postgres.postgres,
    "mysql": mysql.mysql,
    "nntp": replies.nntp,
    "sieve": mailboxes.sieve,
    "irc": irc.irc,
}
