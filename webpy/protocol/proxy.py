"""The PROXY protocol, versions 1 and 2: the header with which a proxy begins a connection, to tell who its client is.

Owns the syntax (HAProxy's doc/proxy-protocol.txt of 2020/03/05, whose sections are named below). Must not know sockets,
nor who may send a header: the worker asks for one only where it is expected. Looks at no byte behind the header.
"""

from __future__ import annotations

import re
import struct
from functools import cache
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from .errors import show
from .forwarded import Address, plain_address

__all__ = ["MAX_HEADER_BYTES", "MalformedProxyHeader", "ProxyHeader", "begins_proxy_header", "read_proxy_header"]

MAX_HEADER_BYTES = 4096
"""The longest header that is read, as in nginx. Version 2 allows 64 KB; what proxies send has some hundred bytes."""

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"  # section 2.2
_WORD = b"PROXY "  # section 2.1
_MARKS = (_SIGNATURE, _WORD + b"TCP4 ", _WORD + b"TCP6 ", _WORD + b"UNKNOWN")
_MAX_LINE_BYTES = 107  # section 2.1, with CRLF
_IPV4, _IPV6 = "([0-9.]{7,15})", "([0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{1,40})"
_PORT = "(0|[1-9][0-9]{0,4})"
_LINE = re.compile(
    rf"PROXY (?:TCP4 {_IPV4} {_IPV4} {_PORT} {_PORT}|TCP6 {_IPV6} {_IPV6} {_PORT} {_PORT}|UNKNOWN(?: [^\r\n]*)?)"
)
_FIXED = struct.Struct("!12sBBH")  # signature, version and command, family and transport, bytes that follow
_VERSION = 2
_LOCAL, _PROXY = 0, 1
_INET, _INET6, _UNIX = 0x11, 0x21, 0x31  # over streams
_FAMILIES, _TRANSPORTS = range(4), range(3)
_ADDRESSES = {_INET: struct.Struct("!4s4sHH"), _INET6: struct.Struct("!16s16sHH"), _UNIX: struct.Struct("108s108s")}
_AT_UNIX = ("unix", 0)
_TLV = struct.Struct("!BH")
_TLV_CRC32C, _TLV_SSL = 0x03, 0x20
_SSL_FIXED_BYTES = 5  # of the value, before the TLVs within: flags, and the result of the certificate's check
_CLIENT_SSL = 0x01  # flag: the client connected over TLS
_CRC32C = 0x82F63B78  # the polynomial, its bits reversed (RFC 9260 appendix A)


class MalformedProxyHeader(ValueError):
    """The connection does not begin with a valid header; the text names what came and what was wanted."""


class ProxyHeader(NamedTuple):
    """What a header says.

    length: its bytes, all told. client, server: address and port of the client, and of where it connected to; ("unix",
    0) for unix sockets; None if it names none, as in a health check. tls: whether that client came over TLS; None if
    it does not say.
    """

    length: int
    client: Address | None = None
    server: Address | None = None
    tls: bool | None = None


def begins_proxy_header(data: bytes) -> bool | None:
    """Return whether the first bytes of a connection are those of a header, valid or not; None if too few are there."""
    if data.startswith(_MARKS):
        return True
    return None if any(mark.startswith(data) for mark in _MARKS) else False


def read_proxy_header(data: bytes) -> ProxyHeader | None:
    """Return the header that `data` begins with, None as long as more of it has to come.

    Raises MalformedProxyHeader, as soon as it can be told.
    """
    if data.startswith(_WORD):
        return _read_line(data)
    if data.startswith(_SIGNATURE):
        return _read_binary(data)
    if _WORD.startswith(data) or _SIGNATURE.startswith(data):
        return None
    raise MalformedProxyHeader(f"got {_shown(data)}, wanted a PROXY header")


def _read_line(data: bytes) -> ProxyHeader | None:
    """Version 1: a line of text (section 2.1)."""
    end = data.find(b"\n", 0, _MAX_LINE_BYTES)
    if end < 0:
        if len(data) < _MAX_LINE_BYTES:
            return None
        raise MalformedProxyHeader(f"got {_shown(data)}, wanted CRLF within {_MAX_LINE_BYTES} bytes")
    line = data[: end + 1].decode("latin-1")
    match = _LINE.fullmatch(line, 0, end - 1) if line.endswith("\r\n") else None
    if match is None:
        raise MalformedProxyHeader(f"got {show(line)}, wanted PROXY, TCP4, TCP6 or UNKNOWN, addresses and ports")
    addresses, ports = match.group(1, 2) if match[1] else match.group(5, 6), match.group(3, 4, 7, 8)
    if addresses[0] is None:
        return ProxyHeader(end + 1)
    try:
        client, server = map(plain_address, addresses)
    except ValueError:
        raise MalformedProxyHeader(f"got {show(line)}, wanted two addresses of that family") from None
    numbers = [int(port) for port in ports if port is not None]
    if max(numbers) > 65535:
        raise MalformedProxyHeader(f"got {show(line)}, wanted ports of at most 65535")
    return ProxyHeader(end + 1, (client, numbers[0]), (server, numbers[1]))


def _read_binary(data: bytes) -> ProxyHeader | None:
    """Version 2: fixed fields, addresses, TLVs (section 2.2)."""
    if len(data) < _FIXED.size:
        return None
    _, version_command, kind, count = _FIXED.unpack_from(data)
    version, command = divmod(version_command, 16)
    if version != _VERSION or command not in (_LOCAL, _PROXY):
        raise MalformedProxyHeader(f"got version and command {version_command:#04x}, wanted 0x20 or 0x21")
    if command == _PROXY and not (kind >> 4 in _FAMILIES and kind & 15 in _TRANSPORTS):
        raise MalformedProxyHeader(f"got family and transport {kind:#04x}, wanted 0x11, 0x21, 0x31 or 0x00")
    end = _FIXED.size + count
    if end > MAX_HEADER_BYTES:
        raise MalformedProxyHeader(f"got a header of {end} bytes, wanted at most {MAX_HEADER_BYTES}")
    addresses = _ADDRESSES.get(kind) if command == _PROXY else None
    if addresses is not None and count < addresses.size:
        raise MalformedProxyHeader(f"got {count} bytes of addresses, wanted {addresses.size} for {kind:#04x}")
    if len(data) < end:
        return None
    if addresses is None:  # local, or not TCP and not a unix socket: what follows is to be skipped
        return ProxyHeader(end)
    tls = _read_tlvs(data[:end], _FIXED.size + addresses.size)
    if kind == _UNIX:
        return ProxyHeader(end, _AT_UNIX, _AT_UNIX, tls)
    client, server, client_port, server_port = addresses.unpack_from(data, _FIXED.size)
    return ProxyHeader(end, (_text(client), client_port), (_text(server), server_port), tls)


def _text(packed: bytes) -> str:
    return str(IPv4Address(packed)) if len(packed) == 4 else plain_address(str(IPv6Address(packed)))


def _read_tlvs(header: bytes, at: int) -> bool | None:
    """Return what the TLVs say of TLS, None if nothing; `at`: where they begin (sections 2.2.3 and 2.2.6)."""
    tls, has_checksum = None, False
    while at < len(header):
        value = at + _TLV.size
        if value > len(header):
            raise MalformedProxyHeader(f"got {len(header) - at} bytes in place of a TLV")
        kind, count = _TLV.unpack_from(header, at)
        at = value + count
        if at > len(header):
            raise MalformedProxyHeader(f"got a TLV {kind:#04x} of {count} bytes, wanted at most {len(header) - value}")
        if kind == _TLV_SSL:
            if count < _SSL_FIXED_BYTES:
                raise MalformedProxyHeader(f"got an SSL TLV of {count} bytes, wanted {_SSL_FIXED_BYTES} or more")
            tls = bool(header[value] & _CLIENT_SSL)
        elif kind == _TLV_CRC32C:
            if has_checksum:  # each costs as much as the header is long
                raise MalformedProxyHeader("got two checksums, wanted one at most")
            has_checksum = True
            told = int.from_bytes(header[value:at], "big")
            if count != 4 or told != _crc32c(header[:value] + bytes(4) + header[at:]):
                raise MalformedProxyHeader(f"got {show(header[value:at].hex())}, which is not the header's CRC32C")
    return tls


def _crc32c(data: bytes) -> int:
    """Return the checksum of RFC 9260, appendix A. It takes 8 µs for 100 bytes, and few senders give one."""
    table, rest = _crc_table(), 0xFFFFFFFF
    for byte in data:
        rest = table[(rest ^ byte) & 0xFF] ^ (rest >> 8)
    return rest ^ 0xFFFFFFFF


@cache
def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (_CRC32C if byte & 1 else 0)
        table.append(byte)
    return table


def _shown(data: bytes) -> str:
    return show(data[:61].decode("latin-1"))
