"""Shell completion, which is click's: of commands and options, asked as a shell asks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.server import ROOT


def ask(instruction: str, words: str = "", **environment: str) -> str:
    code = "from webpy.cli import main; main(prog_name='webpy')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "_WEBPY_COMPLETE": instruction, **environment},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert not done.stderr
    return done.stdout


def completed(words: str) -> set[str]:
    """What bash would offer for the last of the words."""
    count = len(words.split(" ")) - 1
    lines = ask("bash_complete", COMP_WORDS=words, COMP_CWORD=str(count)).splitlines()
    return {line.partition(",")[2] for line in lines}


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("webpy ", {"serve", "dev", "new", "files", "check", "config", "ctl"}),
        ("webpy se", {"serve"}),
        ("webpy ctl re", {"reload", "renew"}),
        ("webpy serve --work", {"--workers"}),
        ("webpy serve --log-f", {"--log-full"}),
        ("webpy dev --loc", {"--locals"}),
        ("webpy new shop --kind ", {"routes", "wsgi", "asgi"}),
        ("webpy serve --kind w", {"wsgi"}),
    ],
)
def test_what_is_offered(words: str, offered: set[str]) -> None:
    found = completed(words)
    assert offered <= found
    assert words.endswith("webpy ") or found == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_each_shell(shell: str) -> None:
    script = ask(f"{shell}_source")
    assert "_webpy_completion" in script and f"_WEBPY_COMPLETE={shell}_complete" in script


def test_bash_takes_the_script() -> None:
    done = subprocess.run(["bash", "-eu"], input=ask("bash_source"), capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
