"""Owns which media type a file has, by its name. Reads neither files nor the system's tables: the same everywhere."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping

__all__ = ["media_type"]

_types = mimetypes.MimeTypes()  # Python's own table, without /etc/mime.types
for _type, _endings in {
    "text/javascript": (".js", ".mjs"),  # RFC 9239
    "text/markdown": (".md",),
    "text/plain": (".log",),
    "application/manifest+json": (".webmanifest",),
    "application/wasm": (".wasm",),
    "application/yaml": (".yaml", ".yml"),  # RFC 9512
    "application/x-7z-compressed": (".7z",),
    "application/zstd": (".zst",),
    "audio/flac": (".flac",),
    "audio/ogg": (".oga", ".ogg", ".opus"),
    "font/otf": (".otf",),
    "font/ttf": (".ttf",),
    "font/woff": (".woff",),
    "font/woff2": (".woff2",),
    "image/avif": (".avif",),
    "image/webp": (".webp",),
    "video/webm": (".webm",),
}.items():
    for _ending in _endings:
        _types.add_type(_type, _ending)

_COMPRESSED = {
    "br": "application/x-brotli",
    "bzip2": "application/x-bzip2",
    "compress": "application/x-compress",
    "gzip": "application/gzip",
    "xz": "application/x-xz",
}
"""The types of compressed files, by the coding's name in mimetypes: they are sent as they are, for clients to keep."""


def media_type(name: str, charset: str | None, own: Mapping[str, str]) -> str:
    """Return the Content-Type of a file with this name (RFC 9110 section 8.3).

    charset: the charset of text/*, None to leave it out; own: endings in lower case, such as ".txt", to the whole
    field; they count first.
    """
    stem, dot, ending = name.rpartition("/")[2].rpartition(".")
    if dot and stem:
        said = own.get("." + ending.lower())
        if said is not None:
            return said
    kind, coding = _types.guess_type("/" + name.rpartition("/")[2])  # not taken for a URL with a scheme
    if coding is not None:
        kind = _COMPRESSED.get(coding)
    if kind is None:
        return "application/octet-stream"
    return f"{kind}; charset={charset}" if charset and kind.startswith("text/") else kind
