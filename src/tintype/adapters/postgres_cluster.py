"""A PostgreSQL cluster: made as a whole or not at all, checked before use, and the settings that it runs with."""

import os
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tintype.adapters.durable_files import flush_directory, write_durably
from tintype.adapters.postgres_placement import MAJOR_VERSION, Placement, is_cluster
from tintype.adapters.postgres_processes import PostgresUnavailable, spawn

SUPERUSER: Final = "postgres"
PASSWORD_FILE: Final = "postgres.password"  # noqa: S105 - a name, not a password
_PASSWORD_BYTES: Final = 24
_STAGING_PREFIX: Final = ".postgres-new-"
_INITDB_SECONDS: Final = 300.0
"""It takes 0.6 s here; a slow network disk that has to take 40 MB of small files may need minutes."""

MAX_CONNECTIONS: Final = 100
"""A dozen processes with a pool of eight each; a connection at rest costs a few MB."""
SHARED_BUFFERS: Final = "128MB"
"""PostgreSQL's own cache on a small machine; the rest is left to the page cache, which it shares with the images."""
MAX_WAL_SIZE: Final = "512MB"
"""Bounds the disk that the log takes between checkpoints and the seconds that a recovery takes."""

_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # nothing to leave behind, and no path of 108 bytes to outgrow
    "max_connections": str(MAX_CONNECTIONS),
    "shared_buffers": SHARED_BUFFERS,
    "max_wal_size": MAX_WAL_SIZE,
    # I14: given on the command line, where no edited file can weaken them
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "data_sync_retry": "off",  # a failed fsync ends in recovery from the WAL, never in a second try (I11)
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "logging_collector": "off",  # stderr is our log file, whose size `EmbeddedPostgres.poll` bounds
    "log_destination": "stderr",
    "log_line_prefix": "%m [%p] %q%u ",
    "log_checkpoints": "off",
    "log_error_verbosity": "terse",  # DETAIL repeats the values of a row; a log should not
}


def settings(port: int) -> list[str]:
    """Return the server's settings as arguments of `postgres`."""
    chosen = {**_SETTINGS, "port": str(port)}
    if sys.platform == "darwin":
        chosen["wal_sync_method"] = "fsync_writethrough"  # the default stops at the drive's cache there
    return [word for name, value in chosen.items() for word in ("-c", f"{name}={value}")]


def prepare_cluster(data: Path, placement: Placement) -> None:
    """Make the cluster if there is none, or check that the one there is ours to start.

    Raises `PostgresUnavailable` when it was made by another major version, is not whole, or cannot be made.
    """
    cluster = placement.cluster
    _remove_half_made(cluster.parent)
    if not is_cluster(cluster):
        _require_absent(cluster)
        try:
            _create(placement, _new_password(data))
        except OSError as error:
            raise PostgresUnavailable(f"The database in {cluster} cannot be made: {error.strerror}.") from error
    version = (cluster / "PG_VERSION").read_text().strip()
    if version != MAJOR_VERSION:
        raise PostgresUnavailable(
            f"The database in {cluster} was made by PostgreSQL {version}, and this Tintype brings PostgreSQL "
            f"{MAJOR_VERSION}. Start the Tintype that made it, take a backup there and restore it here."
        )


def password(data: Path) -> str:
    """Return the superuser's password, which stays in the data directory, readable by its owner alone."""
    try:
        return (data / PASSWORD_FILE).read_text().strip()
    except OSError as error:
        raise PostgresUnavailable(
            f"The password of the database, {data / PASSWORD_FILE}, cannot be read: {error.strerror}. Restore it from "
            f"a backup, or start as the user whom the data directory belongs to."
        ) from error


def _new_password(data: Path) -> str:
    """Kept before the cluster is made: a cluster whose password was lost with a crash could not be entered."""
    if not (data / PASSWORD_FILE).exists():
        write_durably(data / PASSWORD_FILE, f"{secrets.token_urlsafe(_PASSWORD_BYTES)}\n".encode(), mode=0o600)
    return password(data)


def _require_absent(cluster: Path) -> None:
    """An empty directory counts as absent; anything else is somebody's, and no cluster."""
    try:
        cluster.rmdir()
    except FileNotFoundError:
        return
    except OSError as error:
        raise PostgresUnavailable(
            f"{cluster} exists and holds no whole PostgreSQL database. Restore it from a backup, or move it away to "
            f"begin with an empty database."
        ) from error


def _create(placement: Placement, superuser_password: str) -> None:
    """Run `initdb` beside the final name and rename when all of it is on disk."""
    home = placement.cluster.parent
    staging = Path(tempfile.mkdtemp(prefix=_STAGING_PREFIX, dir=home))
    try:
        password_file = staging / PASSWORD_FILE
        password_file.touch(mode=stat.S_IRUSR | stat.S_IWUSR)
        password_file.write_text(superuser_password)
        if placement.account is not None:
            for path in (password_file, staging):
                os.chown(path, placement.account.uid, placement.account.gid, follow_symlinks=False)
        _initdb(placement, staging / "cluster", password_file)
        (staging / "cluster").rename(placement.cluster)
        flush_directory(home)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _initdb(placement: Placement, cluster: Path, password_file: Path) -> None:
    command = [
        placement.programs / "initdb",
        *("--pgdata", cluster, "--username", SUPERUSER, "--pwfile", password_file, "--auth", "scram-sha-256"),
        *("--encoding", "UTF8", "--locale-provider", "builtin", "--builtin-locale", "PG_UNICODE_FAST"),
        *("--locale", "C.UTF-8" if sys.platform == "linux" else "C"),
        *("--data-checksums", "--no-instructions"),
    ]
    with tempfile.TemporaryFile() as output:
        status = _run_initdb(command, placement, output.fileno())
        output.seek(0)
        said = output.read().decode(errors="replace").strip().splitlines()
    if status != 0:
        raise PostgresUnavailable(
            f"PostgreSQL could not make its database in {placement.cluster.parent}: {_complaint(said)}"
        )


def _run_initdb(command: list[str | Path], placement: Placement, output: int) -> int:
    with spawn(command, placement.account, death_signal=signal.SIGKILL, output=output) as process:
        try:
            return process.wait(_INITDB_SECONDS)
        except BaseException as error:
            process.kill()
            if isinstance(error, subprocess.TimeoutExpired):
                raise PostgresUnavailable(f"initdb did not end within {_INITDB_SECONDS:.0f} s.") from None
            raise


def _complaint(said: list[str]) -> str:
    """The lines that say what went wrong, without initdb's account of its cleaning up."""
    complaints = [line for line in said if any(mark in line for mark in ("error:", "FATAL:", "PANIC:", "ERROR:"))]
    return " ".join(complaints or said[-1:]) or "initdb said nothing."


def _remove_half_made(home: Path) -> None:
    """What a start that was killed left behind; the data directory's lock says that nobody is making it now."""
    for staging in home.glob(f"{_STAGING_PREFIX}*"):
        shutil.rmtree(staging, ignore_errors=True)
