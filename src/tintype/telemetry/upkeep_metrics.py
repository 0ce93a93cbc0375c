"""What is done at its time, as metrics: when it last succeeded, and what the last `gc` and `verify` found."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Gauge

from tintype.db.periodic import LastRun


class UpkeepMetrics:
    """Gauges that show the last run of each periodic task, whichever node it ran on."""

    def __init__(self) -> None:
        own = CollectorRegistry()

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, multiprocess_mode="mostrecent", registry=own)

        self._succeeded = gauge("tintype_task_succeeded_timestamp_seconds", "When a task last ended well.", "task")
        self._failed = gauge("tintype_task_failed", "1 when the last run of a periodic task ended by an error.", "task")
        self._found = gauge("tintype_garbage_found", "What the last gc found, by sort.", "sort")
        self._removed = gauge("tintype_garbage_removed", "What the last gc removed or mended.")
        self._violations = gauge("tintype_violations", "What the last verify counted, by invariant.", "invariant")

    def show(self, runs: Iterable[LastRun]) -> None:
        """Set the gauges to what is known of these runs."""
        for run in runs:
            if run.outcome is not None:
                self._failed.labels(run.name).set(run.outcome == "error")
            if run.succeeded_at is not None:
                self._succeeded.labels(run.name).set(run.succeeded_at.timestamp())
            if run.name == "gc" and run.report:
                _set(self._found, run.report.get("found"))
                self._removed.set(_number(run.report.get("removed")))
            if run.name == "verify":
                _set(self._violations, run.report.get("violations"))


def _set(gauge: Gauge, counts: object) -> None:
    if isinstance(counts, Mapping):
        for label, count in counts.items():
            gauge.labels(label).set(_number(count))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
