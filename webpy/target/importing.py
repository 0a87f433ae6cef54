"""Imports the module that TARGET names: a file by its path, or a module by its name.

Changes sys.path and sys.modules as needed, so that the user's imports work as with `python FILE` and `python -m NAME`.
Called by `target` in the zygote of each generation and by `webpy check`. Raises TargetError.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import importlib.util
import os
import sys
import time
from pathlib import Path
from types import CodeType, ModuleType

from ..statedir import user_name
from .errors import TargetError, failure

__all__ = ["load_module"]


_COARSE_S = 2.0  # the times that some file systems give to changes


class _UncachedLoader(importlib.machinery.SourceFileLoader):
    """Compiles the file each time. Python takes a file of the same size and second for the one that it has compiled and
    kept, so a reload soon after a change could load what was there before."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def load_module(spec: str, place: str) -> ModuleType:
    """Return the module at `place`, a file's path or a module's name; `spec` names TARGET in messages.

    A file is always executed anew, a module only if it is not imported yet. The file's folder, or the current one for a
    module, comes first in sys.path. Raises TargetError.
    """
    began_s = time.time()
    try:
        if place.endswith(".py") or "/" in place:
            return _load_file(spec, Path(place))
        return _load_named(spec, place)
    finally:
        _drop_bytecode_since(began_s - _COARSE_S)


def _drop_bytecode_since(change_s: float) -> None:
    """Remove what Python has kept of imported modules whose files changed since then: they may change once more within
    the second, and if their size stays, the next generation would be given what was there before."""
    for module in list(sys.modules.values()):
        file = vars(module).get("__file__") if isinstance(module, ModuleType) else None  # others import when asked
        if isinstance(file, str) and file.endswith(".py"):
            with contextlib.suppress(OSError, NotImplementedError):  # of an archive; or nothing is kept at all
                if os.stat(file).st_mtime >= change_s:
                    os.unlink(importlib.util.cache_from_source(file))


def _load_file(spec: str, path: Path) -> ModuleType:
    try:
        if not path.exists():
            raise TargetError(f"{spec}: no such file: {str(path.absolute())!r}")
        if path.is_dir():
            raise TargetError(f"{spec}: {str(path)!r} is a folder, wanted a Python file")
        if path.suffix != ".py":
            raise TargetError(f"{spec}: got {path.name!r}, wanted a file whose name ends in .py")
        path = Path(os.path.abspath(path))
        package, root = _package_of(path)
        path.open("rb").close()
    except OSError as error:
        place = str(path.absolute())
        raise TargetError(f"{spec}: user {user_name(os.geteuid())} cannot read {place!r}: {error.strerror}") from None
    for folder in dict.fromkeys((str(root), str(path.parent))):
        _path_first(folder)
    name = ".".join((*package, path.stem)) if path.stem != "__init__" else ".".join(package) or "__init__"
    if package:
        _forget(name, path)
        return _import(spec, name)
    known = sys.modules.get(name)
    if (known is not None and _file_of(known) != path) or name in sys.stdlib_module_names or not name.isidentifier():
        name = f"webpy_target_{name}"  # its own name is taken
    module_spec = importlib.util.spec_from_file_location(name, path, loader=_UncachedLoader(name, str(path)))
    assert module_spec is not None and module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except BaseException as error:
        sys.modules.pop(name, None)
        raise failure(spec, error) from None
    return sys.modules.get(name, module)


def _package_of(path: Path) -> tuple[list[str], Path]:
    """Return the names of the packages around a file, outermost first, and the folder that holds the outermost."""
    names: list[str] = []
    folder = path.parent
    while (folder / "__init__.py").is_file() and folder.name.isidentifier():
        names.insert(0, folder.name)
        folder = folder.parent
    return names, folder


def _path_first(folder: str) -> None:
    if folder in sys.path:
        sys.path.remove(folder)
    sys.path.insert(0, folder)


def _file_of(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(os.path.abspath(file)) if isinstance(file, str) else None


def _forget(name: str, path: Path) -> None:
    """Remove `name` from sys.modules if it is this file, or its packages if others of their names were imported."""
    known = sys.modules.get(name)
    if known is not None and _file_of(known) == path:
        del sys.modules[name]
        return
    root = name.partition(".")[0]
    folder = path.parents[name.count(".")] if path.stem != "__init__" else path.parents[name.count(".") + 1]
    top = sys.modules.get(root)
    if top is not None and _file_of(top) not in (folder / "__init__.py", folder / root / "__init__.py"):
        for other in [other for other in sys.modules if other == root or other.startswith(root + ".")]:
            del sys.modules[other]


def _load_named(spec: str, name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        hint = f", did you mean {name}.py?" if Path(name + ".py").is_file() else ""
        raise TargetError(f"{spec}: got {name!r}, wanted package.module or a path that ends in .py{hint}")
    folder = os.getcwd()
    _path_first(folder)
    module = _import(spec, name)
    local = Path(folder, *name.split(".")).with_suffix(".py")
    if local.is_file() and _file_of(module) != local:
        found = f"Python finds {_file_of(module)} under this name"
        raise TargetError(f"{spec}: {found}; to serve ./{name}.py, name that file")
    return module


def _import(spec: str, name: str) -> ModuleType:
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except BaseException as error:
        if (
            isinstance(error, ModuleNotFoundError)
            and error.name is not None
            and f"{name}.".startswith(f"{error.name}.")
        ):
            raise TargetError(f"{spec}: no module named {error.name!r} (looked in {os.getcwd()} too)") from None
        raise failure(spec, error) from None
