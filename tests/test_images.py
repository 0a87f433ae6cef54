"""The image service of examples/images.py: the same from every worker, and nothing kept of what is no image."""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import requests

from tests.server import ROOT, Server
from webpy import store

Serve = Callable[..., Server]


def png(shade: int) -> bytes:
    """A grey pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes([0, shade]))) + chunk(b"IEND", b"")


def test_the_image_service(serve: Serve, tmp_path: Path) -> None:
    server = serve(ROOT / "examples" / "images.py", "--workers", "2")
    images = f"{server.url}/images"

    assert requests.get(images, timeout=10).text == ""
    first = server.request("POST", "/images", png(1))
    assert (first.status, first.headers["Location"], first.body) == (201, "/images/001", b"/images/001\n")

    places: dict[str, bytes] = {"/images/001": png(1)}

    def post_some(client: int) -> None:
        with requests.Session() as session:
            for number in range(4):
                image = png(10 * client + number)
                places[session.post(images, image, timeout=10).headers["Location"]] = image

    clients = [threading.Thread(target=post_some, args=(number,)) for number in range(1, 4)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert sorted(places) == [f"/images/{number:03}" for number in range(1, 14)]
    for _ in range(4):  # by either worker
        assert requests.get(images, timeout=10).text.split() == sorted(places)
    for place, image in places.items():
        got = server.get(place)
        assert (got.status, got.body, got.headers["Content-Type"]) == (200, image, "image/png")
        assert got.headers["X-Content-Type-Options"] == "nosniff"

    jpeg = b"\xff\xd8\xff\xe0 and so on"
    assert server.request("PUT", "/images/002", jpeg).status == 204
    for _ in range(4):
        got = server.get("/images/002")
        assert (got.body, got.headers["Content-Type"]) == (jpeg, "image/jpeg")
    head = server.request("HEAD", "/images/002")
    assert (head.body, head.headers["Content-Length"]) == (b"", str(len(jpeg)))
    assert server.request("DELETE", "/images/013").status == 204
    assert [server.request(method, "/images/013", png(0)).status for method in ("GET", "PUT", "DELETE")] == [404] * 3
    assert requests.post(images, b"GIF89a", timeout=10).headers["Location"] == "/images/014"

    for method, path in (("POST", "/images"), ("PUT", "/images/002")):
        for bad in (b"", b"<script>", b"\x89PNG", b"<svg xmlns='http://www.w3.org/2000/svg'/>"):
            refused = server.request(method, path, bad, {"Content-Type": "image/png"})
            assert (refused.status, refused.headers["Accept"]) == (415, "image/gif, image/jpeg, image/png")
        assert server.request(method, path, png(0) + bytes(1 << 20)).status == 413
    for path in ("/images/", "/images/0001", "/images/1", "/images/abc", "/images/999", "/"):
        assert server.get(path).status == 404
    assert server.request("DELETE", "/images").headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert server.get("/images/002").body == jpeg
    assert server.stop() == 0
    with store.open(f"sqlite:///{tmp_path}/webpy-store.sqlite3") as kept:  # the images, and the last number
        assert sorted(kept) == ["images"] + [f"images/{number:03}" for number in [*range(1, 13), 14]]
