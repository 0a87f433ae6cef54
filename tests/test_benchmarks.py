"""The benchmark's harness: its readers on known input, and one small run of webpy alone with the real wrk."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import load, measure, plots, publish, report
from benchmarks.apps import wsgi_app
from benchmarks.bench import Bench, Metrics
from benchmarks.curves import CURVES
from benchmarks.curves import choose as choose_curves
from benchmarks.curves.curve import Curve, Point, shape
from benchmarks.figures import FIGURES
from benchmarks.recipes import RECIPES
from benchmarks.rows import ROWS, choose
from benchmarks.verdicts import judge

CHECKOUT = Path(__file__).resolve().parent.parent


class _Recorder(Mapping[str, Mapping[str, Mapping[str, float]]]):
    """Results that have every row, and note which were asked for."""

    class _Row(Mapping[str, Mapping[str, float]]):
        class _Metrics(Mapping[str, float]):
            def __getitem__(self, key: str) -> float:
                return 1.0

            def __iter__(self) -> Iterator[str]:
                return iter(())

            def __len__(self) -> int:
                return 0

        def __init__(self, servers: tuple[str, ...]) -> None:
            self.servers = servers

        def __getitem__(self, key: str) -> Mapping[str, float]:
            if key not in self.servers:
                raise KeyError(key)
            return self._Metrics()

        def __iter__(self) -> Iterator[str]:
            return iter(self.servers)

        def __len__(self) -> int:
            return len(self.servers)

    def __init__(self) -> None:
        self.rows = {row.name: row.servers for row in ROWS}

    def __getitem__(self, key: str) -> Mapping[str, Mapping[str, float]]:
        return self._Row(self.rows[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def test_reads_the_line_of_report_lua() -> None:
    line = (
        'WRK {"requests":3000,"duration_us":1500000,"p50_us":120,"p99_us":2500,"max_us":9000,"socket_errors":1,'
        '"timeouts":2,"status_errors":97}'
    )
    result = load.parse(f"Running 1s test\n{line}\n")
    assert (result.requests, result.errors, result.duration_s) == (3000, 100, 1.5)
    assert (result.p50_ms, result.p99_ms, result.worst_ms) == (0.12, 2.5, 9.0)
    assert result.rate == pytest.approx(2900 / 1.5)


def test_output_without_that_line_is_an_error() -> None:
    with pytest.raises(load.LoadError, match="unable to connect"):
        load.parse("unable to connect to 127.0.0.1:1 Connection refused")


def test_measures_a_tree_of_processes() -> None:
    burn = "import time\nwhile time.process_time() < .2: pass\n"
    child = f"{burn}print('done', flush=True); input()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        pids = measure.tree(process.pid)
        assert pids[0] == process.pid
        assert measure.children(process.pid) == pids[1:]
        assert len(pids) == 2
        alive_s = measure.cpu_s(pids)
        assert 0.2 <= alive_s < 5
        assert measure.private_bytes(pids) > 1_000_000
        assert measure.private_bytes(pids[1:]) < measure.peak_bytes(pids) < 1_000_000_000
        process.communicate("\n", timeout=10)
    assert measure.private_bytes(pids) == 0


def test_counts_the_time_of_reaped_children() -> None:
    pids = [os.getpid()]
    before = measure.cpu_s(pids)
    code = "import time\nwhile time.process_time() < .3: pass\n"
    began = time.process_time()
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    own = time.process_time() - began
    assert measure.cpu_s(pids) - before >= 0.28 + own


def test_rows_are_chosen_by_name_and_by_group() -> None:
    assert choose(None) == list(ROWS)
    assert [row.name for row in choose("wait-5")] == ["wait-5"]
    assert {row.name for row in choose("wait")} == {"wait-0.3", "wait-1", "wait-5"}
    with pytest.raises(ValueError, match=r"'helo'.*hello-log"):
        choose("helo")


def test_every_figure_follows_from_rows_and_servers_that_exist() -> None:
    results = _Recorder()
    assert all(judge(figure, results) is not None for figure in FIGURES)
    assert all(judge(figure, {}) is None for figure in FIGURES)
    assert all(set(row.servers) <= set(RECIPES) - {"other"} for row in ROWS)


def test_ratios_are_to_nginx_to_granian_and_to_the_cheapest_python_peer() -> None:
    given = report.with_ratios(
        {
            "webpy": {"cpu_us": 10.0},
            "nginx": {"cpu_us": 8.0},
            "granian": {"cpu_us": 40.0},
            "bjoern": {"cpu_us": 20.0},
        }
    )
    assert given["webpy"] == {"cpu_us": 10.0, "cpu_nginx": 1.25, "cpu_granian": 0.25, "cpu_best": 0.5}


def test_figures_are_judged() -> None:
    results = {"hello-log": {"webpy": {"cpu_us": 12.0}, "nginx": {"cpu_us": 10.0}, "granian": {"cpu_us": 24.0}}}
    table = report.figures_table(results)
    assert "| 1.20 (12.0 to 10.0 µs) | yes |" in table
    assert "| 0.50 (12.0 to 24.0 µs) | **no** |" in table
    assert f"{len(FIGURES) - 2} of the {len(FIGURES)} figures" in table


@pytest.mark.slow
@pytest.mark.needs("wrk", "taskset", "openssl")
def test_a_small_run_of_webpy_alone(tmp_path: Path) -> None:
    output = tmp_path / "report.md"
    command = [
        sys.executable,
        str(CHECKOUT / "benchmarks" / "run.py"),
        "--no-venv",
        "--only",
        "hello",
        "--peers",
        "webpy",
        "--smoke",
        "--output",
        str(output),
    ]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    text = output.read_text()
    assert text in result.stdout
    assert "left out" not in text + result.stderr
    assert "logged" not in text  # a remark that lines of the log are missing
    assert text.count("| **webpy** |") == 4
    assert "| errors |" not in text


@pytest.mark.parametrize(("smoke", "failures", "answered"), [(True, 2, True), (True, 99, False), (False, 1, False)])
def test_only_a_smoke_run_tries_a_load_again(smoke: bool, failures: int, answered: bool, tmp_path: Path) -> None:
    bench = Bench("python3", 0.1, 1, frozenset(), tmp_path, smoke=smoke)
    outcomes = [load.LoadError("no request was answered")] * failures

    def sample(_server: Any) -> Metrics:
        if outcomes:
            raise outcomes.pop()
        return {"rate": 1.0}

    server: Any = None
    if answered:
        assert bench._taken(sample, server) == {"rate": 1.0}
    else:
        with pytest.raises(load.LoadError):
            bench._taken(sample, server)


def test_a_quick_run_prints_ratios_only() -> None:
    results = {
        "webpy": {"cpu_us": 11.0, "cpu_us_low": 10.0, "rate": 90.0},
        "granian": {"cpu_us": 19.0, "cpu_us_low": 20.0, "rate": 100.0},
        "other": {"cpu_us": 10.0, "cpu_us_low": 8.0, "rate": 100.0},
    }
    (row,) = choose("wait-5")
    assert report.ratios(row, results).split() == [
        "wait-5",
        "cpu:",
        "granian",
        "0.50,",
        "other",
        "1.25;",
        "rate:",
        "granian",
        "0.90,",
        "other",
        "0.90",
    ]
    assert report.ratios(row, {"granian": results["granian"]}) == ""
    assert {row.name for row in choose(None, quick=True)} < {row.name for row in ROWS}


@pytest.mark.slow
@pytest.mark.needs("wrk", "taskset")
def test_a_quick_run_beside_another_checkout(tmp_path: Path) -> None:
    command = [
        *(sys.executable, str(CHECKOUT / "benchmarks" / "run.py"), "--no-venv", "--quick", "--peers", "webpy,wsgi"),
        *("--only", "hello-nolog,wait-0.3,wsgi-bare", "--against", str(CHECKOUT), "--seconds", "0.1", "--rounds", "1"),
    ]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "left out" not in result.stderr
    number = r"\d+\.\d\d"
    hello, wait, wsgi = result.stdout.splitlines()
    assert re.fullmatch(rf"hello-nolog +cpu: other {number}", hello)
    assert re.fullmatch(rf"wait-0\.3 +cpu: other {number}; rate: other {number}", wait)
    assert re.fullmatch(rf"wsgi-bare +cpu: other {number}", wsgi)


def _curve(values: tuple[int, ...] = (1, 10, 100), **changes: Any) -> Curve:
    return dataclasses.replace(CURVES[0], values=values, **changes)


def _points(curve: Curve, costs: Sequence[float]) -> list[Point]:
    return [
        Point(curve.label(value), value, cost, 1.1 * cost, 30.0)
        for value, cost in zip(curve.values, costs, strict=True)
    ]


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        ((10.0, 10.5, 11.0), "flat (1.10 x"),
        ((10.0, 20.0, 100.0), "GROWS 10.00 x from 1 to 100, about as x^0.50"),
        ((10.0, 9.0, 5.0), "falls to 0.50 x"),
        ((10.0, 20.0, 10.0), "NOT FLAT: 2.00 x between the cheapest and the dearest, which is at 10"),
    ],
)
def test_the_shape_of_a_curve_is_said(costs: Sequence[float], said: str) -> None:
    curve = _curve()
    assert shape(curve, _points(curve, costs)).startswith(said)


def test_sizes_are_judged_by_their_cost_for_each_mb() -> None:
    curve = _curve((0, 1 << 20, 10 << 20), per_mb=True)
    assert shape(curve, _points(curve, (10.0, 200.0, 2100.0))).startswith("per MB flat")
    assert shape(curve, _points(curve, (10.0, 200.0, 4000.0))).startswith("per MB GROWS 2.00 x")
    assert shape(_curve((1, 2), labels=("off", "on")), _points(_curve((1, 2)), (10.0, 12.0))) == "2 1.20 x"


def test_curves_are_chosen_by_name() -> None:
    assert choose_curves(None) == list(CURVES)
    assert [curve.name for curve in choose_curves("workers,routes")] == ["workers", "routes"]
    with pytest.raises(ValueError, match=r"'rutes'.*routes"):
        choose_curves("rutes")


def test_plots_are_svg_within_their_page(tmp_path: Path) -> None:
    curve = _curve((0, 1, 1000), title="less & more")
    plots.write_curve(tmp_path, curve, _points(curve, (0.4, 3.0, 1200.0)))
    plots.write_curve(
        tmp_path, _curve((1, 2), name="bars", labels=("off", "on")), _points(_curve((1, 2)), (10.0, 12.0))
    )
    servers = [{"title": "webpy", "value": 7.5, "own": True}, {"title": "other", "value": 0.0, "own": False}]
    plots.write_rows(tmp_path, {"hello": {"title": "Hello", "heading": "µs", "decimals": 2, "servers": servers}})
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["bars.svg", "connections.svg", "row-hello.svg"]
    for name in files:
        root = ElementTree.fromstring((tmp_path / name).read_text())
        width, height = (float(root.attrib[side]) for side in ("width", "height"))
        for shape_ in root.iter():
            at = {key: float(shape_.attrib[key]) for key in ("x", "y", "cx", "cy") if key in shape_.attrib}
            assert all(0 <= place <= (width if key[-1] == "x" else height) for key, place in at.items())


def test_a_run_is_published_between_the_markers(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    page, readme = tmp_path / "docs" / "benchmarks.md", tmp_path / "README.md"
    page.write_text("words\n<!-- run: begin -->old<!-- run: end -->\nmore\n<!-- plots: begin --><!-- plots: end -->\n")
    readme.write_text("# webpy\n<!-- ratios: begin -->\nold\n<!-- ratios: end -->\nend\n")
    (tmp_path / "report.md").write_text("# Benchmark\n\n- today\n\n## Hello\n\n| a |\n")
    servers = [("webpy", 6.0, True), ("nginx", 5.0, False), ("granian (WSGI)", 12.0, False)]
    row: dict[str, Any] = {"title": "Hello", "heading": "CPU µs/request", "decimals": 2}
    row["servers"] = [{"title": title, "value": value, "own": own} for title, value, own in servers]
    (tmp_path / "table.json").write_text(json.dumps({"hello-nolog": row}))
    curve = CURVES[0]
    points = [dataclasses.asdict(point) for point in _points(_curve((1, 10)), (3.0, 4.0))]
    (tmp_path / "points.json").write_text(json.dumps({curve.name: points}))
    files = {"report": "report.md", "table": "table.json", "points": "points.json"}
    given = [f"--{option}={tmp_path / name}" for option, name in files.items()]
    assert publish.main([*given, f"--root={tmp_path}"]) == 0
    text = page.read_text()
    assert text.startswith("words\n<!-- run: begin -->\n\n- today\n\n## Hello\n\n| a |\n\n<!-- run: end -->\nmore\n")
    assert f"(benchmarks/{curve.name}.svg)" in text and "(benchmarks/row-hello-nolog.svg)" in text
    assert {path.name for path in (tmp_path / "docs" / "benchmarks").iterdir()} == {
        f"{curve.name}.svg",
        "row-hello-nolog.svg",
    }
    assert "| hello, access log off | 1.20 | 0.50 |  |  |" in readme.read_text()
    assert readme.read_text().endswith("<!-- ratios: end -->\nend\n")


def test_the_documentation_has_the_markers_that_a_run_goes_between() -> None:
    page, readme = (CHECKOUT / "docs" / "benchmarks.md").read_text(), (CHECKOUT / "README.md").read_text()
    for text, name in ((page, "run"), (page, "plots"), (readme, "ratios")):
        assert "new" in publish.between(text, name, "new")
    with pytest.raises(ValueError, match="wanted '<!-- table: begin -->'"):
        publish.between(page, "table", "new")


def test_the_rows_of_the_readme_are_measured_in_cpu_time() -> None:
    rows = {row.name: row for row in ROWS}
    for name in publish.SHORT:
        metric = rows[name].compared[0].removesuffix("_low")
        assert [column.heading for column in rows[name].columns if column.metric == metric] == [publish.CPU], name


@pytest.mark.slow
@pytest.mark.needs("wrk", "taskset")
def test_small_curves_of_every_kind(tmp_path: Path) -> None:
    kinds = "connections,idle,routes,heads-log,uploads,answers-pieces,sessions-change,reload-connections"
    found = tmp_path / "points.json"
    command = [
        *(sys.executable, str(CHECKOUT / "benchmarks" / "scale.py"), "--no-venv", "--only", kinds),
        *("--most", "3", "--rounds", "1", "--seconds", "0.1", "--json", str(found), "--plots", str(tmp_path / "plots")),
    ]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert list(json.loads(found.read_text())) == kinds.split(",")
    assert {path.stem for path in (tmp_path / "plots").iterdir()} == set(kinds.split(","))
    assert "left out" not in result.stderr
    for name in kinds.split(","):
        assert f"\n{name}: " in result.stdout


@pytest.mark.parametrize(("path", "wanted"), [("/upload", b"300000"), ("/pieces/150000", b"x" * 150_000)])
def test_bodies_in_pieces_are_the_same_through_wsgi(path: str, wanted: bytes) -> None:
    sent = io.BytesIO(b"x" * 300_000)
    started: list[str] = []
    environ = {"PATH_INFO": path, "wsgi.input": sent}
    assert b"".join(wsgi_app.app(environ, lambda status, fields: started.append(status))) == wanted
    assert started == ["200 OK"]
