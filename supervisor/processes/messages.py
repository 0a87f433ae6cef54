"""All messages between the master and its children: a type and a number, on socket pairs.

Owns the wire format: one byte of type, eight bytes of number, four of the text's length, the text, and at most one
descriptor beside it. Knows nothing of what either side does about a message. Used in the master, the zygotes and all
workers.
"""

from __future__ import annotations

import array
import os
import socket
import struct
from dataclasses import dataclass
from enum import IntEnum

__all__ = ["Message", "Packet", "channel_pair", "receive", "send"]


class Message(IntEnum):
    """The types. The number that goes with each is `Packet.number`."""

    READY = 1  # child to master: I have booted; the text of a zygote says why only one worker can serve, if so
    FAILED = 2  # zygote to master: the application did not load; the text is the traceback
    DRAIN = 3  # master to worker: stop accepting now (others serve on), finish what is there, and end
    STOP = 4  # master to worker: accept what is queued, then as DRAIN
    ORPHANED = 5  # never sent: stands for the end of the channel, as the other side has died
    FORK = 6  # master to zygote: fork a worker; number: row * 2**32 + slot; descriptor: its channel
    FORKED = 7  # worker to master, its first message; number: its pid; descriptor: the pipe of its stacks (`stacks`)
    RENEW = 8  # master to zygote or worker: use this content from now on; number: of the renewal; descriptor: a file
    RENEWED = 9  # the answer, with that number: it is used; the text of a zygote: what it says of the content (JSON)
    REFUSED = 10  # the answer, with that number: the content cannot be used, and nothing has changed; the text: why


_HEADER = struct.Struct("<BQI")
_TEXT_BYTES = 1 << 16
_CLOEXEC: int = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


@dataclass(slots=True, frozen=True)
class Packet:
    """One message as it was received; its descriptor is the receiver's to close."""

    message: Message
    number: int = 0
    text: bytes = b""
    descriptor: int = -1


def channel_pair() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a new channel, non-blocking (in the master). Messages arrive whole and in order, and the
    death of a process shows as the end of its channel."""
    try:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    except OSError:  # macOS: a stream, on which messages this small arrive whole too
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


def send(
    channel: socket.socket, message: Message, number: int = 0, text: bytes = b"", descriptor: int = -1
) -> bool:
    """Send one message without blocking; return False if the other side has gone or the channel is full.

    Of a longer `text` the last 64 KB are sent: the end of a traceback says most.
    """
    text = text[-_TEXT_BYTES:]
    packet = _HEADER.pack(message, number, len(text)) + text
    ancillary = []
    if descriptor >= 0:
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
    try:
        channel.sendmsg([packet], ancillary)
    except OSError:
        return False
    return True


def receive(channel: socket.socket) -> Packet | None:
    """Return the next message: None if a non-blocking channel has none now, ORPHANED if the other side has gone."""
    whole = channel.type != socket.SOCK_STREAM
    wanted = _HEADER.size + (_TEXT_BYTES if whole else 0)
    try:
        data, ancillary, _, _ = channel.recvmsg(wanted, socket.CMSG_SPACE(array.array("i").itemsize), _CLOEXEC)
    except (BlockingIOError, InterruptedError):
        return None
    except OSError:
        return Packet(Message.ORPHANED)
    descriptor = _descriptor(ancillary)
    packet = _parsed(channel, data, descriptor)
    if packet is None:
        if descriptor >= 0:
            os.close(descriptor)
        return Packet(Message.ORPHANED)
    return packet


def _parsed(channel: socket.socket, data: bytes, descriptor: int) -> Packet | None:
    """Return the packet that `data` is, or on a stream begins with. None for the end of the channel, and for anything
    that is not a message: a child that sends such things is treated as if it had closed its channel."""
    if len(data) < _HEADER.size:
        return None
    kind, number, length = _HEADER.unpack_from(data)
    text = data[_HEADER.size :]
    if length > _TEXT_BYTES:
        return None
    try:
        while len(text) < length:
            more = channel.recv(length - len(text)) if channel.type == socket.SOCK_STREAM else b""
            if not more:
                return None
            text += more
        return Packet(Message(kind), number, text, descriptor)
    except (OSError, ValueError):
        return None


def _descriptor(ancillary: list[tuple[int, int, bytes]]) -> int:
    received = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            received.frombytes(data[: len(data) - len(data) % received.itemsize])
    for surplus in received[1:]:
        os.close(surplus)
    if not received:
        return -1
    os.set_inheritable(received[0], False)
    return received[0]
