"""Lists of directories: what they show, in which order, and that names are escaped."""

from __future__ import annotations

import html.parser
import json
import os
from pathlib import Path
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import pytest

from tests.server import Server
from webpy.file import listing
from webpy.file.listing import Entry, Listing
from webpy.file.opening import Tree


class _Page(html.parser.HTMLParser):
    """Collects the links of a page with their texts, and all tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: dict[str, str] = {}
        self._href: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "a":
            self._href = dict(attrs)["href"] or ""
            self.links[self._href] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._href = None

    def handle_data(self, data: str) -> None:
        if self._href is not None:
            self.links[self._href] += data


NASTY = [
    "<script>alert(1)<!--",
    '"><img src=x onerror=alert(1)>',
    "'&amp;",
    "javascript:alert(1)",
    "a b+c?d#e%41",
    "\u202egnp.exe",
    "new\nline",
    "ü.txt",
]


@pytest.fixture(scope="module")
def folder(site: Path) -> Path:
    folder = site / "list"
    folder.mkdir()
    for number, name in enumerate(("b.txt", "A.txt", "c.txt", "Z.txt")):
        (folder / name).write_bytes(b"x" * (5, 2000, 1, 0)[number])
        os.utime(folder / name, (1e9 + (3, 1, 4, 2)[number], 1e9 + (3, 1, 4, 2)[number]))
    for name in ("sub", "Another"):
        (folder / name).mkdir()
    (folder / ".hidden").touch()
    os.mkfifo(folder / "fifo")
    (folder / "in").symlink_to("b.txt")
    (folder / "out").symlink_to("/etc/passwd")
    (folder / "nowhere").symlink_to("none")
    os.utime(folder / "b.txt", (1e9 + 3, 1e9 + 3))
    return folder


def links(server: Server, path: str) -> list[str]:
    answer = server.get(path)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    return [link for link in _Page(answer.body.decode()).links if not link.startswith("?")]


def test_what_is_listed(server: Server, folder: Path) -> None:
    page = ["../", "Another/", "sub/", "A.txt", "b.txt", "c.txt", "in", "Z.txt"]
    assert links(server, "/list/") == page
    assert links(server, "/list/?order=desc") == ["../", *reversed(page[1:3]), *reversed(page[3:])]
    assert links(server, "/list/?sort=size") == [*page[:3], "Z.txt", "c.txt", "b.txt", "in", "A.txt"]
    assert links(server, "/list/?sort=size&order=desc") == [*page[:3], "A.txt", "b.txt", "in", "c.txt", "Z.txt"]
    assert links(server, "/list/?x=1&sort=time&y")[3:] == ["A.txt", "Z.txt", "b.txt", "in", "c.txt"]
    assert links(server, "/list/?sort=time&order=desc")[3:] == ["c.txt", "b.txt", "in", "Z.txt", "A.txt"]
    assert links(server, "/list/?sort=nonsense&order=") == page
    for link in page[1:]:
        assert server.get(f"/list/{link}").status == 200


def test_columns_sort_and_turn_round(server: Server, folder: Path) -> None:
    for query, expected in (
        ("", ["?sort=name&order=desc", "?sort=size", "?sort=time"]),
        ("?sort=size", ["?sort=name", "?sort=size&order=desc", "?sort=time"]),
        ("?sort=size&order=desc", ["?sort=name", "?sort=size", "?sort=time"]),
    ):
        page = _Page(server.get(f"/list/{query}").body.decode())
        assert [link for link in page.links if link.startswith("?")] == expected


def test_the_top_has_no_parent(server: Server, folder: Path) -> None:
    assert "../" not in links(server, "/")
    assert "../" not in links(server, "/inbox/")
    (server.cwd / "inbox" / "deeper").mkdir()
    assert "../" in links(server, "/inbox/deeper/")
    assert "<h1>/inbox/deeper/</h1>" in server.get("/inbox/deeper/").body.decode()


def test_fields(server: Server, folder: Path) -> None:
    answer = server.get("/list/")
    assert answer.headers["Vary"] == "Accept"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer.headers["ETag"] is None
    head = server.request("HEAD", "/list/")
    assert (head.body, head.headers["Content-Length"]) == (b"", answer.headers["Content-Length"])


def test_names_are_names_whatever_is_in_them(server: Server, site: Path) -> None:
    folder = site / "<b>&nasty"
    folder.mkdir()
    names = [os.fsencode(name) for name in NASTY] + [b"\xff\xfe", "ü".encode("latin-1")]
    for name in names:
        (folder / os.fsdecode(name)).write_bytes(name)
    path = "/%3Cb%3E&nasty/"
    page = _Page(server.get(path).body.decode())
    assert "script" not in page.tags and "img" not in page.tags and "b" not in page.tags
    found = [link for link in page.links if not link.startswith(("?", "../"))]
    assert {unquote_to_bytes(link) for link in found} == set(names)
    for link in found:
        where = urlsplit(urljoin(f"{server.url}{path}", link))
        assert where.netloc == urlsplit(server.url).netloc
        assert server.get(where.path).body == unquote_to_bytes(link)
    assert page.links["%FF%FE"] == "\N{REPLACEMENT CHARACTER}" * 2
    assert page.links["new%0Aline"] == "new\N{REPLACEMENT CHARACTER}line"
    assert page.links["%C3%BC.txt"] == "ü.txt"


def test_json(server: Server, folder: Path) -> None:
    answer = server.get("/list/?sort=size&order=desc", headers={"Accept": "application/json"})
    assert (answer.headers["Content-Type"], answer.headers["Vary"]) == ("application/json", "Accept")
    page = json.loads(answer.body)
    assert (page["path"], page["complete"]) == ("/list/", True)
    assert [entry["href"] for entry in page["entries"]][:3] == ["Another/", "sub/", "A.txt"]
    assert page["entries"][2] == {
        "name": "A.txt", "href": "A.txt", "type": "file", "size": 2000, "modified": 1e9 + 1,
    }  # fmt: skip
    assert page["entries"][0]["type"] == "directory"
    assert page["entries"][0]["size"] is None
    for accept in ("text/html,application/xhtml+xml,*/*;q=0.8", "*/*", "application/json;q=0.5, text/html"):
        answer = server.get("/list/", headers={"Accept": accept})
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


def test_a_folder_of_very_many_files_is_listed_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_MAX_ENTRIES", 3)
    fd = os.open(tmp_path, os.O_RDONLY)
    for number in range(3):
        (tmp_path / str(number)).touch()
    assert "There is more" not in Listing(Tree(tmp_path), fd, b"/", has_parent=False)._html("name", False)
    (tmp_path / "3").touch()
    os.lseek(fd, 0, os.SEEK_SET)
    page = Listing(Tree(tmp_path), fd, b"/", has_parent=False)._html("name", False)
    assert "only 3 entries are shown" in page
    assert page.count("<bdi>") == 3
    os.close(fd)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9949, "9.9 kB"),
        (9951, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (5 << 30, "5.4 GB"),
        ((1 << 63) - 1, "9.2 EB"),
    ],
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert f'<td class="size">{text}</td>' in listing._row(Entry(b"x", False, size, 0.0))


def test_times_for_people() -> None:
    assert "1994-11-06<span> 08:49</span>" in listing._row(Entry(b"x", False, 0, 784111777.9))
    assert '<td class="time"></td>' in listing._row(Entry(b"x", False, 0, 1e30))
