"""Records of children in the error log: whole, in either format, without blocking the child."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server import Server
from webpy.supervisor.logs import childlog
from webpy.supervisor.logs.errorformat import Record

LOGGING_APP = """
import logging, os, sys
import webpy as web
{setup}
log = logging.getLogger("shop.orders")
quiet = logging.getLogger("library")
quiet.addHandler(logging.NullHandler())
log.info("loaded")

class Handler(web.HTTPHandler):
    def do_get(self):
        kind = self.groups[0]
        if kind == "long":
            log.error("%s begins\\n%s%s ends", os.getpid(), ("x" * 99 + "\\n") * 100, os.getpid())
        elif kind == "raise":
            raise KeyError("odd\\x1bkey")
        elif kind == "caught":
            try:
                1 / 0
            except ZeroDivisionError:
                log.exception("caught \\x1b[31m\\x7f")
        elif kind == "print":
            print("printed", file=sys.stderr)
        else:
            log.debug("too fine")
            log.info("said %s", kind)
            quiet.warning("of a library")
            logging.getLogger().warning("of the root")
        return 200, kind

routes = {"/(.*)": Handler}
"""


def write(folder: Path, setup: str = "") -> Path:
    path = folder / "app.py"
    path.write_text(LOGGING_APP.replace("{setup}", setup))
    return path


def test_a_record_as_text_and_as_json() -> None:
    record = Record("error", "über\udcff\n\x1b\x7f\x00", "app", "worker 0", "Traceback\n  line")
    assert record.encode("text", 0.25).decode() == (
        f"1970-01-01 00:00:00 +0000 [{os.getpid()}] [error] app: über\\udcff\n\x1b\x7f\x00\nTraceback\n  line\n"
    )
    line = record.encode("json", 0.25)
    assert line.count(b"\n") == 1 and not [byte for byte in line[:-1] if byte < 32 or byte >= 127]
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.250+00:00",
        "level": "error",
        "logger": "app",
        "pid": os.getpid(),
        "role": "worker 0",
        "message": "über\udcff\n\x1b\x7f\x00",
        "exception": "Traceback\n  line",
    }


@pytest.fixture
def master_end() -> Iterator[socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    childlog.connect(theirs.detach(), "json", "worker 7")
    ours.settimeout(5)
    yield ours
    assert childlog._sender.sock is not None
    childlog._sender.sock.close()
    childlog.connect(-1, "text", "")
    ours.close()


def test_nobody_waits_for_a_master_that_stands_still(master_end: socket.socket) -> None:
    began = time.monotonic()
    for number in range(5000):
        childlog.log_record("info", f"record {number} " + "x" * 400)
    assert time.monotonic() - began < 5
    dropped = childlog._sender.dropped
    first = [json.loads(master_end.recv(1 << 17)) for _ in range(5000 - dropped)]
    assert [record["message"].split()[1] for record in first] == [str(number) for number in range(5000 - dropped)]
    childlog.log_record("info", "after")
    note, after = (json.loads(master_end.recv(1 << 17)) for _ in range(2))
    assert f"{dropped} records of this process found no room" in note["message"]
    assert (after["message"], after["role"]) == ("after", "worker 7")


def test_a_record_that_is_too_long_is_cut(master_end: socket.socket) -> None:
    childlog.log_record("error", "\x00" * 1_000_000, exception="\u20ac" * 1_000_000)
    data = master_end.recv(1 << 18)
    assert len(data) < 1 << 17
    assert "[…]" in json.loads(data)["message"]


def test_without_a_master_it_goes_to_standard_error(
    master_end: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    master_end.close()
    childlog.log_record("error", "nobody there")
    assert json.loads(capsys.readouterr().err)["message"] == "nobody there"


def test_an_applications_logging_reaches_the_error_log(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(write(tmp_path), "--workers", "1")
    server.get("/one")
    server.wait_for(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 \[\d+\] \[info\] shop.orders: loaded$")
    server.wait_for(r"\[info\] shop.orders: said one$")
    server.wait_for(r"\[warning\] library: of a library$")
    server.wait_for(r"\[warning\] root: of the root$")
    assert server.stop() == 0
    assert not [line for line in server.errors if "too fine" in line]
    assert sum("said one" in line for line in server.errors) == 1


def test_the_level_is_the_settings(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(write(tmp_path), "--workers", "1", "--log-level", "debug")
    server.get("/one")
    server.wait_for(r"\[debug\] shop.orders: too fine$")


@pytest.mark.parametrize(
    ("setup", "expected"),
    [
        ("logging.basicConfig(format='MINE %(message)s', level=logging.INFO)", ["MINE loaded", "MINE said one"]),
        ("logging.basicConfig(format='MINE %(message)s')", ["MINE of the root"]),
        (
            "import logging.config\n"
            "logging.config.dictConfig({'version': 1, 'formatters': {'f': {'format': 'MINE %(message)s'}},\n"
            " 'handlers': {'h': {'class': 'logging.StreamHandler', 'formatter': 'f'}},\n"
            " 'loggers': {'shop': {'handlers': ['h'], 'level': 'INFO'}}})",
            ["MINE loaded", "MINE said one"],
        ),
    ],
)
def test_an_application_that_configures_logging_keeps_its_own(
    serve: Callable[..., Server], tmp_path: Path, setup: str, expected: list[str]
) -> None:
    """And what the server itself has to say still comes, though dictConfig switches off loggers it does not know."""
    server = serve(write(tmp_path, setup), "--workers", "1")
    server.get("/one")
    server.get("/raise")
    server.wait_for(r"KeyError")
    for line in expected:
        server.wait_for(f"^{line}$")
    assert server.stop() == 0
    said = [line for line in server.errors if "said one" in line]
    assert said == [line for line in expected if "said one" in line]


def test_json(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(write(tmp_path), "--workers", "1", "--error-format", "json")
    server.get("/one")
    server.get("/raise")
    server.get("/caught")
    server.get("/print")
    server.wait_for("^printed$")
    server.wait_for("caught")
    server.wait_for("odd")
    assert server.stop() == 0
    records = [json.loads(line) for line in server.errors if line != "printed"]
    for record in records:
        assert list(record)[:6] == ["time", "level", "logger", "pid", "role", "message"]
        assert record["time"][19] == "." and record["time"].endswith("+00:00")
    by_message = {record["message"]: record for record in records}
    assert by_message["said one"]["logger"] == "shop.orders"
    assert by_message["said one"]["role"].startswith("worker 0")
    assert by_message["loaded"]["role"].startswith("loader")
    assert by_message["stopped"]["role"] == "master"
    caught = by_message["caught \x1b[31m\x7f"]
    assert caught["exception"].startswith("Traceback (most recent") and "ZeroDivisionError" in caught["exception"]
    assert any("KeyError" in record.get("exception", "") for record in records)
    assert server.errors.count("printed") == 1


@pytest.mark.parametrize("to_file", [True, False])
def test_records_of_processes_are_not_mixed(serve: Callable[..., Server], tmp_path: Path, to_file: bool) -> None:
    options = ("--error-log", str(tmp_path / "error.log")) if to_file else ()
    server = serve_with_log(serve, tmp_path, options) if to_file else serve(write(tmp_path), "--workers", "2")
    threads = [threading.Thread(target=lambda: [server.get("/long") for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert server.stop() == 0
    lines = (tmp_path / "error.log").read_text().splitlines() if to_file else server.errors
    begins = [at for at, line in enumerate(lines) if line.endswith(" begins")]
    assert len(begins) == 80
    for at in begins:
        assert set(lines[at + 1 : at + 101]) == {"x" * 99}
        assert lines[at + 101] == lines[at].split()[-2] + " ends"


def serve_with_log(serve: Callable[..., Server], folder: Path, options: tuple[str, ...]) -> Server:
    address = folder / "socket"
    server = Server(write(folder), "--workers", "2", *options, cwd=folder, bind=f"unix:{address}")
    server.path = str(address)
    give_up = time.monotonic() + 20
    log = folder / "error.log"
    while not log.exists() or log.read_text().count("is ready") < 3:
        assert time.monotonic() < give_up
        time.sleep(0.01)
    return server


def test_nothing_waits_for_a_standard_error_that_nobody_reads(tmp_path: Path) -> None:
    """Neither the master nor a worker that prints and logs: a full pipe takes what it takes, the site goes on."""
    reader, writer = os.pipe()
    path = write(tmp_path)
    bind = f"unix:{tmp_path / 'socket'}"
    server = subprocess.Popen(
        [sys.executable, "-m", "webpy.cli", "serve", str(path), "--workers=1", "--bind", bind, "--access-log=off"],
        stderr=writer,
        stdout=writer,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    os.close(writer)
    try:
        give_up = time.monotonic() + 20
        while b"worker 0 gen 1" not in os.read(reader, 1 << 16):
            assert time.monotonic() < give_up
        for _ in range(200):
            for kind in (b"long", b"raise", b"print"):
                with socket.socket(socket.AF_UNIX) as client:
                    client.settimeout(10)
                    client.connect(str(tmp_path / "socket"))
                    client.sendall(b"GET /%b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % kind)
                    assert client.recv(100).startswith(b"HTTP/1.1 "), kind
        server.send_signal(signal.SIGTERM)
        assert server.wait(15) == 0
    finally:
        server.kill()
        server.wait()
        os.close(reader)
