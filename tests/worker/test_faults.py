"""Faults are told with their stacks, and each only so often."""

from __future__ import annotations

import logging

import pytest

from webpy.worker.log import faults
from webpy.worker.log.errorlog import ErrorLog
from webpy.worker.log.faults import Faults


def caught(text: str) -> BaseException:
    try:
        raise RuntimeError(text)
    except RuntimeError as error:
        return error


def test_a_fault_is_told_once_a_minute_and_then_how_often_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [1000.0]
    monkeypatch.setattr(faults.time, "monotonic", lambda: now_s[0])
    records: list[logging.LogRecord] = []
    logger = logging.Logger("tests")
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    logger.addHandler(handler)
    told = Faults(ErrorLog(logger))
    for number in range(5):
        told.tell(caught(f"{number}"), "an event failed")
    told.tell(KeyError("elsewhere"), "another failed")
    assert [record.getMessage() for record in records] == ["an event failed", "another failed"]
    assert records[0].exc_info and str(records[0].exc_info[1]) == "0"
    now_s[0] += 61
    told.tell(caught("5"), "an event failed")
    assert records[-1].getMessage() == "an event failed; 4 times more since it was last told"
    for number in range(1000):  # bounded, whatever comes
        told.tell(type(f"Fault{number}", (Exception,), {})(), "x")
    assert len(told._told) <= 256
