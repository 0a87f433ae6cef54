"""The README's commands and tables, held against the code they speak of."""

from __future__ import annotations

import re

from tests.server import ROOT
from webpy.cli.ctl import ctl
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


def test_settings_table_is_the_code_s() -> None:
    rows = dict(re.findall(r"^\| `(--[\w-]+)` \| ([^|]*?) ?\|", section("Settings"), re.M))
    rows.pop("--config")  # where settings are read from: none itself
    ready = {option.flag: option for option in OPTIONS.values() if option.ready}
    assert sorted(rows) == sorted(ready)
    for flag, default in rows.items():
        option = ready[flag]
        shown = "" if option.default is None else option.type.show(option.default)
        if isinstance(shown, bool):
            shown = "on" if shown else "off"
        shown = shown[0] if isinstance(shown, list) else str(shown)
        assert default == shown, f"{flag}: README.md says {default!r}, the code {shown!r}"


def test_metrics_are_those_there_are() -> None:
    there = set(re.findall(r'"(webpy_\w+)"', (ROOT / "webpy" / "admin" / "metrics.py").read_text()))
    named = set(re.findall(r"`(webpy_\w+)`", README))
    assert named and {name.removesuffix("_total") for name in named} <= there


def test_ctl_commands_are_those_there_are() -> None:
    block = re.search(r"^```\n(.*?)^```$", section("Operate it"), re.M | re.S)
    assert block
    assert set(re.findall(r"webpy ctl ([\w-]+)", block[1])) == set(ctl.commands)


def test_the_example_is_the_one_in_examples() -> None:
    code = (ROOT / "examples" / "hello.py").read_text().partition('"""\n')[2].lstrip("\n")
    assert f"```python\n{code}```" in README


def test_links_lead_to_files() -> None:
    for document in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / document).read_text()):
            assert (ROOT / target).exists(), f"{document} links to {target}"


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
