"""CherryPy's names about files: see `sending` and `static` in `webpy.objects.tools.content`."""

from __future__ import annotations

from ..tools.content.sending import serve_download, serve_file, serve_fileobj
from ..tools.content.static import staticdir, staticfile

__all__ = ["serve_download", "serve_file", "serve_fileobj", "staticdir", "staticfile"]
