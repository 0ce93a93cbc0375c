"""The limits of the machine and of the database, against what this configuration may come to need."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg

from tintype.bootstrap.blobs import local_root
from tintype.bootstrap.parts import JOBS_PER_RENDERER, WORKER_SPARE_CONNECTIONS
from tintype.db.pool import DatabaseConfig
from tintype.diagnosis.finding import Finding
from tintype.settings import SECRET_KEY_FILE, Settings

LEAST_OPEN_FILES: Final = 1024
"""Of one process: a client, a file that is sent and a connection to the database each take one."""

LEAST_FREE_FILES: Final = 10_000
"""Names that the file system can still take: an image takes about eight."""

LISTENER_CONNECTIONS: Final = 1
QUEUE_CONNECTIONS: Final = 2
"""The job queue's, beside one for each job."""


def machine_limits(settings: Settings) -> Iterator[Finding]:
    """Give what the operating system allows and has left."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield Finding(
        "files",
        ok=soft == resource.RLIM_INFINITY or soft >= LEAST_OPEN_FILES,
        detail=f"{soft:,} may be open in one process.",
        advice=f"Raise it to {LEAST_OPEN_FILES:,} or more: `ulimit -n`, or LimitNOFILE in a systemd unit.",
    )
    yield _memory(settings)
    blobs = local_root(settings)
    if blobs is not None and blobs.exists():
        disk = os.statvfs(blobs)
        yield Finding(
            "names",
            ok=disk.f_files == 0 or disk.f_favail >= LEAST_FREE_FILES,
            detail=f"{disk.f_favail:,} files may still be made beside the images." if disk.f_files else "no limit.",
            advice="The file system runs out of inodes. Make one with more, and move the blobs there.",
        )
    key = settings.data / SECRET_KEY_FILE
    if settings.secret_key is None and key.exists():
        yield Finding(
            "secret key",
            ok=key.stat().st_mode & 0o077 == 0,
            detail="in the data directory.",
            advice=f"Others can read it: chmod 600 {key}",
        )


def _memory(settings: Settings) -> Finding:
    decoders = settings.renderers * settings.workers + settings.api_processes
    wanted, there = decoders * settings.render.memory_bytes, _memory_bytes()
    pictures = "when all have the largest pictures"
    return Finding(
        "memory",
        ok=there == 0 or there >= wanted,
        detail=f"{there / 1e9:.1f} GB; {decoders} decoders may take {wanted / 1e9:.1f} GB {pictures}.",
        advice="Run fewer (--renderers, --workers), or give each less: render.memory.",
    )


def _memory_bytes() -> int:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal:"))
    except (OSError, StopIteration):  # another system than Linux
        return 0


def database_limits(settings: Settings, connection: psycopg.Connection) -> Iterator[Finding]:
    """Give how many connections the server takes, against what every process of this node may open."""
    row = connection.execute(
        "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
    ).fetchone()
    most = row[0] if row else 0
    jobs = settings.renderers * JOBS_PER_RENDERER
    api = settings.api_processes * (DatabaseConfig("").pool_max + LISTENER_CONNECTIONS)
    worker = settings.workers * (jobs + WORKER_SPARE_CONNECTIONS + jobs + QUEUE_CONNECTIONS)
    wanted = (api if settings.role != "worker" else 0) + (worker if settings.role != "api" else 0)
    yield Finding(
        "connections",
        ok=most >= wanted,
        detail=f"the database takes {most}; this node may open {wanted}.",
        advice="Raise max_connections, or run fewer processes. Every node counts.",
    )
