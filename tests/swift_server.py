"""A whole OpenStack Swift in one process: its proxy with the S3 API, and its account, container and object servers.

Started by `s3_server.py`; not imported by tests. Objects are kept in memory (Swift's own `mem_server`), so that it
needs no file system with extended attributes; what speaks S3, checks signatures and sums, and lists is all of Swift.
"""

import json
import sys
from pathlib import Path
from typing import Any

import eventlet

eventlet.monkey_patch(thread=False)  # before anything of Swift is loaded, as its own start-up does

from eventlet import wsgi  # noqa: E402
from swift.common import utils  # noqa: E402
from swift.common.ring import RingBuilder  # noqa: E402

from tintype.adapters.parent_death import die_with_parent  # noqa: E402

SWIFT_CONF = """
[swift-hash]
swift_hash_path_suffix = tests
[storage-policy:0]
name = only
default = yes
[swift-constraints]
max_header_size = 32768
"""

FILTERS = (
    *("catch_errors", "gatekeeper", "healthcheck", "listing_formats", "bulk", "s3api", "tempauth"),
    *("copy", "slo", "dlo", "versioned_writes", "symlink"),
)

PROXY_CONF = """
[DEFAULT]
swift_dir = {directory}
log_level = ERROR
[pipeline:main]
pipeline = {filters} proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
node_timeout = 30
# All of Swift is this one process: it may be late on a busy machine, and is never to be taken for a broken disk.
conn_timeout = 30
error_suppression_limit = 1000000
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
min_segment_size = {part}
max_upload_part_num = 10000
max_bucket_listing = 50
max_parts_listing = 3
max_multi_delete_objects = 1000
cors_preflight_allow_origin = *
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
user_test_reader = reading
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
[filter:symlink]
use = egg:swift#symlink
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
rate_limit_after_segment = 100000
[filter:dlo]
use = egg:swift#dlo
"""


class Memory:
    """What Swift keeps in memcached between requests: who somebody is, which containers there are."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def get(self, key: str, raise_on_error: bool = False) -> Any:  # noqa: ANN401, ARG002, FBT001, FBT002 -- Swift's own
        """Return what was kept."""
        return self._values.get(key)

    def set(self, key: str, value: Any, **_how: object) -> None:  # noqa: ANN401
        """Keep it, as memcached would: what comes back is another object."""
        self._values[key] = json.loads(json.dumps(value))

    def delete(self, key: str, **_how: object) -> None:
        """Forget it."""
        self._values.pop(key, None)

    def incr(self, key: str, delta: int = 1, **_how: object) -> int:
        """Count."""
        self._values[key] = int(self._values.get(key) or 0) + delta
        return int(self._values[key])


def build_ring(directory: Path, name: str, port: int) -> None:
    """Write a ring of one device."""
    builder = RingBuilder(1, 1, 1)
    builder.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": "disk", "weight": 1.0})
    builder.rebalance()
    builder.get_ring().save(str(directory / f"{name}.ring.gz"))


def serve(directory: Path, port: int) -> None:
    """Serve until killed."""
    (directory / "disk").mkdir()
    (directory / "swift.conf").write_text(SWIFT_CONF)
    proxy_conf = directory / "proxy.conf"
    proxy_conf.write_text(PROXY_CONF.format(directory=directory, part=5 * 2**20, filters=" ".join(FILTERS)))
    utils.set_swift_dir(str(directory))
    utils.validate_hash_conf()
    # Loaded now: they read the configuration when they are.
    from swift.account.server import AccountController  # noqa: PLC0415
    from swift.common.wsgi import loadapp  # noqa: PLC0415
    from swift.container.server import ContainerController  # noqa: PLC0415
    from swift.obj.mem_server import ObjectController  # noqa: PLC0415

    controllers = {"account": AccountController, "container": ContainerController, "object": ObjectController}
    conf = {"devices": str(directory), "mount_check": "false", "swift_dir": str(directory), "log_level": "ERROR"}
    for name, controller in controllers.items():
        listening = eventlet.listen(("127.0.0.1", 0))
        build_ring(directory, name, listening.getsockname()[1])
        eventlet.spawn(wsgi.server, listening, controller(conf), log_output=False)
    app = loadapp(str(proxy_conf), global_conf={"log_name": "proxy"})
    memory = Memory()

    def remembering(environ: dict[str, Any], start_response: Any) -> Any:  # noqa: ANN401 -- WSGI
        environ["swift.cache"] = memory
        return app(environ, start_response)

    wsgi.server(eventlet.listen(("127.0.0.1", port)), remembering, log_output=False)


if __name__ == "__main__":
    die_with_parent(int(sys.argv[3]))
    serve(Path(sys.argv[1]), int(sys.argv[2]))
