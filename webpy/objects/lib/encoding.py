"""CherryPy's names about encodings: see `webpy.objects.tools.encoding` and `.gzipping`."""

from __future__ import annotations

from ..tools.encoding import ResponseEncoder, decode, prepare_iter
from ..tools.gzipping import compress, gzip

__all__ = ["ResponseEncoder", "compress", "decode", "gzip", "prepare_iter"]
