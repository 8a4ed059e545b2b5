"""Media types by the extension of a file's name: the same on every machine.

RFC 9110 section 8.3; the registrations of IANA. The standard library's own table is asked for what is not
here, without the files of the system that it reads otherwise: those differ.

    >>> media_type(b"app.MJS"), media_type(b"notes"), is_compressible("image/svg+xml")
    ('text/javascript; charset=utf-8', 'application/octet-stream', True)
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

UNKNOWN: Final = "application/octet-stream"

#: Names without an extension that are text, in lower case.
_TEXT_NAMES: Final = frozenset(
    (
        "authors",
        "changelog",
        "changes",
        "copying",
        "dockerfile",
        "install",
        "licence",
        "license",
        "makefile",
        "news",
        "notice",
        "readme",
        "todo",
        "version",
    )
)

#: Media types, each with the extensions that mean it.
_EXTENSIONS: Final = {
    "text/plain": (
        "txt text log conf cfg ini toml lock env properties rst adoc org tex diff patch py pyi rs "
        "go c h cc cpp hpp java kt swift rb pl pm lua sh bash zsh fish ps1 bat sql r jl scala ts "
        "tsx jsx vue svelte gradle cmake mk asm s pem crt key pub asc srt nfo gitignore "
        "dockerignore editorconfig proto graphql"
    ),
    "application/atom+xml": "atom",
    "application/cbor": "cbor",
    "application/dash+xml": "mpd",
    "application/epub+zip": "epub",
    "application/geo+json": "geojson",
    "application/gzip": "gz tgz",
    "application/java-archive": "jar",
    "application/json": "json map",
    "application/json5": "json5",
    "application/jsonl": "jsonl",
    "application/ld+json": "jsonld",
    "application/manifest+json": "webmanifest",
    "application/msword": "doc",
    "application/octet-stream": "bin img iso",
    "application/pdf": "pdf",
    "application/postscript": "ps",
    "application/rss+xml": "rss",
    "application/rtf": "rtf",
    "application/vnd.android.package-archive": "apk",
    "application/vnd.apache.parquet": "parquet",
    "application/vnd.apple.mpegurl": "m3u8",
    "application/vnd.debian.binary-package": "deb",
    "application/vnd.google-earth.kml+xml": "kml",
    "application/vnd.google-earth.kmz": "kmz",
    "application/vnd.microsoft.portable-executable": "exe",
    "application/vnd.ms-excel": "xls",
    "application/vnd.ms-fontobject": "eot",
    "application/vnd.ms-powerpoint": "ppt",
    "application/vnd.oasis.opendocument.presentation": "odp",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.rar": "rar",
    "application/vnd.sqlite3": "sqlite",
    "application/wasm": "wasm",
    "application/x-7z-compressed": "7z",
    "application/x-apple-diskimage": "dmg",
    "application/x-brotli": "br",
    "application/x-bzip2": "bz2",
    "application/x-msi": "msi",
    "application/x-ndjson": "ndjson",
    "application/x-rpm": "rpm",
    "application/x-tar": "tar",
    "application/x-xz": "xz",
    "application/xhtml+xml": "xht xhtml",
    "application/xml": "xml",
    "application/xslt+xml": "xsl",
    "application/yaml": "yaml yml",
    "application/zip": "zip",
    "application/zstd": "zst",
    "audio/aac": "aac",
    "audio/aiff": "aif aiff",
    "audio/flac": "flac",
    "audio/midi": "mid midi",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/mpegurl": "m3u",
    "audio/ogg": "oga ogg opus",
    "audio/wav": "wav",
    "audio/webm": "weba",
    "font/collection": "ttc",
    "font/otf": "otf",
    "font/ttf": "ttf",
    "font/woff": "woff",
    "font/woff2": "woff2",
    "image/apng": "apng",
    "image/avif": "avif",
    "image/bmp": "bmp",
    "image/gif": "gif",
    "image/heic": "heic",
    "image/heif": "heif",
    "image/jpeg": "jpeg jpg",
    "image/jxl": "jxl",
    "image/png": "png",
    "image/svg+xml": "svg svgz",
    "image/tiff": "tif tiff",
    "image/vnd.microsoft.icon": "ico",
    "image/webp": "webp",
    "model/gltf+json": "gltf",
    "model/gltf-binary": "glb",
    "text/calendar": "ics",
    "text/css": "css",
    "text/csv": "csv",
    "text/html": "htm html",
    "text/javascript": "cjs js mjs",
    "text/markdown": "markdown md",
    "text/tab-separated-values": "tsv",
    "text/vtt": "vtt",
    "video/iso.segment": "m4s",
    "video/matroska": "mkv",
    "video/mp4": "m4v mp4",
    "video/mpeg": "mpeg mpg",
    "video/ogg": "ogv",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-msvideo": "avi",
}
_TYPES: Final = {extension: kind for kind, names in _EXTENSIONS.items() for extension in names.split()}

#: Types other than text that are worth compressing, besides those that end in +json and +xml.
_COMPRESSIBLE: Final = frozenset(
    (
        "application/dash+xml",
        "application/javascript",
        "application/json",
        "application/json5",
        "application/jsonl",
        "application/manifest+json",
        "application/postscript",
        "application/rtf",
        "application/vnd.apple.mpegurl",
        "application/vnd.ms-fontobject",
        "application/wasm",
        "application/x-ndjson",
        "application/xml",
        "application/yaml",
        "audio/mpegurl",
        "font/collection",
        "font/otf",
        "font/ttf",
        "image/bmp",
        "image/vnd.microsoft.icon",
    )
)


def media_type(name: bytes) -> str:
    """The Content-Type of a file of that name; text is in UTF-8."""
    stem, dot, extension = name.rpartition(b".")
    if not dot:
        known = name.decode("latin-1").lower() in _TEXT_NAMES
        return "text/plain; charset=utf-8" if known else UNKNOWN
    if not stem and extension not in (b"gitignore", b"dockerignore", b"editorconfig", b"env"):
        return UNKNOWN
    return _of_extension(extension) if len(extension) <= 16 else UNKNOWN


@lru_cache(512)
def _of_extension(extension: bytes) -> str:
    text = extension.decode("latin-1").lower()
    found = _TYPES.get(text)
    if found is None:
        from mimetypes import MimeTypes

        table = MimeTypes().types_map
        found = table[True].get(f".{text}") or table[False].get(f".{text}") or UNKNOWN
    return f"{found}; charset=utf-8" if found.startswith("text/") else found


def is_compressible(content_type: str) -> bool:
    """Whether files of that type become smaller when they are compressed."""
    kind = content_type.partition(";")[0]
    return kind.startswith("text/") or kind.endswith(("+json", "+xml")) or kind in _COMPRESSIBLE
