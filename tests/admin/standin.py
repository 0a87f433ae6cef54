"""The real admin process under a master that is a stand-in: run as `python -m tests.admin.standin SETTINGS`.

SETTINGS is a JSON object for `resolve`. What it is told on stdin, a JSON object a line: {"status": {...}} to answer
with from now on, {"mute": bool} not to answer at all, {"refusal": str} to refuse commands, {"stop": true}. What it says
on stdout: {"address": ...}, then every request but those for the status. How many those were: {"count": true}.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from typing import Any

from tests.admin.sample import sample
from webpy.admin import sidecar
from webpy.settings import resolve
from webpy.supervisor import Means, Message, Place, Scoreboard, SidecarContext
from webpy.supervisor.processes.messages import channel_pair, send

REPLIES = {"reload": "reload begun", "scale": "workers wanted: {workers}"}


class StandIn:
    def __init__(self) -> None:
        self.status: dict[str, Any] = sample()
        self.mute = False
        self.looks = 0
        self.refusal = ""
        self.ours, self.theirs = socket.socketpair()
        self.master, self.channel = channel_pair()

    def answer(self) -> None:
        """The control protocol, as far as it goes."""
        with self.ours, self.ours.makefile("rwb") as stream:
            for line in stream:
                request = json.loads(line)
                reply: dict[str, Any] = {"ok": True, "text": "", "id": request["id"]}
                if self.mute:
                    continue
                if request["command"] == "status":
                    self.looks += 1
                    reply["status"] = self.status
                else:
                    tell(request)
                    reply["text"] = REPLIES[request["command"]].format(**request)
                    if self.refusal:
                        reply |= {"ok": False, "text": self.refusal}
                stream.write(json.dumps(reply).encode() + b"\n")
                stream.flush()

    def listen(self) -> None:
        for line in sys.stdin:
            told = json.loads(line)
            self.status = told.get("status", self.status)
            self.mute = told.get("mute", self.mute)
            self.refusal = told.get("refusal", self.refusal)
            if told.get("stop"):
                break
            tell({"looks": self.looks} if told.get("count") else {"done": True})
        send(self.master, Message.STOP)


def tell(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


def main() -> None:
    settings = resolve({"admin": "127.0.0.1:0", **json.loads(sys.argv[1])}, {}, None).settings
    me = StandIn()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    tell({"address": listener.getsockname()})
    scoreboard = Scoreboard(1, 8)
    me.channel.setblocking(False)
    context = SidecarContext(Place(0, 0, scoreboard.rows[0]), Means(scoreboard, [listener], me.channel))
    context.control = me.theirs
    for work in (me.answer, me.listen):
        threading.Thread(target=work, daemon=True).start()
    sidecar(settings).run(context)


if __name__ == "__main__":
    main()
