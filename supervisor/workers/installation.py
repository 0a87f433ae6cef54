"""Which generation and settings are in force, and the change from one to the next.

Owns the generation in force, and everything besides the workers that a change of settings touches: listeners and logs
(`resources`), sidecars, the control socket, and what is told of it to the service manager, the scoreboard and the
recent events. Knows nothing of slots. Used by `firstload` and `reload`, in the master.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..config import Config, SettingsError
from ..resources import Basis, Resources
from ..scoreboard.layout import MasterCell
from ..services import Services
from ..sidecars import Sidecars
from ..system.notify import Notify
from .generation import Generation
from .worker import capacity

__all__ = ["ControlSocket", "Installation"]


@dataclass(frozen=True, slots=True)
class ControlSocket:
    """The control interface, as far as it follows the settings; each is a method of `control.server.Control`."""

    prepare: Callable[[str, str], None]
    listen: Callable[[str, str], None]
    discard: Callable[[], None]


class Installation:
    """`current` is the generation in force: during a reload still the old one."""

    current: Generation

    def __init__(
        self, services: Services, resources: Resources, sidecars: Sidecars, notify: Notify, control: ControlSocket
    ) -> None:
        self._services = services
        self._resources = resources
        self._sidecars = sidecars
        self._notify = notify
        self._control = control

    # -- before it is known whether the new generation will do -----------------------------------------------

    def renew(self) -> Basis:
        """Read the settings again, open what they name, and return both. Raises what is wrong with them, SettingsError
        or BindError; then nothing has changed."""
        return self._resources.renew(self._check)

    def prepare(self, number: int) -> Basis:
        """Do as `renew` does for the reload to generation `number`, and make its control socket. `commit` or `undo`
        must follow, also after an exception."""
        self._notify.reloading(f"loading generation {number}")
        basis = self.renew()
        try:
            self._control.prepare(basis.config.control, basis.config.name)
        except SettingsError:
            self._resources.revert(basis)
            raise
        return basis

    def _check(self, config: Config) -> None:
        """Raise SettingsError if a running server cannot take on these settings."""
        scoreboard = self._services.scoreboard
        limits = {"workers": capacity(scoreboard), "threads": scoreboard.threads}
        for name, limit in limits.items():
            if getattr(config, name) > limit:
                wanted = f"the scoreboard was made for {limit}, a restart is wanted"
                raise SettingsError(f"{name} is {getattr(config, name)}: {wanted}")
        if config.pidfile != self.current.config.pidfile:
            text = f"pidfile is {config.pidfile!r}: it stays {self.current.config.pidfile!r} until a restart"
            self._services.errors.say("warning", text)

    # -- in force, or not ------------------------------------------------------------------------------------

    def begin(self, first: Generation) -> None:
        """Log where the server listens, as `first` is the first generation that has loaded."""
        self._services.scoreboard.master[MasterCell.GENERATION] = first.number
        self._resources.say_addresses(first.config)

    def install(self, new: Generation) -> None:
        """Put `new` and its settings in force."""
        self._resources.install(new.basis)
        self._sidecars.apply(new.basis)
        self._control.listen(new.config.control, new.config.name)
        self.current = new

    def commit(self, new: Generation) -> None:
        """Put `new` in force, as its reload succeeded."""
        self.install(new)
        self._notify.ready(f"generation {new.number} serves")
        self._services.scoreboard.master[MasterCell.GENERATION] = new.number
        self._services.scoreboard.master[MasterCell.RELOADS] += 1
        self._services.events.add("reload", f"generation {new.number} serves", generation=new.number)

    def undo(self, basis: Basis | None, why: str) -> None:
        """Close what was opened for `basis`, as its reload failed; None if the settings could not even be read."""
        self._services.scoreboard.master[MasterCell.RELOADS_FAILED] += 1
        self._services.events.add("reload-failed", why)
        self._notify.ready(f"generation {self.current.number} keeps serving, a reload failed: ", why)
        self._control.discard()
        if basis is not None:
            self._resources.revert(basis)
