"""The status as metrics, in the exposition formats of Prometheus and OpenMetrics.

Owns the metrics' names, on which dashboards rely: they start with "webpy_", and the only units are seconds and bytes.
Knows nothing of HTTP but the Accept field. prometheus_client (the extra `webpy[metrics]`) writes the formats; each
scrape uses a new registry, filled from one status. Called by the threads that answer /metrics.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..supervisor.scoreboard.latency import bucket_bounds
from ..tls.expiry import first_expiries
from .readiness import unready

if TYPE_CHECKING:
    from prometheus_client import Metric

__all__ = ["MISSING", "Missing", "expose"]

MISSING = "metrics need prometheus_client: pip install 'webpy[metrics]', then reload"

# One bound to an octave, 128 µs to 134 s. The worker's buckets end exactly at these, so counts are exact.
_BOUNDS_US = [1 << exponent for exponent in range(7, 28)]
_BUCKETS_US = bucket_bounds()

# Counters that are one number of the status's "totals": metric, key, help.
_TOTALS = (
    ("webpy_requests_killed", "killed_requests", "Requests that died with their worker."),
    ("webpy_timeouts", "timeouts", "Connections ended because the client was too slow."),
    ("webpy_connections_accepted", "accepted", "Connections accepted."),
    ("webpy_connections_closed_idle", "closed_idle", "Connections closed because no request came on them."),
    ("webpy_connections_closed_for_new", "closed_for_new", "Idle connections closed to make room for new ones."),
    ("webpy_connections_refused", "refused", "Connections refused because of the limit per client."),
    ("webpy_bad_forwarded", "bad_forwarded", "Requests whose fields of a trusted proxy were malformed and ignored."),
    ("webpy_bad_proxy_headers", "bad_proxy_headers", "Connections closed because of a bad or missing PROXY header."),
    ("webpy_requests_throttled", "throttled", "Requests refused because of the limit of a client's rate."),
    ("webpy_connections_handed_over", "handed_over", "Connections handed from a worker to its replacement."),
    ("webpy_sent_bytes", "bytes_sent", "Bytes of answers sent."),
    ("webpy_worker_deaths", "deaths", "Workers that died without being told to end."),
)
# Gauges that sum a figure over the workers of a slot: metric, key, help. By slot, not by process, as every reload
# would begin new series. While one worker replaces another, both are in the sum.
_WORKERS = (
    ("webpy_worker_connections", "connections", "Open connections of the workers of a slot."),
    ("webpy_worker_threads", "threads", "Handlers that may run at once (--threads), of the workers of a slot."),
    ("webpy_worker_busy_threads", "busy_threads", "Handlers that are running on the workers of a slot."),
    ("webpy_worker_queued_requests", "queued", "Requests that wait for a thread of the workers of a slot."),
    ("webpy_worker_memory_bytes", "memory_bytes", "Private memory of the workers of a slot."),
)


class Missing(Exception):
    """prometheus_client is not installed; the text says what to do."""


def expose(status: dict[str, Any], accept: str) -> tuple[str, bytes]:
    """Return content type and text of all metrics, in the format that `accept` (the field's value) asks for.

    Raises Missing.
    """
    try:
        from prometheus_client import CollectorRegistry
        from prometheus_client.exposition import choose_encoder
    except ImportError:
        raise Missing(MISSING) from None
    registry = CollectorRegistry()
    registry.register(_Collector(status))
    encode, content_type = choose_encoder(accept)
    return content_type, encode(registry)


class _Collector:
    """One status as metric families."""

    def __init__(self, status: dict[str, Any]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        yield from self._requests()
        yield from self._workers()
        yield from self._life()
        yield from self._log()

    def _requests(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        status, totals, workers = self._status, self._status["totals"], self._status["workers"]
        requests = CounterMetricFamily("webpy_requests", "Requests answered, by class of status.", labels=["class"])
        for name, count in totals["by_class"].items():
            requests.add_metric([name], count)
        yield requests
        latency = HistogramMetricFamily(
            "webpy_request_duration_seconds",
            "Time from a request's arrival to its answer, by class of status. "
            "The sum is computed from fine buckets and accurate to 6 %.",
            labels=["class"],
        )
        for number, counts in sorted(status["latency"].items()):
            latency.add_metric([_class(number)], *_histogram(counts))
        yield latency
        busy = sum(worker["busy_threads"] + worker["queued"] for worker in workers)
        yield GaugeMetricFamily("webpy_requests_in_flight", "Requests that are running or waiting for a thread.", busy)
        open_now = sum(worker["connections"] for worker in workers)
        yield GaugeMetricFamily("webpy_connections", "Open connections.", open_now)
        for metric, key, text in _TOTALS:
            yield CounterMetricFamily(metric, text, totals[key])

    def _workers(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        status, workers = self._status, self._status["workers"]
        yield GaugeMetricFamily("webpy_workers_wanted", "Number of workers that is wanted.", status["wanted"])
        ready = sum(worker["state"] == "ready" for worker in workers)
        yield GaugeMetricFamily("webpy_workers_ready", "Workers that accept connections.", ready)
        slots = sorted({worker["slot"] for worker in workers})
        for metric, key, text in _WORKERS:
            family = GaugeMetricFamily(metric, text, labels=["slot"])
            for slot in slots:
                family.add_metric([str(slot)], sum(each[key] or 0 for each in workers if each["slot"] == slot))
            yield family
        restarts = CounterMetricFamily("webpy_worker_restarts", "Workers replaced, by cause.", labels=["cause"])
        for cause, count in sorted(status["restarts"].items()):
            restarts.add_metric([cause], count)
        yield restarts

    def _life(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

        status = self._status
        build = {"version": __version__, "python": platform.python_version()}
        yield InfoMetricFamily("webpy_build", "Versions that are running.", {**build, "name": str(status["name"])})
        yield GaugeMetricFamily("webpy_ready", "1 while /readyz says so.", 0 if unready(status) else 1)
        yield GaugeMetricFamily("webpy_generation", "Number of the generation that serves.", status["generation"])
        reloads = CounterMetricFamily("webpy_reloads", "Reloads, by their verdict.", labels=["result"])
        reloads.add_metric(["ok"], status["reloads"])
        reloads.add_metric(["failed"], status["reloads_failed"])
        yield reloads
        renewals = CounterMetricFamily(
            "webpy_renewals", "New certificates for running workers, by their verdict.", labels=["result"]
        )
        renewals.add_metric(["ok"], status["renewals"])
        renewals.add_metric(["failed"], status["renewals_failed"])
        yield renewals
        expiries = GaugeMetricFamily(
            "webpy_certificate_expiry_timestamp_seconds",
            "Unix time when a certificate expires, by its first name; of several with that name the first to expire.",
            labels=["name"],
        )
        for name, expires_s in first_expiries(status["facts"]).items():
            expiries.add_metric([name], expires_s)
        yield expiries
        busy = 0 if status["reload"]["phase"] in ("", "idle", None) else 1
        yield GaugeMetricFamily("webpy_reload_running", "1 while a reload runs.", busy)
        yield GaugeMetricFamily("webpy_uptime_seconds", "Age of the master.", status["uptime_s"])
        yield GaugeMetricFamily("webpy_start_time_seconds", "Unix time of the master's start.", status["started_at"])

    def _log(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        log = self._status["log"]
        yield CounterMetricFamily("webpy_log_bytes", "Bytes written to the access log.", log["bytes"])
        yield CounterMetricFamily(
            "webpy_log_stalls", "Writes to the access log that failed and were retried.", log["stalls"]
        )
        yield CounterMetricFamily("webpy_log_waits", "Times a worker waited for room in its log ring.", log["waits"])
        yield CounterMetricFamily(
            "webpy_log_dropped", "Lines dropped as they found no room in a log ring.", log["dropped"]
        )
        yield GaugeMetricFamily("webpy_log_pending_bytes", "Bytes in log rings, not written yet.", log["pending_bytes"])


def _class(number: str) -> str:
    """Return the label of a class of the latency histograms."""
    return "other" if number == "0" else f"{number}xx"


def _histogram(counts: dict[str, int]) -> tuple[list[tuple[str, float]], float]:
    """Return the cumulative buckets, (le in seconds, count) each, and the sum in seconds, of a class's fine buckets."""
    rising = sorted((int(bucket), count) for bucket, count in counts.items())
    sum_us = 0.0
    for bucket, count in rising:
        first, last = _BUCKETS_US[bucket]
        sum_us += count * (first + last + 1) / 2
    buckets: list[tuple[str, float]] = []
    seen = at = 0
    for bound_us in _BOUNDS_US:
        while at < len(rising) and _BUCKETS_US[rising[at][0]][1] < bound_us:
            seen += rising[at][1]
            at += 1
        buckets.append((repr(bound_us / 1e6), seen))
    return [*buckets, ("+Inf", sum(count for _, count in rising))], sum_us / 1e6
