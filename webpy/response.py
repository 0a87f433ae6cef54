"""The old place of `Body` and `Result`, for one version: import them from `webpy.framework`."""

from __future__ import annotations

import warnings

from .framework import Body, Result

__all__ = ["Body", "Result"]

warnings.warn("webpy.response is deprecated: import Body and Result from webpy.framework", DeprecationWarning, 2)
