"""Settings of what the server calls that others name: pictures by URL, receivers of webhooks."""

from dataclasses import dataclass
from datetime import timedelta

from tintype.settings_reader import Reader
from tintype.settings_values import Network, at_least, list_of, networks, positive, whole


@dataclass(frozen=True, slots=True)
class OutgoingSettings:
    """Where the server goes beside the public internet, to which ports, and how it fetches pictures."""

    allow: tuple[Network, ...]
    ports: frozenset[int]
    fetch_seconds: float
    fetch_stall_seconds: float
    fetch_concurrent: int
    fetch_concurrent_per_caller: int


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """How events are delivered."""

    timeout_seconds: float
    retries: tuple[timedelta, ...]
    disable_after: timedelta
    keep: timedelta
    concurrent: int


def read_outgoing(read: Reader) -> OutgoingSettings:
    """Return the settings of outgoing calls."""
    nothing: tuple[int, ...] = ()
    no_networks: tuple[Network, ...] = ()
    ports = read.read("outgoing.ports", lambda value: list_of(whole(1, 65_535))(_as_list(value)), nothing)
    return OutgoingSettings(
        allow=read.read("outgoing.allow", networks, no_networks),
        ports=frozenset(ports),
        fetch_seconds=read.read("outgoing.fetch_seconds", positive, 1.0),
        fetch_stall_seconds=read.read("outgoing.fetch_stall_seconds", positive, 1.0),
        fetch_concurrent=read.read("outgoing.fetch_concurrent", whole(1, 1_000), 1),
        fetch_concurrent_per_caller=read.read("outgoing.fetch_concurrent_per_caller", whole(1, 1_000), 1),
    )


def read_webhooks(read: Reader) -> WebhookSettings:
    """Return the settings of webhooks."""
    pauses = list_of(at_least(timedelta(seconds=1)))
    nothing: tuple[timedelta, ...] = ()
    return WebhookSettings(
        timeout_seconds=read.read("webhooks.timeout_seconds", positive, 1.0),
        retries=read.read("webhooks.retries", lambda value: pauses(value) if value else (), nothing),
        disable_after=read.read("webhooks.disable_after", at_least(timedelta(seconds=1)), timedelta(days=1)),
        keep=read.read("webhooks.keep", at_least(timedelta(days=1)), timedelta(days=1)),
        concurrent=read.read("webhooks.concurrent", whole(1, 1_000), 1),
    )


def _as_list(value: object) -> object:
    return [value] if isinstance(value, int) else value
