"""The tools staticdir and staticfile, and lib.static: the same on CherryPy and on webpy; other files are not sent."""

from __future__ import annotations

import email
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ..sidebyside import Pair

SCRIPT = """
import io
import os

import cherrypy
from cherrypy.lib.static import serve_download, serve_file, serve_fileobj

HERE = os.path.dirname(os.path.abspath(__file__))
FILES = os.path.join(HERE, "files")


class Root:
    @cherrypy.expose
    def index(self):
        return "index"

    @cherrypy.expose
    def default(self, *path, **kwargs):
        return "page of %r %r" % (path, kwargs)

    @cherrypy.expose
    def attachment(self):
        return serve_file(FILES + "/a.txt", "application/x-download", "attachment", name="a b.txt")

    @cherrypy.expose
    def attachment_as_is(self):
        return serve_file(FILES + "/a.txt", disposition="attachment")

    @cherrypy.expose
    def attachment_in_unicode(self):
        return serve_file(FILES + "/a.txt", disposition="attachment", name="\\u00fc.txt")

    @cherrypy.expose
    def text(self):
        return serve_file(FILES + "/a.txt")

    @cherrypy.expose
    def large(self):
        return serve_file(FILES + "/large.bin")

    @cherrypy.expose
    def object(self):
        return serve_fileobj(io.BytesIO(b"0123456789"), "text/x-y", disposition="attachment", name="x.txt")

    @cherrypy.expose
    def opened(self):
        return serve_fileobj(open(FILES + "/a.txt", "rb"), "application/x-y")

    @cherrypy.expose
    def relative(self):
        return serve_file("a.txt")

    @cherrypy.expose
    def missing(self):
        return serve_file(FILES + "/nothing")

    @cherrypy.expose
    def folder(self):
        return serve_file(FILES)

    @cherrypy.expose
    def download(self):
        return serve_download(FILES + "/x.js")

    @cherrypy.expose
    def plain_open(self):
        return open(FILES + "/a.txt", "rb")

    tool = cherrypy.tools.staticdir.handler(section="/tool", root=HERE, dir="files")
    one = cherrypy.tools.staticfile.handler(FILES + "/a.txt")


class Indexed:
    @cherrypy.expose
    def index(self):
        return "index page"


Root.indexed = Indexed()


def dir_(**more):
    return {"tools.staticdir." + name: value for name, value in dict(on=True, dir="files", **more).items()}


def file_(filename, **more):
    return {"tools.staticfile." + name: value for name, value in dict(on=True, filename=filename, **more).items()}


config = {
    "/": {"tools.staticdir.root": HERE},
    "/static": dir_(index="index.html"),
    "/noindex": dir_(),
    "/indexed": dir_(index="x.js"),
    "/indexed/sub": dir_(index="index.html"),
    "/matched": dir_(match=r"\\.txt$", content_types={"txt": "text/x-mine"}),
    "/relative_dir": {**dir_(), "tools.staticdir.root": ""},
    "/deep/er": dir_(),
    "/file": file_(FILES + "/a.txt"),
    "/file_missing": file_(FILES + "/nothing"),
    "/file_relative": file_("files/a.txt"),
    "/file_root": file_("files/a.txt", root=HERE),
    "/file_type": file_(FILES + "/a.txt", content_types={"txt": "q/r"}),
    "/file_matched": file_(FILES + "/a.txt", match="never"),
}
cherrypy.tree.mount(Root(), "/app", config)
cherrypy.quickstart(Root(), "/", config)
"""

FILES: dict[str, str | bytes] = {
    "files/a.txt": "hello a\n",
    "files/sub/index.html": "<p>sub</p>",
    "files/x.js": "1;",
    "files/picture.PNG": b"\x89PNG",
    "files/noend": "zz",
    "files/.hidden": "zz",
    "files/s p.css": "zz",
    "files/archive.tar.gz": b"\x1f\x8b",
    "files/empty.html": "",
    "files/large.bin": bytes(range(256)) * 1200,
    "files_beside/secret.txt": "secret",
    "secret.txt": "secret",
}


FOLDERS = ("/noindex", "/matched", "/app/static", "/deep/er", "/tool")


@pytest.fixture(scope="module")
def both(pair: Callable[..., Pair]) -> Iterator[Pair]:
    made = pair(SCRIPT, files=FILES)
    for folder in made.folders.values():
        for name in FILES:
            os.utime(folder / name, (1_000_000_000, 1_000_000_000))
    yield made


@pytest.mark.parametrize(
    "folder",
    ["/static", *(pytest.param(path, marks=pytest.mark.slow) for path in FOLDERS)],
)
def test_staticdir(both: Pair, folder: str) -> None:
    for path in (
        *("", "/", "/a.txt", "/a.txt?x=1", "/sub", "/sub/", "/sub/index.html", "/nothing", "/x.js", "/picture.PNG"),
        *("/noend", "/.hidden", "/s%20p.css", "/archive.tar.gz", "/empty.html", "/a%00.txt", "/a.txt/", "/a.txt/b"),
        *("/..%2fsecret.txt", "/sub/../a.txt", "//a.txt", "/%252e%252e/s", "/large.bin"),
        "/%C3%A9",
    ):
        both.same("GET", folder + path)
    for method in ("HEAD", "POST", "PUT", "DELETE"):
        both.same(method, folder + "/a.txt", "" if method in ("POST", "PUT") else None)


def test_staticdir_sends_and_refuses(both: Pair) -> None:
    assert both.same("GET", "/static/sub/").text == "<p>sub</p>"
    assert both.same("GET", "/static/..%2fsecret.txt").status == 403
    assert both.same("GET", "/static/%252e%252e%252fsecret.txt").status == 403
    both.same("GET", "/relative_dir/a.txt")
    for path in ("/indexed", "/indexed/", "/indexed/sub", "/indexed/sub/", "/indexed/sub/sub", "/indexed/nothing"):
        both.same("GET", path)


def test_a_folder_whose_name_only_begins_alike_is_not_inside(both: Pair) -> None:
    for path in ("..%2Ffiles_beside", "%252e%252e/files_beside", "..%2Ffiles_beside%2F"):
        _, mine = both.send("GET", f"/static/{path}/secret.txt")
        assert mine.status == 403  # CherryPy 18.10 sends the file


@pytest.mark.parametrize("spelled", ["/%5Csub/index.html", "/%2573ub/index.html", "/sub%2Findex.html"])
def test_a_path_is_decoded_once(both: Pair, spelled: str) -> None:
    """CherryPy decodes it twice, and takes a leading backslash for a slash: so clients can bypass a protected path."""
    theirs, mine = both.send("GET", f"/static{spelled}")
    assert theirs.text == "<p>sub</p>"
    assert mine.text != "<p>sub</p>"


def test_links_out_of_the_directory_and_special_files_are_not_there(both: Pair) -> None:
    folder = both.folders["webpy"] / "files"
    (folder / "out.txt").symlink_to("../secret.txt")
    (folder / "in.txt").symlink_to("a.txt")
    os.mkfifo(folder / "pipe.txt")
    for name, wanted in (("out.txt", b"page of"), ("in.txt", b"hello a"), ("pipe.txt", b"page of")):
        assert both.webpy.server.get(f"/static/{name}").body.startswith(wanted)


@pytest.mark.parametrize(
    "page", ["file", "file_missing", "file_relative", "file_root", "file_type", "file_matched", "one", "one/more"]
)
def test_staticfile(both: Pair, page: str) -> None:
    for method in ("GET", "HEAD", "POST"):
        both.same(method, f"/{page}", "" if method == "POST" else None)


@pytest.mark.parametrize(
    "page",
    [
        *("attachment", "attachment_as_is", "attachment_in_unicode", "text", "large", "object", "opened", "relative"),
        *("missing", "folder", "download", "plain_open"),
    ],
)
def test_serve_file(both: Pair, page: str) -> None:
    both.same("GET", f"/{page}")
    both.same("HEAD", f"/{page}")
    both.same("GET", f"/{page}", version="1.0")


@pytest.mark.slow
@pytest.mark.parametrize("page", ["static/a.txt", "static/large.bin", "text", "opened", "file"])
@pytest.mark.parametrize(
    "value", ["bytes=0-3", "bytes=2-", "bytes=-2", "bytes=0-", "bytes=900000-", "bytes=3-1", "bytes=5-900000", ""]
)
def test_ranges(both: Pair, page: str, value: str) -> None:
    both.same("GET", f"/{page}", headers={"Range": value})


def test_a_range_and_a_date(both: Pair) -> None:
    assert both.same("GET", "/static/a.txt", headers={"Range": "bytes=0-3"}).text == "hell"
    assert both.same("GET", "/static/a.txt", headers={"Range": "bytes=90-"}).status == 416
    date = {"If-Modified-Since": both.same("GET", "/static/a.txt").fields["last-modified"]}
    assert both.same("GET", "/static/a.txt", headers=date).status == 304


def test_ranges_of_several_parts(both: Pair) -> None:
    theirs, mine = both.send("GET", "/static/a.txt", headers={"Range": "bytes=0-1,3-4"})
    for seen in (theirs, mine):
        assert (seen.status, seen.fields["content-length"]) == (206, str(len(seen.body)))
        head = f"Content-Type: {seen.fields['content-type']}\r\n\r\n".encode()
        parts: Any = email.message_from_bytes(head + seen.body).get_payload()
        assert [(part["Content-Range"], part.get_payload()) for part in parts] == [
            ("bytes 0-1/8", "he"),
            ("bytes 3-4/8", "lo"),
        ]


def test_a_range_without_end_or_unit_is_not_a_server_error(both: Pair) -> None:
    for value in ("bytes=-", "bytes=", "lines=1-2", "bytes=a-b", "bytes=0-1;3-4", "x"):
        _, mine = both.send("GET", "/static/a.txt", headers={"Range": value})
        assert (mine.status, mine.text) == (200, "hello a\n")


def test_ranges_of_an_object_in_memory(both: Pair) -> None:
    _, mine = both.send("GET", "/object", headers={"Range": "bytes=2-4"})
    assert (mine.status, mine.text, mine.fields["content-range"]) == (206, "234", "bytes 2-4/10")  # CherryPy: 500


@pytest.mark.slow
@pytest.mark.parametrize("page", ["static/a.txt", "text", "opened", "file"])
def test_dates(both: Pair, page: str) -> None:
    modified = both.same("GET", f"/{page}").fields["last-modified"]
    for name in ("If-Modified-Since", "If-Unmodified-Since"):
        for value in (modified, "Fri, 01 Jan 1999 00:00:00 GMT", "Fri, 01 Jan 2038 00:00:00 GMT", "yesterday"):
            for method in ("GET", "HEAD"):
                both.same(method, f"/{page}", headers={name: value})
    assert both.same("GET", f"/{page}", headers={"If-Modified-Since": modified}).status == 304


def test_nothing_stays_open(both: Pair) -> None:
    server = both.webpy.server
    processes = server.processes()

    def is_open(name: str) -> int:
        found = 0
        for pid in processes:
            for fd in os.listdir(f"/proc/{pid}/fd"):
                try:
                    found += os.readlink(f"/proc/{pid}/fd/{fd}").endswith(name)
                except OSError:
                    continue
        return found

    for headers in ({}, {"Range": "bytes=0-3"}, {"Range": "bytes=0-1,3-4"}, {"Range": "bytes=99-"}):
        for method in ("GET", "HEAD"):
            for page in ("static/a.txt", "text", "opened"):
                server.request(method, f"/{page}", headers=headers)
    server.get("/static/a.txt", headers={"If-Modified-Since": "Sun, 09 Sep 2001 01:46:40 GMT"})
    assert is_open("/files/a.txt") == 0
