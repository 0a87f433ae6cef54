"""Reads every import of the package and holds it against DESIGN.md's layers: imports go down only."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# From the top down. A module imports from its own layer and from those below; a new one has to be placed here.
LAYERS: list[tuple[str, set[str]]] = [
    (
        "faces",
        {
            "webpy",
            "webpy.__main__",
            "webpy.acme",
            "webpy.admin",
            "webpy.cli",
            "webpy.dev",
            "webpy.objects",
            "webpy.server",
            "webpy.serving",
            "webpy.stdlib",
            "webpy.target",
            "webpy.testing",
            "webpy.watching",
        },
    ),
    (
        "features",
        {
            "webpy.auth",
            "webpy.caching",
            "webpy.cgi",
            "webpy.compression",
            "webpy.conditional",
            "webpy.cookies",
            "webpy.cors",
            "webpy.csrf",
            "webpy.decompression",
            "webpy.file",
            "webpy.form",
            "webpy.json",
            "webpy.negotiation",
            "webpy.page",
            "webpy.query",
            "webpy.ratelimit",
            "webpy.redirect",
            "webpy.requestid",
            "webpy.security",
            "webpy.session",
            "webpy.store",
            "webpy.wsgi",
        },
    ),
    ("worker", {"webpy.worker"}),
    ("settings, log, certificates", {"webpy.settings", "webpy.accesslog", "webpy.tls"}),
    (
        "framework",
        {
            "webpy.atfork",
            "webpy.framework",
            "webpy.logthrottle",
            "webpy.response",
            "webpy.singleworker",
            "webpy.statedir",
        },
    ),
    ("protocol", {"webpy.protocol"}),
    ("supervisor", {"webpy.supervisor"}),
]
LEVEL = {module: level for level, (_, modules) in enumerate(LAYERS) for module in modules}

SOCKETS = {"socket", "ssl", "select", "selectors", "socketserver", "asyncio"}
TIME_AND_THREADS = {"time", "threading", "_thread", "multiprocessing", "signal", "concurrent", "queue"}
LOGS = {"logging", "syslog"}


def modules() -> dict[str, Path]:
    """Every module of the distribution by its import name."""
    found = {}
    for base, prefix in ((ROOT / "webpy", "webpy"), (ROOT / "supervisor", "webpy.supervisor")):
        for path in sorted(base.rglob("*.py")):
            relative = path.relative_to(base)
            if prefix == "webpy" and relative.parts[0] == "supervisor":
                continue  # Python 3.13's rglob follows the link
            parts = [*prefix.split("."), *relative.with_suffix("").parts]
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def unit(module: str) -> str:
    """The module as the layers know it: a package of ours is one unit."""
    return ".".join(module.split(".")[:2])


def layer(module: str) -> str:
    return LAYERS[LEVEL[unit(module)]][0]


def imports(module: str, path: Path) -> Iterator[tuple[str, int, bool]]:
    """Each import of a module: absolute name, line, and whether it is for the type checker only."""
    tree = ast.parse(path.read_bytes(), str(path))
    for_types: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for_types.update(id(inner) for statement in node.body for inner in ast.walk(statement))
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno, id(node) in for_types
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                start = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*start, *([base] if base else [])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield (full if full in MODULES else base), node.lineno, id(node) in for_types


ALL = [(module, *row) for module, path in MODULES.items() for row in imports(module, path)]


def where(module: str, line: int) -> str:
    return f"{MODULES[module].relative_to(ROOT)}:{line}"


def test_every_module_has_a_place() -> None:
    lost = sorted({unit(module) for module in MODULES} - set(LEVEL))
    assert not lost, f"place these in LAYERS: {lost}"


def test_imports_go_down_only() -> None:
    wrong = [
        f"{where(module, line)}: {unit(module)} ({layer(module)}) imports {target} ({layer(target)})"
        for module, target, line, for_types in ALL
        if {unit(module), unit(target)} <= set(LEVEL) and not for_types
        if LEVEL[unit(target)] < LEVEL[unit(module)]
    ]
    assert not wrong, "\n".join(wrong)


# Circles that are left, each a set of rooms: to be cut and then struck off here, not to be added to.
ROOMS_IN_CIRCLES: list[set[str]] = [
    # The hosts of others' code start servers, whose target may be such a host.
    {"webpy.objects", "webpy.server", "webpy.serving", "webpy.stdlib", "webpy.target"},
    # Their files are in no circle, but a connection has an exchange, which has a connection.
    {
        "webpy.worker",
        "webpy.worker.connections",
        "webpy.worker.exchanges",
        "webpy.worker.http1",
        "webpy.worker.threads",
    },
]


def circles(below: dict[str, set[str]]) -> list[set[str]]:
    """Return the sets of nodes that import each other, over whatever way (strongly connected, more than one node)."""
    reached: dict[str, set[str]] = {}
    for start in below:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for target in below[waiting.pop()] - seen:
                seen.add(target)
                waiting.append(target)
        reached[start] = seen
    found: list[set[str]] = []
    for node in sorted(below):
        together = {other for other in reached[node] if node in reached[other]} | {node}
        if len(together) > 1 and together not in found:
            found.append(together)
    return found


def room(module: str) -> str:
    """The folder that a module is in, as a package; a module beside the rooms is one by itself."""
    if MODULES[module].name == "__init__.py" or MODULES[module].parent in (ROOT / "webpy", ROOT / "supervisor"):
        return module
    return module.rpartition(".")[0]


def graph(name: Callable[[str], str]) -> dict[str, set[str]]:
    """Who imports whom, type-only imports too, with modules put together by `name`; without packages' own public lists,
    which are above their rooms."""
    below: dict[str, set[str]] = {name(module): set() for module in MODULES}
    for module, target, _, _ in ALL:
        lists = {each for each in (module, target) if each in MODULES and MODULES[each].name == "__init__.py"}
        if target in MODULES and name(target) != name(module) and not lists:
            below[name(module)].add(name(target))
    return below


def test_no_circle_of_files() -> None:
    """Type-only imports count: a file that needs another's types is not to be understood without it."""
    found = circles(graph(str))
    assert not found, "\n".join(" <-> ".join(sorted(circle)) for circle in found)


def test_no_circle_of_rooms() -> None:
    new = [circle for circle in circles(graph(room)) if not any(circle <= known for known in ROOMS_IN_CIRCLES)]
    assert not new, "\n".join(" <-> ".join(sorted(circle)) for circle in new)


# Rooms with fewer than 4 or more than 12 files, and why.
ROOM_SIZES = {
    "webpy/framework": "the core that applications know; what it is made of is passed between all of them",
}


def test_rooms_have_4_to_12_files() -> None:
    """Without `__init__.py`; a feature that is one file is no room."""
    sizes: dict[str, int] = {}
    for path in MODULES.values():
        folder = path.parent
        if folder in (ROOT / "webpy", ROOT / "supervisor") or path.name == "__init__.py":
            continue
        sizes[str(folder.relative_to(ROOT))] = sizes.get(str(folder.relative_to(ROOT)), 0) + 1
    wrong = {folder: size for folder, size in sizes.items() if not 4 <= size <= 12 and folder not in ROOM_SIZES}
    assert not wrong, f"cut these, or say in ROOM_SIZES why not: {wrong}"


def test_imports_at_import_time_have_an_order() -> None:
    """Packages' own lists count here."""
    below: dict[str, set[str]] = {module: set() for module in MODULES}
    for module, target, _, for_types in ALL:
        if target in MODULES and target != module and not for_types:
            below[module].add(target)
    assert not circles(below)


def test_the_core_imports_no_feature() -> None:
    """But the command line may, `webpy files` is one, and so may what hosts others' code."""
    features = dict(LAYERS)["features"]
    may = {*features, "webpy.cli", "webpy.objects", "webpy.stdlib", "webpy.target"}
    wrong = [
        f"{where(module, line)}: imports {target}"
        for module, target, line, _ in ALL
        if unit(target) in features and unit(module) not in may
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("units", "forbidden"),
    [
        ({"webpy.protocol"}, SOCKETS | TIME_AND_THREADS | LOGS | {"os", "io"}),
        (dict(LAYERS)["framework"], SOCKETS | {"webpy.supervisor"}),
    ],
    ids=["protocol", "framework"],
)
def test_kept_out(units: set[str], forbidden: set[str]) -> None:
    wrong = [
        f"{where(module, line)}: imports {target}"
        for module, target, line, for_types in ALL
        if unit(module) in units
        and module != "webpy.framework.atomic"  # whose locks are the kernel's
        and not for_types
        and (target in forbidden or target.split(".")[0] in forbidden)
    ]
    assert not wrong, "\n".join(wrong)


def test_supervisor_stands_alone() -> None:
    allowed = {"psutil", "setproctitle"} | set(sys.stdlib_module_names)
    wrong = [
        f"{where(module, line)}: imports {target}"
        for module, target, line, _ in ALL
        if unit(module) == "webpy.supervisor"
        and unit(target) != "webpy.supervisor"
        and target.split(".")[0] not in allowed
    ]
    for module, path in MODULES.items():
        if unit(module) == "webpy.supervisor":
            for found in re.finditer(r"^\s*(?:from|import) +webpy\b.*$", path.read_text(), re.M):
                wrong.append(f"{path.relative_to(ROOT)}: not relative: {found[0].strip()}")
    assert not wrong, "\n".join(wrong)


def test_nobody_imports_a_top_level_supervisor() -> None:
    """That name is supervisord's. Tests, examples and benchmarks are read too."""
    wrong = [where(module, line) for module, target, line, _ in ALL if target.split(".")[0] == "supervisor"]
    for folder in ("tests", "examples", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            if any(part.startswith(".") for part in path.relative_to(ROOT).parts):
                continue  # a virtual environment
            names = [target for target, _, _ in imports(path.stem, path)]
            wrong += [str(path.relative_to(ROOT)) for name in names if name.split(".")[0] == "supervisor"]
    assert not wrong, wrong


def test_third_parties_are_the_declared_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[^\w-]", requirement)[0].lower().replace("-", "_") for requirement in requirements}

    declared = names(project["dependencies"])
    optional = set().union(*(names(extra) for extra in project["optional-dependencies"].values()))
    used = {target.split(".")[0] for _, target, _, _ in ALL} - set(sys.stdlib_module_names) - {"webpy"}
    assert used <= declared | optional, f"imported, not declared: {used - declared - optional}"
    assert declared <= used, f"declared, not imported by anything: {declared - used}"


def test_files_hold_one_concept() -> None:
    lengths = {path.relative_to(ROOT): len(path.read_bytes().splitlines()) for path in MODULES.values()}
    for path, lines in lengths.items():
        if 250 < lines <= 400:
            print(f"{path}: {lines} lines; usually under 250")
    assert not {str(path): lines for path, lines in lengths.items() if lines > 400}


def test_every_module_opens_with_what_it_owns() -> None:
    missing = [
        str(path.relative_to(ROOT))
        for path in MODULES.values()
        if not ast.get_docstring(ast.parse(path.read_bytes()))
    ]
    assert not missing
