"""A general prefork supervisor: listeners, generations, workers, a board in shared memory, logs.

Knows nothing of HTTP or of what the workers do. Imported as `webpy.supervisor`.
"""

from __future__ import annotations

from .adoption import Adoption
from .board import CLOSED, LINE_BYTES, QUEUE_LINES, SENDING, Board, Cell, Line, MasterCell, Row
from .config import Config, SettingsError
from .context import Application, Context, LoadError
from .lane import Lane
from .latency import BUCKET_OF, BUCKETS, CLASSES, bucket, bucket_bounds
from .listeners import BindError
from .logform import log_line
from .messages import Message
from .openfiles import open_files
from .sidecar import Sidecar, SidecarContext
from .states import ChildState
from .supervisor import Status, Supervisor
from .telling import tell

__all__ = [
    "BUCKETS",
    "BUCKET_OF",
    "CLASSES",
    "CLOSED",
    "LINE_BYTES",
    "QUEUE_LINES",
    "SENDING",
    "Adoption",
    "Application",
    "BindError",
    "Board",
    "Cell",
    "ChildState",
    "Config",
    "Context",
    "Lane",
    "Line",
    "LoadError",
    "MasterCell",
    "Message",
    "Row",
    "SettingsError",
    "Sidecar",
    "SidecarContext",
    "Status",
    "Supervisor",
    "bucket",
    "bucket_bounds",
    "log_line",
    "open_files",
    "tell",
]
