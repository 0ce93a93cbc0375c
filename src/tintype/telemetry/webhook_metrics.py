"""Webhooks as metrics: how deliveries end, and what there is of them."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from tintype.db.webhook_deliveries import DeliveryCounts


class WebhookMetrics:
    """A counter of every worker's attempts, and gauges that show the database's rows, whichever node asked."""

    def __init__(self) -> None:
        own = CollectorRegistry()

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(name, text, multiprocess_mode="mostrecent", registry=own)

        self.attempts = Counter(
            "tintype_webhook_attempts", "Calls to receivers, by what they left the event in.", ["state"], registry=own
        )
        self._pending = gauge("tintype_webhook_pending", "Events that wait for a receiver.")
        self._dead = gauge("tintype_webhook_dead", "Events that were given up.")
        self._late = gauge("tintype_webhook_late_seconds", "For how long the event is due that waits longest.")
        self._disabled = gauge("tintype_webhooks_disabled", "Webhooks that were switched off for their failures.")

    def count(self, state: str) -> None:
        """Count an attempt that left its delivery in this state."""
        self.attempts.labels(state).inc()

    def show(self, counts: DeliveryCounts) -> None:
        """Set the gauges."""
        self._pending.set(counts.pending)
        self._dead.set(counts.dead)
        self._late.set(counts.late)
        self._disabled.set(counts.disabled)
