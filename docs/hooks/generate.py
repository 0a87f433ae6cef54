"""Makes the pages of the documentation that are derived from the code, when mkdocs builds the site.

Called by mkdocs (`hooks` in mkdocs.yml). Owns which pages are made, the markers in pages written by hand that are
replaced by what the code says, and links to files of the repository: a link such as `../webpy/file/ranges.py` works
where the repository is read, and in the site it leads to a page that shows the file. What the pages say is made by the
modules beside this one.
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from docs.hooks import commands, mixins, modules, settings  # noqa: E402

__all__ = ["GENERATED", "MARKERS", "on_files", "on_page_markdown"]

_LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(#[^)\s]*)?(?=\))")
_KINDS = {".py": "python", ".toml": "toml", ".html": "html", ".conf": "nginx", ".service": "ini"}


def _fenced(path: str) -> str:
    """Return a file of the repository as a block of code."""
    file = ROOT / path
    kind = _KINDS.get(file.suffix, "docker" if file.name == "Dockerfile" else "text")
    return f"``````{kind}\n{file.read_text().rstrip()}\n``````\n"


def _shown(path: str) -> Callable[[], str]:
    return lambda: _fenced(path)


#: page -> the function that returns its text
GENERATED: dict[str, Callable[[], str]] = {
    "commands.md": commands.page,
    **{modules.address(name): modules.page_of(name) for name in modules.PAGES},
}
#: what stands in a page between `<!--` and `-->` -> the function that returns what to put there
MARKERS: dict[str, Callable[[], str]] = {
    **{f"settings: {group}": settings.table_of(group) for group in settings.GROUPS},
    "access log: atoms": settings.atoms,
    "mix-ins: order": mixins.order,
    "mix-ins: reasons": mixins.reasons,
    "features": modules.table,
    **{
        f"file: deploy/{name}": _shown(f"deploy/{name}")
        for name in ("webpy.service", "Dockerfile", "nginx.conf", "logrotate")
    },
}


def _source(page: str, target: str) -> str | None:
    """Return the file of the repository that a link on `page` leads to, None if it leads to a page of the site."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), target))
    return None if path.startswith("docs/") else path


def _source_page(path: str) -> str:
    """Return the text of the page that shows a file of the repository."""
    return f"---\ntitle: {path}\nsearch:\n  exclude: true\nhide: [toc]\n---\n\n# `{path}`\n\n{_fenced(path)}"


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made from the code, and a page for each file of the repository that a page links to."""
    for name, make in GENERATED.items():
        files.append(File.generated(config, name, content=make()))
    sources: set[str] = set()
    for file in list(files.documentation_pages()):
        for target, _ in _LINK.findall(_marked(file.content_string)):
            path = _source(file.src_uri, target)
            if path is not None and (ROOT / path).is_file():
                sources.add(path)
    for path in sorted(sources):
        files.append(File.generated(config, f"source/{path}.md", content=_source_page(path)))
    return files


def _marked(markdown: str) -> str:
    return re.sub(
        r"<!-- ([\w ,:()/.-]+) -->", lambda found: MARKERS[found[1]]() if found[1] in MARKERS else found[0], markdown
    )


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put in what the code says, and lead links to files of the repository to the pages that show them."""
    here = page.file.src_uri
    if here.startswith("source/"):
        return markdown

    def link(found: re.Match[str]) -> str:
        path = _source(here, found[1])
        if path is None or not (ROOT / path).is_file():
            return found[0]
        return posixpath.relpath(f"source/{path}.md", posixpath.dirname(here) or ".")

    return _LINK.sub(link, _marked(markdown))
