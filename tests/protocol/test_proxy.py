"""webpy/protocol/proxy.py: PROXY headers of both versions, whole, cut at every byte, and malformed ones."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webpy.protocol.proxy import (
    MAX_HEADER_BYTES,
    MalformedProxyHeader,
    ProxyHeader,
    _crc32c,
    begins_proxy_header,
    read_proxy_header,
)

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
TCP4 = bytes([203, 0, 113, 7, 10, 0, 0, 1]) + struct.pack("!HH", 4711, 443)
TCP6 = IPv6Address("2001:db8::7").packed + IPv6Address("2001:db8::1").packed + struct.pack("!HH", 4711, 443)
UNIX = b"/run/client".ljust(108, b"\0") + b"/run/front".ljust(108, b"\0")


def binary(rest: bytes = b"", kind: int = 0x11, command: int = 0x21) -> bytes:
    return SIGNATURE + bytes([command, kind]) + struct.pack("!H", len(rest)) + rest


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


def with_checksum(rest: bytes, wrong: int = 0) -> bytes:
    """A header with a CRC32C TLV before `rest`."""
    blank = binary(TCP4 + tlv(3, bytes(4)) + rest)
    return binary(TCP4 + tlv(3, struct.pack("!I", _crc32c(blank) ^ wrong)) + rest)


SSL = tlv(0x20, b"\x01" + bytes(4) + tlv(0x21, b"TLSv1.3") + tlv(0x23, b"TLS_AES_256_GCM_SHA384"))
NOT_SSL = tlv(0x20, b"\x00" + bytes(4))

VALID: list[tuple[bytes, tuple[str, int] | None, bool | None]] = [
    (b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 443\r\n", ("203.0.113.7", 4711), None),
    (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", ("255.255.255.255", 65535), None),
    (b"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", ("0.0.0.0", 0), None),
    (b"PROXY TCP6 2001:DB8:0:0::7 ::1 4711 443\r\n", ("2001:db8::7", 4711), None),
    (b"PROXY TCP6 " + b" ".join([b"ffff:" * 7 + b"ffff"] * 2) + b" 65535 65535\r\n", (("ffff:" * 8)[:-1], 65535), None),
    (b"PROXY TCP6 ::ffff:203.0.113.7 ::ffff:10.0.0.1 1 2\r\n", ("203.0.113.7", 1), None),
    (b"PROXY UNKNOWN\r\n", None, None),
    (b"PROXY UNKNOWN what ever \xff\r\n", None, None),
    (b"PROXY UNKNOWN " + b" ".join([b"ffff:" * 7 + b"ffff"] * 2) + b" 65535 65535\r\n", None, None),
    (binary(TCP4), ("203.0.113.7", 4711), None),
    (binary(TCP6, 0x21), ("2001:db8::7", 4711), None),
    (binary(IPv6Address("::ffff:192.0.2.1").packed * 2 + bytes(4), 0x21), ("192.0.2.1", 0), None),
    (binary(UNIX, 0x31), ("unix", 0), None),
    (binary(UNIX + SSL, 0x31), ("unix", 0), True),
    (binary(TCP4 + SSL), ("203.0.113.7", 4711), True),
    (binary(TCP4 + NOT_SSL), ("203.0.113.7", 4711), False),
    (binary(TCP4 + tlv(1, b"h2") + tlv(2, b"example.org") + SSL + tlv(4, b"") + tlv(0xEA, b"\x01vpce")),
     ("203.0.113.7", 4711), True),
    (binary(TCP4 + tlv(4, bytes(MAX_HEADER_BYTES - 16 - len(TCP4) - 3))), ("203.0.113.7", 4711), None),
    (with_checksum(b""), ("203.0.113.7", 4711), None),
    (with_checksum(SSL + tlv(4, bytes(9))), ("203.0.113.7", 4711), True),
    (binary(b"", 0x00, 0x20), None, None),
    (binary(TCP4, 0x11, 0x20), None, None),  # local: the family is ignored
    (binary(b"what ever", 0xFF, 0x20), None, None),
    (binary(b"", 0x00), None, None),
    (binary(b"what ever", 0x00), None, None),
    (binary(b"x", 0x10), None, None),  # IPv4 over something that is not specified
    (binary(TCP4, 0x12), None, None),  # UDP: it may be taken for not specified
    (binary(TCP6, 0x22), None, None),
    (binary(UNIX, 0x32), None, None),
]  # fmt: skip


@pytest.mark.parametrize(("header", "client", "tls"), VALID, ids=range(len(VALID)))
def test_valid_headers_cut_at_every_byte(header: bytes, client: tuple[str, int] | None, tls: bool | None) -> None:
    for end in range(len(header)):
        assert read_proxy_header(header[:end]) is None, end
    for behind in (b"", b"\r\n", REQUEST, header, b"\x16\x03\x01", bytes(5000)):
        found = read_proxy_header(header + behind)
        assert found is not None and (found.length, found.client, found.tls) == (len(header), client, tls)
        assert (found.server is None) is (client is None)
    assert begins_proxy_header(header) is True


MALFORMED = [
    (REQUEST, "got 'GET / HTTP/1.1.*wanted a PROXY header"),
    (b"\x16\x03\x01\x02\x00", "wanted a PROXY header"),
    (b"\r\nGET /", "wanted a PROXY header"),
    (b"proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n", "wanted a PROXY header"),
    (b"PROXY\tTCP4 ", "wanted a PROXY header"),
    (b"PROXY\r\n", "wanted a PROXY header"),
    (b"PROXY \r\n", "wanted PROXY, TCP4, TCP6 or UNKNOWN"),
    (b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n", "wanted PROXY"),
    (b"PROXY TCP4 1.1.1.1\n", "wanted PROXY"),
    (b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\r\n", "wanted PROXY"),
    (b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\rX\r\n", "wanted PROXY"),
    (b"PROXY  TCP4 1.1.1.1 1.1.1.1 1 1\r\n", "wanted PROXY"),
    (b"PROXY TCP4  1.1.1.1 1.1.1.1 1 1\r\n", "wanted PROXY"),
    (b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1 \r\n", "wanted PROXY"),
    (b"PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n", "wanted PROXY"),
    (b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n", "wanted PROXY"),
    (b"PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n", "wanted PROXY"),
    (b"PROXY TCP4 1.1.1.1 1.1.1.1 -1 1\r\n", "wanted PROXY"),
    (b"PROXY TCP4 1.1.1.1 1.1.1.1 \xb2 1\r\n", "wanted PROXY"),
    (b"PROXY TCP4 1.1.1.1 1.1.1.1 65536 1\r\n", "wanted ports of at most 65535"),
    (b"PROXY TCP4 1.1.1.1 1.1.1.1 1 99999\r\n", "wanted ports of at most 65535"),
    (b"PROXY TCP4 1.1.1.256 1.1.1.1 1 1\r\n", "wanted two addresses of that family"),
    (b"PROXY TCP4 1.1.1.1 1.1.1.01 1 1\r\n", "wanted two addresses of that family"),
    (b"PROXY TCP4 1.1.1.1.1 1.1.1.1 1 1\r\n", "wanted two addresses of that family"),
    (b"PROXY TCP4 ::1 ::1 1 1\r\n", "wanted PROXY"),
    (b"PROXY TCP4  /run/front 0 0\r\n", "wanted PROXY"),  # curl to a unix socket
    (b"PROXY TCP6 1::2::3 ::1 1 1\r\n", "wanted two addresses of that family"),
    (b"PROXY TCP6 fe80::1%eth0 ::1 1 1\r\n", "wanted PROXY"),
    (b"PROXY TCP6 1.1.1.1 ::1 1 1\r\n", "wanted PROXY"),
    (b"PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n", "wanted PROXY"),
    (b"PROXY UNKNOWNS\r\n", "wanted PROXY"),
    (b"PROXY UNKNOWN a\n", "wanted PROXY"),
    (b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n", "wanted CRLF within 107 bytes"),
    (binary(TCP4, 0x11, 0x11), "got version and command 0x11, wanted 0x20 or 0x21"),
    (binary(TCP4, 0x11, 0x22), "got version and command 0x22"),
    (binary(TCP4, 0x41), "got family and transport 0x41"),
    (binary(TCP4, 0x13), "got family and transport 0x13"),
    (binary(TCP4[:11]), "got 11 bytes of addresses, wanted 12 for 0x11"),
    (binary(TCP6[:35], 0x21), "got 35 bytes of addresses, wanted 36"),
    (binary(UNIX[:215], 0x31), "got 215 bytes of addresses, wanted 216"),
    (binary(TCP4 + b"\x04\x00"), "got 2 bytes in place of a TLV"),
    (binary(TCP4 + b"\x04\x00\x02x"), "got a TLV 0x04 of 2 bytes, wanted at most 1"),
    (binary(TCP4 + tlv(0x20, b"\x01\0\0\0")), "got an SSL TLV of 4 bytes, wanted 5 or more"),
    (binary(TCP4 + tlv(3, b"\0\0\0")), "got '000000', which is not the header's CRC32C"),
    (binary(TCP4 + tlv(3, b"x" * 4000)), r"got '(78){30}\.\.\.', which is not the header's CRC32C"),
    (with_checksum(SSL, wrong=1), "which is not the header's CRC32C"),
    (with_checksum(tlv(3, bytes(4))), "got two checksums, wanted one at most"),
    (SIGNATURE + b"\x21\x11\x0f\xf1", "got a header of 4097 bytes, wanted at most 4096"),
    (SIGNATURE + b"\x20\x00\xff\xff", "got a header of 65551 bytes"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "words"), MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_headers(data: bytes, words: str) -> None:
    """Also where they are cut: then they are not yet known to be malformed, or are."""
    for behind in (b"", REQUEST):
        with pytest.raises(MalformedProxyHeader, match=words):
            read_proxy_header(data + behind)
    outcomes = []
    for end in range(len(data) + 1):
        try:
            assert read_proxy_header(data[:end]) is None
            outcomes.append(False)
        except MalformedProxyHeader as error:
            assert str(error).isascii() and "\n" not in str(error)
            outcomes.append(True)
    assert outcomes == sorted(outcomes) and outcomes[-1] and not outcomes[0]


def test_what_is_not_a_header_is_told_from_its_first_bytes() -> None:
    """No request and no TLS has to be waited for."""
    for data in (b"G", b"PO", b"PUT", b"PROP", b"PROXYFIND", b"\x16", b"\r\n\r\nG", b"\0"):
        with pytest.raises(MalformedProxyHeader):
            read_proxy_header(data)
        assert begins_proxy_header(data) is False
    for data in (b"", b"P", b"PROXY", b"PROXY ", b"PROXY T", b"PROXY UNKNOW", b"\r", b"\r\n\r\n", SIGNATURE[:11]):
        assert begins_proxy_header(data) is None
    for data in (b"PROXY TCP5 ", b"PROXY / HTTP/1.1\r\n", b"PROXY * "):
        assert begins_proxy_header(data) is False  # a method may have this name


def test_the_checksum_is_that_of_the_rfc() -> None:
    assert _crc32c(b"123456789") == 0xE3069283
    assert _crc32c(bytes(32)) == 0x8A9136AA


addresses = st.tuples(st.ip_addresses(), st.ip_addresses()).filter(lambda pair: pair[0].version == pair[1].version)
ports = st.integers(0, 65535)
tlvs = st.lists(st.tuples(st.integers(0, 255).filter(lambda kind: kind not in (3, 0x20)), st.binary(max_size=40)))


@given(addresses, ports, ports, tlvs, st.sampled_from([None, True, False]), st.binary(max_size=20))
def test_what_was_said_is_read(
    pair: tuple[IPv4Address | IPv6Address, IPv4Address | IPv6Address],
    source_port: int,
    port: int,
    more: list[tuple[int, bytes]],
    tls: bool | None,
    behind: bytes,
) -> None:
    source, destination = pair
    host, server = (str(getattr(each, "ipv4_mapped", None) or each) for each in pair)
    text = f"PROXY TCP{source.version} {source} {destination} {source_port} {port}\r\n".encode()
    assert read_proxy_header(text + behind) == ProxyHeader(len(text), (host, source_port), (server, port))
    rest = source.packed + destination.packed + struct.pack("!HH", source_port, port)
    if tls is not None:
        rest += SSL if tls else NOT_SSL
    rest += b"".join(tlv(kind, value) for kind, value in more)
    data = binary(rest, 0x11 if source.version == 4 else 0x21)
    if len(data) <= MAX_HEADER_BYTES:
        assert read_proxy_header(data + behind) == ProxyHeader(len(data), (host, source_port), (server, port), tls)


beginnings = st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", b"PROXY TCP6 ::1 ", SIGNATURE, SIGNATURE + b"\x21\x11\0"])


@given(beginnings, st.binary(max_size=150), st.integers(0, 170))
def test_any_bytes_are_a_header_or_not(beginning: bytes, rest: bytes, cut: int) -> None:
    """What is known of some bytes is not changed by those that follow."""

    def known(data: bytes) -> object:
        try:
            return read_proxy_header(data)
        except MalformedProxyHeader:
            return "malformed"

    data = beginning + rest
    early, late = known(data[:cut]), known(data)
    assert early in (None, late)
    if isinstance(late, ProxyHeader):
        assert late.length <= len(data)
        assert known(data[: late.length]) == late
        assert known(data[: late.length - 1]) is None
