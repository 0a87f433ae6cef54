"""Makes a page for each public module: its docstring, and what each of its names takes, gives and raises.

Owns the list of public modules. Called by `generate` and `mixins`; tests/docs holds the list against the layers.
"""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["PAGES", "Page", "address", "page_of", "table"]


@dataclass(frozen=True, slots=True)
class Page:
    """A module's page: its title, what a reader wants who looks for it, the extra to install, and examples."""

    title: str
    wanted: str
    extra: str = ""
    examples: tuple[str, ...] = ()


_TUTORIALS = tuple(
    f"cherrypy/tut0{number}_{name}"
    for number, name in enumerate(
        ("basic", "urls", "parameters", "form", "sessions", "static", "rest", "ajax", "database"), start=1
    )
)

PAGES: dict[str, Page] = {
    "webpy": Page("webpy", "handlers, errors, header fields, and a server in a program", "", ("notes", "errors")),
    "webpy.file": Page(
        "Files",
        "files and directories: ETag, ranges, conditions, precompressed copies, listings, PUT and DELETE",
        "",
        ("files",),
    ),
    "webpy.form": Page(
        "Forms", "forms, with files: a mapping with limits; large files are kept on disk", "form", ("upload",)
    ),
    "webpy.json": Page(
        "JSON", "JSON in requests and answers, errors as JSON; bad JSON is a 400 that says where", "", ("json_notes",)
    ),
    "webpy.query": Page("Queries", "the query as a mapping", "", ("query",)),
    "webpy.page": Page(
        "Pages", "pages from templates, of `str.format` or Jinja2, escaped, and errors as pages", "page", ("page",)
    ),
    "webpy.auth": Page(
        "Login",
        "Basic, Digest (RFC 7616), Bearer, schemes of your own; `htpasswd` and `htdigest` files",
        "auth",
        ("login_basic", "login_digest", "tokens"),
    ),
    "webpy.session": Page(
        "Sessions",
        "a mapping for each client, in SQLite, Redis, memcached or files; no update is lost",
        "",
        ("login",),
    ),
    "webpy.store": Page(
        "Shared data",
        "data that all workers share: `incr`, `cas`, expiry",
        "redis,memcached",
        ("notes", "counter"),
    ),
    "webpy.cgi": Page("CGI", "CGI scripts (RFC 3875), which end with their client or their worker", "", ("cgi",)),
    "webpy.wsgi": Page(
        "WSGI", "applications of Flask, Django, Bottle, Falcon and others", "", ("wsgi_flask", "wsgi_beside")
    ),
    "webpy.stdlib": Page(
        "http.server",
        "handlers and servers of the standard library",
        "",
        tuple(f"stdlib/{name}" for name in ("get", "post", "errors", "headers", "threads", "run", "folder")),
    ),
    "webpy.objects": Page(
        "CherryPy's way",
        "objects whose methods are pages; CherryPy's tools, hooks and configuration",
        "form",
        _TUTORIALS,
    ),
    "webpy.testing": Page("Testing", "tests of an application, without a socket and with a real server"),
    "webpy.cookies": Page("Cookies", "cookies", "", ("login",)),
    "webpy.compression": Page(
        "Compression", "compressed answers: gzip; br and zstd with the extra", "compression", ("compressed",)
    ),
    "webpy.decompression": Page(
        "Compressed bodies", "request bodies in gzip or deflate, with a limit on their size", "", ("batches",)
    ),
    "webpy.negotiation": Page("Negotiation", "several representations of one resource (`accept`)", "", ("negotiated",)),
    "webpy.caching": Page("Caching", "ETag, 304 and Cache-Control for answers of handlers", "", ("cached",)),
    "webpy.conditional": Page("Conditions", "conditional requests in handlers of your own", "", ("cached",)),
    "webpy.cors": Page("CORS", "access for scripts of other origins", "", ("cors",)),
    "webpy.security": Page(
        "Security fields", "fields that tell browsers what a page may do: a policy with a nonce", "", ("guarded",)
    ),
    "webpy.csrf": Page("Forged requests", "requests that pages of other sites forge are refused", "", ("guarded",)),
    "webpy.ratelimit": Page(
        "Limits of rates",
        "limits of requests for each client, user or key, over all workers and machines: 429 and the RateLimit fields",
        "",
        ("ratelimit",),
    ),
    "webpy.redirect": Page(
        "Redirects",
        "redirects whose Location is valid, and stays on this server unless asked otherwise",
        "",
        ("cached",),
    ),
    "webpy.requestid": Page(
        "Request ids", "an id for each request, in the answer and in both logs", "", ("request_id",)
    ),
}


def address(module: str) -> str:
    """Return the page's file below docs/."""
    return f"features/{module.removeprefix('webpy.')}.md"


def table() -> str:
    """Return the table of all modules with pages."""
    lines = ["| you want | module | examples: `webpy serve examples/…` |", "|---|---|---|"]
    for module, page in PAGES.items():
        if module == "webpy":
            continue
        extra = f", `webpy[{page.extra}]`" if page.extra else ""
        examples = ", ".join(f"[{name}.py](../../examples/{name}.py)" for name in page.examples)
        link = address(module).removeprefix("features/")
        lines.append(f"| {page.wanted} | [`{module}`]({link}){extra} | {examples} |")
    return "\n".join(lines)


def page_of(module: str) -> Callable[[], str]:
    """Return a function that returns the text of a module's page."""

    def page() -> str:
        about, loaded = PAGES[module], importlib.import_module(module)
        parts = [f"# {about.title}", f"Module `{module}`."]
        if about.extra:
            parts.append(f"What needs a library is installed with `pip install 'webpy[{about.extra}]'`.")
        first, _, rest = inspect.cleandoc(loaded.__doc__ or "").partition("\n\n")
        parts += [_markdown(first), _markdown(rest)]
        if about.examples:
            links = ", ".join(f"[examples/{name}.py](../../examples/{name}.py)" for name in about.examples)
            parts.append(f"Examples that run: {links}.")
        parts += ["## Names", *_names(loaded)]
        return "\n\n".join(part for part in parts if part) + "\n"

    return page


def _markdown(text: str) -> str:
    """Return a docstring as Markdown. It is nearly that already: code is indented, and gets fences and its colours; "<"
    in prose would be taken for a tag; a list begins after a blank line."""
    parts = re.split(r"(?:(?<=\n\n)|\A)((?: {4}.*(?:\n|\Z)|\n(?= {4}))+)", text)
    return "".join(_code(part) if place % 2 else _prose(part) for place, part in enumerate(parts))


def _code(text: str) -> str:
    code = inspect.cleandoc("\n" + text)
    try:
        ast.parse(code)
        kind = "python"
    except SyntaxError:
        kind = "text"
    return f"```{kind}\n{code}\n```\n"


def _prose(text: str) -> str:
    lines = []
    for line in text.splitlines():
        pieces = re.split(r"(`[^`]*`)", line)
        lines.append(
            "".join(piece if piece.startswith("`") else _linked(piece.replace("<", "&lt;")) for piece in pieces)
        )
    return re.sub(r"(?m)^(?!- |\s|$)(.*\S)\n(?=- )", r"\1\n\n", "\n".join(lines)) + "\n"


def _linked(text: str) -> str:
    """Return prose in which pages of docs/ are links, as seen from a page of a feature."""
    return re.sub(r"\bdocs/([\w-]+)\.md\b", r"[\1](../\1.md)", text)


def _names(module: Any) -> Iterator[str]:
    for name in module.__all__:
        value = getattr(module, name)
        if isinstance(value, type):
            yield from _class(name, value)
        elif callable(value):
            yield f"### {name}"
            yield _signature(name, value)
            yield _described(inspect.getdoc(value) or "", value)
        elif not name.startswith("_"):
            yield f"### {name}"
            yield f"`{name} = {_short(value)}`"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 90 and " at 0x" not in text else f"{type(value).__name__}"


def _class(name: str, value: type) -> Iterator[str]:
    yield f"### {name}"
    bases = ", ".join(base.__name__ for base in value.__bases__ if base is not object)
    if issubclass(value, enum.Enum) or issubclass(value, BaseException) or "__init__" not in vars(value):
        yield f"```text\nclass {name}({bases})\n```"
    else:
        yield _signature(name, value)
    own = vars(value).get("__doc__") or ""
    yield _described(inspect.cleandoc(own), value)
    for each, member in vars(value).items():
        if each.startswith("_"):
            continue
        function = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
        if inspect.isfunction(function) and function.__doc__:
            yield f"#### {name}.{each}"
            yield _signature(each, function)
            yield _described(inspect.getdoc(function) or "", function)
        elif isinstance(function, property) and function.__doc__:
            yield f"#### {name}.{each} (property)"
            yield _described(inspect.getdoc(function) or "")


def _described(text: str, value: Any = None) -> str:
    """Return the docstring of a class or function as Markdown, with its arguments and attributes as a list.

    Such a line begins with the name and a colon, at the start of a paragraph or after a sentence; the name of a
    parameter of `value` may also follow a sentence on the same line.
    """
    text = re.sub(r"(?m)(?:\A|(?<=\n\n)|(?<=\.\n))([a-z_]\w*(?:, [a-z_]\w*)*): (?=\S)", _item, text)
    names = "|".join(_parameters(value))
    if names:
        text = re.sub(rf"(?<=[.)])\s+({names}): (?=\S)", lambda found: "\n" + _item(found), text)
    if re.search(r"(?m)^- ", text):
        text = re.sub(r"(?<=\.)\s(?=Raises )", "\n\n", text)
    return _markdown(text)


def _parameters(value: Any) -> list[str]:
    try:
        return [name for name in inspect.signature(value).parameters if name not in ("self", "cls")]
    except (TypeError, ValueError):
        return []


def _item(found: re.Match[str]) -> str:
    return "- " + ", ".join(f"`{name}`" for name in found[1].split(", ")) + ": "


def _signature(name: str, value: Any) -> str:
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return ""
    parameters = [each for each in signature.parameters.values() if each.name not in ("self", "cls")]
    text = re.sub(r"(?<=: |> )'([^']*)'", r"\1", str(signature.replace(parameters=parameters)))
    text = re.sub(r"<class '([\w.]+)'>", r"\1", text)
    text = re.sub(r"<[^<>]* at 0x[0-9a-f]+>", "...", text)  # a default that stands for none
    if isinstance(value, type):
        text = text.removesuffix(" -> None")
    if len(text) + len(name) > 100:
        text = re.sub(r", (?=\w+(: |=|,|\))|\*)", ",\n    ", text).replace("(", "(\n    ", 1)
    return f"```text\n{name}{text}\n```"
