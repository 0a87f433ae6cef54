"""What the README and the files beside it say of how to run and test, held against the code they speak of.

Its snippets, links and tables are tested with those of docs/, in tests/docs.
"""

from __future__ import annotations

import re

from tests.server import ROOT
from webpy.settings import OPTIONS

README = (ROOT / "README.md").read_text()


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", README, re.M | re.S)
    assert found, f"README.md has no section {title!r}"
    return found[1]


def command(title: str) -> str:
    """The one command line of the one fenced block of a section."""
    (block,) = re.findall(r"^```\w*\n(.*?)^```$", section(title), re.M | re.S)
    (line,) = block.splitlines()
    return str(line)


def test_run_it_is_one_line_that_serves_the_notes() -> None:
    assert command("Run it").endswith("webpy serve examples/notes.py")


def test_test_it_is_what_ci_runs() -> None:
    (last,) = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.startswith("exec ")]
    assert last == f"exec {command('Test it')}"


def test_it_is_short() -> None:
    assert len(README.encode()) <= 8192


def test_tracked_scripts_are_executable() -> None:
    for name in ("tests/run", ".ci/run"):
        mode = (ROOT / name).stat().st_mode
        assert mode & 0o111 == 0o111, f"{name} has mode {mode:o}"


def test_deploy_uses_options_there_are() -> None:
    flags = {option.flag for option in OPTIONS.values() if option.ready}
    unit = (ROOT / "deploy" / "webpy.service").read_text().replace("\\\n", " ")
    (start,) = re.findall(r"^ExecStart=.* serve (.*)$", unit, re.M)
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    (cmd,) = re.findall(r"^CMD (.*)$", dockerfile, re.M)
    used = re.findall(r"--[a-z-]+", start + cmd)
    assert used
    assert set(used) <= flags
    sources = re.findall(r"^COPY (?!--)(.*) \S+$", dockerfile, re.M)
    assert all((ROOT / name).exists() for line in sources for name in line.split())
