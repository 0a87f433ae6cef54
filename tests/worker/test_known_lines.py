"""Field lines that came before are not parsed again: a host, a handler and the log see the same, however often."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.worker.rig import Rig, led, records
from webpy import HTTPHandler, wsgi

Make = Callable[..., Rig]

TIMES = 6
WAIT_S = 10.0
FORMAT = "%({referer}i)s|%({x-a}i)s|%({user-agent}i)s|%({absent}i)s|%(r)s"
HEADS = {
    "plain": ["X-A: 1", "User-Agent: browser/1.0", "Referer: http://a/b"],
    "folded names": ["x-a: 1", "X-A: 2", "X-a:3", "User_Agent: under", "USER-AGENT: upper"],
    "spaces": ["X-A:  \t padded \t ", "Referer:", "User-Agent: a  b"],
    "escapes": ['X-A: "quoted" \\back', "Referer: tab\there", "User-Agent: gr\xfc\xdfe \x80\xff"],
    "long": ["X-A: " + "y" * 3000, "User-Agent: " + "z" * 200],
    "cookies": ["Cookie: a=1; b=2", "Cookie: c=3", "X-A: ,", "Content-Type: text/plain"],
}


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "application/json")])
    kept = {name: value for name, value in environ.items() if isinstance(value, str) and name != "REMOTE_PORT"}
    return [json.dumps(kept, sort_keys=True).encode()]


class Fields(HTTPHandler):
    def do_get(self) -> Any:
        return 200, json.dumps([list(field) for field in self.request.headers])


def asked(client: Any, target: str, lines: list[str]) -> bytes:
    client.sendall("\r\n".join([f"GET {target} HTTP/1.1", "Host: a", *lines, "", ""]).encode("latin-1"))
    got = b""
    while b"\r\n\r\n" not in got:
        data = client.recv(65536)
        assert data
        got += data
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    length = int(head.partition(b"Content-Length: ")[2].split()[0])
    while len(body) < length:
        body += client.recv(65536)
    return body


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("target", ["/wsgi/a", "/fields"])
def test_what_comes_again_is_what_came_first(rig: Make, kind: str, target: str) -> None:
    parts = rig({"/fields.*": Fields, **wsgi.new(application, "/wsgi")}, access_format=FORMAT)
    with led(parts):
        client = parts.client()
        lines = HEADS[kind]
        # the whole head again, its block of fields with another request line, its lines among others
        same = [asked(client, target, lines) for _ in range(TIMES)]
        assert len(set(same)) == 1
        others = [asked(client, f"{target}?{number}", lines) for number in range(TIMES)]
        mixed = [asked(client, target, [*lines, f"X-New: {number}"]) for number in range(TIMES)]
        first: Any = json.loads(same[0])
        for number in range(TIMES):
            other, more = json.loads(others[number]), json.loads(mixed[number])
            if target == "/fields":
                assert other == first
                assert more == [*first, ["X-New", str(number)]]
            else:
                assert other == {
                    **first,
                    **{name: other[name] for name in ("QUERY_STRING", "RAW_URI", "REQUEST_URI") if name in other},
                }
                assert more == {**first, "HTTP_X_NEW": str(number)}
        deadline_s, logged = time.monotonic() + WAIT_S, []
        while len(logged) < 3 * TIMES:
            assert time.monotonic() < deadline_s
            logged += records(parts.row)
            time.sleep(0.002)
    assert len({line.rpartition("|")[0] for line in logged}) == 1
    for line in logged:
        assert line.isprintable()
    if kind == "escapes":
        assert logged[0].startswith(r"tab\x09here|\x22quoted\x22 \x5Cback|gr\xFC\xDFe \x80\xFF|-|")
