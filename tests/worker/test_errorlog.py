"""A worker's error log never raises, and waits until its thread has left the lead."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from webpy.worker.log.errorlog import ErrorLog


class Raises(logging.Handler):
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def emit(self, record: logging.LogRecord) -> None:
        raise self.error


def collected() -> tuple[logging.Logger, list[logging.LogRecord]]:
    logger, records = logging.Logger("tests"), []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    logger.addHandler(handler)
    return logger, records


def test_lines_come_with_their_level_and_stack() -> None:
    logger, records = collected()
    log, error = ErrorLog(logger), ValueError("x")
    log.debug("a %s", 1)
    log.info("b")
    log.warning("c")
    log.error("d", exc_info=error)
    log.critical("100%")
    assert [(record.levelname, record.getMessage()) for record in records] == [
        ("DEBUG", "a 1"),
        ("INFO", "b"),
        ("WARNING", "c"),
        ("ERROR", "d"),
        ("CRITICAL", "100%"),
    ]
    assert [record.exc_info and record.exc_info[1] for record in records] == [None, None, None, error, None]


def test_the_leaders_lines_are_deferred_others_and_urgent_ones_are_not() -> None:
    logger, records = collected()
    deferred: list[tuple[Any, ...]] = []
    log = ErrorLog(logger, deferred.append)
    log.leader = threading.get_ident()
    log.error("later %s", 1)
    assert records == []
    log.now.error("now")
    thread = threading.Thread(target=log.error, args=("elsewhere",))
    thread.start()
    thread.join()
    for task in deferred:
        task[0](None, *task[1:])
    assert [record.getMessage() for record in records] == ["now", "elsewhere", "later 1"]


@pytest.mark.parametrize("error", [OSError("no room"), SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_a_logger_that_raises_costs_nobody_anything(error: BaseException, capfd: pytest.CaptureFixture[str]) -> None:
    logger = logging.Logger("tests")
    logger.addHandler(Raises(error))
    ErrorLog(logger).error("%s raised", "a handler", exc_info=ValueError("the cause"))
    told = capfd.readouterr().err
    assert told.startswith("a handler raised\n")
    assert "ValueError: the cause" in told
    assert "the log raised:\n" in told
    assert type(error).__name__ in told
