"""GET and HEAD of files through a real server: fields, conditions, ranges, and files that are never sent."""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.file.test_ranges import parts_of
from tests.server import Answer, Server
from webpy import file
from webpy.file import handlers
from webpy.file.opening import refusal
from webpy.framework.origin import Origin
from webpy.framework.request import Request
from webpy.framework.routing.routes import compile_routes
from webpy.protocol import Limits, parse_head

TEXT = b"0123456789" * 100
OLD_S = 784111777
OLD = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.fixture(scope="module", autouse=True)
def _files(site: Path) -> None:
    (site / "a.txt").write_bytes(TEXT)
    os.utime(site / "a.txt", (OLD_S, OLD_S))
    (site / "empty.css").touch()
    (site / "one.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (site / "sub").mkdir()
    (site / "sub" / "index.html").write_text("<p>index")
    (site / "sub" / "start.html").write_text("<p>start")
    (site / "bare").mkdir()
    (site / ".hidden").write_text("secret")
    (site / ".git").mkdir()
    (site / ".git" / "config").write_text("secret")
    (site / ".well-known").mkdir()
    (site / ".well-known" / "security.txt").write_text("Contact: x")


def get(server: Server, path: str, method: str = "GET", **fields: str) -> Answer:
    headers: Mapping[str, str] = {name.replace("_", "-"): value for name, value in fields.items()}
    return server.request(method, path, headers=headers)


def test_a_file(server: Server, site: Path) -> None:
    for _ in range(3):  # the long way, and the short one from the cache
        answer = get(server, "/a.txt")
        assert (answer.status, answer.body) == (200, TEXT)
        status = (site / "a.txt").stat()
        assert {name: value for name, value in answer.headers.items() if name not in ("Server", "Date")} == {
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Length": "1000",
            "X-Content-Type-Options": "nosniff",
            "Accept-Ranges": "bytes",
            "ETag": f'"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"',
            "Last-Modified": OLD,
        }


def test_head_is_get_without_its_body(server: Server) -> None:
    for path in ("/a.txt", "/empty.css", "/sub/", "/packed/a.txt", "/icon", "/"):
        whole, head = get(server, path), get(server, path, "HEAD", Range="bytes=0-0")  # and no range
        assert (head.status, head.body) == (200, b"")
        for message in (whole, head):
            del message.headers["Date"]
        assert head.headers.items() == whole.headers.items(), path
    assert get(server, "/sub", "HEAD").status == 301
    assert get(server, "/nothing", "HEAD").status == 404


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.html", "text/html; charset=utf-8"),
        ("a.JS", "text/javascript; charset=utf-8"),
        ("a.svg", "image/svg+xml"),
        ("a.woff2", "font/woff2"),
        ("a.wasm", "application/wasm"),
        ("a.tar.gz", "application/gzip"),
        ("a.txt.bz2", "application/x-bzip2"),
        ("a", "application/octet-stream"),
        ("a.unknown", "application/octet-stream"),
        ("data:,a.png", "image/png"),
    ],
)
def test_media_types(server: Server, site: Path, name: str, content_type: str) -> None:
    (site / "types").mkdir(exist_ok=True)
    (site / "types" / name).touch()
    assert get(server, f"/types/{name}").headers["Content-Type"] == content_type
    assert "Content-Encoding" not in get(server, f"/types/{name}").headers


def test_types_and_charset_can_be_set(server: Server) -> None:
    assert get(server, "/plain/a.txt").headers["Content-Type"] == "text/x-notes"
    assert get(server, "/plain/sub/index.html").headers["Content-Type"] == "text/html"


def test_one_file_whatever_the_path(server: Server, site: Path) -> None:
    answer = get(server, "/icon")
    assert answer.body == (site / "one.svg").read_bytes()
    assert answer.headers["Cache-Control"] == "max-age=60"
    etag = answer.headers["ETag"]
    again = get(server, "/icon", If_None_Match=etag)
    assert (again.status, again.headers["ETag"], again.headers["Cache-Control"]) == (304, etag, "max-age=60")
    assert get(server, "/lost").status == 404
    assert get(server, "/folder").status == 404
    refused = get(server, "/icon", "PUT")
    assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


def test_directories(server: Server) -> None:
    assert get(server, "/sub/").body == b"<p>index"
    assert get(server, "/plain/sub/").body == b"<p>start"
    assert get(server, "/sub/?x=1").body == b"<p>index"
    assert get(server, "/plain/bare/").status == 403
    assert get(server, "/plain/").status == 403
    assert get(server, "/a.txt/").status == 404
    assert get(server, "/sub/index.html/").status == 404
    for path, to in (
        ("/sub", "/sub/"),
        ("/sub?a=b&c=%20", "/sub/?a=b&c=%20"),
        ("/plain", "/plain/"),
        ("/plain?x", "/plain/?x"),
        ("/plain/%73ub", "/plain/sub/"),
        ("//plain//sub?//x", "/plain/sub/?//x"),
    ):
        answer = get(server, path)
        assert (answer.status, answer.headers["Location"], answer.body) == (301, to, b"")


def test_no_redirect_leads_to_another_host(server: Server, site: Path) -> None:
    for name in ("\\example.com", "\\\\example.com"):
        (site / name).mkdir(exist_ok=True)
        assert re.fullmatch(r"/(%5C)+example\.com/", get(server, "/" + name.replace("\\", "%5C")).headers["Location"])
    (site / "example.com").mkdir()
    for path in ("//example.com", "/.//example.com", "/%2e//example.com", "/x/..//example.com"):
        assert get(server, path).headers["Location"] == "/example.com/"


def test_conditions(server: Server) -> None:
    etag = get(server, "/a.txt").headers["ETag"]
    later = "Sun, 06 Nov 1994 08:49:38 GMT"
    before = "Sun, 06 Nov 1994 08:49:36 GMT"
    for method in ("GET", "HEAD"):
        for fields, status in (
            ({"If_None_Match": etag}, 304),
            ({"If_None_Match": f'"x", W/{etag}'}, 304),
            ({"If_None_Match": "*"}, 304),
            ({"If_None_Match": '"x"'}, 200),
            ({"If_None_Match": '"x"', "If_Modified_Since": later}, 200),
            ({"If_Modified_Since": OLD}, 304),
            ({"If_Modified_Since": "Sunday, 06-Nov-94 08:49:37 GMT"}, 304),
            ({"If_Modified_Since": "Sun Nov  6 08:49:37 1994"}, 304),
            ({"If_Modified_Since": before}, 200),
            ({"If_Modified_Since": "nonsense"}, 200),
            ({"If_Match": etag}, 200),
            ({"If_Match": '"x"'}, 412),
            ({"If_Match": '"x"', "If_None_Match": etag}, 412),
            ({"If_Unmodified_Since": OLD}, 200),
            ({"If_Unmodified_Since": before}, 412),
            ({"If_Match": etag, "If_Unmodified_Since": before}, 200),
            ({"If_None_Match": etag, "Range": "bytes=0-1"}, 304),
            ({"If_Match": '"x"', "Range": "bytes=0-1"}, 412),
        ):
            answer = get(server, "/a.txt", method, **fields)
            assert answer.status == status, (method, fields)
            if status == 304:
                assert (answer.body, answer.headers["ETag"]) == (b"", etag)
                assert not {"content-type", "content-length"} & {name.lower() for name in answer.headers}
    # a missing file is a 404, whatever the condition (RFC 9110 section 13.2.1)
    assert get(server, "/nothing", If_Match="*").status == 404
    assert get(server, "/.hidden", If_None_Match="*").status == 404


def test_single_ranges(server: Server) -> None:
    etag = get(server, "/a.txt").headers["ETag"]
    for field, status, content_range, body in (
        ("bytes=0-9", 206, "bytes 0-9/1000", TEXT[:10]),
        ("bytes=995-", 206, "bytes 995-999/1000", TEXT[995:]),
        ("bytes=-3", 206, "bytes 997-999/1000", TEXT[-3:]),
        ("bytes=990-2000", 206, "bytes 990-999/1000", TEXT[990:]),
        ("bytes=0-5,3-8", 206, "bytes 0-8/1000", TEXT[:9]),
        ("bytes=1000-", 416, "bytes */1000", None),
        ("bytes=-0", 416, "bytes */1000", None),
        ("lines=1-2", 200, None, TEXT),
        ("bytes=5-2", 200, None, TEXT),
        ("bytes=" + ",".join(["0-"] * 300), 200, None, TEXT),
    ):
        answer = get(server, "/a.txt", Range=field)
        assert (answer.status, answer.headers["Content-Range"]) == (status, content_range), field
        if body is not None:
            assert (answer.body, answer.headers["ETag"]) == (body, etag)
            assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert get(server, "/empty.css", Range="bytes=0-").status == 416
    assert get(server, "/empty.css", Range="bytes=-1").status == 200


def test_several_ranges(server: Server) -> None:
    answer = get(server, "/a.txt", Range="bytes=0-1, 10-14,-2")
    assert (answer.status, answer.headers["Content-Range"]) == (206, None)
    found = parts_of(answer.headers["Content-Type"], answer.body)
    kind = "text/plain; charset=utf-8"
    assert found == [
        (kind, "bytes 0-1/1000", b"01"),
        (kind, "bytes 10-14/1000", b"01234"),
        (kind, "bytes 998-999/1000", b"89"),
    ]
    assert int(answer.headers["Content-Length"]) == len(answer.body)


def test_a_download_is_resumed_only_if_it_is_the_same(server: Server) -> None:
    etag = get(server, "/a.txt").headers["ETag"]
    for validator, status in ((etag, 206), (OLD, 206), (f"W/{etag}", 200), ('"x"', 200), ("nonsense", 200)):
        assert get(server, "/a.txt", Range="bytes=5-", If_Range=validator).status == status, validator
    assert get(server, "/a.txt", Range="bytes=5-", If_Range="Sun, 06 Nov 1994 08:49:38 GMT").status == 200


def test_a_changed_file_is_another_at_once(server: Server, site: Path) -> None:
    path = site / "changing.txt"
    seen = set()
    for number in range(20):
        path.write_text(f"{number:04}")
        answer = get(server, "/changing.txt")
        assert answer.body == b"%04d" % number
        seen.add(answer.headers["ETag"])
    path.unlink()
    assert get(server, "/changing.txt").status == 404
    assert len(seen) > 1


def test_a_time_to_come_is_no_validator(server: Server, site: Path) -> None:
    (site / "future").touch()
    soon = time.time() + 3600
    os.utime(site / "future", (soon, soon))
    answer = get(server, "/future")
    assert answer.headers["ETag"]
    assert answer.headers["Last-Modified"] is None
    os.utime(site / "future", (1e11, 1e11))  # the year 5138
    assert get(server, "/future").status == 200
    os.utime(site / "future", (-1, -1))
    assert get(server, "/future").headers["Last-Modified"] == "Wed, 31 Dec 1969 23:59:59 GMT"


def test_who_sends_a_body_along_with_a_get_gets_the_file(server: Server) -> None:
    assert server.request("GET", "/a.txt", b"body").body == TEXT


def test_options_and_other_methods(server: Server) -> None:
    answer = get(server, "/a.txt", "OPTIONS")
    assert (answer.status, answer.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")
    for method in ("PUT", "DELETE", "POST", "TRACE"):
        answer = get(server, "/a.txt", method)
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS"), method
    assert get(server, "/a.txt", "PROPFIND").status == 501


@pytest.mark.parametrize(
    "path",
    [
        "/..%2fsite.py",
        "/sub/..%5c..%5csite.py",
        "/a%2etxt%00",
        "/a.txt%00.html",
        "/.hidden",
        "/%2ehidden",
        "/.git/config",
        "/.git/",
        "/" + "x" * 300,
        "/" + "x/" * 2000,
        "/nothing",
        "/sub/nothing/",
    ],
)
def test_what_nobody_gets(server: Server, path: str) -> None:
    answer = get(server, path)
    assert answer.status == 404
    assert answer.body == b"404 - Not Found\n"


@pytest.mark.parametrize("path", ["/../site.py", "/%2e%2e/site.py", "/sub/../../site.py", "/%", "/a\\b"])
def test_what_is_no_path(server: Server, path: str) -> None:
    assert get(server, path).status == 400


@pytest.mark.parametrize("path", ["/sub/%2e%2e/a.txt", "/sub/.././a.txt", "//a.txt", "/plain/../%61.txt"])
def test_a_file_has_one_path_however_it_is_spelled(server: Server, path: str) -> None:
    answer = get(server, path)
    assert (answer.status, answer.body) == (200, TEXT)


def test_well_known_is_for_clients(server: Server) -> None:
    assert get(server, "/.well-known/security.txt").body == b"Contact: x"


def test_names_in_any_encoding(server: Server, site: Path) -> None:
    (site / "names").mkdir(exist_ok=True)
    for name in (
        "ü ñ.txt".encode(),
        "ü.txt".encode("latin-1"),
        b"\xff\xfe\x01",
        b"a+b&c;d=e",
        b"100%",
        b"a?b#c",
        b"\\",
    ):
        (site / "names" / os.fsdecode(name)).write_bytes(name)
        path = "/names/" + "".join(f"%{byte:02X}" for byte in name)
        assert (get(server, path).status, get(server, path).body) == (200, name)


def test_links_stay_inside(server: Server, site: Path) -> None:
    outside = server.cwd / "elsewhere"
    (outside / "secret.txt").write_text("secret")
    links = site / "links"
    links.mkdir()
    (links / "in").symlink_to("../a.txt")
    (links / "in-folder").symlink_to("../sub")
    (links / "absolute").symlink_to(site / "a.txt")
    (links / "out").symlink_to("../../elsewhere/secret.txt")
    (links / "out-folder").symlink_to(outside)
    (links / "two-steps").symlink_to("out")
    (links / "loop").symlink_to("loop")
    (links / "nowhere").symlink_to("none")
    (links / "beside").symlink_to(f"../../{site.name}-beside")
    (site.parent / f"{site.name}-beside").write_text("secret")  # its path begins like that of the root
    (links / "kernel").symlink_to("/proc/version")
    (links / "device").symlink_to("/dev/zero")
    for name, body in (("in", TEXT), ("absolute", TEXT), ("in-folder/", b"<p>index")):
        answer = get(server, f"/links/{name}")
        assert (answer.status, answer.body) == (200, body), name
    for name in (
        "out", "out-folder", "out-folder/", "out-folder/secret.txt", "two-steps", "loop", "nowhere", "beside",
        "kernel", "device",
    ):  # fmt: skip
        assert get(server, f"/links/{name}").status == 404, name


def test_a_link_that_is_turned_outside_is_followed_no_more(server: Server, site: Path) -> None:
    (server.cwd / "elsewhere" / "secret.txt").write_text("secret")
    link = site / "turning"
    link.symlink_to("a.txt")
    for _ in range(4):
        assert get(server, "/turning").body == TEXT
    (site / "new").symlink_to("../elsewhere/secret.txt")
    (site / "new").rename(link)
    for _ in range(8):
        assert get(server, "/turning").status == 404


def test_links_that_are_turned_all_the_time_never_lead_outside(server: Server, site: Path) -> None:
    (server.cwd / "elsewhere" / "secret.txt").write_text("secret")
    (site / "in.txt").write_text("public")
    link, new = site / "racing", site / "racing-new"
    code = (
        "import os, sys\n"
        "link, new = sys.argv[1:]\n"
        "while True:\n"
        "    for to in ('in.txt', '../elsewhere/secret.txt'):\n"
        "        os.symlink(to, new); os.rename(new, link)\n"
    )
    link.symlink_to("in.txt")
    public, nothing = (200, b"public"), (404, b"404 - Not Found\n")
    seen = set()
    with subprocess.Popen([sys.executable, "-c", code, link, new]) as turning:
        try:
            with contextlib.closing(server.client()) as client:
                asked = 0
                while asked < 200 or seen != {public, nothing}:
                    client.request("GET", "/racing")
                    answer = client.getresponse()
                    seen.add((answer.status, answer.read()))
                    asked += 1
                    assert seen <= {public, nothing}
        finally:
            turning.kill()


def test_a_root_that_is_a_link_may_be_turned_to_another_release(server: Server) -> None:
    elsewhere = server.cwd / "elsewhere"
    for number in (1, 2):
        (elsewhere / f"release-{number}").mkdir()
        (elsewhere / f"release-{number}" / "version").write_text(str(number))
    assert get(server, "/current/version").status == 404
    for number in (1, 2, 1):
        (elsewhere / "next").symlink_to(f"release-{number}")
        (elsewhere / "next").rename(elsewhere / "current")
        for _ in range(4):
            assert get(server, "/current/version").body == b"%d" % number


def test_only_regular_files_are_opened(server: Server, site: Path) -> None:
    os.mkfifo(site / "fifo")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as sock:
        sock.bind(str(site / "socket"))
        for name in ("fifo", "socket"):
            assert get(server, f"/{name}").status == 404  # and at once: opening a FIFO waits for its writer
    if os.geteuid() == 0:
        os.mknod(site / "null", 0o20600, os.makedev(1, 3))
        assert get(server, "/null").status == 404
    # a file that was cached, and became a FIFO
    (site / "becoming").write_text("x")
    assert get(server, "/becoming").status == get(server, "/becoming").status == 200
    (site / "becoming").unlink()
    os.mkfifo(site / "becoming")
    for _ in range(4):
        assert get(server, "/becoming").status == 404


def test_what_the_system_says() -> None:
    for number, status in ((errno.ENOENT, 404), (errno.ENAMETOOLONG, 404), (errno.EACCES, 403), (errno.EPERM, 403)):
        assert refusal(OSError(number, "no")).status == status
    with pytest.raises(OSError, match="too many"):  # the server is to blame: 500, and a line in the error log
        refusal(OSError(errno.EMFILE, "too many"))


def test_precompressed_siblings(server: Server, site: Path) -> None:
    (site / "style.css").write_bytes(TEXT)
    packed = gzip.compress(TEXT)
    (site / "style.css.gz").write_bytes(packed)
    (site / "style.css.br").write_bytes(b"brotli")
    plain = get(server, "/packed/style.css")
    assert (plain.body, plain.headers["Content-Encoding"], plain.headers["Vary"]) == (TEXT, None, "Accept-Encoding")
    assert plain.headers["Cache-Control"] == "public, max-age=3600"
    etags = {plain.headers["ETag"]}
    for accepted, coding, body in (
        ("gzip", "gzip", packed),
        ("gzip, deflate, br", "br", b"brotli"),
        ("br;q=0.5, gzip", "gzip", packed),
        ("*", "br", b"brotli"),
    ):
        answer = get(server, "/packed/style.css", Accept_Encoding=accepted)
        assert (answer.headers["Content-Encoding"], answer.body) == (coding, body), accepted
        assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
        assert answer.headers["Vary"] == "Accept-Encoding"
        etags.add(answer.headers["ETag"])
        again = get(server, "/packed/style.css", Accept_Encoding=accepted, If_None_Match=answer.headers["ETag"])
        assert (again.status, again.headers["Vary"]) == (304, "Accept-Encoding")
        assert get(server, "/packed/style.css", If_None_Match=answer.headers["ETag"]).status == 200
    assert len(etags) == 3
    for refused in ("identity", "zstd", "gzip;q=0, br;q=0", ""):
        assert get(server, "/packed/style.css", Accept_Encoding=refused).body == TEXT
    part = get(server, "/packed/style.css", Accept_Encoding="gzip", Range="bytes=0-3")
    assert (part.status, part.body, part.headers["Content-Encoding"]) == (206, packed[:4], "gzip")
    # without siblings no Vary; and without the option none are looked for
    assert get(server, "/packed/a.txt", Accept_Encoding="br").headers["Vary"] is None
    assert get(server, "/style.css", Accept_Encoding="br").body == TEXT
    # a sibling that is older than the file
    os.utime(site / "style.css.br", (OLD_S, OLD_S))
    assert get(server, "/packed/style.css", Accept_Encoding="br, gzip").body == packed
    # and one that is a link out of the tree
    (server.cwd / "elsewhere" / "secret.txt").write_text("secret")
    (site / "style.css.gz").unlink()
    (site / "style.css.gz").symlink_to("../elsewhere/secret.txt")
    answer = get(server, "/packed/style.css", Accept_Encoding="gzip")
    assert (answer.body, answer.headers["Content-Encoding"]) == (TEXT, None)


def test_fields_that_others_set_stay(server: Server, site: Path) -> None:
    for _ in range(3):
        answer = get(server, "/marked/a.txt")
        assert (answer.headers["X-Marked"], answer.headers["Vary"]) == ("yes", "Origin")
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    (site / "twice.txt").touch()
    (site / "twice.txt.gz").touch()
    assert get(server, "/both/twice.txt").headers["Vary"] == "Origin, Accept-Encoding"


def test_who_looks_in_another_way_gets_what_he_finds(server: Server, site: Path) -> None:
    """A file that was found for one client is never sent to another."""
    (site / "other.html").write_text("<p>other")
    (site / "index.html").write_text("<p>top")
    for _ in range(3):
        assert get(server, "/mine/x", X_Name="other.html").body == b"<p>other"
        assert get(server, "/mine/x", X_Name="a.txt").body == TEXT
        assert get(server, "/host/index.html", X_Name="sub").body == b"<p>index"
        assert get(server, "/host/index.html", X_Name="none").body == b"<p>top"
    (site / "index.html").unlink()


def test_a_large_file_is_not_read_into_memory(server: Server, site: Path) -> None:
    size = 64 << 20
    with open(site / "large", "wb") as file:
        file.truncate(size)  # a sparse file, which fills no disk
    workers = [pid for pid in server.processes() if pid != server.pid]

    def peak_kb() -> int:
        found = [re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()) for pid in workers]
        return sum(int(match[1]) for match in found if match)

    before_kb = peak_kb()
    for fields in ({}, {"Range": "bytes=0-"}, {"Range": f"bytes=0-99,1000-{size}"}):
        with contextlib.closing(server.client()) as client:
            client.request("GET", "/large", headers=fields)
            answer = client.getresponse()
            count = 0
            while piece := answer.read(1 << 20):
                count += len(piece)
            assert count >= size - 901 and count == int(answer.headers["Content-Length"])
    assert peak_kb() - before_kb < 30_000
    (site / "large").unlink()


def test_descriptors_are_closed(server: Server, site: Path) -> None:
    """No file stays open, whatever the answer."""
    workers = [pid for pid in server.processes() if pid != server.pid]

    def still_open() -> list[str]:
        found = []
        for pid in workers:
            for fd in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    found.append(os.readlink(fd))
        return [path for path in found if path.startswith(str(site))]

    etag = get(server, "/a.txt").headers["ETag"]
    for _ in range(2):
        for path in (
            "/a.txt",
            "/sub",
            "/sub/",
            "/bare/",
            "/",
            "/nothing",
            "/plain/",
            "/packed/a.txt",
            "/folder",
            "/icon",
        ):
            for fields in ({}, {"Range": "bytes=0-1"}, {"Range": "bytes=0-1,5-6"}, {"Range": "bytes=9999-"}):
                get(server, path, **fields)
        for fields in ({"If_None_Match": etag}, {"If_Match": '"x"'}):
            get(server, "/a.txt", **fields)
        get(server, "/a.txt", "HEAD")
    deadline = time.monotonic() + 5
    while still_open() and time.monotonic() < deadline:
        time.sleep(0.01)  # a worker closes the file after it has sent it
    assert not still_open()


def test_only_so_many_files_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Nobody:
        server_address = ("", 0)
        origin = Origin(server_address, "http")
        tls = None
        gone = False

    (tmp_path / "x").write_bytes(b"x")
    monkeypatch.setattr(handlers, "_MAX_CACHED", 3)
    table = compile_routes(file.new(tmp_path))
    for number in range(10):
        head = parse_head(b"GET /x?%d HTTP/1.1\r\nHost: x\r\n\r\n" % number, Limits())
        route, groups = table.resolve(head.resource)
        for _ in range(2):
            status, body = route.handler(Request(Nobody(), head), groups).respond()
            assert (status, body.read()) == (200, b"x")
            body.close()
        assert isinstance(route.handler, type) and issubclass(route.handler, file.PathHandler)
        assert 1 <= len(route.handler._cache) <= 3
