"""Answers that come when a file is there, from another thread; and connections that change to an echo."""

from __future__ import annotations

import os
import select
import threading
import time
from pathlib import Path

import webpy as web
from webpy.framework.later import Later
from webpy.worker.connections.connection import ConnectionProtocol


class Pid(web.HTTPHandler):
    def do_get(self):
        return 200, str(os.getpid())


class Held(web.HTTPHandler):
    """Answered when `go` is there, by a thread of its own."""

    def do_get(self):
        def wait(exchange):
            while not Path("go").exists():
                time.sleep(0.002)
            exchange.respond((200, str(os.getpid())))

        def begin(exchange):
            threading.Thread(target=wait, args=(exchange,), daemon=True).start()
            Path("began").touch()

        return Later(begin)


class Echo(ConnectionProtocol):
    """Sends back what comes; knows nothing of the worker's end."""

    def __init__(self, table):
        self.table = table

    def on_start(self, conn, received):
        conn.send(received)

    def on_event(self, conn, event):
        data = conn.recv(65536) if event & select.EPOLLIN else b""
        if data:
            conn.send(data)
        else:
            self.table.forget(conn)


class Switch(web.HTTPHandler):
    def do_get(self):
        return Later(lambda exchange: exchange.upgrade([("Upgrade", "echo")], Echo(exchange.parts.table)))


routes = {"/pid": Pid, "/held": Held, "/switch": Switch}
