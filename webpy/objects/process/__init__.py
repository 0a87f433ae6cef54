"""What exists once in a process, or once in a thread. Programs import `bus` and `plugins`, as CherryPy's `process`.

`bus` has the channels that functions subscribe to, `engine` is the bus of this process, `plugins` subscribe to it;
`logs` has its log, `settings` those of its server, `serving` the request that each thread serves.
"""

from . import bus, plugins

__all__ = ["bus", "plugins"]
