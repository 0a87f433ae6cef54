"""The sidecar that orders and renews: `sidecar` is called in the master, the rest runs in the sidecar's process.

There one thread orders, which may block for minutes, and the main thread listens to the master. Killed in the middle of
an order it is started again and begins another one: the directory's limits count certificates and failures.
"""

from __future__ import annotations

import os
import select
import threading
import time
from typing import TYPE_CHECKING

from ..settings import Resolved, SettingsError
from ..supervisor import Message, Sidecar, SidecarContext, log_record
from ..supervisor.control.client import ControlClient, ControlError

if TYPE_CHECKING:
    from .state import State

__all__ = ["TITLE", "require_library", "sidecar"]

TITLE = "acme"
_HAND_OVER_S = 60.0  # workers may be booting
_LOOK_S = 0.2
_FAILED_START_S = 5.0


def sidecar(resolved: Resolved) -> Sidecar:
    """Return the sidecar for the settings. Raises SettingsError when the library is not installed."""
    require_library(resolved)
    settings = resolved.settings
    ca = None if settings.acme_ca is None else os.path.join(settings.chdir or resolved.base, settings.acme_ca)
    key = (settings.acme, settings.acme_email, settings.acme_directory, ca, settings.chdir, settings.user)
    return Sidecar(TITLE, (), lambda context: _Process(context, resolved, ca).run(), key=repr(key))


def require_library(resolved: Resolved) -> None:
    """Raise SettingsError if what the extra `acme` brings is not there."""
    from importlib.util import find_spec

    for name in ("acme", "josepy", "cryptography"):
        try:
            missing = find_spec(name) is None
        except ValueError:  # sys.modules has None for it: it is hidden
            missing = True
        if missing:
            raise SettingsError([f"{resolved.labels['acme']}: {name} is not installed: pip install 'webpy[acme]'"])


class _Process:
    """Orders in a thread, and ends when the master says so."""

    def __init__(self, context: SidecarContext, resolved: Resolved, ca: str | None) -> None:
        self._context = context
        self._resolved = resolved
        self._ca = ca
        self._control = ControlClient(context.control)

    def run(self) -> None:
        """Serve until the master stops this process (the main thread)."""
        self._context.ready()
        threading.Thread(target=self._order, daemon=True).start()
        poll = select.poll()
        poll.register(self._context.channel, select.POLLIN)
        while poll.poll():
            if self._context.receive() in (Message.DRAIN, Message.STOP, Message.ORPHANED):
                break
        os._exit(0)  # the thread may be in an order, which another process begins again

    def _order(self) -> None:
        """Order and renew (in the thread)."""
        from .directory import Directory
        from .renewing import Orders, Renewer, Shell

        settings = self._resolved.settings

        def find_orders(account_key: bytes) -> Orders:
            return Directory(settings.acme_directory, account_key, self._ca, settings.acme_email)

        shell = Shell(log_record, self._hand_over, find_orders)
        try:
            state = self._open_state()
            self._wait_for_workers()
            Renewer(state, settings.acme, settings.acme_directory, shell).run()
        except BaseException as error:
            log_record("critical", f"acme: {type(error).__name__}: {error}")
            os._exit(1)

    def _open_state(self) -> State:
        """Return the state, once its folder can be had; until then it is tried again and again, and logged once."""
        from .state import State, open_folder

        told = False
        while True:
            try:
                return State(open_folder(self._resolved), self._resolved.settings.acme)
            except OSError as error:
                if not told:
                    text = f"acme: no certificate is ordered, as it could not be kept: {error.strerror or error}"
                    log_record("error", f"{text}; looking again every {_FAILED_START_S:g} s")
                    told = True
                time.sleep(_FAILED_START_S)

    def _wait_for_workers(self) -> None:
        """Wait until the server is ready: it is the workers that the directory asks for the proof."""
        from ..admin.readiness import unready

        while unready(self._control.ask("status")["status"]):
            time.sleep(_LOOK_S)

    def _hand_over(self) -> None:
        try:
            reply = self._control.ask("renew", _HAND_OVER_S, wait=True)
        except TimeoutError:
            return  # the master looks by itself too
        except ControlError as error:
            log_record("error", f"acme: the master cannot be told of the new certificate: {error}")
            return
        if not reply.get("ok"):
            log_record("error", f"acme: the workers do not use the new certificate: {reply.get('text')}")
