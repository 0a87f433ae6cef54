"""The bus and its plugins, as CherryPy's `process` has them.

`bus` owns the channels that functions subscribe to, `plugins` what many programs do on them.
"""

from . import bus, plugins

__all__ = ["bus", "plugins"]
