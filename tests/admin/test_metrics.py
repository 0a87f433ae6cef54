"""The metrics: names, values and formats, parsed back."""

from __future__ import annotations

import builtins
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from tests.admin.sample import sample, worker
from webpy import __version__
from webpy.admin.metrics import Missing, expose

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


def families(status: dict[str, Any], accept: str = OPENMETRICS) -> dict[str, Metric]:
    content_type, text = expose(status, accept)
    read = read_openmetrics if content_type.startswith("application/openmetrics-text") else read_text
    return {family.name: family for family in read(text.decode())}


def values(family: Metric, label: str) -> dict[str, float]:
    return {each.labels[label]: each.value for each in family.samples}


def only(found: dict[str, Metric], name: str) -> float:
    (each,) = found[name].samples
    return each.value


def test_openmetrics_where_it_is_asked_for() -> None:
    content_type, text = expose(sample(), OPENMETRICS)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert text.endswith(b"# EOF\n")


@pytest.mark.parametrize("accept", ["", "*/*", "text/plain", "text/html,*/*;q=0.8"])
def test_plain_text_otherwise(accept: str) -> None:
    content_type, text = expose(sample(), accept)
    assert content_type.startswith("text/plain; version=0.0.4")
    assert b'webpy_requests_total{class="2xx"} 990.0\n' in text


@pytest.mark.parametrize("accept", [OPENMETRICS, ""])
def test_everything_is_there(accept: str) -> None:
    found = families(sample(), accept)
    names = {name.removesuffix("_total") for name in found}
    assert names >= {
        "webpy_requests",
        "webpy_request_duration_seconds",
        "webpy_requests_in_flight",
        "webpy_requests_killed",
        "webpy_connections",
        "webpy_connections_accepted",
        "webpy_connections_handed_over",
        "webpy_worker_restarts",
        "webpy_worker_deaths",
        "webpy_worker_busy_threads",
        "webpy_worker_memory_bytes",
        "webpy_generation",
        "webpy_reloads",
        "webpy_workers_wanted",
        "webpy_workers_ready",
        "webpy_uptime_seconds",
        "webpy_log_bytes",
        "webpy_log_stalls",
        "webpy_log_waits",
        "webpy_log_dropped",
        "webpy_log_pending_bytes",
        "webpy_ready",
        "webpy_renewals",
        "webpy_certificate_expiry_timestamp_seconds",
    }
    assert all(name.startswith("webpy_") for name in names)
    assert all(family.documentation.endswith(".") for family in found.values())


def test_certificates() -> None:
    names = (["a.example", "b.example"], ["c.example"], ["a.example"], [], 'bad "name"\n', None)
    expiries = (2e9, 1.9e9, 1.8e9, 1.7e9, 1.6e9, "soon")
    listed = [{"names": each, "expires_s": when} for each, when in zip(names, expiries, strict=True)]
    found = families(sample(facts={"certificates": [*listed, "nonsense", {"names": ['q"\\\n'], "expires_s": 1.5e9}]}))
    told = values(found["webpy_certificate_expiry_timestamp_seconds"], "name")
    assert told == {"a.example": 1.8e9, "c.example": 1.9e9, "": 1.6e9, 'q"\\\n': 1.5e9}
    assert values(found["webpy_renewals"], "result") == {"ok": 4, "failed": 2}
    for nonsense in ({}, [], None, {"certificates": 7}, {"certificates": [[], {"expires_s": float("nan")}]}):
        assert not families(sample(facts=nonsense))["webpy_certificate_expiry_timestamp_seconds"].samples


def test_figures() -> None:
    found = families(sample(workers=[worker(0, queued=2), worker(1)]))
    assert values(found["webpy_requests"], "class") == {"1xx": 0, "2xx": 990, "3xx": 4, "4xx": 6, "5xx": 0, "other": 0}
    assert values(found["webpy_worker_restarts"], "cause") == {"exit": 1, "recycle": 4}
    assert values(found["webpy_reloads"], "result") == {"ok": 2, "failed": 1}
    assert values(found["webpy_worker_memory_bytes"], "slot") == {"0": 9_000_000, "1": 9_000_000}
    assert only(found, "webpy_requests_in_flight") == 4
    assert only(found, "webpy_connections") == 6
    assert only(found, "webpy_log_waits") == 4
    assert only(found, "webpy_log_dropped") == 5
    assert only(found, "webpy_ready") == 1
    (build,) = found["webpy_build"].samples
    assert build.labels["version"] == __version__


def test_histogram_adds_up() -> None:
    family = families(sample())["webpy_request_duration_seconds"]
    buckets = [each for each in family.samples if each.name.endswith("_bucket")]
    two = {each.labels["le"]: each.value for each in buckets if each.labels["class"] == "2xx"}
    # the buckets 39 (120 to 127 µs) and 40 (128 to 143 µs) lie on either side of a bound
    assert two["0.000128"] == 900
    assert two["0.000256"] == 990
    assert two["+Inf"] == 990
    counts = {each.labels["class"]: each.value for each in family.samples if each.name.endswith("_count")}
    assert counts == {"2xx": 990, "3xx": 4, "4xx": 6}
    sums = {each.labels["class"]: each.value for each in family.samples if each.name.endswith("_sum")}
    assert sums["4xx"] == pytest.approx(6 * 1600e-6, rel=0.06)


def test_a_slot_with_two_workers_is_one_series() -> None:
    """While one is replaced: a label that came twice would make the whole exposition invalid."""
    found = families(sample(workers=[worker(0, state="draining"), worker(0, pid=99, generation=4), worker(1)]))
    assert values(found["webpy_worker_connections"], "slot") == {"0": 6, "1": 3}
    assert only(found, "webpy_workers_ready") == 2


def test_a_server_without_workers_or_requests() -> None:
    found = families(sample(workers=[], latency={}, restarts={}, stage="starting"))
    assert only(found, "webpy_ready") == 0
    assert only(found, "webpy_connections") == 0


def test_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("prometheus_client"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(Missing, match=r"pip install 'webpy\[metrics\]'"):
        expose(sample(), "")
