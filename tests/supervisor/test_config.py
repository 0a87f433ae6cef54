from __future__ import annotations

import os
from typing import Any

import pytest

from webpy.supervisor import Config, SettingsError
from webpy.supervisor.processes.backoff import Backoff
from webpy.supervisor.processes.causes import describe
from webpy.supervisor.system.identity import Identity


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"workers": 0}, "workers is 0: at least 1"),
        ({"threads": -1}, "threads is -1"),
        ({"boot_timeout_s": -0.5}, "boot_timeout_s is -0.5"),
        ({"drain_timeout_s": float("nan")}, "drain_timeout_s is nan"),
        ({"log_level": "loud"}, "log_level is 'loud': one of debug, info"),
        ({"binds": ()}, "binds is empty"),
    ],
)
def test_settings_are_checked(setting: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Config(**setting)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"user": "no-such-user"}, "user is 'no-such-user': a user"),
        ({"group": "no-such-group"}, "group is 'no-such-group': a group"),
        ({"chdir": "/no/such/folder"}, "chdir is '/no/such/folder': a directory"),
    ],
)
def test_identities_are_looked_up(setting: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Identity.of(Config(**setting))


def test_a_user_brings_its_group() -> None:
    identity = Identity.of(Config(user=str(os.getuid())))
    assert identity.uid == os.getuid()
    assert identity.gid is not None
    assert identity.user


def test_backoff_doubles_with_jitter_within_its_bounds() -> None:
    backoff = Backoff()
    delays = [backoff.failed() for _ in range(30)]
    for number, delay in enumerate(delays):
        step = 0.1 * 2**number
        assert min(30.0, 0.75 * step) <= delay <= min(30.0, 1.25 * step)
    backoff.succeeded()
    assert backoff.failed() < 0.2


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (0, "exited with status 0"),
        (3 << 8, "exited with status 3"),
        (9, "was killed by SIGKILL (signal 9)"),
        (11 | 0x80, "was killed by SIGSEGV (signal 11, core dumped)"),
        (40, "was killed by SIG40 (signal 40)"),
        (None, "died, nobody knows of what"),
    ],
)
def test_causes_in_words(status: int | None, said: str) -> None:
    assert describe(status) == said
