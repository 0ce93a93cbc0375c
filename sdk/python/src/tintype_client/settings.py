"""Which server, and who asks: as arguments say, else as the environment does."""

import os
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import Final
from urllib.parse import urlsplit

from tintype_client.core.api import Api
from tintype_client.core.retries import RetryPolicy

URL_VARIABLE: Final = "TINTYPE_URL"
KEY_VARIABLE: Final = "TINTYPE_API_KEY"


def api_of(url: str | None, api_key: str | None, retries: RetryPolicy) -> Api:
    """Return the API that is meant; `ValueError` when no server is named. An empty key is none."""
    named = url or os.environ.get(URL_VARIABLE, "")
    parts = urlsplit(named)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        shown = f"{named!r} is not the address of a server" if named else "No server is named"
        raise ValueError(f"{shown}. Pass url or set {URL_VARIABLE}, such as https://images.example.org.")
    key = os.environ.get(KEY_VARIABLE) if api_key is None else api_key
    return Api(named.rstrip("/"), key or None, retries, f"tintype-client/{_version()} python/{python_version()}")


def _version() -> str:
    try:
        return version("tintype-client")
    except PackageNotFoundError:  # run from its sources
        return "0"
