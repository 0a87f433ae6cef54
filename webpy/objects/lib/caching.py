"""CherryPy's names of the tool `caching`: see `webpy.objects.tools.caching` and `.caches`."""

from __future__ import annotations

from ..tools.caches import Cache, MemoryCache, StoreCache
from ..tools.caching import get, tee_output
from ..tools.fields import expires

__all__ = ["Cache", "MemoryCache", "StoreCache", "expires", "get", "tee_output"]
