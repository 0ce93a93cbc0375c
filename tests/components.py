"""What tests need from the system beyond Python packages: programs of Debian, and rights.

A test says so with a mark (`@pytest.mark.chromium`), a fixture calls `require("chromium")`. What is not there skips the
test, and the reason is printed; with CI=true, where everything must be there, it fails the test instead.
`scripts/system-packages` installs what these look for.
"""

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

OLDEST_POSTGRESQL: Final = 15  # the SQL is written for it


@dataclass(frozen=True)
class Component:
    """Something of the system that may be missing."""

    needs: str  # completes "needs …"
    find: Callable[[], Path | None]  # where it is


def debian_postgresql() -> Path | None:
    """Return the folder with the server programs of the newest PostgreSQL that Debian's packages installed."""
    versions = [
        (int(binary.parts[-3]), binary.parent)
        for binary in Path("/usr/lib/postgresql").glob("*/bin/postgres")
        if binary.parts[-3].isdecimal()
    ]
    version, folder = max(versions, default=(0, None))
    return folder if version >= OLDEST_POSTGRESQL else None


def first_executable(*names: str) -> Path | None:
    """Return the first of these programs, given by name or by absolute path, that can be run."""
    # /usr/sbin holds nginx and mkfs, and is not on everybody's path.
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    found: Iterable[str | None] = (shutil.which(name, path=path) for name in names)
    return next((Path(name) for name in found if name), None)


def chromium() -> Path | None:
    """Return Debian's Chromium, provided that the Node of Playwright, which steers it, can run here too."""
    if not any(Path("/usr/lib").glob("*/libatomic.so.1")):
        return None
    return first_executable("/usr/lib/chromium/chromium-headless-shell", "chromium")


def superuser() -> Path | None:
    """Return the root folder where the tests run as root."""
    return Path("/") if os.geteuid() == 0 else None


COMPONENTS: Final = {
    "debian_postgresql": Component(f"Debian's PostgreSQL {OLDEST_POSTGRESQL} or newer", debian_postgresql),
    "chromium": Component("Debian's Chromium and libatomic1", chromium),
    "strace": Component("strace", lambda: first_executable("strace")),
    "nginx": Component("nginx", lambda: first_executable("nginx")),
    "mkfs_ext4": Component("mkfs.ext4 of e2fsprogs", lambda: first_executable("mkfs.ext4")),
    "root": Component("to be run as root", superuser),
}


def require(component: str) -> Path:
    """Return where a component is; skip the running test when it is missing, or fail it when CI=true.

    For `debian_postgresql` this is the folder of its programs, for others the program itself.
    """
    wanted = COMPONENTS[component]
    found = wanted.find()
    if found is None:
        reason = f"needs {wanted.needs}, which is missing here"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{reason}, and CI=true skips nothing", pytrace=False)
        pytest.skip(reason)
    return found
