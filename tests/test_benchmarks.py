"""The benchmark's harness: its readers on known input, and one small run of webpy alone with the real wrk."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from benchmarks import load, measure, report
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
