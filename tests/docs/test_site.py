"""The site builds without a warning (a broken link or anchor is one), offers every page, and fetches nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.hooks.generate import GENERATED, MARKERS
from tests.docs.pages import DOCS, PAGES, name_of
from tests.server import ROOT

# Fetched by a browser by itself, unlike the target of a link.
_FETCHED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(https?:)?//|<link\b[^>]*\bhref=["']?(https?:)?//"""
)
_BESIDE = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")  # read in the repository, not a part of the site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "NO_COLOR": "1"}
    # no way to the network: what the build wants to fetch would fail here as it does for a reader without one
    environment |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not included in the" not in done.stderr, done.stderr  # a page that the navigation does not have
    return folder


def test_every_page_is_built(site: Path) -> None:
    written = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    for name in sorted(written | set(GENERATED)):
        folder = site / name.removesuffix(".md")
        page = folder.parent if folder.name == "index" else folder
        assert (page / "index.html").is_file(), name


def test_search_is_on(site: Path) -> None:
    index = (site / "search" / "search_index.json").read_text()
    assert "min-body-rate" in index and "BasicAuthMixIn" in index


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        found = _FETCHED.search(page.read_text())
        assert not found, f"{page.relative_to(site)}: {found and found[0]}"


def test_no_marker_is_left(site: Path) -> None:
    """A marker of a page is replaced, and none is made for no page."""
    used = set()
    for path in DOCS.rglob("*.md"):
        used |= set(re.findall(r"<!-- ([^>]+) -->", path.read_text()))
    assert set(MARKERS) <= used
    for page in site.rglob("*.html"):
        left = [name for name in MARKERS if f"<!-- {name} -->" in page.read_text()]
        assert not left, f"{page.relative_to(site)}: {left}"


def _anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as mkdocs and repository browsers make them."""
    headings = re.findall(r"(?m)^#+ (.+)$", re.sub(r"(?ms)^```.*?^```$", "", path.read_text()))
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", _BESIDE)
def test_links_beside_the_site_lead_somewhere(name: str) -> None:
    text = re.sub(r"(?ms)^```.*?^```$", "", (ROOT / name).read_text())
    for target, anchor in re.findall(r"\]\(([^)\s#]*)(?:#([^)\s]+))?\)", text):
        if target.startswith(("http:", "https:")):
            continue
        path = ROOT / target if target else ROOT / name
        assert path.exists(), f"{name} links to {target}"
        if anchor:
            assert anchor in _anchors(path), f"{name} links to {target}#{anchor}"


def test_links_of_pages_work_in_the_repository_too() -> None:
    """mkdocs checks those within docs/; the others lead to files of the repository, or to pages made from the code."""
    for page in PAGES[1:]:
        text = re.sub(r"(?ms)^( *)(```+).*?^\1\2 *$", "", page.read_text())
        for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", text):
            if target.startswith(("http:", "https:")):
                continue
            path = Path(os.path.normpath(page.parent / target))
            made = path.is_relative_to(DOCS) and str(path.relative_to(DOCS)) in GENERATED
            assert made or path.exists(), f"{name_of(page)} links to {target}"
