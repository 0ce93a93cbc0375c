"""File systems for tests that break them: small ones, and one whose power can be cut. All of it needs root."""

import errno
import fcntl
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

FS_IOC_SHUTDOWN: Final = 0x8004587D  # _IOR('X', 125, u32), include/uapi/linux/fs.h
NO_LOG_FLUSH: Final = 2  # the journal's unwritten part is lost too, as with the power

BUSY_SECONDS: Final = 30.0
MiB: Final = 1 << 20


def ext4_image(image: Path, size: int) -> None:
    """Make a file system of so many bytes in a file."""
    with image.open("wb") as file:
        file.truncate(size)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)


@contextmanager
def mounted(source: Path, directory: Path, *options: str) -> Iterator[None]:
    """Mount a file system during the block; skip the test where nothing can be mounted."""
    outcome = subprocess.run(["mount", *options, str(source), str(directory)], check=False, capture_output=True)
    if outcome.returncode != 0:
        pytest.skip(f"nothing can be mounted here: {outcome.stderr.decode().strip()}")
    try:
        yield
    finally:
        _unmount(directory)


def _unmount(directory: Path) -> None:
    """Wait for what was killed a moment ago and still holds a file."""
    deadline = time.monotonic() + BUSY_SECONDS
    while subprocess.run(["umount", str(directory)], check=False, capture_output=True).returncode != 0:
        assert time.monotonic() < deadline, f"{directory} is still in use"
        time.sleep(0.05)


def cut_power(directory: Path) -> None:
    """Drop whatever of a file system is not on its medium yet; it answers nothing but errors until it is unmounted."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, FS_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EOPNOTSUPP):
            pytest.skip("this kernel cannot cut a file system's power")
        raise
    finally:
        os.close(descriptor)


@contextmanager
def small_disk(directory: Path, size: int) -> Iterator[Path]:
    """Give a file system of so many bytes, mounted below the directory."""
    disk = directory / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", disk], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Leave no byte free during the block."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for step in (MiB, 4096, 1):  # the last bytes of the last page, too
            _fill(file.fileno(), step)
    try:
        yield
    finally:
        filler.unlink()


def _fill(descriptor: int, step: int) -> None:
    try:
        while os.write(descriptor, bytes(step)):
            pass
    except OSError:
        return
