"""A listing in a real browser, on a desktop and on a phone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.admin.browser import Browser
from tests.server import Server

pytestmark = [pytest.mark.slow, pytest.mark.needs("chromium"), pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    browser = Browser()
    yield browser
    browser.close()


def test_a_listing(server: Server, site: Path, browser: Browser, tmp_path: Path) -> None:
    folder = site / "seen"
    (folder / "photos").mkdir(parents=True)
    for name, size in (("notes.txt", 12), ("holiday.mp4", 734_003_200), ("x" * 200 + ".tar.gz", 4_200_000)):
        with open(folder / name, "wb") as file:
            file.truncate(size)
        os.utime(folder / name, (1e9 + size, 1e9 + size))
    (folder / "<img src=x onerror=document.title='stolen'>.html").write_text("<title>mine</title>")
    (folder / os.fsdecode(b"latin-\xfc.txt")).write_text("<title>latin</title>")
    url = f"{server.url}/seen/"
    for width in (1280, 360):
        tab = browser.open(url, width, 740)
        tab.shoot(tmp_path / f"listing-{width}.png")
        assert tab.eval("document.documentElement.scrollWidth <= window.innerWidth"), f"wider than {width}"
        assert tab.eval("document.title") == "/seen/"
        assert tab.eval("document.querySelectorAll('img, script').length") == 0
        assert tab.eval("document.querySelectorAll('tbody tr').length") == 7
        assert tab.eval("document.compatMode") == "CSS1Compat"
        # large enough for a finger
        assert tab.eval("Math.min(...[...document.querySelectorAll('td a')].map(a => a.offsetHeight))") >= 22
        # sorted by size, and back, by the heads of the columns
        tab.click("th.size a")
        tab.wait("location.search === '?sort=size' && document.querySelector('th.size[aria-sort=ascending]')")
        tab.click("th.size a")
        tab.wait("location.search === '?sort=size&order=desc'")
        tab.wait("document.querySelectorAll('tbody a').length === 7")
        assert tab.eval("document.querySelectorAll('tbody a')[2].textContent") == "holiday.mp4"
        # a name of another encoding, a name that is HTML, a folder, and up again
        for link, title in (("latin-", "latin"), ("<img", "mine")):
            tab.go(url)
            tab.eval(f"[...document.querySelectorAll('a')].find(a => a.textContent.startsWith({link!r})).click()")
            tab.wait(f"document.title === {title!r}" if title == "mine" else "location.pathname.includes('%FC')")
        tab.go(url)
        tab.eval("[...document.querySelectorAll('a')].find(a => a.textContent === 'photos/').click()")
        tab.wait("location.pathname === '/seen/photos/'")
        tab.click("td a")
        tab.wait("location.pathname === '/seen/'")
        assert not [trouble for trouble in tab.troubles() if "favicon.ico" not in trouble]
        tab.close()
