from __future__ import annotations

import os
import signal
from typing import NoReturn

import pytest

from webpy.supervisor.processes.forking import MASTER_SIGNALS, fork


def end() -> NoReturn:
    os._exit(0)


@pytest.mark.parametrize("blocked", [set(), {signal.SIGUSR1}, {signal.SIGTERM, signal.SIGCHLD}])
def test_the_signals_that_were_blocked_are_blocked_again(blocked: set[signal.Signals]) -> None:
    before = signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    try:
        os.waitpid(fork(end), 0)
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == blocked
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_the_child_has_the_masters_signals_blocked() -> None:
    reader, writer = os.pipe()

    def tell() -> NoReturn:
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        os.write(writer, bytes(sorted(mask)))
        os._exit(0)

    os.waitpid(fork(tell), 0)
    assert set(os.read(reader, 100)) >= set(MASTER_SIGNALS)
    os.close(reader)
    os.close(writer)
