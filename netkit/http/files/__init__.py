"""Serve the files of a directory over HTTP.

    FileHandler     the handler: give it to an HttpServer
    FilesConfig     its settings, with UploadConfig and BasicCredentials

Decided without a look at the disk: `target` (the path of a request as names), `media_types`, `coding` (which
content coding), `representation` (what the answer is), `entries` and `page` (a listing), `origins` (other
sites), `passwords`. With the disk: `tree` (names opened beneath a root), `sending`, `listing`, `archive`,
`upload`. `handler` puts them together; `guard` knows who may come in.
"""

from __future__ import annotations

from netkit.http.files.config import (
    BasicCredentials as BasicCredentials,
    FilesConfig as FilesConfig,
    UploadConfig as UploadConfig,
)
from netkit.http.files.handler import FileHandler as FileHandler
