"""What the code has, the documentation has: modules, settings, signals, commands, metrics; and it names no others."""

from __future__ import annotations

import ast
import re
import signal

import click
import pytest

from docs.hooks import commands as command_pages
from docs.hooks import mixins, modules
from docs.hooks.settings import GROUPS, shown, table_of
from tests.docs.pages import DOCS, PAGES
from tests.server import ROOT
from tests.test_layers import LAYERS
from webpy.cli import main
from webpy.framework.order import Rank
from webpy.settings import OPTIONS

# Parts of the server, which applications do not import: their names are not public.
NOT_PUBLIC = {
    "webpy.__main__": "is a command: its page is that of the command line",
    "webpy.acme": "is turned on by --acme",
    "webpy.admin": "is turned on by --admin",
    "webpy.cli": "is the command line, which has a page of its own",
    "webpy.dev": "is the command `webpy dev`",
    "webpy.server": "HTTPServer is documented as a name of webpy",
    "webpy.serving": "runs the supervisor for the command line",
    "webpy.target": "finds TARGET for the command line",
    "webpy.watching": "is turned on by --reload",
}


def page(name: str) -> str:
    return (DOCS / name).read_text()


def everything() -> str:
    return "\n".join(path.read_text() for path in PAGES)


def test_every_public_module_has_a_page() -> None:
    public = {module for name, there in LAYERS if name in ("faces", "features") for module in there}
    assert set(NOT_PUBLIC) <= public
    assert public - set(NOT_PUBLIC) == set(modules.PAGES)


@pytest.mark.parametrize("module", modules.PAGES)
def test_a_module_s_page_has_its_names(module: str) -> None:
    text = modules.page_of(module)()
    loaded = __import__(module, fromlist=["_"])
    missing = [name for name in loaded.__all__ if name[0] != "_" and not re.search(rf"^### {name}\b", text, re.M)]
    assert not missing


def test_every_example_of_a_page_is_there() -> None:
    for about in modules.PAGES.values():
        for name in about.examples:
            assert (ROOT / "examples" / f"{name}.py").is_file()


def test_settings_are_the_code_s() -> None:
    """Every group of settings stands on the page, and each setting in its table, with its default."""
    text = page("settings.md")
    for group in GROUPS:
        assert f"<!-- settings: {group} -->" in text, group
    tables = "\n".join(table_of(group)() for group in GROUPS)
    for option in OPTIONS.values():
        row = re.search(rf"^\|.*`{option.flag}`.*\|$", tables, re.M)
        assert bool(row) == option.ready, option.flag
        if row and shown(option):
            assert f"| `{shown(option)}` |" in row[0], option.flag


def test_no_page_names_an_option_that_is_not_there() -> None:
    """Options of other programs stand in blocks of code, and on the pages about migrating."""
    ours = {option.flag for option in OPTIONS.values()} | {
        "--config",
        "--kind",
        "--control",
        "--host",
        "--port",
        "--help",
    }
    for command in [main, *main.commands.values()]:
        for each in [command, *(command.commands.values() if isinstance(command, click.Group) else ())]:
            ours |= {flag for parameter in each.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    ours |= set(re.findall(r"--[\w-]+", command_pages.page()))
    for path in PAGES:
        if path.parent.name == "migrating":
            continue
        prose = re.sub(r"(?ms)^( *)(```+).*?^\1\2 *$", "", path.read_text())
        for code in re.findall(r"`(--[a-z][\w-]+)[^`]*`", prose):
            assert code in ours | _OTHERS, f"{path.name}: {code}"


#: of tests/run and benchmarks/
_OTHERS = {"--every-python", "--quick", "--against", "--output", "--json"}


def handled_signals() -> set[str]:
    """The signals that `Supervisor` gives a meaning."""
    tree = ast.parse((ROOT / "supervisor" / "supervisor.py").read_text())
    (method,) = [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef) and each.name == "_signalled"]
    names = {ast.unparse(each).removeprefix("signal.") for each in ast.walk(method) if isinstance(each, ast.Attribute)}
    return {name.removeprefix("SIG") for name in names if hasattr(signal, name) and name.startswith("SIG")} - {"CHLD"}


def test_signals_are_those_there_are() -> None:
    table = page("operate.md").partition("## Signals to the master")[2].partition("##")[0]
    named = {name for row in re.findall(r"^\| (`[^|]*)\|", table, re.M) for name in re.findall(r"`(\w+)`", row)}
    assert named == handled_signals() - {"Signals"}


def test_ctl_commands_are_those_there_are() -> None:
    control = main.commands["ctl"]
    assert isinstance(control, click.Group)
    table = page("operate.md").partition("## webpy ctl")[2].partition("##")[0]
    assert set(re.findall(r"^\| `webpy ctl ([\w-]+)", table, re.M)) == set(control.commands)


def test_every_command_is_on_the_page_of_the_command_line() -> None:
    text = command_pages.page()
    for command in main.commands.values():
        assert f"## webpy {command.name}\n" in text
        if isinstance(command, click.Group):
            for each in command.commands.values():
                assert f"### webpy {command.name} {each.name}\n" in text


def test_metrics_are_those_there_are() -> None:
    there = set(re.findall(r'"(webpy_\w+)"', (ROOT / "webpy" / "admin" / "metrics.py").read_text()))
    of_pytest = {"webpy_client", "webpy_server", "webpy_target"}  # fixtures and a setting
    named = set(re.findall(r"`(webpy_\w+)`", everything())) - of_pytest
    assert named and {name.removesuffix("_total") for name in named} <= there


def test_every_rank_has_its_mixins() -> None:
    for rank in Rank:
        assert mixins.of_rank(rank), f"no public class has the rank {rank.name}"


def test_the_example_is_the_one_in_examples() -> None:
    code = (ROOT / "examples" / "hello.py").read_text().partition('"""\n')[2].lstrip("\n")
    assert f'```python title="hello.py"\n{code}```' in page("targets.md")
