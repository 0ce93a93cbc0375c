"""Settings: `defaults.toml`, then `tintype.toml`, then `TINTYPE_*`, then flags; each beats the one before.

Nested settings are `TINTYPE_SECTION__KEY` in the environment. Every bad value is reported at once, with the name it was
given by. Sizes take `MB` (10⁶) and `MiB` (2²⁰).
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Any, Final

from tintype.domain.audit import Noted
from tintype.domain.kind import UploadKind
from tintype.domain.quota import DefaultQuotas, Quota
from tintype.domain.rate_limit import RateLimit, Scope, Unit
from tintype.kind_settings import NAMED_TABLES, TABLE_EXPECTED, KindTables, put_named, read_kinds
from tintype.settings_blobs import DeliverySettings, blobs_url, read_delivery
from tintype.settings_oidc import OIDC_KEYS, OidcSettings, read_oidc
from tintype.settings_outgoing import OutgoingSettings, WebhookSettings, read_outgoing, read_webhooks
from tintype.settings_reader import Reader
from tintype.settings_security import VARIABLES, EncryptionSettings, TlsSettings, read_encryption, read_tls
from tintype.settings_values import (
    Network,
    amount,
    at_least,
    cron,
    duration,
    http_url,
    mail_sender,
    networks,
    old_secrets,
    one_of,
    or_nothing,
    positive,
    postgres_url,
    secret,
    size,
    smtp_url,
    switch,
    text,
    whole,
)

ENVIRONMENT_PREFIX: Final = "TINTYPE_"

DEFAULT_TRASH_KEEP: Final = timedelta(days=30)
"""For a setting that is empty: a trash without an end would be a disk without one."""

LEAST_AUDIT_KEEP: Final = timedelta(days=30)
"""The database forgets nothing younger (migration 16)."""

DEFAULT_UPLOAD_EXPIRE: Final = timedelta(days=1)
LEAST_UPLOAD_EXPIRE: Final = timedelta(seconds=1)

SECRET_KEY_FILE: Final = "secret.key"  # noqa: S105 -- a file's name
"""In the data directory: what tokens derive from, unless TINTYPE_SECRET_KEY says otherwise."""


_NOT_SETTINGS: Final = frozenset({"CONFIG", "URL", "API_KEY"})
"""Where the settings are; and which server its clients use, and as whom: they may be set in the same shell."""


class BadSettings(Exception):
    """One or more settings cannot be used; `problems` has a sentence for each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class UploadSettings:
    """How long and how much an upload may take."""

    stall_seconds: float
    deadline_seconds: float
    drain_bytes: int
    drain_seconds: float
    reserve_bytes: int
    expire: timedelta
    """How long the bytes of an upload may take that was reserved before."""
    min_rate: float
    """Bytes a second, over `min_rate_seconds`."""
    min_rate_seconds: float
    concurrent: int
    concurrent_per_address: int
    concurrent_per_key: int


@dataclass(frozen=True, slots=True)
class RenderSettings:
    """What one decode may take."""

    timeout_seconds: float
    memory_bytes: int
    queue: int
    recycle_after: int


@dataclass(frozen=True, slots=True)
class JobSettings:
    """How jobs are tried again, and from when on they are too late."""

    retry_seconds: float
    overdue_seconds: float
    overlong: int
    lost_seconds: float


@dataclass(frozen=True, slots=True)
class EventSettings:
    """How many clients may follow images in one process, and one image."""

    places: int
    places_per_image: int


@dataclass(frozen=True, slots=True)
class UpkeepSettings:
    """What is left alone, and what is kept."""

    grace_hours: float
    journal_days: int


@dataclass(frozen=True, slots=True)
class PrivacySettings:
    """What is written down of people, and for how long what they asked for is kept."""

    noted: Noted
    audit_keep: timedelta
    export_keep: timedelta
    handle_keep: timedelta


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """Who may sign up, how many passwords are hashed at once, and how mails are sent. `smtp_url` None: to a folder."""

    sign_up: bool
    hash_threads: int
    hash_waiting: int
    smtp_url: str | None = field(repr=False)
    mail_from: str | None


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set, checked. Urls that are None mean: the built-in one."""

    host: str
    port: int
    data: Path
    role: str
    api_processes: int
    workers: int
    renderers: int
    public_url: str | None
    database_url: str | None = field(repr=False)
    database_owner_url: str | None = field(repr=False)
    blobs_url: str | None = field(repr=False)
    blobs_mirror_url: str | None = field(repr=False)
    """A second place, which has everything, too, while blobs move to it or from it."""
    secret_key: str | None = field(repr=False)
    secret_key_old: tuple[str, ...] = field(repr=False)
    """Earlier ones, under which secrets in the database may still be sealed."""
    anonymous_uploads: bool
    rate_limits: bool
    log_level: str
    upload: UploadSettings
    limits: dict[tuple[Scope, Unit], RateLimit]
    """What callers may send; empty when rate limits are off."""
    quotas: DefaultQuotas
    trusted_proxies: tuple[Network, ...]
    forwarded_header: str
    render: RenderSettings
    jobs: JobSettings
    upkeep: UpkeepSettings
    privacy: PrivacySettings
    trash_keep: timedelta
    """How long an image stays in the trash before it is purged."""
    schedule: dict[str, str | None]
    """Task → when it is due, a cron expression in UTC; None is off."""

    events: EventSettings
    kind_tables: KindTables
    """What `kinds` were read from: a tenant's own tables are laid over them."""
    accounts: AccountSettings
    kinds: dict[str, UploadKind]
    delivery: DeliverySettings
    encryption: EncryptionSettings = field(repr=False)
    tls: TlsSettings
    outgoing: OutgoingSettings
    webhooks: WebhookSettings
    oidc: dict[str, OidcSettings]
    """Where people sign in elsewhere, by the name that addresses have."""


def load_settings(*, file: Path | None, environment: Mapping[str, str], flags: Mapping[str, object]) -> Settings:
    """Return the settings; `BadSettings` names every value that cannot be used.

    `file` None means `tintype.toml` in the working directory, if there is one.
    """
    values = tomllib.loads((resources.files("tintype") / "defaults.toml").read_text(encoding="utf-8"))
    names: dict[str, str] = {}
    problems: list[str] = []
    for layer, source in ((_from_file(file, problems), "{}"), (_from_environment(environment), None), (flags, "--{}")):
        for path, value in _flatten(layer):
            given_name = (
                source.format(path.replace("_", "-") if source == "--{}" else path) if source else _variable(path)
            )
            problem = _put(values, path, value)
            if problem is None:
                names[path] = given_name
            else:
                problems.append(f"{given_name}: {problem}")
    reader = Reader(values)
    settings = _build(reader)
    problems += [f"{names.get(path, path)}: {sentence}" for path, sentence in reader.complaints]
    if problems:
        raise BadSettings(tuple(problems))
    return settings


def _from_file(file: Path | None, problems: list[str]) -> dict[str, Any]:
    path = file or Path("tintype.toml")
    if file is None and not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problems.append(f"{path}: cannot be read: {error}")
        return {}


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    prefix = ENVIRONMENT_PREFIX
    return {
        _path_of(name.removeprefix(prefix).lower()): value
        for name, value in environment.items()
        if name.startswith(prefix) and name.removeprefix(prefix) not in _NOT_SETTINGS
    }


def _path_of(name: str) -> str:
    return VARIABLES.get(name) or name.replace("__", ".")


def _variable(path: str) -> str:
    own = {path: name for name, path in VARIABLES.items()}
    return ENVIRONMENT_PREFIX + own.get(path, path).upper().replace(".", "__")


def _flatten(layer: Mapping[str, object], prefix: str = "") -> list[tuple[str, object]]:
    flat: list[tuple[str, object]] = []
    for key, value in layer.items():
        if isinstance(value, Mapping):
            flat += _flatten(value, f"{prefix}{key}.")
        elif value is not None:
            flat.append((prefix + key, value))
    return flat


_TABLES: Final = {**NAMED_TABLES, "oidc": OIDC_KEYS}

_NO_SUCH_SETTING: Final = "there is no such setting."


def _put(values: dict[str, Any], path: str, value: object) -> str | None:
    """Put the value in its place, or return what is wrong with that."""
    first, *rest = path.split(".")
    if first in _TABLES:
        return put_named(values[first], rest, value, keys=_TABLES[first])
    *parents, last = path.split(".")
    table: Any = values
    for parent in parents:
        table = table.get(parent)
        if not isinstance(table, dict):
            return _NO_SUCH_SETTING
    if last not in table:
        return _NO_SUCH_SETTING
    if isinstance(table[last], dict):
        return TABLE_EXPECTED
    table[last] = value
    return None


def _build(read: Reader) -> Settings:
    role = read.read("role", one_of("all", "api", "worker"), "all")
    database_url = read.read("database_url", postgres_url, None)
    if role != "all" and database_url is None:
        message = f"{role!r} shares a database with other processes; set TINTYPE_DATABASE_URL to one they all reach."
        read.complain("role", message)
    rate_limits = read.read("rate_limits", switch, True)
    nothing: tuple[Network, ...] = ()
    no_secrets: tuple[str, ...] = ()
    return Settings(
        host=read.read("host", text, ""),
        port=read.read("port", whole(1, 65535), 1),
        data=read.read("data", lambda value: Path(text(value)), Path()),
        role=role,
        api_processes=read.read("api_processes", whole(1, 256), 1),
        workers=read.read("workers", whole(1, 256), 1),
        renderers=read.read("renderers", whole(1, 256), 1),
        public_url=read.read("public_url", http_url, None),
        database_url=database_url,
        database_owner_url=read.read("database_owner_url", postgres_url, None),
        blobs_url=read.read("blobs_url", blobs_url, None),
        blobs_mirror_url=read.read("blobs_mirror_url", blobs_url, None),
        secret_key=read.read("secret_key", secret, None),
        secret_key_old=read.read("secret_key_old", old_secrets, no_secrets),
        anonymous_uploads=read.read("anonymous_uploads", switch, True),
        rate_limits=rate_limits,
        log_level=read.read("log_level", one_of("debug", "info", "warning", "error"), "info"),
        upload=_upload(read),
        limits=_limits(read) if rate_limits else {},
        quotas=DefaultQuotas(_quota(read, "tenant"), _quota(read, "account")),
        trusted_proxies=read.read("trusted_proxies", networks, nothing),
        forwarded_header=read.read("forwarded_header", one_of("x-forwarded-for", "forwarded"), "x-forwarded-for"),
        render=RenderSettings(
            timeout_seconds=read.read("render.timeout_seconds", positive, 1.0),
            memory_bytes=read.read("render.memory", size, 0),
            queue=read.read("render.queue", whole(1, 100_000), 1),
            recycle_after=read.read("render.recycle_after", whole(1, 1_000_000), 1),
        ),
        jobs=_jobs(read),
        upkeep=UpkeepSettings(
            grace_hours=read.read("upkeep.grace_hours", positive, 24.0),
            journal_days=read.read("upkeep.journal_days", whole(8, 100_000), 400),
        ),
        privacy=_privacy(read),
        trash_keep=read.read("trash.keep", duration, None) or DEFAULT_TRASH_KEEP,
        schedule={name: read.read(f"schedule.{name}", cron, None) for name in read.table("schedule")},
        events=EventSettings(
            places=read.read("events.places", whole(1, 100_000), 1),
            places_per_image=read.read("events.places_per_image", whole(1, 100_000), 1),
        ),
        kind_tables=KindTables(read.table("presets"), read.table("kinds")),
        kinds=read_kinds(read),
        delivery=read_delivery(read),
        encryption=read_encryption(read),
        tls=read_tls(read),
        outgoing=read_outgoing(read),
        webhooks=read_webhooks(read),
        accounts=AccountSettings(
            sign_up=read.read("accounts.sign_up", switch, True),
            hash_threads=read.read("accounts.hash_threads", whole(1, 64), 2),
            hash_waiting=read.read("accounts.hash_waiting", whole(0, 10_000), 40),
            smtp_url=read.read("smtp_url", smtp_url, None),
            mail_from=read.read("mail_from", mail_sender, None),
        ),
        oidc=read_oidc(read),
    )


def _jobs(read: Reader) -> JobSettings:
    return JobSettings(
        retry_seconds=read.read("jobs.retry_seconds", positive, 1.0),
        overdue_seconds=read.read("jobs.overdue_seconds", positive, 1.0),
        overlong=read.read("jobs.overlong", whole(1, 1_000_000), 1),
        lost_seconds=read.read("jobs.lost_seconds", positive, 1.0),
    )


def _privacy(read: Reader) -> PrivacySettings:
    return PrivacySettings(
        noted=read.read("privacy.addresses", lambda value: Noted(one_of(*Noted)(value)), Noted.FULL),
        audit_keep=read.read("privacy.audit_keep", at_least(LEAST_AUDIT_KEEP), LEAST_AUDIT_KEEP),
        export_keep=read.read("privacy.export_keep", at_least(timedelta()), timedelta(days=7)),
        handle_keep=read.read("privacy.handle_keep", at_least(timedelta()), timedelta()),
    )


def _upload(read: Reader) -> UploadSettings:
    return UploadSettings(
        stall_seconds=read.read("upload.stall_seconds", positive, 1.0),
        deadline_seconds=read.read("upload.deadline_seconds", positive, 1.0),
        drain_bytes=read.read("upload.drain_bytes", size, 0),
        drain_seconds=read.read("upload.drain_seconds", positive, 1.0),
        reserve_bytes=read.read("upload.reserve", size, 0),
        expire=read.read("upload.expire", at_least(LEAST_UPLOAD_EXPIRE), DEFAULT_UPLOAD_EXPIRE),
        min_rate=read.read("upload.min_rate", size, 1),
        min_rate_seconds=read.read("upload.min_rate_seconds", positive, 1.0),
        concurrent=read.read("upload.concurrent", whole(1, 10_000), 1),
        concurrent_per_address=read.read("upload.concurrent_per_address", whole(1, 10_000), 1),
        concurrent_per_key=read.read("upload.concurrent_per_key", whole(1, 10_000), 1),
    )


_COUNTED: Final[tuple[tuple[Unit, str, Callable[[Any], float]], ...]] = (
    (Unit.REQUESTS, "requests", amount),
    (Unit.BYTES, "bytes", or_nothing(size)),
)


def _limits(read: Reader) -> dict[tuple[Scope, Unit], RateLimit]:
    found = {}
    for scope in (Scope.ADDRESS, Scope.ACCOUNT, Scope.KEY, Scope.TENANT):
        for unit, name, convert in _COUNTED:
            burst = read.read(f"limits.{scope}.{name}", convert, 0.0)
            per_minute = read.read(f"limits.{scope}.{name}_per_minute", convert, 0.0)
            if bool(burst) is not bool(per_minute):
                read.complain(f"limits.{scope}.{name}", f"counts nothing without {name}_per_minute.")
            elif burst:
                found[scope, unit] = RateLimit(burst=burst, rate=per_minute / 60)
    return found


def _quota(read: Reader, whose: str) -> Quota:
    return Quota(
        max_bytes=read.read(f"quotas.{whose}_bytes", or_nothing(size), 0) or None,
        max_images=read.read(f"quotas.{whose}_images", whole(0, 10**15), 0) or None,
    )
