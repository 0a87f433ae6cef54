from __future__ import annotations

import array
import os
import socket

import pytest

from webpy.supervisor.processes.messages import Message, Packet, channel_pair, receive, send


def test_every_message_arrives_as_sent() -> None:
    ours, theirs = channel_pair()
    with ours, theirs:
        for message in Message:
            assert send(ours, message, 2**63 + message, b"text")
        for message in Message:
            assert receive(theirs) == Packet(message, 2**63 + message, b"text")
        assert receive(theirs) is None


def test_a_descriptor_goes_along() -> None:
    ours, theirs = channel_pair()
    reader, writer = os.pipe()
    with ours, theirs:
        send(ours, Message.FORK, 1, descriptor=writer)
        os.close(writer)
        packet = receive(theirs)
        assert packet is not None
        assert not os.get_inheritable(packet.descriptor)
        os.write(packet.descriptor, b"x")
        os.close(packet.descriptor)
        assert os.read(reader, 2) == b"x"
    os.close(reader)


@pytest.mark.parametrize("kind", [socket.SOCK_SEQPACKET, socket.SOCK_STREAM])
def test_the_end_of_the_other_side(kind: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "SOCK_SEQPACKET", kind)  # a stream is what macOS has
    ours, theirs = channel_pair()
    assert ours.type == kind
    with theirs:
        send(ours, Message.READY)
        send(ours, Message.FAILED, 5, b"text")
        assert receive(theirs) == Packet(Message.READY)
        assert receive(theirs) == Packet(Message.FAILED, 5, b"text")
        send(ours, Message.READY)
        ours.close()
        assert receive(theirs) == Packet(Message.READY)
        assert receive(theirs) == Packet(Message.ORPHANED)
        assert receive(theirs) == Packet(Message.ORPHANED)
        assert not send(theirs, Message.READY)


def test_long_text_keeps_its_end() -> None:
    ours, theirs = channel_pair()
    with ours, theirs:
        assert send(ours, Message.FAILED, text=b"a" * 100_000 + b"end")
        packet = receive(theirs)
        assert packet is not None
        assert len(packet.text) == 1 << 16
        assert packet.text.endswith(b"aend")


def test_a_channel_that_is_full_does_not_block() -> None:
    ours, theirs = channel_pair()
    with ours, theirs:
        while send(ours, Message.FAILED, text=b"a" * 60_000):
            pass
        assert receive(theirs) is not None


@pytest.mark.parametrize("kind", [socket.SOCK_SEQPACKET, socket.SOCK_STREAM])
@pytest.mark.parametrize("data", [b"", b"x", b"\xff" * 13, b"\0" * 13, b"\x63" + b"\xff" * 40])
def test_what_is_no_message_ends_the_conversation(kind: int, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "SOCK_SEQPACKET", kind)
    ours, theirs = channel_pair()
    before = len(os.listdir("/proc/self/fd"))
    with theirs, open(os.devnull) as file:
        passed = array.array("i", [file.fileno()])
        ours.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)] if data else [])
        ours.close()
        assert receive(theirs) == Packet(Message.ORPHANED)
    assert len(os.listdir("/proc/self/fd")) == before - 2, "what came beside it is closed"
