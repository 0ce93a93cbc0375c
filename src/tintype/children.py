"""What the supervisor starts: the server process, of which the API processes are forks, and workers.

The server process loads what they need, once: they share its memory, and one that has to be started again is there at
once instead of a second later.
"""

import asyncio
import gc
import multiprocessing
import signal
from typing import TYPE_CHECKING

from tintype.adapters.parent_death import die_with_parent
from tintype.settings import Settings
from tintype.telemetry.logs import configure_logs
from tintype.web.server import serve

if TYPE_CHECKING:
    from tintype.web.app import Application


def run_api(settings: Settings, parent: int) -> None:
    """Serve until SIGTERM; `parent` is the pid of the supervisor."""
    die_with_parent(parent)

    import tintype.bootstrap.api  # noqa: F401, PLC0415 -- for the processes that will be forked; workers load it by themselves

    gc.collect()
    gc.freeze()  # a collection in a fork would write to every object, and so copy what is shared
    serve(
        "tintype.children:api_application",
        host=settings.host,
        port=settings.port,
        processes=settings.api_processes,
        certificate=settings.tls.certificate,
        key=settings.tls.key,
    )


def api_application() -> "Application":
    """Return the application of one API process, which the server process has just forked (Granian's factory)."""
    server = multiprocessing.parent_process()
    if server is not None and server.pid is not None:
        # By the pid that forked us: when that is dead already, `getppid` names whoever adopted us, with whom we would
        # live on and keep the port.
        die_with_parent(server.pid)
    # The server's own handler came along with the fork and would take a stop for done until Granian sets another.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    from tintype.bootstrap.api import api_application as built  # noqa: PLC0415 -- see `run_api`

    return built()


def run_redirect(settings: Settings, parent: int) -> None:
    """Send who comes by http to https, until SIGTERM."""
    die_with_parent(parent)

    from tintype.bootstrap.origin import https_site  # noqa: PLC0415 -- likewise
    from tintype.web.redirect import Redirect  # noqa: PLC0415 -- likewise

    redirect = Redirect(lambda host: https_site(settings, host))
    asyncio.run(redirect.serve(settings.host, settings.tls.redirect_port))


def run_worker(settings: Settings, parent: int) -> None:
    """Run jobs until SIGTERM; `parent` is the pid of the supervisor."""
    die_with_parent(parent)

    from tintype.bootstrap.worker import work  # noqa: PLC0415 -- likewise

    configure_logs(settings.log_level)
    work(settings)
