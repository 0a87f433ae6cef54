"""Owns which routes can match a resource at all: those whose regex begins as the resource does.

A table of a thousand routes is then as quick as one of ten. Only the literal beginning of a regex is looked at; one
without any is asked about every resource. Knows neither handlers nor requests.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from typing import Generic, TypeVar

__all__ = ["PrefixIndex", "literal_prefix", "split_literal"]

_LITERAL = re.compile(r"(?:[^\\.^$*+?{}\[\]|()]|\\[^A-Za-z0-9])*(?![*+?{])")
"""The literal beginning of a regex; a character before a quantifier does not belong to it."""

_NESTING = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(|\)|\|", re.DOTALL)
"""What decides whether a `|` divides the whole regex: escapes, character classes, and parentheses."""

Item = TypeVar("Item")


def literal_prefix(pattern: re.Pattern[str]) -> str:
    """Return characters that every string begins with that the regex matches; "" if it shows none."""
    return split_literal(pattern)[0]


def split_literal(pattern: re.Pattern[str]) -> tuple[str, str]:
    """Return the characters that the regex begins with, unescaped, and the text of the rest of it.

    There are none if flags change what characters mean, or if alternatives begin otherwise.
    """
    text = pattern.pattern.removeprefix("^")
    if pattern.flags != re.UNICODE or _divides(text):
        return "", text
    named = _LITERAL.match(text)
    if named is None:
        return "", text
    return re.sub(r"\\(.)", r"\1", named[0], flags=re.DOTALL), text[named.end() :]


def _divides(text: str) -> bool:
    """Return whether the regex may have a `|` outside parentheses."""
    if "|" not in text:
        return False
    depth = 0
    for token in _NESTING.finditer(text):
        if token[0] == "(":
            depth += 1
        elif token[0] == ")":
            depth -= 1
        elif token[0] == "|" and depth <= 0:
            return True
    return "(?#" in text  # a comment may hold a parenthesis that is none


_MERGED = 64  # items that a node has in one list: more are put together when asked for, lest a table takes their square


class _Node(Generic[Item]):
    """The items of one prefix, each with its place in the whole order.

    parent: the node of the longest other prefix that this one begins with; the empty prefix is its own. all: the items
    of this prefix and of those that it begins with, in order; None if they are many.
    """

    __slots__ = ("all", "items", "parent", "prefix")

    def __init__(self, prefix: str, parent: _Node[Item] | None) -> None:
        self.prefix = prefix
        self.parent = parent or self
        self.items: list[tuple[int, Item]] = []
        self.all: list[Item] | None = []

    def merged(self) -> list[Item]:
        """Return `all`, however many they are."""
        found, node = list(self.items), self
        while node.parent is not node:
            node = node.parent
            found += node.items
        return [item for _, item in sorted(found, key=_place)]


def _place(pair: tuple[int, object]) -> int:
    return pair[0]


class PrefixIndex(Generic[Item]):
    """Items in their order, found by the literal beginning of their regexes. Never changed once made."""

    __slots__ = ("_nodes", "_prefixes")

    def __init__(self, items: Iterable[tuple[re.Pattern[str], Item]]) -> None:
        prefixes = [(literal_prefix(pattern), place, item) for place, (pattern, item) in enumerate(items)]
        self._prefixes = sorted({"", *(prefix for prefix, _, _ in prefixes)})
        self._nodes: list[_Node[Item]] = []
        last: _Node[Item] | None = None
        for prefix in self._prefixes:
            while last is not None and not prefix.startswith(last.prefix):
                last = last.parent
            last = _Node(prefix, last)
            self._nodes.append(last)
        by_prefix = {node.prefix: node for node in self._nodes}
        for prefix, place, item in prefixes:
            by_prefix[prefix].items.append((place, item))
        for node in self._nodes:  # parents first
            above = node.parent.all
            if above is None or len(above) + len(node.items) > _MERGED:
                node.all = None
            else:
                node.all = node.merged()

    def candidates(self, text: str) -> list[Item]:
        """Return the items whose regex may match `text`, in order. Not to be changed."""
        node = self._nodes[bisect_right(self._prefixes, text) - 1]
        while not text.startswith(node.prefix):
            node = node.parent
        found = node.all
        return node.merged() if found is None else found
