"""What the supervisor starts: the server process, which only forks and so loads as little as it can, and workers."""

from tintype.adapters.parent_death import die_with_parent
from tintype.settings import Settings
from tintype.telemetry.logs import configure_logs
from tintype.web.server import serve


def run_api(settings: Settings, parent: int) -> None:
    """Serve until SIGTERM; `parent` is the pid of the supervisor."""
    die_with_parent(parent)
    serve("tintype.bootstrap:api_application", host=settings.host, port=settings.port, processes=settings.api_processes)


def run_worker(settings: Settings, parent: int) -> None:
    """Run jobs until SIGTERM; `parent` is the pid of the supervisor."""
    from tintype.bootstrap import work  # noqa: PLC0415 -- the server process above must not load it

    die_with_parent(parent)
    configure_logs(settings.log_level)
    work(settings)
