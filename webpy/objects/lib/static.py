"""CherryPy's names about files: see `webpy.objects.tools.sending` and `.static`."""

from __future__ import annotations

from ..tools.sending import serve_download, serve_file, serve_fileobj
from ..tools.static import staticdir, staticfile

__all__ = ["serve_download", "serve_file", "serve_fileobj", "staticdir", "staticfile"]
