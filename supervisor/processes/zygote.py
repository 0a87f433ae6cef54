"""What runs in a zygote, and in a worker before and after the application.

Owns loading, forking and ending; the first steps of the process are `forking`'s. A zygote loads the application once
and then only forks; it has one thread, so forking it is safe. A worker is forked twice: the process between ends at
once, so that the worker becomes a child of the master, which is the one to reap and replace it. Knows nothing of the
master but the messages.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import socket
import sys
import threading
import traceback
from dataclasses import dataclass, replace
from typing import NoReturn

import setproctitle

from ..config import Config
from ..content import Renewable
from ..logs.childlog import log_record, set_role
from ..system.identity import Identity
from .context import Application, Context, LoadError, Means, Place, answer_renewal
from .forking import Birth, become_child_of
from .messages import Message, Packet, receive, send
from .stacks import offer_stacks

__all__ = ["Zygote"]


@dataclass(slots=True, kw_only=True)
class Zygote:
    """What a zygote inherits through its fork."""

    generation: int
    application: Application
    identity: Identity
    means: Means
    """Its channel is the zygote's; each worker gets one of its own."""
    adopting_pid: int
    """The pid of the master if it is the subreaper, and becomes the parent of every worker; else 0."""
    config: Config

    def main(self, birth: Birth) -> NoReturn:
        """Be the zygote (in the process just forked): load, say READY, fork when told to, end with the master."""
        birth.set_up()
        self.means.channel.setblocking(True)
        self._load(birth)
        self._serve()

    def _load(self, birth: Birth) -> None:
        """Load the application; if it raises, tell the master why and end."""
        try:
            self.identity.take_on()
            birth.stay_with_master()
            self.application.load()
        except BaseException as error:
            own_frame = error.__traceback__
            shown = own_frame.tb_next if own_frame is not None else None
            says_all = isinstance(error, LoadError)
            text = str(error) if says_all else "".join(traceback.format_exception(type(error), error, shown))
            send(self.means.channel, Message.FAILED, text=text.encode("utf-8", "backslashreplace"))
            _flush()
            os._exit(1)
        if threading.active_count() > 1:
            here = threading.current_thread()
            names = ", ".join(thread.name for thread in threading.enumerate() if thread is not here)
            text = f"loading the application started threads, which no worker will have: {names}"
            log_record("warning", text)
        gc.collect()
        gc.freeze()
        _flush()

    def _serve(self) -> NoReturn:
        """Say READY, then fork a worker for each FORK, and use the content of each RENEW; any other message, or the
        master's end, ends the zygote."""
        renewable: Renewable | None = getattr(self.application, "renewable", None)
        if renewable is not None:
            send(self.means.channel, Message.RENEWED, text=_facts(renewable))
        alone: str = getattr(self.application, "alone", "")
        send(self.means.channel, Message.READY, text=alone.encode("utf-8", "backslashreplace"))
        while True:
            packet = receive(self.means.channel)
            if packet is None:
                continue
            if packet.message is Message.FORK:
                self._fork(packet)
            elif packet.message is Message.RENEW:
                take = None if renewable is None else renewable.take
                answer_renewal(self.means.channel, packet, take, lambda: _facts(renewable))
            else:
                os._exit(0)

    def _fork(self, order: Packet) -> None:
        """Fork a process that forks the worker, and wait for its end."""
        if order.descriptor < 0:
            log_record("error", "cannot fork a worker: too many open files to take its channel")
            return
        try:
            pid = os.fork()
            if pid == 0:
                self._fork_again(order)
            os.waitpid(pid, 0)
        except OSError as error:
            log_record("error", f"cannot fork a worker: {error.strerror}")
        finally:
            os.close(order.descriptor)

    def _fork_again(self, order: Packet) -> NoReturn:
        """Fork the worker and end (in the process between the zygote and the worker)."""
        status = 1
        try:
            between = os.getpid()
            if os.fork() == 0:
                self._work(order, between)
            status = 0
        except OSError as error:
            log_record("error", f"cannot fork a worker: {error.strerror}")
        finally:
            os._exit(status)

    def _work(self, order: Packet, between: int) -> NoReturn:
        """Be a worker; `between` is the pid of the process that forked it, which is ending."""
        status = 1
        try:
            if self.adopting_pid:
                become_child_of(self.adopting_pid, between)
            channel = socket.socket(fileno=order.descriptor)
            channel.setblocking(False)
            stacks_fd = offer_stacks()
            send(channel, Message.FORKED, os.getpid(), descriptor=stacks_fd)
            if stacks_fd >= 0:
                os.close(stacks_fd)
            self.means.channel.close()
            row, slot = divmod(order.number, 1 << 32)
            setproctitle.setproctitle(f"{self.config.name}: worker {slot} gen {self.generation}")
            set_role(f"worker {slot} gen {self.generation}")
            place = Place(slot, self.generation, self.means.scoreboard.rows[row])
            means = replace(self.means, channel=channel)
            context = Context(place, means, waits_for_log=self.config.log_full == "wait")
            os.register_at_fork(after_in_child=context.leave)
            self.application.run(context)
            status = 0
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 1
        except BaseException:
            log_record("critical", "the worker failed", exception=traceback.format_exc().rstrip())
        finally:
            with contextlib.suppress(BaseException):
                atexit._run_exitfuncs()
            _flush()
            os._exit(status)


def _facts(renewable: Renewable | None) -> bytes:
    """Return what the status says of the content in use, as JSON; nothing if that is not to be had."""
    try:
        return b"" if renewable is None else json.dumps(renewable.facts()).encode()
    except Exception:
        log_record("error", "the status cannot say what is in use", exception=traceback.format_exc().rstrip())
        return b""


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
