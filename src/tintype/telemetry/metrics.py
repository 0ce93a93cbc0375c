"""Prometheus metrics of every process of this node, gathered through files that all of them map (multiprocess mode).

The library reads `PROMETHEUS_MULTIPROC_DIR` when it is imported, so the supervisor sets it in the environment of its
children, and empties the directory when it starts.
"""

import os
import resource
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

from tintype.telemetry.upkeep_metrics import UpkeepMetrics
from tintype.telemetry.webhook_metrics import WebhookMetrics

DIRECTORY_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"

_LAG_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 1)
_REQUEST_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 10)
_RENDER_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)


@dataclass(frozen=True, slots=True)
class Metrics:
    """Every metric, once per process."""

    requests: Counter
    request_seconds: Histogram
    loop_lag: Histogram
    upload_bytes: Counter
    rejects: Counter
    jobs: Counter
    render_seconds: Histogram
    lost_images: Counter
    memory: Gauge
    queue_depth: Gauge
    queue_age: Gauge
    dead_jobs: Gauge
    followers: Gauge
    views_lost: Counter
    upkeep: UpkeepMetrics = field(default_factory=UpkeepMetrics)
    webhooks: WebhookMetrics = field(default_factory=WebhookMetrics)
    _answered: dict[tuple[str, str, int], tuple[Counter, Histogram]] = field(default_factory=dict)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request. Its series are kept at hand: finding them by their labels takes longer than counting."""
        series = self._answered.get((route, method, status))
        if series is None:
            series = self.requests.labels(route, method, status), self.request_seconds.labels(route)
            self._answered[route, method, status] = series
        series[0].inc()
        series[1].observe(seconds)

    def measure_memory(self, role: str) -> None:
        """Take note of how much memory (bytes) this process has now."""
        self.memory.labels(role).set(resident_bytes(os.getpid()))


def make_metrics() -> Metrics:
    """Return the metrics, in a registry of their own."""
    own = CollectorRegistry()
    by_route = ["route", "method", "status"]
    return Metrics(
        requests=Counter("tintype_requests", "Requests answered.", by_route, registry=own),
        request_seconds=Histogram(
            "tintype_request_seconds", "Time to the answer's end.", ["route"], buckets=_REQUEST_SECONDS, registry=own
        ),
        loop_lag=Histogram(
            "tintype_event_loop_lag_seconds",
            "How late timers of API processes are.",
            buckets=_LAG_SECONDS,
            registry=own,
        ),
        upload_bytes=Counter("tintype_upload_bytes", "Bytes received in uploads, kept or refused.", registry=own),
        rejects=Counter("tintype_rejects", "Requests refused, by code.", ["code"], registry=own),
        jobs=Counter("tintype_jobs", "Jobs ended, by how.", ["task", "outcome"], registry=own),
        render_seconds=Histogram(
            "tintype_render_seconds", "Time in the decoder.", buckets=_RENDER_SECONDS, registry=own
        ),
        lost_images=Counter(
            "tintype_lost_images",
            "Images in work that nobody worked on, by what became of them.",
            ["outcome"],
            registry=own,
        ),
        memory=Gauge(
            "tintype_resident_memory_bytes", "Resident memory.", ["role"], multiprocess_mode="liveall", registry=own
        ),
        queue_depth=Gauge("tintype_queue_depth", "Jobs that wait.", multiprocess_mode="mostrecent", registry=own),
        dead_jobs=Gauge(
            "tintype_dead_jobs", "Jobs that had every attempt.", multiprocess_mode="mostrecent", registry=own
        ),
        queue_age=Gauge(
            "tintype_queue_age_seconds",
            "Age of the oldest waiting job that is no back-fill.",
            multiprocess_mode="mostrecent",
            registry=own,
        ),
        views_lost=Counter("tintype_views_lost", "Views for which there was no room to count.", registry=own),
        followers=Gauge(
            "tintype_followers", "Clients that follow an image.", multiprocess_mode="livesum", registry=own
        ),
    )


def expose_metrics() -> bytes:
    """Return the metrics of every process of this node in Prometheus' text format."""
    directory = Path(os.environ[DIRECTORY_VARIABLE])
    for pid in {int(file.stem.rpartition("_")[2]) for file in directory.glob("gauge_live*_*.db")}:
        if not _is_alive(pid):  # whoever ended, and however: nobody else is sure to tell
            multiprocess.mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, str(directory))  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process in bytes; 0 when it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:  # no /proc, or the process ended: before the file was opened, or between that and its reading
        return _peak_bytes() if pid == os.getpid() else 0
    return pages * resource.getpagesize()


def _peak_bytes() -> int:
    """Return the peak, which is all that a system without /proc tells (kilobytes there)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
