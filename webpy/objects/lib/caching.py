"""CherryPy's names of the tool `caching`: see `webpy.objects.tools.caching`."""

from __future__ import annotations

from ..tools.caching.caches import Cache, MemoryCache, StoreCache
from ..tools.caching.tool import get, tee_output
from ..tools.fields import expires

__all__ = ["Cache", "MemoryCache", "StoreCache", "expires", "get", "tee_output"]
