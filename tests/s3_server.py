"""A real S3 server for tests: OpenStack Swift, and boto3 as a client that is not ours.

Each pytest worker has one, started when a test first asks and gone with the worker; tests share it and have buckets of
their own.
"""

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import boto3
import botocore.config
import httpx
import pytest

from product import free_port
from swift_account import ACCESS_KEY, REGION, SECRET_KEY

READY_SECONDS: Final = 30.0
MEMORY: Final = "/dev/shm"  # noqa: S108 -- a file system of its own, on every Linux

_numbers = itertools.count(1)


@dataclass
class Bucket:
    """A bucket of the server, and who may do everything with it."""

    name: str
    endpoint: str
    s3: Any = field(repr=False)
    """boto3's client."""

    def url(self, prefix: str = "", **options: str) -> str:
        """Return what TINTYPE_BLOBS_URL says."""
        query = "&".join(f"{name}={value}" for name, value in {"endpoint": self.endpoint, **options}.items())
        return f"s3://{self.name}/{prefix}?{query}"

    def keys(self, prefix: str = "") -> set[str]:
        """Return every key."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return {found["Key"] for page in pages for found in page.get("Contents", ())}

    def unfinished(self) -> list[str]:
        """Return the keys of uploads in parts that are neither completed nor aborted."""
        found = self.s3.list_multipart_uploads(Bucket=self.name).get("Uploads", ())
        return [upload["Key"] for upload in found]


@dataclass
class S3Server:
    """A running server."""

    endpoint: str
    process: subprocess.Popen[bytes]

    @property
    def environment(self) -> Mapping[str, str]:
        """What a product finds its credentials in."""
        return {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}

    def bucket(self) -> Bucket:
        """Return an empty bucket."""
        bucket = Bucket(f"bucket-{next(_numbers)}", self.endpoint, self.client)
        bucket.s3.create_bucket(Bucket=bucket.name)
        return bucket

    @cached_property
    def shared_bucket(self) -> Bucket:
        """A bucket for who keeps to a prefix of their own."""
        return self.bucket()

    @cached_property
    def client(self) -> Any:  # noqa: ANN401 -- boto3 has no types
        """What may do everything."""
        return s3_client(self.endpoint)


def s3_client(endpoint: str, *, access_key: str = ACCESS_KEY, secret_key: str = SECRET_KEY) -> Any:  # noqa: ANN401 -- boto3 has no types
    """Return boto3's client of this server."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name=REGION,
        config=botocore.config.Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
    )


@contextmanager
def start_s3() -> Iterator[S3Server]:
    """Run a server for the length of the block."""
    directory = Path(tempfile.mkdtemp(dir=MEMORY if os.access(MEMORY, os.W_OK) else None, prefix="tintype-s3-"))
    port = free_port()
    program = Path(__file__).with_name("swift_server.py")
    command = [sys.executable, "-W", "ignore", str(program), str(directory), str(port), str(os.getpid())]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        endpoint = f"http://127.0.0.1:{port}"
        _wait_until_ready(endpoint, process, directory / "log")
        yield S3Server(endpoint, process)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(directory, ignore_errors=True)


def _wait_until_ready(endpoint: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            httpx.get(f"{endpoint}/healthcheck", trust_env=False).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the S3 server did not start: {log.read_text()[-4000:]}")


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """Give the server of this pytest worker."""
    with start_s3() as server:
        yield server


@pytest.fixture
def s3_bucket(s3_server: S3Server) -> Bucket:
    """Give an empty bucket."""
    return s3_server.bucket()
