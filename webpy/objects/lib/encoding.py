"""CherryPy's names about encodings: see `encoding` and `gzipping` in `webpy.objects.tools.content`."""

from __future__ import annotations

from ..tools.content.encoding import ResponseEncoder, decode, prepare_iter
from ..tools.content.gzipping import compress, gzip

__all__ = ["ResponseEncoder", "compress", "decode", "gzip", "prepare_iter"]
