"""Names with a hash in them: the URLs that templates get, and what a real server answers for them."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.authority import write_certificate
from tests.server import Answer, Server
from webpy import file
from webpy.file.hashing import Hashes, hashed_name, plain_name

APP = Path(__file__).parent / "apps" / "immutable.py"
FOR_EVER = "max-age=31536000, immutable"
CSS = "p { color: red }\n" * 100
Ask = Callable[..., Answer]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class Site:
    """A server of apps/immutable.py and its folder; `ask` is one request, under TLS if the server has it."""

    def __init__(self, cwd: Path, kind: str) -> None:
        self.folder = cwd / "static"
        (self.folder / "sub").mkdir(parents=True)
        (self.folder / "app.css").write_text(CSS)
        (self.folder / "sub" / "icons.svg").write_text("<svg/>")
        (self.folder / "main-aB3dE6gH.js").write_text("1")
        (self.folder / "main.js").write_text("1")
        (self.folder / "real.0123456789ab.css").write_text("real")
        (self.folder / "webpy.toml").write_text("")
        (cwd / "secret.css").write_text("secret")
        (self.folder / "out.css").symlink_to("../secret.css")
        options, self.context = ["--workers", "2" if kind == "two workers" else "1"], None
        if kind == "TLS":
            self.context = write_certificate(cwd)
            options += ["--certfile", "cert.pem"]
        self.server = Server(APP, *options, cwd=cwd)
        self.server.wait_until_listening()

    def ask(self, path: str, method: str = "GET", **fields: str) -> Answer:
        if self.context is None:
            client = http.client.HTTPConnection(*self.server.address, timeout=15)
        else:
            client = http.client.HTTPSConnection(*self.server.address, timeout=15, context=self.context)
        try:
            client.request(method, path, headers={name.replace("_", "-"): value for name, value in fields.items()})
            got = client.getresponse()
            return Answer(got.status, got.reason, got.headers, got.read())
        finally:
            client.close()

    def urls(self) -> list[str]:
        return self.ask("/page").body.decode().split()


@pytest.fixture(params=["one worker", "two workers", "TLS"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, request.param)
    yield site
    site.server.kill()


@pytest.mark.slow
def test_from_the_page_to_the_file_through_a_change_and_a_reload(site: Site) -> None:
    css, icons = site.urls()
    assert css == f"/static/app.{digest(CSS)}.css"
    assert icons == f"/static/sub/icons.{digest('<svg/>')}.svg#home"
    for method, body in (("GET", CSS.encode()), ("HEAD", b""), ("GET", CSS.encode())):
        answer = site.ask(css, method)
        assert (answer.status, answer.body, answer.headers["Cache-Control"]) == (200, body, FOR_EVER)
        assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
        assert answer.headers["Content-Length"] == str(len(CSS))
    same = site.ask(css, If_None_Match=answer.headers["ETag"])
    assert (same.status, same.headers["Cache-Control"]) == (304, FOR_EVER)
    part = site.ask(css, Range="bytes=0-1")
    assert (part.status, part.body, part.headers["Cache-Control"]) == (206, b"p ", FOR_EVER)
    assert site.ask("/static/app.css").headers["Cache-Control"] is None

    before = (site.folder / "app.css").stat()
    (site.folder / "app.css").write_text(CSS.replace("red", "tan"))
    os.utime(site.folder / "app.css", ns=(before.st_atime_ns, before.st_mtime_ns))  # the same size and time
    changed = site.urls()[0]
    assert changed == f"/static/app.{digest(CSS.replace('red', 'tan'))}.css"
    assert site.ask(changed).headers["Cache-Control"] == FOR_EVER
    old = site.ask(css)
    assert (old.status, old.body, old.headers["Cache-Control"]) == (200, CSS.replace("red", "tan").encode(), "no-cache")

    (site.folder / "app.css").write_text("reloaded")
    site.server.send(signal.SIGHUP)
    site.server.wait_for("reload done: generation 2 serves")
    assert site.urls()[0] == f"/static/app.{digest('reloaded')}.css"


def test_names_that_are_none(site: Site) -> None:
    for path in (
        f"/static/none.{digest(CSS)}.css",
        f"/static/out.{digest('secret')}.css",
        "/static/out.css",
        f"/static/webpy.{digest('')}.toml",
        f"/static/.{digest(CSS)}.css",
        f"/static/sub.{digest('')}",
        f"/static/app.{digest(CSS)[:-1]}.css",
        f"/static/app.css/app.{digest(CSS)}.css",
        f"/plain/app.{digest(CSS)}.css",
    ):
        answer = site.ask(path)
        assert answer.status == 404 and b"secret" not in answer.body, path
    assert site.ask("/plain/app.css").headers["Cache-Control"] == "max-age=60"
    real = site.ask("/static/real.0123456789ab.css")
    assert (real.body, real.headers["Cache-Control"]) == (b"real", None), "a file has its own name first"


def test_names_by_a_regex(site: Site) -> None:
    assert site.ask("/built/main-aB3dE6gH.js").headers["Cache-Control"] == FOR_EVER
    assert site.ask("/built/main.js").headers["Cache-Control"] == "max-age=60"
    assert site.ask("/built/other-aB3dE6gH.js").headers["Cache-Control"] is None
    assert site.ask(f"/built/app.{digest(CSS)}.css").headers["Cache-Control"] == FOR_EVER


def test_compressed(site: Site) -> None:
    (site.folder / "app.css.gz").write_bytes(gzip.compress(b"precompressed"))
    url = site.urls()[0]
    answer = site.ask(url, Accept_Encoding="gzip")
    assert gzip.decompress(answer.body) == b"precompressed" and answer.headers["Cache-Control"] == FOR_EVER
    answer = site.ask(url.replace("/static/", "/small/"), Accept_Encoding="gzip")
    assert gzip.decompress(answer.body) == CSS.encode() and answer.headers["Cache-Control"] == FOR_EVER


# -- the parts -------------------------------------------------------------------------------------------------


def test_urls(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "ä b.tar.gz").write_text("x")
    (tmp_path / "static" / "README").write_text("x")
    (tmp_path / "static" / "out").symlink_to("/etc/hostname")
    url = file.StaticURLs(tmp_path / "static")
    assert url("ä b.tar.gz") == f"/%C3%A4%20b.tar.{digest('x')}.gz"
    assert url("README") == url("/README") == url["README"] == f"/README.{digest('x')}"
    assert url("README?v=1") == f"/README.{digest('x')}?v=1"
    for name in ("none", "out", "..", "../static/none", "", "a\0b"):
        with pytest.raises(FileNotFoundError, match=re.escape(f"{name!r}: no such file in '{tmp_path}/static'")):
            url(name)
    with pytest.raises(ValueError, match="wanted a path such as '/docs'"):
        file.StaticURLs(tmp_path, "static")
    with pytest.raises(ValueError, match=r"immutable: got '\(', wanted True or a regex"):
        file.new(tmp_path, immutable="(")


@pytest.mark.parametrize("name", ["app.css", "a/b.min.js", "README", "a.b/c", ".well-known/x.txt", "ä.css"])
def test_a_hashed_name_leads_back(name: str) -> None:
    made = hashed_name(name.encode(), "0123456789ab")
    assert made != name.encode() and plain_name(made) == (name.encode(), "0123456789ab")


@pytest.mark.parametrize(
    "name", ["app.css", "app.0123456789a.css", "app.0123456789AB.css", "0123456789ab.css", "a/.0123456789ab"]
)
def test_names_without_a_hash(name: str) -> None:
    assert plain_name(name.encode()) is None


def test_a_file_that_changes_within_its_time_stamp_is_seen(tmp_path: Path) -> None:
    """What was just written is not kept, as it may change again and look the same."""
    url = file.StaticURLs(tmp_path)
    for number in range(20):
        (tmp_path / "a").write_text(f"{number:03}")
        assert url("a") == f"/a.{digest(f'{number:03}')}"


def test_a_hash_is_kept_until_the_file_changes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    path, hashes = os.fsencode(tmp_path / "a"), Hashes()
    fd = os.open(path, os.O_RDONLY)
    status = os.fstat(fd)
    aged = os.stat_result(
        (*status[:7], *(0, 0, 0)), {"st_mtime_ns": status.st_mtime_ns, "st_ctime_ns": status.st_ctime_ns}
    )
    assert hashes.of(path, fd, aged) == digest("one"), "its time of change is long ago"
    assert hashes.kept(path) == digest("one")
    (tmp_path / "a").write_text("two!")
    assert hashes.kept(path) is None
    os.close(fd)


def test_large_files_are_not_hashed(tmp_path: Path) -> None:
    (tmp_path / "film").touch()
    os.truncate(tmp_path / "film", (64 << 20) + 1)
    assert file.StaticURLs(tmp_path, "/static")("film") == "/static/film"
