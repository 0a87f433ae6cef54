"""A general prefork supervisor: listeners, generations, workers, a scoreboard in shared memory, logs.

Knows nothing of HTTP or of what the workers do. Imported as `webpy.supervisor`.
"""

from __future__ import annotations

from .config import Config, SettingsError, Sidecar
from .logs.childlog import log_record
from .logs.errorformat import log_line
from .processes.adoption import Adoption
from .processes.context import Application, Context, LoadError, Means, Place
from .processes.messages import Message
from .processes.states import ChildState
from .scoreboard.lane import Lane
from .scoreboard.latency import BUCKET_OF, BUCKETS, CLASSES, bucket, bucket_bounds
from .scoreboard.layout import CLOSED, LINE_BYTES, QUEUE_LINES, SENDING, Cell, MasterCell
from .scoreboard.row import Line, Row
from .scoreboard.scoreboard import Scoreboard
from .sidecars import SidecarContext
from .supervisor import Status, Supervisor
from .system.binding import BindError
from .system.openfiles import open_files

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
    "Cell",
    "ChildState",
    "Config",
    "Context",
    "Lane",
    "Line",
    "LoadError",
    "MasterCell",
    "Means",
    "Message",
    "Place",
    "Row",
    "Scoreboard",
    "SettingsError",
    "Sidecar",
    "SidecarContext",
    "Status",
    "Supervisor",
    "bucket",
    "bucket_bounds",
    "log_line",
    "log_record",
    "open_files",
]
