"""Every command and every snippet of README.md and docs/ is run, as `session` says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import PAGES, blocks, commands, name_of
from tests.docs.session import Session

pytestmark = pytest.mark.slow  # so it runs on one Python only

#: (page, beginning of the command) -> why this test does not run it
EXCEPTIONS = {
    ("README.md", "python3 -m venv .venv"): "installs; tests/test_packaging.py does that and serves the same example",
    ("docs/index.md", "python3 -m venv .venv"): "as in README.md",
    ("README.md", "tests/run"): "is what runs this test",
    ("docs/tutorial.md", "sudo "): "needs root and systemd; tests/test_readme.py checks the unit's options",
    ("docs/benchmarks.md", "python3 benchmarks/"): "takes minutes; tests/test_benchmarks.py runs each of them small",
}
RUN = {"sh", "console", "python"}


def has_to_run(path: Path) -> bool:
    return any(block.kind in RUN or block.title for block in blocks(path))


@pytest.mark.needs("curl", "htpasswd", "openssl")
@pytest.mark.parametrize("name", [name_of(path) for path in PAGES if has_to_run(path)])
def test_page(name: str, tmp_path: Path) -> None:
    exceptions = {beginning: why for (page, beginning), why in EXCEPTIONS.items() if page == name}
    page = next(path for path in PAGES if name_of(path) == name)
    session = Session(page, tmp_path, exceptions)
    try:
        session.run()
    finally:
        session.close()
    assert session.left_out == set(exceptions), "an exception that no command needs"


def test_exceptions_are_of_pages() -> None:
    assert {page for page, _ in EXCEPTIONS} <= {name_of(path) for path in PAGES}


def test_blocks_say_what_they_are() -> None:
    """A block without a kind, or with an unknown word for the shell, would be left out without a word."""
    for path in PAGES:
        for block in blocks(path):
            assert block.kind, f"{block.page}:{block.line}: say what the block is, such as sh, python or text"
            assert block.kind not in ("bash", "shell", "py", "shell-session"), (
                f"{block.page}:{block.line}: {block.kind}"
            )
            if block.kind in ("sh", "console"):
                assert commands(block), f"{block.page}:{block.line}: no command"
