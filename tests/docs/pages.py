"""Reads the documentation as it is written: README.md and the pages of docs/, and their blocks of code.

Called by the tests beside it. Runs nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.server import ROOT

__all__ = ["DOCS", "PAGES", "Block", "Command", "blocks", "commands", "name_of"]

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]

_FENCE = re.compile(
    r"^(?P<indent> *)(?P<ticks>```+)(?P<info>[^`\n]*)\n(?P<text>.*?)^(?P=indent)(?P=ticks) *$", re.M | re.S
)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. kind: such as "sh"; title: the file that it shows, or ""; line: of its first line of text."""

    page: str
    line: int
    kind: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a block: what is typed, and in a `console` block the lines that are shown below it."""

    line: int
    text: str
    output: tuple[str, ...] | None


def name_of(path: Path) -> str:
    """Return a page's name for messages and for the list of exceptions."""
    return str(path.relative_to(ROOT))


def blocks(path: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    text, found = path.read_text(), []
    for match in _FENCE.finditer(text):
        kind, _, rest = match["info"].strip().partition(" ")
        title = re.search(r'title="([^"]+)"', rest)
        inside = re.sub(rf"(?m)^{match['indent']}", "", match["text"])
        line = text.count("\n", 0, match.start()) + 2
        found.append(Block(name_of(path), line, kind, title[1] if title else "", inside))
    return found


def commands(block: Block) -> list[Command]:
    """Return the commands of a `sh` or `console` block; a line that ends with a backslash goes on in the next."""
    found: list[Command] = []
    lines = block.text.splitlines()
    place = 0
    while place < len(lines):
        line, at = lines[place], block.line + place
        place += 1
        if block.kind == "console":
            if not line.startswith("$ "):
                assert found, f"{block.page}:{at}: a console block begins with a command: {line!r}"
                last = found[-1]
                found[-1] = Command(last.line, last.text, (*(last.output or ()), line))
                continue
            line = line[2:]
        while line.endswith("\\"):
            line = line[:-1] + lines[place].strip()
            place += 1
        if line.strip() and not line.startswith("#"):
            found.append(Command(at, line, None))
    return found
