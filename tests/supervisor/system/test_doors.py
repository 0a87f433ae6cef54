from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.supervisor.system.test_listeners import connect, listening
from webpy.supervisor.system.doors import doors_of, keep_out, shut


def test_a_new_connection_is_neither_queued_nor_refused_once_it_is_kept_out() -> None:
    with listening("127.0.0.1:0") as (listener,):
        before = socket.create_connection(listener.socket.getsockname(), timeout=5)
        keep_out([listener])
        with pytest.raises(TimeoutError):
            socket.create_connection(listener.socket.getsockname(), timeout=0.3)
        with before, listener.socket.accept()[0] as accepted:  # what waited is whole
            before.sendall(b"asked")
            assert accepted.recv(16) == b"asked"
        with pytest.raises(BlockingIOError):
            listener.socket.accept()


def test_new_connections_to_a_unix_socket_are_not_kept_out(tmp_path: Path) -> None:
    with listening(f"unix:{tmp_path}/s") as (listener,):
        keep_out([listener])
        connect(listener)


def test_a_socket_that_is_shut_listens_no_more_though_others_hold_it() -> None:
    with listening("127.0.0.1:0") as (listener,), listener.socket.dup() as held:
        doors = doors_of([listener])
        listener.close()
        shut(doors)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(held.getsockname(), timeout=5)


def test_the_sockets_of_others_are_not_shut() -> None:
    with listening("127.0.0.1:0") as (listener,):
        listener.theirs = True
        assert doors_of([listener]) == []
