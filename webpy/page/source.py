"""Owns what a page and an error page share: where the template comes from, and which engine fills it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..framework.renaming import RenamedOptions
from .jinja import check_installed, folder_beside, render_file, render_text

if TYPE_CHECKING:
    import os

    import jinja2

    from ..framework.request import Request

__all__ = ["PAGE_TYPE", "Page"]

PAGE_TYPE = "text/html; charset=utf-8"
_ENGINES = ("format", "jinja2")


class Page(RenamedOptions):
    """A base of the handlers, with their options."""

    renamed_options: ClassVar[Mapping[str, str]] = {
        "directory": "page_directory",
        "page": "page_file",
        "template": "page_template",
        "values": "page_values",
        "format": "page_format",
    }

    page_directory: str | os.PathLike[str] = "."
    page_file: str = ""
    page_template: str | None = None
    page_engine: ClassVar[str] = "format"

    _folder: ClassVar[str] = ""
    _prepared_by: ClassVar[type[Page]]

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Raises ValueError for an engine that does not exist, ImportError for one that is not installed."""
        super().__init_subclass__(**keywords)
        if cls.page_engine not in _ENGINES:
            raise ValueError(f"{cls.__qualname__}.page_engine: got {cls.page_engine!r}, wanted 'format' or 'jinja2'")
        if cls.page_engine == "jinja2":
            check_installed(cls.__qualname__)
            # classes that do not differ in it share an environment, and so the templates that are compiled
            bases = [base for base in cls.__mro__ if issubclass(base, Page)]
            cls._prepared_by = next(base for base in bases if "page_environment" in vars(base))
            by = _setter(cls, "page_directory")
            if by is not Page:
                cls._folder = folder_beside(by.__module__, cls.page_directory)
            else:
                cls._folder = folder_beside(_setter(cls, "page_engine").__module__, "templates")

    @classmethod
    def page_environment(cls, environment: jinja2.Environment) -> None:
        """Called once with the environment of Jinja2 that the templates are made in. Override it to add filters and
        globals."""

    def read(self) -> str:
        """Return the template, of the file or of `page_template`. Raises OSError, UnicodeDecodeError for a bad file."""
        if self.page_template is not None and not self._has_file():
            return self.page_template
        return (Path(self.page_directory) / self.page_file).read_text("utf-8")

    def _rendered(self, request: Request, values: Mapping[str, Any]) -> str:
        """Return the whole page, by Jinja2."""
        values = {"handler": self, "request": request, **values}
        prepare = self._prepared_by.page_environment
        if self.page_template is not None and not self._has_file():
            return render_text(self._folder, prepare, self.page_template, values)
        return render_file(self._folder, prepare, self.page_file, values)

    def _has_file(self) -> bool:
        """Return True if the file counts although there is a `page_template`."""
        return False

    def _name(self) -> str:
        if self.page_template is not None and not self._has_file():
            return f"the template of {type(self).__qualname__}"
        return str(Path(self.page_directory) / self.page_file)


def _setter(cls: type, option: str) -> type:
    """Return the class, `cls` or the first of its bases, that sets an option."""
    return next(base for base in cls.__mro__ if option in vars(base))
