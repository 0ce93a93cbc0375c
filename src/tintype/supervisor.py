"""`tintype serve`: the process tree, from an empty directory to a server that answers.

```
supervisor ─┬─ PostgreSQL (embedded, unless TINTYPE_DATABASE_URL names another)
            ├─ api      Granian, with a process for each of --api-processes
            └─ worker   one for each of --workers, each with its decoders
```

Whatever ends is started again, with a pause that grows. Everything ends with the supervisor, also when it is killed.
"""

import contextlib
import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final
from urllib.parse import urlsplit

import psycopg
import structlog

from tintype.adapters.blob_key_record import BlobKeyRefused
from tintype.adapters.certificate import CertificateUnusable
from tintype.adapters.data_lock import DataDirectoryLock, DataDirectoryUnusable
from tintype.adapters.durable_files import write_durably
from tintype.adapters.postgres_durability import durability_violations
from tintype.adapters.postgres_embedded import EmbeddedConfig, EmbeddedPostgres, PostgresUnavailable
from tintype.bootstrap.blobs import admit_keys
from tintype.bootstrap.origin import certificate_of, own_tls, own_url, scheme
from tintype.database_errors import explain
from tintype.db.migrate import MigrationRefused, migrate
from tintype.db.pool import SESSION_OPTIONS
from tintype.db.setup import allow_login, create_setup_link, ensure_default_tenant
from tintype.domain.tenant import DEFAULT_SLUG
from tintype.domain.tokens import Token
from tintype.settings import SECRET_KEY_FILE, BadSettings, Settings, load_settings
from tintype.settings_blobs import NoCredentials
from tintype.telemetry.metrics import DIRECTORY_VARIABLE
from tintype.telemetry.metrics_directory import MetricsDirectory

RUN_DIRECTORY: Final = "run"
"""In the data directory: what is of this run alone."""

READY_SECONDS: Final = 60.0
"""How long the API may take to be ready at start; a slow laptop needs four."""

STOP_SECONDS: Final = 30.0
"""How long a child may take to end before it is killed: longer than the 25 s in which API and workers end what they
have under way. Whatever takes longer (a slow upload may take minutes) is cut off, as if it had been killed."""

FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 10.0
STABLE_SECONDS: Final = 30.0
"""A child that ran so long is healthy again, and its next failure is its first."""

DATABASE_PAUSE_SECONDS: Final = 2.0
"""Between two attempts to bring the database back: short, because what failed may be over (I11: within 10 s)."""

TICK_SECONDS: Final = 0.1


class CannotStart(Exception):
    """The product, or a command that needs its database, cannot start; the message says why and what to do."""


_SAID: Final = (
    *(DataDirectoryUnusable, PostgresUnavailable, MigrationRefused),
    *(BlobKeyRefused, CertificateUnusable, NoCredentials),
)
"""What says itself, in a sentence, why it is so."""


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Raise `CannotStart` instead of what database and data directory raise, with a sentence that shows no password."""
    try:
        yield
    except _SAID as error:
        raise CannotStart(str(error).strip()) from error
    except psycopg.Error as error:
        raise CannotStart(explain(error)) from error


@dataclass(frozen=True, slots=True)
class _First:
    """What the first start on an empty database makes, and shows once."""

    key: Token
    setup_link: Token


@dataclass(slots=True)
class _Child:
    """A child process and when to start it again."""

    name: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = FIRST_PAUSE_SECONDS
    due: float = field(default=0.0)
    leaving: bool = False
    """Told to make way for a new one."""


class Supervisor:
    """Runs the product until SIGTERM or SIGINT."""

    def __init__(self, settings: Settings, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
        """`say` prints a line for the person who started us."""
        self._settings = settings
        self._environment = dict(environment)
        self._say = say
        self._stop = threading.Event()
        self._reload = threading.Event()
        self._postgres: EmbeddedPostgres | None = None
        self._database_due = 0.0
        self._metrics: MetricsDirectory | None = None
        self._children: list[_Child] = []
        self._log = structlog.get_logger("tintype.supervisor")

    def run(self) -> None:
        """Start everything, watch over it, and end it in order; `CannotStart` when it cannot be started."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGHUP, self._on_hangup)
        try:
            with explained(), DataDirectoryLock(self._settings.data):
                self._run()
        except OSError as error:
            raise CannotStart(f"{self._settings.data} cannot be used: {error}.") from error

    def _run(self) -> None:
        try:
            first = self._prepare()
            self._start_children()
            self._await_ready()
            self._greet(first)
            self._watch()
        finally:
            self._end()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop.set()

    def _on_hangup(self, _number: int, _frame: FrameType | None) -> None:
        self._reload.set()

    def _prepare(self) -> _First | None:
        """Make database, keys and directories ready; return what the first start of a database makes."""
        if self._settings.role != "worker":
            _refuse_taken_port(self._settings.host, self._settings.port)
            certificate_of(self._settings)
            if self._settings.tls.redirect_port:
                _refuse_taken_port(self._settings.host, self._settings.tls.redirect_port)
        admit_keys(self._settings)
        self._metrics = MetricsDirectory(self._settings.data / RUN_DIRECTORY)
        self._environment[DIRECTORY_VARIABLE] = str(self._metrics.path)
        if self._settings.secret_key is None:
            _ensure_secret_key(self._settings.data / SECRET_KEY_FILE)
        owner_url = self._start_database()
        applied = migrate(owner_url)
        if applied:
            self._log.info("migrated", migrations=len(applied))
        key = ensure_default_tenant(owner_url)
        first = _First(key, create_setup_link(owner_url, DEFAULT_SLUG)) if key is not None else None
        if self._settings.database_url is not None:
            self._warn_of_losses(self._settings.database_url)
        if self._postgres is not None:
            password = secrets.token_urlsafe(24)
            allow_login(owner_url, password)
            self._environment["TINTYPE_DATABASE_URL"] = self._postgres.url_for("tintype_app", password)
        self._environment.pop("TINTYPE_DATABASE_OWNER_URL", None)  # who serves has no use for it
        return first

    def _start_database(self) -> str:
        settings = self._settings
        if settings.database_url is not None:
            return settings.database_owner_url or settings.database_url
        self._postgres = EmbeddedPostgres(EmbeddedConfig(data=settings.data))
        self._postgres.start()
        for note in self._postgres.notes:
            self._say(note)
        return self._postgres.superuser_url

    def _warn_of_losses(self, url: str) -> None:
        """Say what a database that is not ours might lose (I14). Its owner may want it so; the embedded one may not."""
        with psycopg.connect(url, options=SESSION_OPTIONS, autocommit=True) as connection:  # as those that will write
            violations = durability_violations(connection)
        for violation in violations:
            self._log.warning("durability", violation=violation)
            self._say(f"Warning: the database may lose what it acknowledged: {violation}")

    def _start_children(self) -> None:
        command = [sys.executable, "-m", "tintype"]
        if self._settings.role in {"all", "api"}:
            self._children.append(_Child("api", [*command, "run-api", str(os.getpid())]))
            if self._settings.tls.redirect_port:
                self._children.append(_Child("redirect", [*command, "run-redirect", str(os.getpid())]))
        if self._settings.role in {"all", "worker"}:
            for number in range(self._settings.workers):
                self._children.append(_Child(f"worker-{number + 1}", [*command, "run-worker", str(os.getpid())]))
        for child in self._children:
            self._start(child)

    def _start(self, child: _Child) -> None:
        # A session of its own: Ctrl-C reaches us alone, and we end the children in order.
        child.process = subprocess.Popen(child.command, env=self._environment, start_new_session=True)  # noqa: S603
        child.started = time.monotonic()

    def _await_ready(self) -> None:
        if self._settings.role == "worker":
            return
        deadline = time.monotonic() + READY_SECONDS
        while not self._stop.is_set() and not _is_ready(self._settings):
            if time.monotonic() > deadline:
                raise CannotStart(f"The server was not ready after {READY_SECONDS:.0f} s; the log above says why.")
            self._tend()
            self._stop.wait(TICK_SECONDS / 2)

    def _greet(self, first: _First | None) -> None:
        if self._stop.is_set():
            return
        settings = self._settings
        address = settings.public_url or f"{scheme(settings)}://{_bracketed(settings.host)}:{settings.port}"
        if settings.role == "worker":
            self._say("Tintype's worker runs. Stop it with Ctrl-C.")
            return
        self._say(f"Tintype is ready at {address}")
        if first is not None:
            self._say(f"API key (shown once; `tintype key create` makes another): {first.key.reveal()}")
            self._say(
                "Make your operator's account (once, within a day; `tintype account set-up-link` makes another link): "
                f"{address}/setup#{first.setup_link.reveal()}"
            )
        if not settings.rate_limits:
            self._say("Warning: rate limits are off (TINTYPE_RATE_LIMITS); anybody can upload without end.")
        self._say(f"Try it: curl -F file=@photo.jpg {address}/api/v1/images")

    def _watch(self) -> None:
        while not self._stop.wait(TICK_SECONDS):
            self._tend()
            if self._reload.is_set():
                self._reload.clear()
                self._take_over()

    def _take_over(self) -> None:
        """Have new processes take over, which read certificate and settings again, unless these cannot be used."""
        try:
            found = certificate_of(self._settings)
        except CertificateUnusable as error:
            self._log.error("certificate_not_taken", error=str(error))
            return
        try:
            self._admit_new_settings()
        except (BadSettings, BlobKeyRefused, NoCredentials) as error:
            self._log.error("settings_not_taken", error=str(error))
            return
        for child in self._children:
            if child.process is None or child.name == "redirect":
                continue
            if child.name == "api":
                child.process.send_signal(signal.SIGHUP)
            else:  # a worker ends its jobs, or leaves them to another one, and is started again
                child.leaving = True
                child.process.terminate()
        if found is not None:
            self._log.info("certificate_taken", expires=found.expires.isoformat())
        self._log.info("settings_taken")

    def _admit_new_settings(self) -> None:
        """Raise `BadSettings`, `BlobKeyRefused` or `NoCredentials` when new processes could not start."""
        named = self._environment.get("TINTYPE_CONFIG")
        admit_keys(load_settings(file=Path(named) if named else None, environment=self._environment, flags={}))

    def _tend(self) -> None:
        if self._postgres is not None:
            self._tend_database(self._postgres)
        for child in self._children:
            self._tend_child(child)

    def _tend_database(self, postgres: EmbeddedPostgres) -> None:
        """Bring the database back; for as long as that fails (a full disk), what needs none goes on (I12)."""
        if postgres.poll() is None or time.monotonic() < self._database_due:
            return
        self._log.error("database_ended", status=postgres.poll())
        try:
            postgres.restart()
        except PostgresUnavailable as error:
            self._log.error("database_not_back", error=str(error))
            self._database_due = time.monotonic() + DATABASE_PAUSE_SECONDS

    def _tend_child(self, child: _Child) -> None:
        now = time.monotonic()
        if child.process is None:
            if now >= child.due:
                self._start(child)
        elif child.process.poll() is not None and child.leaving:
            child.leaving, child.due, child.process = False, now, None
        elif child.process.poll() is not None:
            self._log.error("child_ended", child=child.name, status=child.process.returncode)
            child.pause = FIRST_PAUSE_SECONDS if now - child.started > STABLE_SECONDS else child.pause * 2
            child.due = now + min(child.pause, LONGEST_PAUSE_SECONDS)
            child.process = None

    def _end(self) -> None:
        """End the children first, then the database they use."""
        running = [child.process for child in self._children if child.process is not None]
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._metrics is not None:
            self._metrics.remove()
        if self._postgres is not None:
            self._postgres.stop()


def _ensure_secret_key(path: Path) -> None:
    """Write a new key, once. It must be on disk before a token derives from it."""
    if not path.exists():
        write_durably(path, secrets.token_hex(32).encode())


def _refuse_taken_port(host: str, port: int) -> None:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise CannotStart(
            f"Port {port} of {host} cannot be used ({error.strerror}). Stop what uses it, or choose another: --port."
        ) from error


def _is_ready(settings: Settings) -> bool:
    url = urlsplit(own_url(settings))
    connection = (
        http.client.HTTPSConnection(url.hostname or "", url.port, timeout=2, context=own_tls())
        if url.scheme == "https"
        else http.client.HTTPConnection(url.hostname or "", url.port, timeout=2)
    )
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
