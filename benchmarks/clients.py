"""Owns many clients in this one process: idle and stalled ones, a healthy one beside them, and many that connect.

Knows of servers only their port. Called by `rows.connections`.
"""

from __future__ import annotations

import http.client
import select
import socket
import statistics
import time
from collections import Counter
from contextlib import closing

__all__ = ["at_once", "close", "ended", "keep_one", "one_by_one", "probe", "stall", "transfer"]

STALL_TIMEOUT_S = 3.0
REQUEST = b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def _connect(port: int, timeout_s: float = 10.0) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _answer(sock: socket.socket) -> bytes:
    """Read one answer with a Content-Length (all servers here send it for constants) and return its body."""
    data = b""
    while True:
        block = sock.recv(65536)
        if not block:
            raise ConnectionError(f"connection closed after {data!r}")
        data += block
        head, found, body = data.partition(b"\r\n\r\n")
        if found:
            length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            if len(body) >= length:
                return body


def keep_one(port: int) -> socket.socket:
    """Connect, have a request answered, and return the connection, which is idle then."""
    sock = _connect(port)
    sock.sendall(REQUEST % b"/")
    _answer(sock)
    return sock


def ended(socks: list[socket.socket]) -> int:
    """Return how many of the connections the server has closed (an unread answer does not count)."""
    poll = select.poll()
    for sock in socks:
        poll.register(sock, select.POLLRDHUP)
    return len(poll.poll(0))


def close(socks: list[socket.socket]) -> None:
    for sock in socks:
        sock.close()


def stall(port: int, count: int) -> list[socket.socket]:
    """Open connections of clients that stop halfway: after half a head, half a body, or without reading the answer."""
    socks = []
    for number in range(count):
        sock = socket.socket()
        if number % 3 == 2:
            # a small window and a network's segments, so that the answer fills the server's buffers, not the client's
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
        sock.settimeout(5.0)
        sock.connect(("127.0.0.1", port))
        socks.append(sock)
        sock.sendall(
            (
                b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Ag",
                b"POST /post HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 20480\r\n\r\n" + b"x" * 10240,
                REQUEST % b"/large",
            )[number % 3]
        )
    return socks


def probe(port: int, seconds: float) -> dict[str, float]:
    """Send healthy requests, one after the other, on a kept connection and on new ones in turn; return times in ms.

    A request that is not answered within 3 s counts as failed and as taking that long. Stops after two of them.
    """
    times: list[float] = []
    failed = 0
    kept: socket.socket | None = None
    end = time.monotonic() + seconds
    while time.monotonic() < end and failed < 2:
        began = time.monotonic()
        fresh = len(times) % 2 == 0
        try:
            if fresh:
                with closing(_connect(port, STALL_TIMEOUT_S)) as sock:
                    sock.sendall(REQUEST % b"/")
                    _answer(sock)
            else:
                if kept is None:
                    kept = _connect(port, STALL_TIMEOUT_S)
                kept.sendall(REQUEST % b"/")
                _answer(kept)
        except OSError:
            failed += 1
            kept = None
        times.append((time.monotonic() - began) * 1e3)
        time.sleep(0.0005)
    if kept is not None:
        kept.close()
    times.sort()
    return {
        "answered": float(len(times) - failed),
        "failed": float(failed),
        "p50_ms": statistics.median(times),
        "p99_ms": times[len(times) * 99 // 100],
        "worst_ms": times[-1],
    }


def one_by_one(port: int, count: int) -> tuple[list[socket.socket], Counter[bytes]]:
    """Open connections, each when the one before has its answer; return them and how many each pid answered."""
    socks, pids = [], Counter[bytes]()
    for _ in range(count):
        sock = _connect(port)
        socks.append(sock)
        sock.sendall(REQUEST % b"/pid")
        pids[_answer(sock)] += 1
    return socks, pids


def at_once(port: int, count: int) -> tuple[list[socket.socket], Counter[bytes]]:
    """Open connections all together; return them and how many each pid answered."""
    socks, pids = [], Counter[bytes]()
    for _ in range(count):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", port))
        socks.append(sock)
    for sock in socks:
        poll = select.poll()
        poll.register(sock, select.POLLOUT)
        poll.poll(10_000)
        sock.settimeout(10.0)
        sock.sendall(REQUEST % b"/pid")
    for sock in socks:
        pids[_answer(sock)] += 1
    return socks, pids


def transfer(port: int, target: str, size: int, seconds: float) -> int:
    """Send requests with a body of `size` bytes, one after the other for the time, read each answer; return how many.

    There is one at least. A size of 0 is a GET.
    """
    method = b"POST" if size else b"GET"
    head = b"%b %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % (method, target.encode(), size)
    body, count, end = bytes(size), 0, time.monotonic() + seconds
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60.0)) as client:
        client.connect()
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        buffer = memoryview(bytearray(1 << 20))
        while count == 0 or time.monotonic() < end:
            client.sock.sendall(head)
            client.sock.sendall(body)
            answer = http.client.HTTPResponse(client.sock, method=method.decode())
            answer.begin()
            while answer.readinto(buffer):
                pass
            if answer.status != 200:
                raise ConnectionError(f"{target} was answered with {answer.status}")
            count += 1
    return count
