"""What every test gets: a hard time limit, the commands it needs, and `serve`, a real server of its own.

Owns the limits and the start and end of servers. Knows nothing of what a test asserts.
"""

from __future__ import annotations

import faulthandler
import itertools
import os
import shutil
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import HealthCheck, settings

from tests.server import Server
from webpy import logthrottle, singleworker, statedir

ROOT = Path(__file__).resolve().parent.parent
LIMIT_S = 60.0  # of one test with its fixtures, unless it carries @pytest.mark.timeout(seconds)
GRACE_S = 15.0  # more, and a test stuck where Python's signal handlers do not run ends the whole run

# A busy machine is no reason to fail; CI takes the same examples every time, everybody else new ones.
settings.register_profile(
    "webpy", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=os.environ.get("CI") == "true"
)
settings.load_profile("webpy")

_left_out: dict[str, int] = {}
_stderr_fd = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_stderr_fd] = os.dup(sys.__stderr__.fileno() if sys.__stderr__ else 2)


def pytest_unconfigure(config: pytest.Config) -> None:
    if _stderr_fd in config.stash:
        os.close(config.stash[_stderr_fd])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Fails a test over its limit with every thread's stack; ends the run if even that cannot be done."""
    marker = item.get_closest_marker("timeout")
    limit_s = float(marker.args[0]) if marker else LIMIT_S
    stderr_fd = item.config.stash[_stderr_fd]
    owner = os.getpid()

    def over(_number: int, _frame: FrameType | None) -> None:
        if os.getpid() != owner:
            return
        faulthandler.dump_traceback(file=stderr_fd, all_threads=True)
        pytest.fail(f"{item.nodeid} took more than its {limit_s:g} s; the stacks are on stderr", pytrace=True)

    previous = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    faulthandler.dump_traceback_later(limit_s + GRACE_S, exit=True, file=stderr_fd)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what needs a command this machine does not have, and names it; in CI that is an error."""
    kept: list[pytest.Item] = []
    gone: list[pytest.Item] = []
    for item in items:
        tools = [tool for mark in item.iter_markers("needs") for tool in mark.args if not shutil.which(tool, os.F_OK)]
        for tool in tools:
            _left_out[tool] = _left_out.get(tool, 0) + 1
        (gone if tools else kept).append(item)
    if gone and os.environ.get("CI") == "true":
        raise pytest.UsageError(
            f"nothing may be left out in CI, and these commands are missing: {', '.join(_left_out)}"
        )
    if gone:
        items[:] = kept
        config.hook.pytest_deselected(items=gone)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for tool, count in sorted(_left_out.items()):
        terminalreporter.write_line(f"left out, no `{tool}` on this machine: {count} tests", yellow=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows the logs of the servers a failed test started."""
    report = yield
    if report.failed:
        for server in getattr(item, "_servers", []):
            for title, lines in (("error log", server.errors), ("access log", server.log)):
                report.sections.append((f"{title} of pid {server.pid}", "\n".join(lines[-200:])))
    return report


_numbers = itertools.count()


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each test as in a process of its own, with a home of its own for what webpy keeps: what others logged is logged
    again, and their stores in memory are gone."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / f"state-{next(_numbers)}"))
    statedir._private.clear()
    logthrottle._counts._logged.clear()
    singleworker._registered.clear()
    singleworker.set_worker_count(1)


@pytest.fixture
def serve(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Gives `serve(target, *options, ...) -> Server`: see tests/server.py. All of them end with the test."""
    servers: list[Server] = []
    request.node._servers = servers

    def start(target: str | Path, *options: str, loads: bool = True, **keywords: object) -> Server:
        """loads: whether the application will load, and the server say where it listens."""
        server = Server(target, *options, cwd=tmp_path, **keywords)  # type: ignore[arg-type]
        servers.append(server)
        if loads:
            server.wait_until_listening()
        return server

    yield start
    for server in servers:
        server.kill()
