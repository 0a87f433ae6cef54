"""Where settings, the application and the supervisor meet: `serve` and `serve_site` make this process the master.

Owns the supervisor's configuration, made from the settings. The settings are read again at every reload; the
application is loaded in the zygote, never in the master. Called by the command line and `HTTPServer`.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

from . import statedir
from .framework.atomic import ResourceLocks
from .framework.renaming import show_warnings
from .settings import Resolved, Settings, split_scheme
from .supervisor import Config, LoadError, Sidecar, Supervisor
from .supervisor.system.identity import Identity
from .supervisor.upgrade.handoff import inherited_descriptor
from .target.target import Target, TargetError, load_target
from .worker import Site, WebApplication

__all__ = [
    "add_acme",
    "config_of",
    "inherited_locks",
    "prepare_statedir",
    "serve",
    "serve_site",
    "serve_target",
    "supervise",
]


def serve(target: str, resolve_again: Callable[[], Resolved], kind: str | None = None) -> int:
    """Serve TARGET until stopped, with this process as the master; return the exit status (see `Status`).

    `target` and `kind` are those of `target.load_target`; `resolve_again` returns the settings of now and is called at
    the start and at every reload.
    """

    def load() -> Target:
        show_warnings()
        return load_target(target, kind)

    return serve_target(load, resolve_again, target)


def serve_target(
    load: Callable[[], Target], resolve_again: Callable[[], Resolved], name: str, stop_fd: int | None = None
) -> int:
    """Serve what `load` returns, which is called in the zygote; otherwise as `serve_site`."""

    def find_site() -> Site:
        with _target_errors():
            found = load()
            mixins = found.mixins
        return Site(found.routes, found.error_routes, found.settings, lambda: warm_up(found), mixins=mixins)

    def warm_up(found: Target) -> None:
        with _target_errors():
            found.warm_up()

    return serve_site(find_site, resolve_again, name, stop_fd)


def serve_site(
    find_site: Callable[[], Site],
    resolve_again: Callable[[], Resolved],
    target: str | None = None,
    stop_fd: int | None = None,
) -> int:
    """Serve a site that does not come from a TARGET, as `serve` does.

    `find_site` is called in the zygote and may raise LoadError; `target` names the site for lists of running servers.
    `stop_fd` is that of `Supervisor.run`, for the server of another program.
    """
    locks = inherited_locks()

    def configure() -> tuple[Config, WebApplication]:
        resolved = resolve_again()
        config = config_of(resolved, target)
        prepare_statedir(config)
        return config, add_acme(WebApplication(resolved, find_site, locks), resolved, config)

    return supervise(configure, locks, stop_fd)


_LOCKS = "locks"


def inherited_locks() -> ResourceLocks:
    """Return the locks that running workers use, if this program takes over in an upgrade; else new ones."""
    return ResourceLocks(fd=inherited_descriptor(_LOCKS))


def supervise(
    configure: Callable[[], tuple[Config, WebApplication]], locks: ResourceLocks, stop_fd: int | None = None
) -> int:
    """Run the master, and return the exit status. Unless it is another program's, which stops it by `stop_fd`, it can
    be upgraded in place."""
    program = sys.orig_argv if stop_fd is None else None
    return Supervisor(configure, program=program, keeps={_LOCKS: locks.fileno()}).run(stop_fd=stop_fd)


@contextlib.contextmanager
def _target_errors() -> Iterator[None]:
    """Raise a TargetError as the supervisor's LoadError: its message needs no traceback."""
    try:
        yield
    except TargetError as error:
        raise LoadError(str(error)) from error


_MAX_HEARTBEAT_S = 30.0  # for which a worker's loop may stand still, unless request-timeout is shorter
_MIN_HEARTBEAT_S = 2.0  # an idle worker's loop sleeps for 1 s


def config_of(resolved: Resolved, target: str | None = None) -> Config:
    """Return the supervisor's configuration. `target` is what is served; `--reload` watches its folder too."""
    settings = resolved.settings
    binds = [split_scheme(bind) for bind in settings.bind]
    return Config(
        binds=tuple(address for _, address in binds),
        schemes=tuple(scheme for scheme, _ in binds),
        backlog=settings.backlog,
        workers=settings.worker_count(),
        threads=settings.threads,
        boot_timeout_s=settings.boot_timeout,
        drain_timeout_s=settings.drain_timeout,
        shutdown_delay_s=settings.shutdown_delay,
        access_log=settings.access_log,
        log_full=settings.log_full,
        error_log=settings.error_log,
        error_format=settings.error_format,
        log_level=settings.log_level,
        pidfile=settings.pidfile,
        user=settings.user,
        group=settings.group,
        umask=settings.umask,
        socket_mode=settings.socket_mode,
        socket_group=settings.socket_group,
        chdir=settings.chdir,
        name="webpy",
        scheme=settings.usual_scheme,
        request_timeout_s=settings.request_timeout,
        slow_request_s=settings.slow_request,
        heartbeat_timeout_s=_heartbeat_s(settings),
        max_requests=settings.max_requests,
        max_requests_jitter=settings.max_requests_jitter,
        max_lifetime_s=settings.max_lifetime,
        max_memory_bytes=settings.max_memory,
        control=settings.control or "auto",
        target=target or os.path.basename(sys.argv[0]),
        awaits_fix=settings.reload,
        sidecars=tuple(_sidecars(resolved, target)),
        watches=settings.cert_watch or bool(settings.acme),
    )


def prepare_statedir(config: Config) -> None:
    """Make the state directory for workers that run as another user (in the master, while it still runs as root)."""
    identity = Identity.of(config)
    if identity.uid is not None and os.geteuid() == 0 and identity.uid != 0:
        statedir.set_pidfile(config.pidfile)
        with contextlib.suppress(OSError):  # a store that needs it reports that, with the reasons, when it is loaded
            statedir.prepare_for_user(identity.uid, identity.gid, config.chdir)


_App = TypeVar("_App", bound=WebApplication)


def add_acme(application: _App, resolved: Resolved, config: Config) -> _App:
    """Return the application, with a certificate from an ACME directory if the settings want one (in the master)."""
    if resolved.settings.acme:
        from .acme import Acme

        acme = Acme(resolved, config)
        application.add_certificate(acme, acme.before)
    return application


def _sidecars(resolved: Resolved, target: str | None) -> Iterator[Sidecar]:
    settings = resolved.settings
    if settings.admin != "off":
        from .admin import sidecar as admin

        yield admin(settings)
    if settings.acme:
        from .acme import sidecar as acme

        yield acme(resolved)
    if settings.reload:
        from .watching import sidecar as autoreload

        yield autoreload(resolved, target)


def _heartbeat_s(settings: Settings) -> float:
    """Return how long a worker's loop may stand still before the worker is replaced."""
    return max(_MIN_HEARTBEAT_S, min(settings.request_timeout or _MAX_HEARTBEAT_S, _MAX_HEARTBEAT_S))
