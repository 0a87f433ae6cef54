"""A general prefork supervisor: a master that keeps worker processes running, and replaces them without losing
requests.

Knows nothing of HTTP or of what the workers do. Imported as `webpy.supervisor`. The rooms, from the top down:

    supervisor, master     the master's process, and the parts and commands of a running master
    upgrade/               replaces the master's own program in place
    control/               commands and status over a unix socket
    ending                 how everything stops
    renewals               new content for running workers, without a reload
    workers/               slots and generations: fork, replace, reload, recycle, watch
    sidecars               processes beside the workers, such as a status page
    resources, logfiles    listeners, pidfile and logs, as the settings name them
    processes/             single processes: fork, messages, states, stacks
    system/                sockets, pidfile, user, limits, service manager
    logs/                  access log and error log
    scoreboard/            shared memory: each worker's numbers, its requests, its log records
    config, content, eventloop, events, descriptors, services     what all of them use
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
from .scoreboard.layout import (
    AWAITED,
    CLOSED,
    PAGE,
    QUEUE_ACTIVITIES,
    SENDING,
    SHARED_KEY_BYTES,
    TEXT_BYTES,
    Cell,
    MasterCell,
)
from .scoreboard.row import Activity, Row
from .scoreboard.scoreboard import Scoreboard
from .sidecars import SidecarContext
from .supervisor import Status, Supervisor
from .system.binding import BindError
from .system.openfiles import open_files

__all__ = [
    "AWAITED",
    "BUCKETS",
    "BUCKET_OF",
    "CLASSES",
    "CLOSED",
    "PAGE",
    "QUEUE_ACTIVITIES",
    "SENDING",
    "SHARED_KEY_BYTES",
    "TEXT_BYTES",
    "Activity",
    "Adoption",
    "Application",
    "BindError",
    "Cell",
    "ChildState",
    "Config",
    "Context",
    "Lane",
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
