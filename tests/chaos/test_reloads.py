"""Reloads under load: a good one costs no request, a bad one changes nothing, many of them end with the newest code."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.server import ROOT, Server

from .conftest import Files
from .processes import generations
from .rig import Load, Records, mixed, write_app

HUPS = 10
IMPORT_S = 2.0
WORST_S = 0.25
STORM_HUPS, STORM_S = 50, 5.0
BROKEN = {  # what is put behind a good application, and what the verdict must name
    "syntax": ("\ndef broken(:\n", "SyntaxError"),
    "import": ("\nimport nowhere_at_all\n", "No module named 'nowhere_at_all'"),
    "raise": ("\nraise RuntimeError('not today')\n", "not today"),
    "exit": ("\nos._exit(7)\n", "status 7"),
    "sys.exit": ("\nimport sys\nsys.exit('enough')\n", "enough"),
    "killed": ("\nos.kill(os.getpid(), 9)\n", "SIGKILL"),
    "no routes": ("\ndel routes\n", "routes"),
    "bad route": ("\nroutes['/('] = Get\n", r"'/\('"),
    "hang": ("\ntime.sleep(60)\n", "within 2 s"),
    "warm-up": ("\ndef warm_up():\n    raise RuntimeError('still cold')\n", "still cold"),
}


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_ten_reloads_under_load(chaos: Callable[..., Server], certificates: Files, tmp_path: Path) -> None:
    for name in ("plain", "tls"):
        write_app(tmp_path / name, import_s=IMPORT_S, version=f"{name}-0")
    plain = chaos(folder=tmp_path / "plain", log="plain.log")
    tls = chaos(*certificates.options, folder=tmp_path / "tls", log="tls.log")

    def reload(server: Server, name: str) -> None:
        for number in range(1, HUPS + 1):
            write_app(tmp_path / name, import_s=IMPORT_S, version=f"{name}-{number}")
            server.send(signal.SIGHUP)
            server.wait_for("reload done", count=number)

    with Load([*mixed(plain, 40), *mixed(tls, 24, ca=certificates.ca)], max_s=100) as load:
        with ThreadPoolExecutor(2) as pool:
            reloading = [pool.submit(reload, plain, "plain")]
            # two imports at once would take both cores, which is not what is asked here
            time.sleep(IMPORT_S * 0.8)
            reloading.append(pool.submit(reload, tls, "tls"))
            for one in reloading:
                one.result()
        report = load.stop()
    assert (plain.stop(), tls.stop()) == (0, 0)
    print(report.row(f"{HUPS} HUPs, import {IMPORT_S:g} s", kinds=report.kinds, latency=_worsts(report.latency)))
    assert (report.lost, report.wrong, report.refused) == ([], [], [])
    assert report.closed(tls=False) == 0
    assert set(report.versions) == {f"{name}-{number}" for name in ("plain", "tls") for number in range(HUPS + 1)}
    assert report.slowest_s() <= WORST_S, report.worst
    Records.read(tmp_path / "plain.log", tmp_path / "tls.log").check(report)


def _worsts(latency: dict[str, dict[str, float]]) -> dict[str, int]:
    return {kind: round(summary["worst_s"] * 1000) for kind, summary in latency.items()}


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_ten_reloads_of_a_broken_application(chaos: Callable[..., Server], tmp_path: Path) -> None:
    write_app(tmp_path, version="good")
    server = chaos("--boot-timeout", "2")
    reload = (sys.executable, "-m", "webpy.cli", "ctl", "--control", str(server.control), "reload", "--wait")
    verdicts: list[str] = []
    with Load(mixed(server)) as load:
        for number, (more, wanted) in enumerate(BROKEN.values(), 1):
            write_app(tmp_path, version="broken", more=more)
            asked = subprocess.run(reload, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
            assert asked.returncode == 1, asked
            assert re.search(wanted, asked.stderr), asked.stderr
            server.wait_for("reload failed, generation 1 keeps serving", count=number)
            server.wait_for(wanted)  # the log has it too
            verdicts.append(asked.stderr)
        assert generations(server) == {1}
        write_app(tmp_path, version="mended")
        asked = subprocess.run(reload, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
        assert asked.returncode == 0, asked
        server.wait_for("reload done")
        report = load.stop()
    assert server.stop() == 0
    print(report.row("10 reloads of a broken application", verdicts=len(verdicts), versions=report.versions))
    assert (report.lost, report.wrong, report.refused) == ([], [], [])
    assert report.closed(tls=False) == 0
    assert set(report.versions) == {"good", "mended"}
    Records.read(tmp_path / "access.log").check(report)


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_storm_of_reloads(chaos: Callable[..., Server], tmp_path: Path) -> None:
    write_app(tmp_path, version="v0")
    server = chaos()
    over = threading.Event()
    alive: list[set[int]] = []

    def look() -> None:
        while not over.is_set():
            alive.append(generations(server))
            time.sleep(0.01)

    looking = threading.Thread(target=look)
    with Load(mixed(server)) as load:
        looking.start()
        try:
            begin = time.monotonic()
            for number in range(1, STORM_HUPS + 1):
                write_app(tmp_path, version=f"v{number}")
                server.send(signal.SIGHUP)
                time.sleep(max(0.0, begin + number * STORM_S / STORM_HUPS - time.monotonic()))
            newest = f"v{STORM_HUPS}"
            while server.get("/get/probe").body.split()[0].decode() != newest:
                time.sleep(0.05)
            server.wait_for("reload done", count=_begun(server))
        finally:
            over.set()
            looking.join()
        report = load.stop()
    most = max(map(len, alive))
    assert server.get("/get/probe").body.split()[0].decode() == newest
    reloads = _begun(server)
    assert server.stop() == 0
    print(
        report.row(f"{STORM_HUPS} HUPs in {STORM_S:g} s", reloads=reloads, generations_at_once=most, looks=len(alive))
    )
    assert (report.lost, report.wrong, report.refused) == ([], [], [])
    assert report.closed(tls=False) == 0
    assert most <= 2
    assert 2 <= reloads <= STORM_HUPS
    Records.read(tmp_path / "access.log").check(report)


def _begun(server: Server) -> int:
    """Return how many reloads have begun, by the error log."""
    return sum(bool(re.search(r"reload: generation \d+$", line)) for line in server.errors)
