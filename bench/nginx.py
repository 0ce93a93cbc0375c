"""nginx as a peer: one worker process, sendfile, keep-alive; the same file with and without a log line per request."""

import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from serving import free_port

READY_SECONDS: Final = 10.0

_CONFIGURATION: Final = """
daemon off;
{user}
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    access_log off;
    types {{ image/jpeg jpg; }}
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {directory};
        add_header Cache-Control "public, max-age=31536000, immutable";
        location /logged/ {{ alias {directory}/; access_log {directory}/access.log; }}
    }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """A running nginx: the URL of the file, the same with a log line per request, and its worker process."""

    url: str
    logged_url: str
    worker: int


@contextmanager
def nginx_serving(directory: Path, file: bytes) -> Iterator[Nginx]:
    """Have nginx serve the file from an empty directory."""
    directory.mkdir()
    (directory / "file.jpg").write_bytes(file)
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""  # the directory may be closed to everybody else
    configuration = directory / "nginx.conf"
    configuration.write_text(_CONFIGURATION.format(directory=directory, port=port, user=user))
    process = subprocess.Popen(["nginx", "-p", directory, "-c", configuration], stderr=subprocess.DEVNULL)
    try:
        base = f"http://127.0.0.1:{port}"
        _await(f"{base}/file.jpg")
        worker = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
        yield Nginx(f"{base}/file.jpg", f"{base}/logged/file.jpg", worker)
    finally:
        process.terminate()
        process.wait()


def _await(url: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).close()  # noqa: S310 -- http, ours
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
