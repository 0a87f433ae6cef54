"""The settings of the supervisor: one frozen set for each generation.

Owns the names, units and defaults, and the checks that need nothing of the system. Knows nothing of where the settings
come from. Made by the caller's `configure()`, at the start and again at every reload.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from .logs.errorformat import FORMS, LEVELS

__all__ = ["Config", "SettingsError", "Sidecar"]

_SECONDS = (
    "boot_timeout_s",
    "drain_timeout_s",
    "healthy_after_s",
    "shutdown_delay_s",
    "request_timeout_s",
    "slow_request_s",
    "heartbeat_timeout_s",
    "max_lifetime_s",
)


class SettingsError(ValueError):
    """A setting that cannot be used; the text names its value and what is wanted."""


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What runs in a process beside the workers, such as a status page. Two are equal if all but `run` is: a reload
    then leaves the process alone."""

    title: str
    binds: tuple[str, ...]
    """Addresses to listen on, as in `Config.binds`; may be empty."""
    run: Callable[[Any], None] = field(compare=False)
    """Called in that process with a `SidecarContext` (`sidecars`); when it returns, the process ends."""
    key: str = field(default="", repr=False)
    """Any other value whose change has a reload start the process anew."""
    scheme: str = ""
    """As `Config.scheme`, for its own addresses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of one generation; times in seconds, paths as the system takes them."""

    binds: tuple[str, ...] = ("127.0.0.1:8000",)
    """HOST:PORT, [V6]:PORT, unix:PATH or fd:N each; see `system.listeners`."""
    schemes: tuple[str, ...] = ()
    """What is spoken at each of `binds`, such as "http"; "" where nothing is said, empty if nothing is said of any.
    The application is told (`Context.schemes`), and addresses are shown with it."""
    backlog: int = 2048
    workers: int = 1
    threads: int = 32
    """How many threads of a worker have an activity on the scoreboard."""
    boot_timeout_s: float = 60.0
    drain_timeout_s: float = 30.0
    healthy_after_s: float = 1.0
    """A worker that dies sooner after READY has died young: its generation may be to blame."""
    shutdown_delay_s: float = 0.0
    """How long to go on accepting after a graceful stop was asked for."""
    access_log: str = "-"
    """PATH, "-" (standard output) or "off"."""
    log_full: str = "drop"
    """What happens when the access log takes no more records: "drop" and count them, or workers "wait"."""
    error_log: str = "-"
    """PATH or "-" (standard error)."""
    error_format: str = "text"
    """Form of the error log's records: "text", "json", "short" or "colour" (see `logs.errorformat`)."""
    log_level: str = "info"
    pidfile: str | None = None
    user: str | None = None
    """Name or number, for the zygote and the workers; the master keeps its rights."""
    group: str | None = None
    umask: int | None = None
    socket_mode: int | None = None
    """Mode of the files of unix sockets in `binds`; None is 0666 less the umask."""
    socket_group: str | None = None
    """Name or number of their group; None is `group`."""
    chdir: str | None = None
    """Directory of the zygote and the workers; other paths are relative to where the master was started."""
    name: str = "supervisor"
    """The beginning of process titles."""
    scheme: str = ""
    """Put before addresses of which `schemes` say nothing: "http" makes "listening on http://127.0.0.1:8000"."""
    ring_bytes: int = 1 << 20
    pool_ring_bytes: int = 1 << 18
    request_timeout_s: float = 0.0
    """A worker is replaced if one piece of work takes longer; 0 is off, here and below."""
    slow_request_s: float = 0.0
    """A piece of work that takes longer is logged once, with its stack."""
    heartbeat_timeout_s: float = 0.0
    """A worker whose loop stands still for so long is replaced."""
    max_requests: int = 0
    max_requests_jitter: int = 0
    max_lifetime_s: float = 0.0
    max_memory_bytes: int = 0
    """Private memory of a worker above which it is replaced."""
    control: str = "off"
    """PATH of the control socket, "auto" for one in the runtime directory named by pid, or "off"."""
    target: str = ""
    """What is served, as lists of running servers show it."""
    awaits_fix: bool = False
    """Whether the master waits for a request to load again if the first load fails; otherwise it ends."""
    sidecars: tuple[Sidecar, ...] = ()
    watches: bool = False
    """Whether the master looks about once a second if the application's content has changed (`renewals`)."""

    def keep(self) -> dict[str, Any]:
        """Return all but the sidecars for the upgrade state, as JSON takes it."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "sidecars"}

    @classmethod
    def restore(cls, state: Mapping[str, Any], sidecars: tuple[Sidecar, ...] = ()) -> Config:
        """Return the settings that `keep` described, perhaps in another version of this program: a setting that only
        one of the two knows has its default."""
        known = {each.name: state[each.name] for each in fields(cls) if each.name in state}
        binds, schemes = tuple(state["binds"]), tuple(state.get("schemes", ()))
        return cls(**{**known, "binds": binds, "schemes": schemes, "sidecars": sidecars})

    def __post_init__(self) -> None:
        for name in ("workers", "threads", "backlog", "ring_bytes", "pool_ring_bytes"):
            value = getattr(self, name)
            if value < 1:
                raise SettingsError(f"{name} is {value!r}: at least 1 is wanted")
        for name in ("max_requests", "max_requests_jitter", "max_memory_bytes"):
            value = getattr(self, name)
            if value < 0:
                raise SettingsError(f"{name} is {value!r}: 0 or more is wanted")
        for name in _SECONDS:
            value = getattr(self, name)
            if not 0 <= value < 1e9:
                raise SettingsError(f"{name} is {value!r}: seconds are wanted, 0 or more")
        if not self.boot_timeout_s:
            raise SettingsError(f"boot_timeout_s is {self.boot_timeout_s!r}: more than 0 is wanted")
        if self.log_level not in LEVELS:
            raise SettingsError(f"log_level is {self.log_level!r}: one of {', '.join(LEVELS)} is wanted")
        if self.error_format not in FORMS:
            raise SettingsError(f"error_format is {self.error_format!r}: one of {', '.join(FORMS)} is wanted")
        if self.log_full not in ("drop", "wait"):
            raise SettingsError(f"log_full is {self.log_full!r}: drop or wait is wanted")
        if not self.binds:
            raise SettingsError("binds is empty: at least one address is wanted")
        if len(self.schemes) not in (0, len(self.binds)):
            raise SettingsError(f"schemes are {self.schemes!r}: one for each of {len(self.binds)} binds is wanted")
