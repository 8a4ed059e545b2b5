"""Serve the files of a directory over HTTP.

    FileHandler     the handler: give it to an HttpServer
    FilesConfig     its settings, with UploadConfig and BasicCredentials

Modules: `target` (the path of a request as names), `tree` (names opened beneath a root), `media_types`,
`coding` (which content coding), `representation` (what the answer is), `sending`, `handler`.
"""

from __future__ import annotations

from netkit.http.files.config import (
    BasicCredentials as BasicCredentials,
    FilesConfig as FilesConfig,
    UploadConfig as UploadConfig,
)
from netkit.http.files.handler import FileHandler as FileHandler
