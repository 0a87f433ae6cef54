"""`webpy dev`'s master: makes the settings fit for development, and serves.

The machinery is that of `webpy serve --reload`; the master differs in what it writes to the terminal. Called by the
command line.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable

from ..serving import add_acme, config_of, inherited_locks, prepare_statedir, supervise
from ..settings import Resolved, SettingsError
from ..supervisor import Config, log_record
from ..target.errors import TargetError
from ..target.spec import BadSpec, parse_spec
from ..watching import AUTORELOAD, is_installed
from ..watching import sidecar as autoreload
from .application import DevApplication, Options
from .terminal import Announcement, has_colours

__all__ = ["DEFAULTS", "serve"]

#: settings of development, by name; the command line overrides them, the environment and webpy.toml do not
DEFAULTS: dict[str, object] = {
    "workers": "1",
    "reload": True,
    "access_log": "-",
    "error_log": "-",
    "request_timeout": "0",  # a handler may stand in a debugger
    "slow_request": "0",
    "drain_timeout": "2",  # the next reload waits for it
}
_HEALTHY_AFTER_S = 0.2  # the next reload waits for that, too


def serve(options: Options, resolve_again: Callable[[], Resolved]) -> int:
    """Serve TARGET until stopped, with this process as the master; return the exit status.

    `resolve_again` returns the settings of now and is called at the start and at every reload. Raises TargetError if
    TARGET is no name of anything, or of a file that is not there; SettingsError if sources are to be watched and
    watchfiles is not installed.
    """
    resolved = resolve_again()
    _refuse_missing(options.target, resolved)
    if resolved.settings.reload and not is_installed():
        instead = "pip install 'webpy[reload]', or give --no-reload"
        raise SettingsError(f"watchfiles is not installed, so no change of a source would be noticed: {instead}")
    locks = inherited_locks()
    announcement = Announcement()

    def reloaded() -> None:
        log_record("info", announcement.get())

    def configure() -> tuple[Config, DevApplication]:
        resolved = resolve_again()
        quiet = resolved.sources["log_level"] == "default"
        config = config_of(resolved, options.target)
        sidecars = (
            autoreload(resolved, options.target, reloaded) if each.title == AUTORELOAD else each
            for each in config.sidecars
        )
        config = dataclasses.replace(
            config,
            sidecars=tuple(sidecars),
            error_format="colour" if has_colours(2, os.environ) else "short",
            log_level="warning" if quiet else resolved.settings.log_level,  # of the master; workers have their own
            healthy_after_s=_HEALTHY_AFTER_S,
        )
        prepare_statedir(config)
        return config, add_acme(DevApplication(resolved, options, locks, announcement), resolved, config)

    return supervise(configure, locks)


def _refuse_missing(target: str, resolved: Resolved) -> None:
    """Raise TargetError for what no change of a source could mend: a mistyped TARGET."""
    try:
        place = parse_spec(target).place
    except BadSpec as error:
        raise TargetError(str(error)) from None
    path = os.path.join(resolved.settings.chdir or resolved.base, place)
    if place.endswith(".py") and not os.path.exists(path):
        raise TargetError(f"{target}: no such file: {path!r}")
