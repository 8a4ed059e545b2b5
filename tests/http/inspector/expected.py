"""What a client makes of each example of an endpoint: netkit's, and curl 7.88.

What is not listed is 200 to both. A status is a response that was taken; the name of an error class, or an
exit status of curl's, is a fault that was reported.
"""

from __future__ import annotations

from typing import NamedTuple


class Exit(NamedTuple):
    """An exit status of curl's, or one of several that its versions have for the same."""

    code: int
    other: int = -1


CONNECTION = "ConnectionError"
INCOMPLETE = "IncompleteMessage"
RESPONSE = "InvalidResponse"
ENCODING = "BodyEncoding"

CUT_OFF = Exit(18)
EMPTY = Exit(52)
RECEIVE = Exit(56)
#: "Weird server reply".
WEIRD = Exit(8, 1)
CODING = Exit(61)
#: A head over curl's limits: "out of memory", since 8.6 "too large".
TOO_LARGE = Exit(27, 100)

Outcome = tuple[int | str, int | Exit]

EXPECTED: dict[str, Outcome] = {
    "/status/204": (204, 204),
    "/status/418": (418, 418),
    "/redirect-loop": (RESPONSE, Exit(47)),
    "/redirect-origin": (404, 404),
    "/redirect-form/empty": (RESPONSE, 302),
    "/redirect-form/backslash": (200, 400),
    "/redirect-form/bad-port": (RESPONSE, Exit(3)),
    "/redirect-form/scheme": (RESPONSE, Exit(7, 1)),
    "/redirect-form/file": (RESPONSE, Exit(1)),
    "/redirect-form/javascript": (RESPONSE, Exit(1)),
    "/redirect-form/data": (RESPONSE, Exit(1)),
    "/redirect-nowhere": (302, 302),
    "/redirect-twice": (RESPONSE, 200),
    "/basic-auth/user/passwd": (401, 401),
    "/hidden-basic-auth/user/passwd": (404, 404),
    "/bearer": (401, 401),
    "/digest-auth/auth/user/passwd": (401, 401),
    "/digest-auth/auth-int/user/passwd": (401, 401),
    "/digest-auth/auth-int/user/passwd/SHA-512-256": (401, 401),
    "/digest-auth/auth/user/passwd/SHA-256-sess": (401, 401),
    "/digest-auth/auth/user/passwd/SHA-256/1": (401, 401),
    # Endings. curl takes the end of the connection for the end of a head.
    "/close?after=request": (CONNECTION, EMPTY),
    "/close?after=head": ("Incomplete", 200),
    "/close?after=body": (INCOMPLETE, CUT_OFF),
    "/close?after=half": (INCOMPLETE, CUT_OFF),
    "/reset?after=request": (CONNECTION, RECEIVE),
    "/reset?after=head": (CONNECTION, RECEIVE),
    "/reset?after=half": (CONNECTION, RECEIVE),
    "/silence?seconds=0.1": (CONNECTION, EMPTY),
    "/early-response": (413, 413),
    "/endless": (INCOMPLETE, CUT_OFF),
    # Bodies. curl sees no cut in gzip, and knows no members of it.
    "/wrong/gzip-garbage": (ENCODING, CODING),
    "/wrong/gzip-cut": (ENCODING, 200),
    "/wrong/gzip-check": (ENCODING, CODING),
    "/wrong/gzip-more": (ENCODING, Exit(23)),
    "/wrong/gzip-plain": (ENCODING, CODING),
    "/wrong/gzip-members": (200, Exit(23)),
    "/wrong/coding-strange": (ENCODING, CODING),
    "/bomb-layers/20": (ENCODING, CODING),
    # Framing.
    "/wrong/length-too-long": (INCOMPLETE, CUT_OFF),
    "/wrong/length-twice": ("ConflictingContentLength", 200),
    "/wrong/length-repeated": ("ConflictingContentLength", 200),
    "/wrong/length-list": ("InvalidContentLength", 200),
    "/wrong/length-negative": ("InvalidContentLength", WEIRD),
    "/wrong/length-plus": ("InvalidContentLength", 200),
    "/wrong/length-hex": ("InvalidContentLength", 200),
    "/wrong/length-text": ("InvalidContentLength", WEIRD),
    "/wrong/length-huge": ("InvalidContentLength", 200),
    "/wrong/length-empty": ("InvalidContentLength", WEIRD),
    "/wrong/coding-unknown": (200, CODING),
    "/wrong/coding-hidden": (200, CODING),
    "/wrong/coding-twice": ("InvalidTransferEncoding", 200),
    "/wrong/coding-not-last": ("InvalidTransferEncoding", CODING),
    "/wrong/chunked-old": ("InvalidTransferEncoding", 200),
    "/wrong/chunk-size": ("InvalidChunkSize", RECEIVE),
    "/wrong/chunk-empty-size": ("InvalidChunkSize", RECEIVE),
    "/wrong/chunk-negative": ("InvalidChunkSize", RECEIVE),
    "/wrong/chunk-0x": ("InvalidChunkExtension", Exit(43, 56)),
    "/wrong/chunk-overflow": ("ChunkSizeOverflow", RECEIVE),
    "/wrong/chunk-huge": ("ChunkSizeOverflow", CUT_OFF),
    "/wrong/chunk-too-short": ("InvalidChunkEnd", RECEIVE),
    "/wrong/chunk-no-end": ("InvalidChunkEnd", RECEIVE),
    "/wrong/chunk-bare-lf": ("BareLineFeed", 200),
    "/wrong/chunk-extension-lf": ("InvalidChunkExtension", RECEIVE),
    "/wrong/chunk-space": ("InvalidChunkExtension", 200),
    "/wrong/chunk-cut": (INCOMPLETE, CUT_OFF),
    "/wrong/chunk-cut-inside": (INCOMPLETE, CUT_OFF),
    "/wrong/chunk-extensions": ("ChunkExtensionTooLong", 200),
    "/wrong/trailer-cut": (INCOMPLETE, CUT_OFF),
    "/wrong/trailer-framing": ("ForbiddenTrailer", 200),
    "/wrong/trailer-wrong": ("InvalidHeaderName", Exit(43, 8)),
    "/wrong/trailer-flood": ("TooManyHeaders", 200),
    "/wrong/body-of-204": (204, 204),
    "/wrong/body-of-304": (304, 304),
    # Heads.
    "/wrong/nothing": (CONNECTION, EMPTY),
    "/wrong/no-head": ("InvalidStatusLine", WEIRD),
    "/wrong/not-http": ("InvalidStatusLine", WEIRD),
    "/wrong/status-line": ("InvalidStatusLine", WEIRD),
    "/wrong/status-short": ("InvalidStatusLine", WEIRD),
    "/wrong/status-long": ("InvalidStatusLine", WEIRD),
    "/wrong/status-text": ("InvalidStatusLine", WEIRD),
    "/wrong/status-999": (999, 999),
    "/wrong/version-2": ("UnsupportedVersion", 200),
    "/wrong/version-11": ("InvalidVersion", WEIRD),
    "/wrong/version-1.9": ("UnsupportedVersion", WEIRD),
    "/wrong/empty-lines": ("InvalidStatusLine", WEIRD),
    "/wrong/nul-in-value": ("InvalidHeaderValue", WEIRD),
    "/wrong/nul-in-name": ("InvalidHeaderName", WEIRD),
    "/wrong/control-in-value": ("InvalidHeaderValue", 200),
    "/wrong/fold": ("ObsoleteFold", 200),
    "/wrong/fold-first": ("InvalidHeaderName", Exit(43, 8)),
    "/wrong/no-colon": ("InvalidHeaderName", WEIRD),
    "/wrong/empty-name": ("InvalidHeaderName", 200),
    "/wrong/space-before-colon": ("SpaceBeforeColon", 200),
    "/wrong/space-in-name": ("InvalidHeaderName", 200),
    "/wrong/bare-lf": ("BareLineFeed", 200),
    "/wrong/bare-cr": ("BareCarriageReturn", 200),
    "/wrong/cr-lf-mixed": ("BareLineFeed", 200),
    "/wrong/cut": ("Incomplete", 200),
    "/wrong/cut-status": ("Incomplete", EMPTY),
    "/wrong/switching": ("ConnectionFault", EMPTY),
    "/wrong/interim-only": ("Incomplete", EMPTY),
    # Floods.
    "/flood/fields": ("TooManyHeaders", 200),
    "/flood/field": ("HeaderTooLong", TOO_LARGE),
    "/flood/name": ("HeaderTooLong", TOO_LARGE),
    "/flood/reason": ("RequestLineTooLong", TOO_LARGE),
    "/flood/head": ("HeaderTooLong", TOO_LARGE),
    "/flood/interim": ("ConnectionFault", 200),
    "/flood/cookies": ("TooManyHeaders", 200),
    # They are faults of HTTP/2; see test_http2.
    "/goaway": (501, 501),
    "/refused-stream": (501, 501),
    "/http-1.1-required": (501, 501),
    "/stream-reset": (501, 501),
}

#: Examples that this machine alone decides about, or chance: no table can have them.
NOT_ASKED = frozenset(
    (
        "/redirect-downgrade",
        "/redirect-form/no-port",
        "/redirect-form/no-host",
        "/unstable",
        "/status/500:3,503",
    )
)
