from __future__ import annotations

import signal

import pytest

from webpy.supervisor.processes.causes import Cause, describe, judge

_CRASH = int(signal.SIGSEGV)
_KILL = int(signal.SIGKILL)


@pytest.mark.parametrize(
    ("status", "told", "cause"),
    [
        (0, {}, Cause.EXIT),
        (256, {}, Cause.EXIT),
        (None, {}, Cause.EXIT),
        (_CRASH, {}, Cause.SIGNAL),
        (_KILL, {}, Cause.SIGNAL),
        (_KILL, {"oom": True}, Cause.OOM),
        (_KILL, {"killed": True, "killed_for": Cause.UNREADY}, Cause.UNREADY),
        (_KILL, {"killed": True, "killed_for": Cause.LATE, "planned": Cause.RELOAD}, Cause.LATE),
        (_KILL, {"killed": True, "killed_for": Cause.LATE, "planned": Cause.HANG}, Cause.HANG),
        (_KILL, {"killed": True, "planned": Cause.STOP}, Cause.STOP),
        (_KILL, {"killed": True}, Cause.EXIT),  # it closed its channel
        (_KILL, {"planned": Cause.RELOAD}, Cause.SIGNAL),  # somebody else's
        (0, {"planned": Cause.HANG}, Cause.HANG),
        (0, {"planned": Cause.RECYCLE}, Cause.RECYCLE),
        (256, {"planned": Cause.RECYCLE}, Cause.EXIT),
        (_CRASH, {"planned": Cause.HANG}, Cause.SIGNAL),
    ],
)
def test_every_death_has_one_cause(status: int | None, told: dict[str, object], cause: Cause) -> None:
    known: dict[str, object] = {"planned": None, "killed_for": None, "killed": False, "oom": False}
    assert judge(status, **{**known, **told}) is cause  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (None, "died of an unknown cause"),
        (0, "exited with status 0"),
        (42 << 8, "exited with status 42"),
        (_KILL, "was killed by SIGKILL (signal 9)"),
        (_CRASH | 0x80, "was killed by SIGSEGV (signal 11, core dumped)"),
        (40, "was killed by SIG40 (signal 40)"),
    ],
)
def test_words(status: int | None, words: str) -> None:
    assert describe(status) == words
