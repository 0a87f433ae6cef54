"""Who the client of a forwarded request is stays the same whether its head, its lines or neither are known."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.worker.rig import Rig
from webpy import HTTPHandler, host
from webpy.framework.origin import Origin
from webpy.framework.request import Request
from webpy.supervisor import Cell
from webpy.worker.connections.connection import Connection, peer_label
from webpy.worker.connections.transport import PlainTransport
from webpy.worker.exchanges.plan import Plan

Make = Callable[..., Rig]

PROXY, INNER, STRANGER = "192.0.2.1", "192.0.2.2", "198.51.100.9"
TIMES = 6  # unknown, a line known, a verdict kept, a whole head kept, and on


def trusting(rig: Make, **given: Any) -> Rig:
    routes = {**host("one.example", {"/": One}), **host("two.example", {"/": Two}), "/.*": HTTPHandler}
    return rig(routes, forwarded_allow_ips=f"{PROXY},{INNER}", **given)


class One(HTTPHandler): ...


class Two(HTTPHandler): ...


@contextmanager
def connected(address: str = PROXY, port: int = 1, scheme: str = "http") -> Iterator[Connection]:
    """A connection from this address."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Connection(PlainTransport(ours), Origin((address, port), scheme), peer_label(address), 0.0)


def asked(parts: Rig, conn: Connection, *fields: str, target: str = "/") -> tuple[Plan, Request]:
    block = "\r\n".join([f"GET {target} HTTP/1.1", "Host: site.example", *fields, "", ""]).encode("latin-1")
    begun = parts.reading.begin(conn, block)
    assert begun is not None
    return begun


def test_each_of_many_clients_is_itself(rig: Make) -> None:
    """More than the tables hold, at random: some come again soon, some never."""
    parts, draw = trusting(rig), random.Random(7)
    with connected() as conn:
        for number in range(12_000):
            client = draw.choice((draw.randrange(40), draw.randrange(3000), number + 10_000))
            address = f"10.{client // 65536}.{client // 256 % 256}.{client % 256}"
            scheme = "https" if client % 3 else "http"
            fields = [f"X-Forwarded-For: {address}", f"X-Forwarded-Proto: {scheme}", f"X-Request-ID: {number}"]
            _, request = asked(parts, conn, *fields[: 2 + number % 2])
            assert (request.client_address, request.scheme, request.host) == ((address, 0), scheme, "site.example")
            assert request._peer.peer[0] == address.encode()
            assert request.headers["X-Forwarded-For"] == address
            assert request.headers.get("X-Request-ID") == (str(number) if number % 2 else None)
    table = parts.worker.forwarding._verdicts
    assert 0 < len(table.recent) <= 1024 and len(table._older) <= 1024 and len(table._seen) <= 8 * 1024


@pytest.mark.parametrize("more", [[], ["X-Request-ID: {}"]], ids=["the whole head", "its lines"])
def test_what_is_known_of_one_peer_holds_for_no_other(rig: Make, more: list[str]) -> None:
    parts = trusting(rig)
    fields = ["X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https"]
    with connected() as proxy, connected(INNER, 2) as inner, connected(STRANGER, 3) as stranger:
        for number in range(TIMES):
            sent = [*fields, *(field.format(number) for field in more)]
            for conn, client, scheme in (
                (proxy, ("203.0.113.7", 0), "https"),
                (stranger, (STRANGER, 3), "http"),
                (inner, ("203.0.113.7", 0), "https"),
            ):
                _, request = asked(parts, conn, *sent)
                assert (request.client_address, request.scheme) == (client, scheme)
                assert request.peer_address == conn.origin.client_address


@pytest.mark.parametrize("more", [[], ["X-Request-ID: {}"]], ids=["the whole head", "its lines"])
def test_a_client_that_is_not_named_is_the_peer_of_each_connection(rig: Make, more: list[str]) -> None:
    parts = trusting(rig)
    for number in range(TIMES):
        for scheme in ("http", "https"):
            with connected(PROXY, 4000 + number, scheme) as conn:
                sent = ["X-Forwarded-Port: 443", *(field.format(number) for field in more)]
                _, request = asked(parts, conn, *sent)
                assert request.client_address == (PROXY, 4000 + number)
                authority = "site.example" if scheme == "https" else "site.example:443"
                assert (request.scheme, request.host) == (scheme, authority)


def test_the_handler_is_that_for_the_host_which_the_client_asked_for(rig: Make) -> None:
    parts = trusting(rig)
    with connected() as conn:
        for number in range(TIMES):
            for name, handler in (("one.example", One), ("two.example", Two), ("three.example", HTTPHandler)):
                for fields in ([f"X-Forwarded-Host: {name}"], [f"Forwarded: host={name}"]):
                    for more in ([], [f"X-Request-ID: {number}"]):
                        plan, request = asked(parts, conn, *fields, *more)
                        assert (plan.handler, request.host) == (handler, name)


def test_a_malformed_field_is_counted_each_time(rig: Make) -> None:
    parts = trusting(rig)
    with connected() as conn:
        for number in range(TIMES):
            for more in ([], [f"X-Request-ID: {number}"]):
                _, request = asked(parts, conn, "X-Forwarded-For: nonsense", *more)
                assert request.client_address == (PROXY, 1)
    assert parts.row.cells[Cell.BAD_FORWARDED] == 2 * TIMES


def test_fields_of_several_lines(rig: Make) -> None:
    parts = trusting(rig)
    with connected() as conn:
        for number in range(TIMES):
            for more in ([], [f"X-Request-ID: {number}"]):
                lines = [
                    "X-Forwarded-For: 6.6.6.6",
                    f"X-Forwarded-For: 203.0.113.{number}",
                    f"X-Forwarded-For: {INNER}",
                ]
                assert asked(parts, conn, *lines, *more)[1].client_address == (f"203.0.113.{number}", 0)
                _, request = asked(parts, conn, "Cookie: a", "Cookie: b", "X-Forwarded-For: 203.0.113.9", *more)
                assert request.client_address == ("203.0.113.9", 0)
                assert request.headers.getlist("Cookie") == ["a", "b"]


def test_lines_that_are_long_are_read_each_time(rig: Make) -> None:
    """They are in no table: those hold what is short."""
    parts = trusting(rig)
    with connected() as conn:
        for number in range(4000):
            address = f"2001:db8::{number % 7 + 1:x}"
            value = "6.6.6.6, " * 100 + address
            _, request = asked(parts, conn, f"X-Forwarded-For: {value}", target="/long")
            assert request.client_address == (address, 0)
    assert not parts.worker.forwarding._verdicts.recent
