"""What is read of exceptions: places, marks, chains, locals; from exceptions that do not want to be read, too."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from webpy.dev.frames import Failure, failures_of, text_of
from webpy.framework.answer import BadResult


def raised(function: Any, *arguments: Any) -> BaseException:
    try:
        function(*arguments)
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def first(error: BaseException, **options: bool) -> Failure:
    return failures_of(error, **options)[0]


def module_of(path: Path, source: str) -> ModuleType:
    path.write_text(source, encoding="utf-8")
    module = ModuleType("loaded")
    exec(compile(source, str(path), "exec"), vars(module))
    return module


def test_places_owners_and_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = module_of(tmp_path / "app.py", "import json\n\ndef load(text):\n    return 'é', json.loads(text)\n")
    failure = first(raised(module.load, "{"))
    assert failure.kind == "json.decoder.JSONDecodeError"
    *inner, load, _ = failure.frames  # the last is this test
    assert {frame.owner for frame in inner} == {"Python"} and load.owner == "application"
    assert (load.file, load.line, load.function) == ("app.py", 4, "load")
    assert [(line.number, line.text) for line in load.lines] == [
        (1, "import json"), (2, ""), (3, "def load(text):"), (4, "    return 'é', json.loads(text)"),
    ]  # fmt: skip
    marks = [line.text[slice(*line.mark)] for line in load.lines if line.mark]
    assert marks == ["json.loads(text)"]  # columns count bytes, and é has two


def test_only_lines_around_it(tmp_path: Path) -> None:
    module = module_of(tmp_path / "long.py", "def f():\n" + "    x = 1\n" * 50 + "    1 / 0\n" + "    x = 1\n" * 50)
    assert [line.number for line in first(raised(module.f)).frames[0].lines] == list(range(47, 58))


def test_libraries(tmp_path: Path) -> None:
    folder = tmp_path / ".venv" / "lib" / "site-packages"
    folder.mkdir(parents=True)
    module = module_of(folder / "library.py", "def f():\n    1 / 0\n")
    assert first(raised(module.f)).frames[0].owner == "library"


def test_source_that_is_gone() -> None:
    scope: dict[str, Any] = {}
    exec(compile("def f():\n    1 / 0\n", "/nowhere/gone.py", "exec"), scope)
    assert first(raised(scope["f"])).frames[0].lines == ()
    exec("def g():\n    1 / 0\n", scope)
    assert first(raised(scope["g"])).frames[0].owner == "Python"


def test_chains() -> None:
    def cause() -> None:
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError as error:
            try:
                raise KeyError("k") from error
            except KeyError:
                raise ValueError("v")  # noqa: B904

    def silent() -> None:
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:
            raise ValueError("v") from None

    chain = failures_of(raised(cause))
    assert [failure.kind for failure in chain] == ["ValueError", "KeyError", "ZeroDivisionError"]
    assert [failure.link for failure in chain] == [
        "",
        "It was raised while this exception was being handled",
        "It was raised from this exception",
    ]
    assert len(failures_of(raised(silent))) == 1
    circle = ValueError("a")
    circle.__cause__ = KeyError("b")
    circle.__cause__.__cause__ = circle
    assert [failure.kind for failure in failures_of(circle)] == ["ValueError", "KeyError"]


def test_deep_recursion() -> None:
    def turn() -> None:
        turn()

    failure = first(raised(turn))
    assert failure.kind == "RecursionError"
    assert len(failure.frames) == 60 and failure.left_out > sys.getrecursionlimit() / 2
    assert failure.frames[-1].function.endswith("raised") and failure.frames[0].function.endswith("turn")


def test_locals_only_of_the_application_and_only_if_asked(tmp_path: Path) -> None:
    source = """
class Hostile:
    def __repr__(self):
        raise SystemExit
def f(number):
    text = "x" * 10_000
    hostile = Hostile()
    import json
    json.loads("{")
"""
    error = raised(module_of(tmp_path / "app.py", source).f, 7)
    assert all(not frame.locals for frame in first(error).frames)
    *inner, mine, _ = first(error, show_locals=True).frames
    assert all(not frame.locals for frame in inner)
    values = dict(mine.locals)
    assert values["number"] == "7" and values["hostile"] == "(its repr() raised SystemExit)"
    assert len(values["text"]) <= 210 and "..." in values["text"]


def test_exceptions_that_do_not_want_to_be_read() -> None:
    class Silent(Exception):
        def __str__(self) -> str:
            raise SystemExit

        __repr__ = __str__

    failure = first(Silent())
    assert failure.message == "(its message cannot be shown: SystemExit)"
    assert text_of(Silent())
    assert len(first(ValueError("x" * 100_000)).message) < 5000


def test_notes() -> None:
    error = ValueError("v")
    error.add_note("look <here>")
    assert first(error).notes == ("look <here>",)
    assert "look <here>" in text_of(error)


def test_a_syntax_error_has_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.py").write_text("x = 1\nx = = 2\n")
    error = raised(compile, "x = 1\nx = = 2\n", str(tmp_path / "app.py"), "exec")
    failure = first(error)
    assert (failure.message, failure.frames[0].file, failure.frames[0].line) == ("invalid syntax", "app.py", 2)
    assert [line.text[slice(*line.mark)] for line in failure.frames[0].lines if line.mark] == ["="]


def test_what_webpy_says_of_a_result_needs_no_frames() -> None:
    def refuse() -> None:
        raise BadResult("a handler returned None")

    error = raised(refuse)
    assert first(error).frames == ()
    assert text_of(error) == "webpy.framework.answer.BadResult: a handler returned None\n"


def test_webpy_s_frames_at_the_beginning_are_left_out() -> None:
    """Those in the middle, such as a mix-in's that calls the application again, are shown."""
    from webpy.framework.routing.routes import compile_routes

    def handler() -> None:
        compile_routes(3)  # type: ignore[arg-type]

    error = raised(handler)
    assert [frame.owner for frame in first(error).frames] == ["webpy", "application", "application"]
    trace = error.__traceback__
    assert trace is not None and trace.tb_next is not None
    alone = ValueError("all of it is webpy's").with_traceback(trace.tb_next.tb_next)
    assert [frame.owner for frame in first(alone).frames] == ["webpy"]
    assert "in compile_routes" in text_of(alone)
