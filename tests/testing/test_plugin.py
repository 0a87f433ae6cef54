"""The pytest plugin, in runs of pytest of its own: fixtures, mark, setting, messages, and what it costs others."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.server import ROOT

pytest_plugins = ["pytester"]

APP = """
import os
import webpy

class Hello(webpy.HTTPHandler):
    def do_get(self):
        return 200, f"hello {os.getpid()}"

    def do_post(self):
        return 200, str(len(self.request.body))

class Bye(webpy.HTTPHandler):
    def do_get(self):
        return 200, "bye"

routes = {"/": Hello}
other = {"/": Bye}
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """Runs pytest beside an application, with the plugin whether or not its entry point is installed."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makepyfile(pluginapp=APP)

    def run(test: str, *options: str, ini: str = "") -> pytest.RunResult:
        pytester.makeini(f"[pytest]\n{ini}\n")
        pytester.makepyfile(test_it=test)
        flags = ["-p", "no:webpy", "-p", "webpy.testing.plugin", "-p", "no:cacheprovider", "--strict-markers"]
        return pytester.runpytest_subprocess(*flags, "-W", "error", *options)

    return run


BOTH = """
import os

def test_client(webpy_client):
    assert webpy_client.get("/").text == f"hello {os.getpid()}"

def test_server(webpy_server):
    answer = webpy_server.get("/")
    assert answer.text.startswith("hello ") and answer.text != f"hello {os.getpid()}"
    assert len(webpy_server.status()["workers"]) == 1
"""


@pytest.mark.slow
@pytest.mark.parametrize("target", ["pluginapp", "pluginapp:routes", "pluginapp.py", "./pluginapp.py:routes"])
def test_the_target_of_the_setting(run, target: str) -> None:
    run(BOTH, ini=f"webpy_target = {target}").assert_outcomes(passed=2)


@pytest.mark.slow
def test_a_path_in_the_setting_belongs_to_its_file(run, pytester: pytest.Pytester) -> None:
    pytester.mkdir("elsewhere")
    test = BOTH + "\n\ndef test_here():\n    import os\n    assert os.getcwd().endswith('elsewhere')\n"
    pytester.makeini("[pytest]\nwebpy_target = pluginapp.py\n")
    pytester.makepyfile(test_it=test)
    flags = ["-p", "no:webpy", "-p", "webpy.testing.plugin", "-c", str(pytester.path / "tox.ini")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *flags, str(pytester.path / "test_it.py")],
        cwd=pytester.path / "elsewhere",
        capture_output=True,
        text=True,
        check=False,
    )
    assert "3 passed" in done.stdout, done.stdout


@pytest.mark.slow
def test_the_mark(run) -> None:
    test = """
import os
import pytest
import webpy

class Local(webpy.HTTPHandler):
    def do_get(self):
        return 200, f"local {os.getpid()}"

@pytest.mark.webpy("pluginapp:other")
def test_target(webpy_client, webpy_server):
    assert webpy_client.get("/").text == webpy_server.get("/").text == "bye"

@pytest.mark.webpy({"/": Local})
def test_object(webpy_client, webpy_server):
    assert webpy_client.get("/").text == f"local {os.getpid()}" != webpy_server.get("/").text

@pytest.mark.webpy(workers=2, max_body=10)
class TestOptions:
    def test_both(self, webpy_client, webpy_server):
        assert len(webpy_server.status()["workers"]) == 2
        for each in (webpy_client, webpy_server):
            assert each.post("/", data=b"x" * 11).status == 413

    @pytest.mark.webpy(max_body=20)
    def test_nearer(self, webpy_client, webpy_server):
        assert len(webpy_server.status()["workers"]) == 2
        for each in (webpy_client, webpy_server):
            assert each.post("/", data=b"x" * 20).text == "20"

@pytest.mark.webpy(raise_errors=False, base_url="http://a.example")
def test_of_the_client(webpy_client, webpy_server):
    assert webpy_client.get("/").url == "http://a.example/" and not webpy_client.raise_errors
    assert webpy_server.get("/").status == 200
"""
    run(test, ini="webpy_target = pluginapp").assert_outcomes(passed=5)


@pytest.mark.slow
def test_runs_beside_each_other(run, pytester: pytest.Pytester) -> None:
    """As with pytest-xdist: several processes, in the same folder."""
    run(BOTH, ini="webpy_target = pluginapp").assert_outcomes(passed=2)
    flags = ["-p", "no:webpy", "-p", "webpy.testing.plugin", "-p", "no:cacheprovider"]
    runs = [
        subprocess.Popen([sys.executable, "-m", "pytest", *flags], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    for each in runs:
        output, _ = each.communicate(timeout=50)
        assert each.returncode == 0 and "2 passed" in output, output


@pytest.mark.slow
def test_no_target(run) -> None:
    result = run("def test_it(webpy_client): pass\n\ndef test_that(webpy_server): pass\n")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        [
            "*webpy_client: got no target, wanted one in the test's mark, such as @pytest.mark.webpy('app:routes'),*",
            "*webpy_server: got no target, wanted one in*or in pytest's settings: webpy_target = app:routes*",
        ]
    )


@pytest.mark.slow
def test_a_wrong_target_and_too_many(run) -> None:
    test = """
import pytest

@pytest.mark.webpy("pluginapp:rutes")
def test_wrong(webpy_client): pass

@pytest.mark.webpy("pluginapp", "pluginapp:other")
def test_two(webpy_client): pass
"""
    result = run(test)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        ["*StartError: pluginapp:rutes: *did you mean pluginapp:routes?", "*got 2 targets, wanted one*"]
    )


def test_a_failure_shows_what_the_handler_raised(run) -> None:
    test = """
import pytest
import webpy

class Boom(webpy.HTTPHandler):
    def do_get(self):
        raise LookupError("of the handler")

@pytest.mark.webpy({"/": Boom})
def test_it(webpy_client):
    webpy_client.get("/")
"""
    result = run(test)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['>       raise LookupError("of the handler")', "E       LookupError: of the handler"])


@pytest.mark.slow
def test_fixtures_and_marks_are_listed(run) -> None:
    listed = run("", "--fixtures", ini="").stdout
    listed.fnmatch_lines(["webpy_client*", "*`webpy.testing.Client` of the target*", "webpy_server*"])
    run("", "--markers").stdout.fnmatch_lines(["@pytest.mark.webpy(target, **options): *"])


def test_the_entry_point() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (module,) = project["entry-points"]["pytest11"].values()
    assert project["entry-points"]["pytest11"] == {"webpy": "webpy.testing.plugin"}
    loaded = importlib.import_module(module)
    assert loaded.webpy_client and loaded.webpy_server
    assert not any(requirement.startswith("pytest") for requirement in project["dependencies"])


def test_a_run_without_the_fixtures_imports_nothing_of_the_server(run) -> None:
    test = """
import sys

def test_it():
    loaded = [name for name in sys.modules if name.startswith("webpy")]
    assert sorted(loaded) == ["webpy", "webpy.testing", "webpy.testing.plugin"]
"""
    run(test, ini="webpy_target = pluginapp").assert_outcomes(passed=1)


def test_pytest_is_needed_by_the_plugin_alone(tmp_path: Path) -> None:
    program = "import sys; sys.modules['pytest'] = None; from webpy.testing import *; import webpy.testing.plugin"
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert "plugin" in done.stderr and "import of pytest halted" in done.stderr and done.stderr.count("File") == 2
